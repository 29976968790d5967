"""Inputs and answers in the forms that protocols carry, and the contract of a protocol."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from .address import Address
from .messages import BadAnswerError, Json, Request
from .settings import ServedTable

if TYPE_CHECKING:
    import pandas as pd

RawArray = NDArray[Any]  # Any: servers answer in float, integer and string arrays


@final
@dataclass(frozen=True, slots=True)
class Files:
    """Pictures as the bytes of files.

    Args:
        parts: one a picture.
        mime: "image/png" or "image/jpeg".
    """

    parts: tuple[bytes, ...]
    mime: str


@final
@dataclass(frozen=True, slots=True)
class Texts:
    """Short texts.

    Args:
        parts: one an input.
    """

    parts: tuple[str, ...]


Batch: TypeAlias = "RawArray | Files | Texts | pd.DataFrame"
"""Inputs of one request: an array (pictures, numbers), files of pictures, texts, or rows with named columns."""


def size_of(batch: Batch) -> int:
    """How many inputs a batch has.

    Args:
        batch: of any form.
    """
    return len(batch.parts) if isinstance(batch, Files | Texts) else len(batch)


def part_of(batch: Batch, begin: int, end: int) -> Batch:
    """Some of the inputs of a batch.

    Args:
        batch: of any form.
        begin: the first.
        end: behind the last.
    """
    if isinstance(batch, Files):
        return Files(batch.parts[begin:end], batch.mime)
    if isinstance(batch, Texts):
        return Texts(batch.parts[begin:end])
    if isinstance(batch, np.ndarray):
        return batch[begin:end]
    return batch.iloc[begin:end]


@final
@dataclass(frozen=True, slots=True)
class Scores:
    """Scores as a server gave them.

    Args:
        values: ``(n,)`` or ``(n, w)``: numbers, or names of classes.
    """

    values: RawArray


@final
@dataclass(frozen=True, slots=True)
class Ranked:
    """The best classes of each input by name, perhaps not all of them.

    Args:
        rows: for each input the names and scores of the classes that the server named.
    """

    rows: tuple[tuple[tuple[str, float], ...], ...]


Answer: TypeAlias = Scores | Ranked


@final
@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of a served model, as its server describes it.

    Args:
        name: of it.
        dtype: "FP32", "UINT8", "BYTES"; empty where the server does not say.
        shape: -1 where free; empty where the server does not say.
    """

    name: str
    dtype: str = ""
    shape: tuple[int, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Metadata:
    """What a server says about its model.

    Args:
        name: of the model.
        version: of the model; empty where the server does not say.
        inputs: of the model.
        outputs: of the model.
        labels: names of its classes.
    """

    name: str = ""
    version: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    labels: tuple[str, ...] = ()


class Protocol(ABC):
    """How inputs become requests and responses become scores.

    Args:
        address: of the model.
        settings: ``[served]`` of the sidecar.
        output: the output that holds the scores; None where it is to be found.
    """

    def __init__(self, address: Address, settings: ServedTable, *, output: str | None) -> None:
        self.address: Final = address
        self.settings: Final = settings
        self.output = output
        self.metadata: Metadata = Metadata()
        self.labels: tuple[str, ...] = ()
        """The declared classes; empty where none are."""

    @property
    def most(self) -> int | None:
        """Most inputs that one request can hold; None where the protocol does not limit it."""
        return None

    def describe(self) -> Request | None:
        """The request for the model's description, whose ``read`` gives ``Metadata``; None where there is none."""
        return None

    @abstractmethod
    def request(self, batch: Batch) -> Request:
        """The request for scores, whose ``read`` gives an ``Answer``.

        Args:
            batch: the inputs.

        Raises:
            ConfigError: the protocol cannot carry such inputs.
        """


@final
@dataclass(frozen=True, slots=True)
class Named:
    """Outputs of a model by name, of which one holds the scores."""

    outputs: dict[str, RawArray] = field(default_factory=dict)

    def scores(self, wanted: str | None) -> Scores:
        """The scores among the outputs.

        Args:
            wanted: the output that the user names; None looks for the only one, or one whose name says so.

        Raises:
            BadAnswerError: there is no such output, or it is not clear which it is.
        """
        names = list(self.outputs)
        if wanted is not None:
            if wanted not in self.outputs:
                raise BadAnswerError(
                    f"has no output {wanted!r} (it has {', '.join(map(repr, names)) or 'none'}). Correct `output` in the "
                    "sidecar."
                )
            return Scores(self.outputs[wanted])
        telling = [name for name in _TELLING if name in self.outputs]
        if len(names) == 1 or telling:
            return Scores(self.outputs[telling[0] if telling else names[0]])
        raise BadAnswerError(
            f"has the outputs {', '.join(map(repr, names)) or 'none'}, and it is not clear which holds the scores. "
            "Name it: output = ... in the sidecar."
        )


_TELLING: Final = (
    "predict_proba",
    "probabilities",
    "probability",
    "output_probability",
    "probs",
    "logits",
    "scores",
)


def array_of(values: Json, *, what: str) -> RawArray:
    """A JSON list as an array of numbers or of names.

    Args:
        values: what a server answered.
        what: it is, for messages.

    Raises:
        BadAnswerError: it is no list of one kind of values, or ragged.
    """
    if not isinstance(values, list) or not values:
        raise BadAnswerError(f"answered {shown(values)} where {what} were expected.")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadAnswerError(f"answered {what} of unequal length or kind: {shown(values)}.") from error
    if array.dtype.kind not in "fiubU":
        raise BadAnswerError(
            f"answered {shown(values)} where {what} were expected (a missing value, an object?)."
        )
    return array


def rows_counted(array: RawArray, n: int) -> RawArray:
    """The array, of which the first dimension must be the inputs.

    Args:
        array: of an answer.
        n: inputs of the request.

    Raises:
        BadAnswerError: there are more or fewer.
    """
    if array.ndim == 0 or len(array) != n:
        have = "one number" if array.ndim == 0 else f"{len(array)} rows"
        raise BadAnswerError(f"answered {have} of scores to {n} inputs.")
    return array


_NO_CLASSES: Final = frozenset(
    (
        *("id", "index", "label", "class", "prediction", "predictions", "predicted", "predict"),
        *("score", "scores", "probability", "probabilities", "probs", "prob", "logit", "logits"),
        *("confidence", "threshold", "latency"),
    )
)
"""Keys that name parts of an answer and no classes, unless a declared label is called so."""


def ranked_of(
    rows: Sequence[Json], *, label: Sequence[str] = ("label", "class", "name"), labels: Sequence[str] = ()
) -> Ranked:
    """Answers that name their classes: ``[{"label": ..., "score": ...}]`` or ``{label: score}`` for each input.

    Args:
        rows: one an input.
        label: keys under which a name may stand.
        labels: the declared classes, which may be called as parts of an answer are.

    Raises:
        BadAnswerError: they are something else, or the keys of an object are parts of an answer.
    """
    made: list[tuple[tuple[str, float], ...]] = []
    for row in rows:
        pairs: list[tuple[object, object]]
        if isinstance(row, dict):
            pairs = list(row.items())
            strange = [key for key in row if key.lower() in _NO_CLASSES and key not in labels]
            if strange:
                raise BadAnswerError(
                    f"answered {shown(row)}, where {strange[0]!r} is no class. Name the entry that holds the scores: "
                    "output = ... in the sidecar."
                )
        elif isinstance(row, list) and row and all(isinstance(one, dict) for one in row):
            pairs = [
                (
                    next((one[key] for key in label if key in one), None),
                    one.get("score", one.get("probability")),
                )
                for one in row
            ]
        else:
            raise BadAnswerError(f"answered {shown(row)} where classes with scores were expected.")
        names = [name for name, _ in pairs]
        if len(set(map(str, names))) != len(names):
            raise BadAnswerError(f"named a class twice: {shown(row)}.")
        checked: list[tuple[str, float]] = []
        for name, score in pairs:
            if name is None or isinstance(score, bool) or not isinstance(score, int | float):
                raise BadAnswerError(f"answered {shown(row)} where classes with scores were expected.")
            checked.append((str(name), float(score)))
        made.append(tuple(checked))
    return Ranked(tuple(made))


def is_ranked(value: Json) -> bool:
    """Whether an answer to one input names its classes.

    Args:
        value: the answer.
    """
    if isinstance(value, list):
        return bool(value) and all(
            isinstance(one, dict) and ("score" in one or "probability" in one) for one in value
        )
    return (
        isinstance(value, dict)
        and len(value) > 1
        and all(isinstance(score, int | float) and not isinstance(score, bool) for score in value.values())
    )


def shown(value: Json, *, most: int = 80) -> str:
    """A value in a message, shortened.

    Args:
        value: what came.
        most: letters.
    """
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def plain_cell(value: object) -> object:
    """A cell of a data frame as a JSON value; a missing one as None.

    Args:
        value: of any type that pandas holds.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return None if str(value) in ("<NA>", "NaT") else str(value)
