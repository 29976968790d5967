"""Sidecar: the TOML file beside a model that declares its inputs, labels and scores.

::

    # model.toml, beside model.onnx
    name = "gender"                     # optional; the file's name otherwise
    labels = ["female", "male"]         # one a class; a single output: the negative class first
    scores = "probabilities"            # or "logits", "labels"
    output = "prob"                     # optional: which of several outputs; "prob[2]": one number of it alone
    max_batch = 64                      # optional: most inputs in one call

    [input]                             # what an ONNX file does not say itself
    size = [64, 64]                     # height, width; or one number
    channels = 3
    layout = "nchw"                     # or "nhwc"; "flat": one row of numbers a picture
    dtype = "float32"
    range = "-1..1"
    mean = [0.0]
    std = [1.0]
    resize = "bilinear"
    order = "rgb"                       # or "bgr"

    [encoding]                          # of a model of tables: the numbers that it takes for a row
    columns = [                         # in the model's order
        {name = "age", style = "standard", centre = 38.6, scale = 13.7},   # (age - centre) / scale
        {name = "job", style = "one_hot", levels = ["clerk", "cook"]},     # levels: those with a number
        {name = "hours"},                                                  # style "plain": as it is
    ]

A model with a single output is widened to two classes: a probability ``p`` becomes
``[1 - p, p]`` and a logit ``t`` becomes ``[0, t]``, so ``labels`` is [negative, positive].
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cfsearch.config.checking import Counted, words_of_fault
from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError
from cfsearch.files import read_text, reason
from cfsearch.places import is_file
from cfsearch.registry import unknown
from cfsearch.secrecy import shown

from .preprocessing import Layout, Number, Order, Preprocessing, Range, Resize
from .served.settings import ServedTable

_KINDS = {
    "logits": ScoreKind.LOGITS,
    "probabilities": ScoreKind.PROBABILITIES,
    "labels": ScoreKind.LABELS,
}
_LARGEST = 1_000_000
"""A sidecar of more bytes is none."""

Side = Annotated[int, Field(ge=1, le=65_536)]


def _square(value: object) -> object:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_number(value: object) -> object:
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


Size = Annotated[tuple[Side, Side], BeforeValidator(_square)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_one_number)]


@final
class InputTable(Counted):
    """``[input]``: as ``Preprocessing``; None where nothing is declared."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    size: Size | None = None
    channels: Literal[1, 3] | None = None
    layout: Layout | None = None
    dtype: Number | None = None
    range: Range | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    resize: Resize | None = None
    order: Order | None = None

    def over(self, base: Preprocessing) -> Preprocessing:
        """``base`` overridden by every setting that is declared here.

        Raises:
            ConfigError: the two together make no sense.
        """
        values = {
            name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None
        }
        settings: dict[str, Any] = {name: getattr(base, name) for name in type(self).model_fields} | values
        if settings["dtype"] == "uint8" and "range" not in values:
            settings["range"] = "0..255"
        return Preprocessing(**settings)


def assumed_range(declared: InputTable, taken: Preprocessing | None, *, where: str) -> str:
    """A warning that nobody declared in which range a model takes pixels; empty where it is declared.

    Args:
        declared: ``[input]`` of the sidecar.
        taken: how images are brought to the model; None for a model of tables.
        where: the sidecar that can declare it.
    """
    if taken is None or taken.dtype == "uint8" or declared.range or declared.mean or declared.std:
        return ""
    return (
        f"Its range of pixels is assumed, not declared: they are given on {taken.range}, without mean and std. Say "
        f'range = "0..1" under [input] in {where} if that is right; for a model trained on ImageNet\'s statistics '
        "mean = [0.485, 0.456, 0.406] and std = [0.229, 0.224, 0.225]."
    )


@final
class EncodedColumn(Counted):
    """One entry of ``columns`` in ``[encoding]``: how a column is given to the model.

    ``levels`` are those of a one-hot column that have a number of their own, in the model's order;
    all of the schema's when left out. A cell with another level gives zeros.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    style: Literal["plain", "standard", "one_hot"] = "plain"
    centre: float = 0.0
    scale: Annotated[float, Field(gt=0)] = 1.0
    levels: tuple[str, ...] | None = None


@final
class EncodingTable(Counted):
    """``[encoding]``: the numbers that a model takes for a row of a table, in their order."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    columns: Annotated[tuple[EncodedColumn, ...], Field(min_length=1)]


@final
class Sidecar(Counted):
    """Contents of a sidecar file; None where nothing is declared."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)] | None = None
    labels: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    scores: Literal["probabilities", "logits", "labels"] | None = None
    output: str | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    max_batch: Annotated[int, Field(ge=1, le=10**9)] | None = None
    input: InputTable = InputTable()
    encoding: EncodingTable | None = None
    served: ServedTable | None = None

    @property
    def kind(self) -> ScoreKind | None:
        """``scores`` as the contract names it."""
        return None if self.scores is None else _KINDS[self.scores]


def sidecar_of(model: Path, *, given: Path | None) -> Sidecar:
    """The given sidecar, else the one beside the model, else one that says nothing.

    Raises:
        ConfigError: the given one does not exist, or the file is wrong.
    """
    if given is not None:
        return read_sidecar(given)
    beside = sidecar_path(model)
    return read_sidecar(beside) if is_file(beside) else Sidecar()


def sidecar_at(model: str | Path, *, given: str | Path | None) -> tuple[Sidecar, str]:
    """The sidecar of a model, and where it stands or would stand.

    Args:
        model: its file.
        given: the sidecar that the user names; None for the one beside the model.

    Raises:
        ConfigError: as ``sidecar_of``.
    """
    path = Path(model)
    return sidecar_of(path, given=None if given is None else Path(given)), str(given or sidecar_path(path))


def sidecar_path(model: Path) -> Path:
    """Where the sidecar of a model is looked for: ``model.onnx`` -> ``model.toml``."""
    return model.with_suffix(".toml")


def read_sidecar(path: str | Path) -> Sidecar:
    """Read a sidecar file.

    Args:
        path: of the TOML file.

    Raises:
        ConfigError: there is no such file, it is no TOML, or a setting is unknown or wrong;
            names the line and, for an unknown setting, the nearest one.
    """
    path = Path(path)
    try:
        text = read_text(path, most=_LARGEST)
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: the sidecar cannot be read: {reason(error)}. Correct --sidecar, or leave it out."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no valid TOML: {error}.") from error
    try:
        sidecar = Sidecar.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_sentence(path, text, error)) from error
    check_distinct(sidecar.labels, where=f"{path}{_line(text, ['labels'])}: labels")
    return sidecar


def _sentence(path: Path, text: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    keys = [part for part in first["loc"] if isinstance(part, str)]
    place = f"{path}{_line(text, keys)}"
    if first["type"] == "extra_forbidden":
        table = _TABLES.get(tuple(keys[:-1]), Sidecar)
        known = list(table.model_fields)
        return f"{place}: {unknown('setting', keys[-1], known)}"
    more = error.error_count() - 1
    rest = f" ({more} more)" if more else ""
    return f"{place}: `{'.'.join(keys)}`: {words_of_fault(first)}, got {shown(first['input'])}{rest}."


_TABLES: dict[tuple[str, ...], type[BaseModel]] = {
    ("served",): ServedTable,
    ("input",): InputTable,
    ("encoding",): EncodingTable,
    ("encoding", "columns"): EncodedColumn,
}


def _line(text: str, keys: list[str]) -> str:
    """`` line 3`` where the key can be found; tomllib does not say where a key stood."""
    if not keys:
        return ""
    table = keys[0] if len(keys) > 1 else None
    name = re.compile(rf"\s*[\"']?{re.escape(keys[-1])}[\"']?\s*[=.]")
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            inside = header.group(1)
            if table is None and inside == keys[-1]:
                return f", line {number}"
        elif inside == table and name.match(line):
            return f", line {number}"
    return ""
