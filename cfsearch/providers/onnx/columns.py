"""ONNX models of tables with one input a column: conversion and provider.

Numbers go in as float, double, int64 or bool, levels as text, or as the numbers that they are. Which
column an input means stands in ``onnx_inputs``.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Encoding,
    Missing,
    TableSchema,
    frame_of,
    is_absent,
    truth_of,
    values_of_levels,
)
from cfsearch.errors import ConfigError, DataError, ModelFileError, ShapeError
from cfsearch.providers.answers import RawArray
from cfsearch.providers.batch_invariance import in_blocks, tried_block
from cfsearch.providers.exact_casts import WHOLE_NUMBERS, cast_exactly
from cfsearch.providers.tabular import TabularProvider
from cfsearch.registry import unknown

from .inputs import Arg, columns_of, is_column

if TYPE_CHECKING:
    import pandas as pd

    from .provider import OnnxProvider

_TEXT: Final = "tensor(string)"
_TYPES: Final = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    _TEXT: "object",
}
_TRUTH: Final = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
_SHOWN: Final = 8


@final
@dataclass(frozen=True, slots=True, eq=False)
class ColumnInput:
    """One input: which column it is given, and how.

    Args:
        name: of the input.
        place: of its column in the schema.
        type: of its elements, as onnxruntime calls it.
        flat: whether its shape is ``(n,)`` instead of ``(n, 1)``.
        numbers: of a column of levels that is given as numbers, the one for each level.
    """

    name: str
    place: int
    type: str
    flat: bool
    numbers: Float[np.ndarray, " levels"] | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class ColumnInputs:
    """Conversion of canonical rows to the inputs of a model, one a column.

    Args:
        schema: what the columns of a row mean.
        inputs: in the order of the graph.
        batch: how many rows it takes at once where that is fixed.
    """

    schema: TableSchema
    inputs: tuple[ColumnInput, ...]
    batch: int | None

    @classmethod
    def of(cls, path: Path, inputs: Sequence[Arg], *, schema: TableSchema) -> Self:
        """The inputs of a model matched to the columns of a schema.

        Raises:
            ModelFileError: an input is no column, or of a type that no column has.
            ConfigError: inputs and columns do not match, or a column does not fit its input's type.
            DataError: a column may lack numbers, and its input's type has no missing one.
        """
        for entry in inputs:
            if entry.type not in _TYPES:
                raise ModelFileError(
                    f"{path}: its input {entry.name!r} is of type {entry.type}, expected one of {', '.join(_TYPES)}. "
                    "Export it with such inputs."
                )
            if not is_column(entry):
                raise ModelFileError(
                    f"{path}: has {len(inputs)} inputs, and {entry.name!r} has shape {list(entry.shape)}, expected "
                    "(n, 1) or (n): one input a column. Export it with one for each, or with a single one for all."
                )
        who = str(path)
        names = columns_of(inputs, schema.names, who=who)
        for entry, name in zip(inputs, names, strict=True):
            if name is None:
                rest = [n for n in schema.names if n not in names]
                raise ConfigError(
                    f"{path}: takes the input {entry.name!r}, which is no column of the table: "
                    f"{unknown('column', entry.name, rest or list(schema.names))}"
                )
        taken = frozenset(names)
        extra = [name for name in schema.names if name not in taken]
        if extra:
            raise ConfigError(
                f"{path}: takes {len(inputs)} columns ({_listed(inputs)}), and {extra[0]!r} of the table is none of "
                "them. List it under `ignore` in the schema."
            )
        sizes = {first for entry in inputs if isinstance(first := entry.shape[0], int) and first > 0}
        if len(sizes) > 1:
            raise ModelFileError(
                f"{path}: its inputs take different numbers of rows at once ({', '.join(map(str, sorted(sizes)))}). "
                "Export it with a free first dimension."
            )
        places = {name: place for place, name in enumerate(schema.names)}
        made = tuple(
            _fitted(path, entry, schema.column(str(name)), place=places[str(name)])
            for entry, name in zip(inputs, names, strict=True)
        )
        return cls(schema, made, next(iter(sizes), None))

    @property
    def fingerprint(self) -> str:
        """A hash of which column goes where, and of what its levels become."""
        columns = [(c.name, c.kind.value, c.levels) for c in self.schema.columns]
        inputs = [
            (i.name, i.place, i.type, None if i.numbers is None else i.numbers.tolist()) for i in self.inputs
        ]
        return hashlib.sha256(f"{columns}:{inputs}".encode()).hexdigest()

    def feeds(self, x: Float[Tensor, "n d"]) -> dict[str, RawArray]:
        """What the model is given for rows, by the name of the input.

        Raises:
            DataError: a code is none of its column's levels, or a number does not fit the input's type.
            MissingExtraError: pandas is not installed (extra ``tables``).
        """
        frame = frame_of(x, schema=self.schema)
        given: dict[str, RawArray] = {}
        for taken in self.inputs:
            name = self.schema.names[taken.place]
            values: RawArray = frame[name].to_numpy()
            if taken.numbers is not None:
                codes = x[:, taken.place].detach().cpu().double().numpy()
                values = taken.numbers[np.rint(codes).astype(np.int64)]
            elif taken.type == _TEXT:
                codes = x[:, taken.place].detach().cpu().double().numpy()
                column = self.schema.column(name)
                if column.has_levels:
                    values = _level_texts(column)[np.rint(codes).astype(np.int64)]
                else:
                    values = _texts(codes, column)
            ready = _typed(values, _TYPES[taken.type], name=name)
            given[taken.name] = ready if taken.flat else ready[:, None]
        return given

    def feeds_of_frame(self, frame: "pd.DataFrame") -> dict[str, RawArray] | None:
        """What the model is given for rows as pandas reads them from a file.

        Args:
            frame: the columns of the schema.

        Returns:
            None where a column of texts goes to an input of numbers, which only a schema can say how.
        """
        given: dict[str, RawArray] = {}
        for taken in self.inputs:
            name = self.schema.names[taken.place]
            values: RawArray = frame[name].to_numpy()
            if taken.type == _TEXT:
                values = _texts(values, self.schema.column(name))
            elif values.dtype.kind not in "biuf":
                return None
            ready = _typed(values, _TYPES[taken.type], name=name)
            given[taken.name] = ready if taken.flat else ready[:, None]
        return given


@final
class ColumnProvider(TabularProvider):
    """A model that takes one input a column, and can only be queried.

    Args:
        inner: the model on rows with levels as their index.
        schema: what their columns mean.
        by_row: whether the model is known to keep rows apart (``OnnxProvider.by_row``). It is then queried
            in blocks of one size, if answers are seen not to hang on places in them.
    """

    def __init__(self, inner: "OnnxProvider", *, schema: TableSchema, by_row: bool = False) -> None:
        self.inner: Final = inner
        self.name: str = inner.name
        self.labels: tuple[str, ...] = inner.labels
        self.scores: ScoreKind = inner.scores
        self.max_batch: int = inner.max_batch
        self.schema: TableSchema = schema
        self.encoding: Encoding = Encoding.ranged(schema)
        tried = by_row and self.scores is not ScoreKind.LABELS  # labels are voted on, which is never row-wise
        self._block: Final = tried_block(schema, most=self.max_batch, ask=inner.predict) if tried else 0

    @property
    def batch_invariant(self) -> bool:
        """True of trees, linear models and dense networks on the CPU, queried in blocks of one size."""
        return self._block > 0

    @property
    def fingerprint(self) -> str:
        """The model, and which column goes where."""
        return self.inner.fingerprint

    @property
    def note(self) -> str:
        """What was found out instead of declared."""
        return self.inner.note

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows as pandas reads them; see ``TabularProvider``."""
        return self.inner.predict_frame(frame)

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's answer for each row; see ``Provider``."""
        if x.ndim != 2 or x.shape[1] != self.schema.d:
            raise ShapeError(
                f"{self.name}: expected rows of shape (n, {self.schema.d}), got {tuple(x.shape)}."
            )
        ask = self.inner.predict
        answer = in_blocks(x.double(), block=self._block, ask=ask) if self._block else ask(x.double())
        return answer.to(x.dtype if x.is_floating_point() else torch.float32)


def _level_texts(column: Column) -> RawArray:
    """Each level as text: its name, of truth values and of a declared ``dtype`` what Python makes of it."""
    values = values_of_levels(column)
    if column.dtype or values.dtype == bool:
        return _texts(values, column)
    return np.array(column.levels, dtype=object)


def _texts(values: RawArray, column: Column) -> RawArray:
    """Cells as texts, codes with all digits; of a missing one the name of the level that stands for it."""
    if column.digits:
        made = [value if isinstance(value, str) else column.text(float(value)) for value in values.tolist()]
        return np.array(made, dtype=object)
    made = [column.levels[-1] if is_absent(value) else str(value) for value in values.tolist()]
    return np.array(made, dtype=object)


def _listed(inputs: Sequence[Arg]) -> str:
    more = f" and {len(inputs) - _SHOWN} more" if len(inputs) > _SHOWN else ""
    return ", ".join(entry.name for entry in inputs[:_SHOWN]) + more


def _fitted(path: Path, entry: Arg, column: Column, *, place: int) -> ColumnInput:
    """An input with its column, which must be of its type."""
    kind = _TYPES[entry.type]
    numbers: NDArray[np.float64] | None = None
    start = f"{path}: its input {entry.name!r} takes"
    if entry.type == _TEXT:
        if not column.has_levels and not column.digits:
            raise ConfigError(
                f"{start} text, but the column {column.name!r} is of numbers ({column.kind.value}). Set kind = "
                "'categorical' and its `levels` in the schema (`cfsearch schema table` with --categorical)."
            )
    elif column.has_levels:
        missing = column.levels[-1] if column.missing is Missing.LEVEL else None
        read = _truth if kind == "bool" else _whole if kind.startswith("int") else _number
        found = [read(level, absent=level == missing) for level in column.levels]
        wrong = [level for level, number in zip(column.levels, found, strict=True) if number is None]
        if wrong:
            what = {"bool": "true or false", "int64": "whole numbers", "int32": "whole numbers"}
            raise ConfigError(
                f"{start} {what.get(kind, 'numbers')} ({entry.type}), but {wrong[0]!r} is a level of the column "
                f"{column.name!r}. Correct `levels` in the schema, or export the model with text for this input."
            )
        numbers = np.array(found, dtype=np.float64)
    elif column.missing is Missing.KEEP and kind in WHOLE_NUMBERS:
        raise DataError(
            f"{start} no missing numbers ({entry.type}), and the column {column.name!r} may lack them. Leave such rows "
            "out, missing = 'drop' in the schema, or export the model with float for this input."
        )
    elif column.kind is ColumnKind.REAL and kind in WHOLE_NUMBERS:
        raise ConfigError(
            f"{start} whole numbers ({entry.type}), but the column {column.name!r} is real. Set kind = 'integer' "
            "in the schema, or export the model with float for this input."
        )
    elif kind == "bool" and (column.low < 0 or column.high > 1):
        raise ConfigError(
            f"{start} true or false ({entry.type}), but the column {column.name!r} goes from {column.low:g} to "
            f"{column.high:g}. Set range = [0, 1] in the schema."
        )
    return ColumnInput(entry.name, place, entry.type, len(entry.shape) == 1, numbers)


def _number(level: str, *, absent: bool) -> float | None:
    """A level as a number, NaN for the one that stands for missing; None where it is none."""
    if (truth := truth_of(level)) is not None:
        return float(truth)
    try:
        number = float(level)
    except ValueError:
        number = math.nan
    return number if math.isfinite(number) or absent else None


def _whole(level: str, *, absent: bool) -> float | None:
    number = _number(level, absent=absent)
    return number if number is not None and number.is_integer() else None


def _truth(level: str, *, absent: bool) -> float | None:
    return None if absent else _TRUTH.get(level.lower())


def _typed(values: RawArray, kind: str, *, name: str) -> RawArray:
    """Values in the type of an input; numbers that it cannot hold are refused, never wrapped or cut off."""
    if kind not in WHOLE_NUMBERS:
        return np.ascontiguousarray(values, dtype=kind)
    ready, wrong = cast_exactly(values, kind)
    if bool(wrong.any()):
        low, high = WHOLE_NUMBERS[kind]
        got = values[wrong][0].item()
        raise DataError(
            f"table, column {name!r}: the model takes {low} to {high} there, got "
            f"{'a missing number' if math.isnan(got) else f'{got:g}'}."
        )
    return np.ascontiguousarray(ready)
