"""A whole ``cfsearch.toml``: read, completed with defaults, checked."""

import contextlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, final

from pydantic import ValidationError, model_validator

from cfsearch.errors import ConfigError
from cfsearch.files import read_text, reason
from cfsearch.places import is_folder
from cfsearch.secrecy import redacted_settings

from .checking import Strict, sentence
from .inputs import INPUTS, DataConfig, same_inputs
from .sections import AboutConfig, AuditConfig, GeneratorConfig, ModelConfig, RunConfig, SearchConfig

_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "--model": (".onnx", ".skops", ".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl", ".joblib", ".h5", ".keras"),
    "--data": (".csv", ".tsv", ".parquet", ".gz", ".xlsx"),
    "--images": (".png", ".jpg", ".jpeg", ".webp", ".zip"),
    "--sounds": (".wav",),
}  # fmt: skip
"""Options for what is given by its place in other commands."""
_LARGEST: Final = 16 * 2**20
_GENERATORS = {"table": "rows", "texts": "words", "sounds": "bands"}
_MODELS = {"texts": "text_cnn_polarity", "sounds": "audio_cnn_digits"}
_SEARCHES: Final = {"table": {"evaluations": 900, "population": 50, "patience": 6}}
"""Of a row, queries are what a user pays: docs/tables_peers.md says what these were measured to give."""
_SOLVERS: Final = {"bayesian": {"evaluations": 300, "population": 10}}
"""Of a solver that learns from few candidates: docs/choosing.md says what these were measured to give."""
_REFINED: Final = {"evaluations": 600, "pruning": 0.34}
"""The same beside a reference table: the last third of the generations steps towards its rows, and no more are needed."""


@final
class Config(Strict):
    """A whole ``cfsearch.toml``.

    Several models are audited side by side: ``[model] path = ["a.onnx", "b.onnx"]`` where they share all
    other settings, a table ``[[model]]`` each where they do not. The first one is ``model``, those after
    it ``further_models``.

    Example:
        >>> config = Config.check({"model": {"path": "model.onnx"}, "data": {"images": "faces"}})
        >>> config.model.path, config.search.evaluations
        ('model.onnx', 5000)
    """

    model: ModelConfig
    further_models: tuple[ModelConfig, ...] = ()
    data: DataConfig
    generator: GeneratorConfig = GeneratorConfig()
    search: SearchConfig = SearchConfig()
    audit: AuditConfig = AuditConfig()
    about: AboutConfig = AboutConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="before")
    @classmethod
    def _several_models(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if not isinstance(value, dict) or "further_models" in value:
            return value
        model = value.get("model")
        if isinstance(model, dict) and isinstance(model.get("path"), list | tuple):
            if len(model["path"]) > 1 and model.get("surrogate") is not None:
                raise ConfigError(
                    "`model.surrogate` stands for one model; with several give each a [[model]] of its own."
                )
            model = [{**model, "path": path} for path in model["path"]]
        if isinstance(model, list | tuple) and model:
            return {**value, "model": model[0], "further_models": tuple(model[1:])}
        return value

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_a_kind(cls, value: Any) -> Any:  # Any: whatever stands in the file
        """The generator of rows, texts and sounds, the budget of rows, and the shipped models of texts and sounds."""
        data = value.get("data") if isinstance(value, dict) else None
        kinds = [kind for kind in INPUTS if isinstance(data, dict) and data.get(kind) is not None]
        if len(kinds) != 1 or kinds[0] not in _GENERATORS:
            return value
        declared = value.get("generator", {})
        if isinstance(declared, dict) and "source" not in declared:
            value = {**value, "generator": {"source": _GENERATORS[kinds[0]], **declared}}
        if kinds[0] in _SEARCHES:
            refined = isinstance(data, dict) and data.get("reference") is not None
            own = {**_SEARCHES[kinds[0]], **(_REFINED if refined else {})}
            value = {**value, "search": _completed(value.get("search", {}), own)}
        model = value.get("model", {})
        if kinds[0] in _MODELS and isinstance(model, dict) and "path" not in model:
            value = {**value, "model": {"path": _MODELS[kinds[0]], **model}}
        return value

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_a_solver(cls, value: Any) -> Any:  # Any: whatever stands in the file
        """The budget of a solver that learns from few candidates; it comes before that of rows."""
        search = value.get("search") if isinstance(value, dict) else None
        defaults = _SOLVERS.get(_solver_of(search))
        return value if defaults is None else {**value, "search": _completed(search, defaults)}

    @model_validator(mode="after")
    def _critic_has_reference(self) -> Self:
        if self.search.critic is not None and (self.data.reference is None or self.data.table is None):
            raise ConfigError("`search.critic` needs a table and its training table, `data.reference`.")
        return self

    @model_validator(mode="after")
    def _seeds_are_rows(self) -> Self:
        if self.search.seed_with and self.data.table is None:
            raise ConfigError(
                "`search.seed_with` goes with a table: a picture that an explainer painted has no place in the "
                "space of a generator, so a search of images cannot begin there. Leave it out."
            )
        return self

    @model_validator(mode="after")
    def _second_generator_has_a_use(self) -> Self:
        if self.search.second_generator is None:
            return self
        if self.data.images is None:
            raise ConfigError(
                "`search.second_generator` goes with images: it edits the counterfactuals of an audit of pictures again. Leave it out."
            )
        if not self.search.genuineness:
            raise ConfigError(
                "`search.second_generator` says which members are genuine, which `search.genuineness` (--no-genuineness) "
                "switches off. Leave one of them out."
            )
        return self

    @classmethod
    def read(cls, path: str | Path, *, over: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """The settings of a TOML file.

        Args:
            path: the file.
            over: values that win over the file's, table by table (those of a command line).

        Raises:
            ConfigError: no such file, no TOML, an unknown key (with the nearest name, line and
                column), or a value out of range.
        """
        name = str(path)
        try:
            text = read_text(Path(path), most=_LARGEST)
        except FileNotFoundError as error:
            meant = _meant(Path(path)) or f"Check the path; `cfsearch init {name}` writes one."
            raise ConfigError(f"{name}: there is no such file. {meant}") from error
        except (OSError, UnicodeDecodeError) as error:
            meant = _meant(Path(path)) or "Give a file; `cfsearch init` writes one."
            raise ConfigError(f"{name}: the settings cannot be read: {reason(error)}. {meant}") from error
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{name}: not valid TOML: {error}.") from error
        return cls.check(overlaid(values, over), where=name, text=text)

    @classmethod
    def check(cls, values: dict[str, Any], *, where: str = "settings", text: str = "") -> Self:
        """The settings of a dictionary; the first fault is raised as one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(sentence(error, model=cls, where=where, text=text)) from error

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values, without those left at None and without secrets; several models are a list."""
        values = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        further = values.pop("further_models")
        values["about"] = self.about.given()
        if not values["about"]:
            del values["about"]
        return redacted_settings({**values, "model": [values["model"], *further]} if further else values)


def _meant(path: Path) -> str:
    """What to write for a model or inputs in the place of a file of settings; empty where it is neither."""
    ending = path.suffix.lower()
    option = next((name for name, endings in _ENDINGS.items() if ending in endings), None)
    if option is None and re.fullmatch(r"[\w.]+:\w+", str(path)):
        option = "--model"
    with contextlib.suppress(OSError):  # a name may be too long to be looked at
        if option is None and is_folder(path):
            option = "--images"
    if option is None:
        return ""
    return f"Settings are a file in TOML; if this is no such file, write {option} {path}."


def overlaid(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others on top; tables are joined, all else is replaced.

    Another model drops what was declared of the old one, and another kind of inputs likewise.
    """
    joined = dict(values)
    for key, value in over.items():
        below = joined.get(key)
        if key == "model" and isinstance(below, list) and isinstance(value, Mapping):
            joined[key] = value if "path" in value else [overlaid(one, value) for one in below]
            continue
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            if key == "model" and value.get("path", below.get("path")) != below.get("path"):
                below = {k: v for k, v in below.items() if k not in ("sidecar", "arch", "trust")}
            if key == "data" and not set(INPUTS).isdisjoint(value):
                below = same_inputs(below, value)
            joined[key] = overlaid(below, value)
        else:
            joined[key] = value
    return joined


def _solver_of(search: Any) -> str:  # Any: whatever stands in the file
    """The name of the solver, empty where none is given."""
    solver = search.solver if isinstance(search, SearchConfig) else None
    if isinstance(search, dict):
        solver = search.get("solver")
    if isinstance(solver, dict):
        solver = solver.get("name")
    name = getattr(solver, "name", solver)
    return name.split(":", 1)[0].strip() if isinstance(name, str) else ""


def _completed(search: Any, defaults: Mapping[str, Any]) -> Any:  # Any: whatever stands in the file
    """The settings of a search with what is left out."""
    if isinstance(search, SearchConfig):
        missing = {k: v for k, v in defaults.items() if k not in search.model_fields_set}
        return search.model_copy(update=missing)
    return {**defaults, **search} if isinstance(search, dict) else search
