"""What a user writes: TOML read into checked settings."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cfsearch.errors import ConfigError

Setting = bool | int | float | str | list[Any]  # Any: TOML arrays nest


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


@final
class PluginConfig(_Strict):
    """A plug-in by name, with its settings: ``"intensity"`` or ``{name = "intensity", norm = "l1"}``."""

    name: str
    settings: dict[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if isinstance(value, str):
            return parse_plugin(value)
        if isinstance(value, dict) and "settings" not in value and "name" in value:
            return {"name": value["name"], "settings": {k: v for k, v in value.items() if k != "name"}}
        return value


@final
class ModelConfig(_Strict):
    """The audited model.

    Args:
        path: ``model.onnx``, ``weights.safetensors``, ``pkg.mod:predict`` or ``plugin:NAME``.
        sidecar: the TOML that says labels and preprocessing; beside the model when left out.
        arch: ``pkg.mod:build`` for a file of weights.
        votes: for a model that gives labels only, how often each candidate is asked.
        sigma: standard deviation of the perturbations of these votes, on [0, 1].
    """

    path: str
    sidecar: str | None = None
    arch: str | None = None
    votes: int = Field(default=16, ge=2, le=1024)
    sigma: float = Field(default=0.05, gt=0.0, le=1.0)


@final
class GeneratorConfig(_Strict):
    """The generator: a file, a shipped checkpoint (``faces64``) or a plug-in's name."""

    source: str = "pixels"
    settings: dict[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if isinstance(value, str) and not Path(value).exists():
            parsed = parse_plugin(value)
            return {"source": parsed["name"], "settings": parsed["settings"]}
        return {"source": value} if isinstance(value, str) else value


@final
class SearchConfig(_Strict):
    """How each instance is searched; the meaning of each stands with ``cfsearch.Search``."""

    solver: PluginConfig = PluginConfig(name="nsga2")
    objectives: tuple[PluginConfig, ...] = ()
    constraints: tuple[PluginConfig, ...] = ()
    evaluations: int = 5000
    population: int = 100
    capacity: int = 100
    pruning: float = Field(default=0.15, ge=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0)
    target: str | None = None
    immutable: tuple[str, ...] = ()
    reference_point: tuple[float, ...] | None = None

    @field_validator("evaluations", "population", "capacity")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value < 1:
            raise ValueError(f"must be a whole number of at least 1, got {value}")
        return value


@final
class DataConfig(_Strict):
    """Which inputs: a file, folder or zip of images; and reference images for the classes."""

    images: str
    recursive: bool = False
    limit: int | None = Field(default=None, ge=1)
    reference: str | None = None


@final
class RunConfig(_Strict):
    """Where and how it runs; changes no result on a CPU."""

    device: str = "cpu"
    lockstep: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)


@final
class Config(_Strict):
    """A whole ``cfsearch.toml``."""

    model: ModelConfig
    data: DataConfig
    generator: GeneratorConfig = GeneratorConfig()
    search: SearchConfig = SearchConfig()
    run: RunConfig = RunConfig()

    @classmethod
    def read(cls, path: str | Path, *, over: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """The settings of a TOML file.

        Args:
            over: values that win over the file's, table by table (those of a command line).

        Raises:
            ConfigError: no such file, no TOML, an unknown key (with the nearest name, line and
                column), or a value out of range.
        """
        name = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: cannot be read: {error}.") from error
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{name}: not valid TOML: {error}.") from error
        return cls.check(overlaid(values, over), where=name, text=text)

    @classmethod
    def check(cls, values: dict[str, Any], *, where: str = "settings", text: str = "") -> Self:
        """The settings of a dictionary; the first fault is raised as one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(_sentence(error, cls, where, text)) from error

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values, without those left at None."""
        return self.model_dump(mode="json", exclude_none=True)


def overlaid(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others on top; tables are joined, all else is replaced.

    Another model drops what was said about the old one.
    """
    joined = dict(values)
    for key, value in over.items():
        below = joined.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            if key == "model" and value.get("path", below.get("path")) != below.get("path"):
                below = {k: v for k, v in below.items() if k not in ("sidecar", "arch")}
            joined[key] = overlaid(below, value)
        else:
            joined[key] = value
    return joined


def parse_plugin(text: str) -> dict[str, Any]:
    """``name`` or ``name:key=value,key=value``; values are TOML, or else text.

    Raises:
        ConfigError: a setting without "=" or without a name.
    """
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in _split(rest):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{text!r}: settings are written as name:key=value,key=value; {part!r} is not.")
        try:
            settings[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = value.strip()
    return {"name": name.strip(), "settings": settings}


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets and quotes."""
    parts, depth, quote, current = [], 0, "", ""
    for letter in text:
        if letter in "\"'":
            quote = "" if letter == quote else quote or letter
        elif not quote:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in (*parts, current) if part.strip()]


def _sentence(error: ValidationError, model: type[BaseModel], where: str, text: str) -> str:
    fault = error.errors()[0]
    path = [str(part) for part in fault["loc"]]
    dotted = ".".join(path)
    if fault["type"] == "extra_forbidden":
        known = _fields(model, path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        section = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
        return (
            f"{where}{_position(text, path[-1])}: unknown setting `{path[-1]}`{section} "
            f"(it takes: {', '.join(known)}).{hint}"
        )
    if fault["type"] == "missing":
        return f"{where}: the setting `{dotted}` is missing."
    context = fault.get("ctx", {})
    if isinstance(context.get("error"), ConfigError):
        return f"{where}: {context['error']}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}{_position(text, path[-1]) if path else ''}: `{dotted}`: {message}."


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _position(text: str, key: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        column = line.find(key)
        if column >= 0 and line[:column].strip() in ("", '"', "[", "[["):
            return f", line {number}, column {column + 1}"
    return ""
