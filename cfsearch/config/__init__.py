"""What a user writes: TOML read into checked settings."""

from .file import Config, overlaid
from .inputs import INPUTS, DataConfig
from .plugins import PluginConfig, Setting, parse_plugin
from .sections import AboutConfig, AuditConfig, GeneratorConfig, ModelConfig, RunConfig, SearchConfig

__all__ = [
    "INPUTS",
    "AboutConfig",
    "AuditConfig",
    "Config",
    "DataConfig",
    "GeneratorConfig",
    "ModelConfig",
    "PluginConfig",
    "RunConfig",
    "SearchConfig",
    "Setting",
    "overlaid",
    "parse_plugin",
]
