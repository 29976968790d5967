"""What a user writes: TOML read into checked settings."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cfsearch.errors import ConfigError
from cfsearch.registry import PluginKind, installed

if TYPE_CHECKING:
    from cfsearch.contracts.modality import Modality

Setting = bool | int | float | str | list[Any]  # Any: TOML arrays nest


class _Strict(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, validate_default=True)


@final
class PluginConfig(_Strict):
    """A plug-in by name, with its settings: ``"intensity"`` or ``{name = "intensity", norm = "l1"}``.

    The name is that of an installed plug-in or the path of a class, ``"package.module:Class"``.
    """

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
        path: ``model.onnx``, ``weights.safetensors``, ``pkg.mod:predict`` or ``plugin:NAME``; of
            tables also ``model.skops``. Of texts and sounds the shipped model when left out.
        sidecar: the TOML that says labels and preprocessing; beside the model when left out.
        arch: ``pkg.mod:build`` for a file of weights.
        votes: for a model that gives labels only, how often each candidate is queried.
        sigma: standard deviation of the perturbations of these votes, on [0, 1].
        trust: types in a skops file, besides skops' own list, that are known and let in.
        trust_model: ``sha256:...`` of a file that may run code when it is loaded: a pickle, joblib, TorchScript,
            ``torch.export``, or a skops file with whatever types.
        surrogate: a file of ``cfsearch distill``, which is queried about candidates instead of the
            model; what is stored is verified with the model all the same.
    """

    path: str
    sidecar: str | None = None
    arch: str | None = None
    votes: int = Field(default=16, ge=2, le=1024)
    sigma: float = Field(default=0.05, gt=0.0, le=1.0)
    trust: tuple[str, ...] | None = None
    trust_model: str | None = None
    surrogate: str | None = None

    @field_validator("trust_model")
    @classmethod
    def _a_hash(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", value):
            raise ValueError(f"expected sha256: and 64 hexadecimal digits, got {value[:80]!r}")
        return value


@final
class GeneratorConfig(_Strict):
    """The generator: a file, a shipped checkpoint (``faces64``) or a plug-in's name.

    Left out, ``pixels`` for images, ``rows`` for a table, ``words`` for texts and ``bands`` for sounds.
    """

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
    """How each instance is searched; the meaning of each stands with ``cfsearch.Search``.

    ``critic`` says how plausible a row is, against the reference table: "density" (nearness of its
    rows, the default) or "trained" (a network that tells them from broken ones). ``seed_with`` names
    explainers whose counterfactuals stand in the first population, and "nearest" (the nearest rows of the target class
    as the model decides them, the default with a reference table; an empty list or "none" for no seeds); of rows only. ``genuineness``: whether
    an audit through a generator of attributes measures which counterfactuals are the generator's own doing
    (``cfsearch.audits.genuineness``). ``answers``: how many members, different from each other, are shown first.

    Of a table, ``evaluations`` are 900, ``population`` 50 and ``patience`` 6 when left out.
    """

    solver: PluginConfig = PluginConfig(name="nsga2")
    objectives: tuple[PluginConfig, ...] = ()
    constraints: tuple[PluginConfig, ...] = ()
    evaluations: int = 5000
    population: int = 100
    capacity: int = 100
    pruning: float = Field(default=0.15, ge=0.0, lt=1.0)
    patience: int = Field(default=0, ge=0)
    max_queries: int | None = None
    max_time: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    target: str | None = None
    immutable: tuple[str, ...] = ()
    reference_point: tuple[float, ...] | None = None
    critic: Literal["density", "trained"] | None = None
    seed_with: tuple[PluginConfig, ...] | None = None
    genuineness: bool = True
    answers: int = Field(default=4, ge=1)

    @field_validator("seed_with")
    @classmethod
    def _none(cls, value: tuple[PluginConfig, ...] | None) -> tuple[PluginConfig, ...] | None:
        names = [plugin.name for plugin in value or ()]
        if "none" in names and len(names) > 1:
            raise ValueError(f"'none' stands alone, got {', '.join(names)}")
        return () if names == ["none"] else value

    @field_validator("evaluations", "population", "capacity", "max_queries")
    @classmethod
    def _positive(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"must be a whole number of at least 1, got {value}")
        return value


@final
class DataConfig(_Strict):
    """Which inputs: images, or rows of a table; and reference inputs of the same form.

    Args:
        images: a file, folder or zip.
        recursive: whether sub-folders are looked into.
        attributes: a table of what each image shows, CSV or CelebA's ``list_attr_celeba.txt``; the
            generator is given instead of estimating it. CelebA in its official layout has its own.
        split: the part of CelebA in its official layout, test by default.
        by: attributes of that table by which the audit's figures are compared; of rows, columns of
            ``table``, also such as the model does not take.
        texts: a file of one text a line or a ``.csv`` table, or the texts themselves as a list.
        column: of a table of texts; ``text``, or its only column, when left out.
        sounds: a wave file, or a folder or zip of them, or a list of these.
        table: a CSV file with a header.
        schema: what its columns mean, a TOML file; ``applicants.schema.toml`` beside
            ``applicants.csv`` when left out, else guessed from the reference table or the table.
        rows: these rows alone, counted from 0 below the header.
        where: rows with these cells alone, each ``COLUMN=VALUE``.
        label: the column with the true class, which is no input; only where the schema is guessed.
        encoding: of the table's text, as Python names it; found out when left out.
        delimiter: between the table's cells; found out when left out.
        limit: at most so many inputs, the first ones.
        reference: images, or the training table: they stand for the classes and for what is
            plausible.
    """

    images: str | None = None
    recursive: bool = False
    attributes: str | None = None
    split: Literal["train", "valid", "test", "all"] | None = None
    by: tuple[str, ...] | None = None
    texts: str | tuple[str, ...] | None = None
    column: str | None = None
    sounds: str | tuple[str, ...] | None = None
    table: str | None = None
    schema_file: str | None = Field(default=None, alias="schema")
    rows: tuple[int, ...] | None = None
    where: tuple[str, ...] | None = None
    label: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    limit: int | None = Field(default=None, ge=1)
    reference: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in INPUTS if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            missing = "the setting `data.images` is missing (or `data.table` for rows, `data.texts`, `data.sounds`)."
            both = f"give one of {', '.join(f'`data.{name}`' for name in given)}."
            raise ConfigError(both if given else missing)
        own = {"images": _OF_IMAGES, "table": _OF_A_TABLE, "texts": _OF_TEXTS}
        for kind, settings in own.items():
            odd = [name for name in settings if getattr(self, _FIELDS.get(name, name)) is not None]
            if kind != given[0] and odd:
                other = {"images": "images", "table": "a table"}.get(given[0], given[0])
                raise ConfigError(f"`data.{odd[0]}` goes with `data.{kind}`, not with {other}.")
        if self.by and given[0] in ("texts", "sounds"):
            raise ConfigError(f"`data.by` goes with images or a table, not with {given[0]}. Leave it out.")
        if self.schema_file is not None and self.label is not None:
            raise ConfigError(
                "`data.label` goes with a guessed schema; a schema file names its own [target]."
            )
        return self

    @property
    def image_path(self) -> str:
        """Where the images are; only where inputs are images."""
        return self.images or ""

    @property
    def modality(self) -> "Modality":
        """What kind of input it names."""
        from cfsearch.contracts.modality import PICTURES, ROWS, SOUNDS, TEXTS  # lazy: torch is slow to import

        named = ((self.table, ROWS), (self.texts, TEXTS), (self.sounds, SOUNDS))
        return next((modality for inputs, modality in named if inputs is not None), PICTURES)

    @property
    def noun(self) -> str:
        """What one input is called: image, row, text or recording."""
        return self.modality.noun


@final
class RunConfig(_Strict):
    """Where and how it runs; changes no result on a CPU.

    Args:
        device: "cpu", "cuda" or "cuda:1".
        batch_size: inputs searched together.
        threads: of torch and of an ONNX model.
        isolate: whether the model lives in a process of its own; when left out, from the command line.
        deadline: seconds that one call of the model may take; five minutes of an isolated one when left out.
        memory: GiB that an isolated model may take; nine tenths of the machine's when left out.
    """

    device: str = "cpu"
    batch_size: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1)
    isolate: bool | None = None
    deadline: float | None = Field(default=None, gt=0.0, le=1e6)
    memory: float | None = Field(default=None, gt=0.0, le=1e6)


@final
class AuditConfig(_Strict):
    """What an audit reports on; changes no search.

    Args:
        protected: attributes whose effects matter most: they stand first in every result.
        practical: the size in logits from which an effect matters.
    """

    protected: tuple[str, ...] = ()
    practical: float = Field(default=0.25, gt=0.0)


@final
class AboutConfig(_Strict):
    """What a reader of the audit must know and no program can find out; changes no result.

    Args:
        who: the person or body that made the audit.
        why: what it is for.
        data_source: where the inputs come from.
        data_date: of when they are.
        remarks: anything else.
    """

    who: str = ""
    why: str = ""
    data_source: str = ""
    data_date: str = ""
    remarks: str = ""

    @field_validator("data_date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value

    def given(self) -> dict[str, str]:
        """What was filled in."""
        return {name: text for name, text in self.model_dump().items() if text.strip()}


@final
class Config(_Strict):
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
            value = {**value, "search": _completed(value.get("search", {}), _SEARCHES[kinds[0]])}
        model = value.get("model", {})
        if kinds[0] in _MODELS and isinstance(model, dict) and "path" not in model:
            value = {**value, "model": {"path": _MODELS[kinds[0]], **model}}
        return value

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
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise ConfigError(
                f"{name}: there is no such file. Check the path; `cfsearch init {name}` writes one."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: cannot be read: {error}.") from error
        try:
            values = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
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
        """All settings as plain values, without those left at None; several models are a list."""
        values = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        further = values.pop("further_models")
        values["about"] = self.about.given()
        if not values["about"]:
            del values["about"]
        return {**values, "model": [values["model"], *further]} if further else values


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
                below = _same_inputs(below, value)
            joined[key] = overlaid(below, value)
        else:
            joined[key] = value
    return joined


INPUTS = ("images", "table", "texts", "sounds")
"""The settings of ``[data]`` of which one names the inputs."""
_GENERATORS = {"table": "rows", "texts": "words", "sounds": "bands"}
_MODELS = {"texts": "text_cnn_polarity", "sounds": "audio_cnn_digits"}
_SEARCHES: Final = {"table": {"evaluations": 900, "population": 50, "patience": 6}}
"""Of a row, queries are what a user pays: docs/tables_peers.md says what these were measured to give."""
_OF_A_TABLE = ("schema", "rows", "where", "label", "encoding", "delimiter")
_OF_IMAGES = ("attributes", "split")
_OF_TEXTS = ("column",)
_FIELDS: Final[Mapping[str, str]] = {"schema": "schema_file"}


def _completed(search: Any, defaults: Mapping[str, Any]) -> Any:  # Any: whatever stands in the file
    """The settings of a search with what is left out."""
    if isinstance(search, SearchConfig):
        missing = {k: v for k, v in defaults.items() if k not in search.model_fields_set}
        return search.model_copy(update=missing)
    return {**defaults, **search} if isinstance(search, dict) else search


def _same_inputs(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of the inputs, as far as it still holds for those of the command line."""
    gone: set[str] = set()
    for kind, own in (("table", _OF_A_TABLE), ("images", _OF_IMAGES), ("texts", _OF_TEXTS)):
        if kind not in over or over[kind] != below.get(kind):
            gone |= set(own)
    kind = next(kind for kind in INPUTS if kind in over)
    if over[kind] != below.get(kind):
        gone.add("by")
    gone |= set(INPUTS) - {kind}
    return {k: v for k, v in below.items() if k not in gone}


_PATH: Final = re.compile(
    r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::(.*))?", re.DOTALL
)
_KINDS: Final[tuple[PluginKind, ...]] = ("constraints", "explainers", "generators", "objectives", "solvers")


def parse_plugin(text: str) -> dict[str, Any]:
    """``name`` or ``name:key=value,key=value``; values are TOML, or else text.

    A class or function of one's own is named by its path: ``package.module:Class``, with settings
    ``package.module:Class:key=value``; an algorithm of a family likewise, ``pymoo:rvea.RVEA:alpha=3``.

    Args:
        text: what stands on the command line or in the file.

    Raises:
        ConfigError: a setting without "=" or without a name.
    """
    name, colon, rest = text.partition(":")
    path = _PATH.fullmatch(text.strip())
    if colon and name.strip() in installed("solver_families"):
        member, _, rest = rest.partition(":")
        name = f"{name.strip()}:{member.strip()}"
    elif path is not None and not any(name in installed(kind) for kind in _KINDS):
        name, rest = path[1], path[2] or ""
    settings: dict[str, Any] = {}
    for part in _split(rest):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"{text!r}: settings are written as name:key=value,key=value; {part!r} is not. A class of your "
                "own is named package.module:Class."
            )
        try:
            settings[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except (tomllib.TOMLDecodeError, RecursionError):
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
    faults = error.errors()
    # a misspelt table is also a missing one: the name that was written comes first
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
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
        return f"{where}: the setting `{dotted}` is missing. `cfsearch init` writes a file that shows all."
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
    return [field.alias or name for name, field in model.model_fields.items()]


def _position(text: str, key: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        column = line.find(key)
        if column >= 0 and line[:column].strip() in ("", '"', "[", "[["):
            return f", line {number}, column {column + 1}"
    return ""
