"""Encoding: from a row in canonical form to the numbers that a model takes, and back."""

import hashlib
import math
from dataclasses import dataclass
from enum import Enum
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError

from ._columns import Column, ColumnKind
from ._numbers import on_grid
from ._schema import TableSchema


class Style(Enum):
    """Encoding of one column; the value is its name in a file."""

    PLAIN = "plain"
    """As in canonical form: a number in its own unit, a level as its index."""
    STANDARD = "standard"
    """Less ``centre``, over ``scale``: mean and standard deviation, or low end and range."""
    ONE_HOT = "one_hot"
    """One column a level, 1 for the level that it is."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Encoding of one column with its parameters."""

    style: Style
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.centre) and math.isfinite(self.scale) and self.scale > 0):
            raise ConfigError(
                f"table encoding: `centre` must be finite and `scale` positive, got {self.centre!r} and "
                f"{self.scale!r}."
            )


@final
@dataclass(frozen=True, slots=True)
class Encoding:
    """The numbers that a model takes for a row: the part of its preprocessing that knows columns.

    Args:
        schema: what the columns mean.
        parts: one a column.

    Shapes:
        rows ``(n, d)`` <-> encoded ``(n, w)``.

    Raises:
        ConfigError: there are not as many parts as columns, or a number is to be one-hot.
    """

    schema: TableSchema
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != self.schema.d:
            raise ConfigError(f"table encoding: expected {self.schema.d} parts, got {len(self.parts)}.")
        for column, part in zip(self.schema.columns, self.parts, strict=True):
            if part.style is Style.ONE_HOT and not column.has_levels:
                raise ConfigError(f"table encoding, column {column.name!r}: only levels can be one-hot.")

    @classmethod
    def plain(cls, schema: TableSchema) -> Self:
        """Rows as they are."""
        return cls(schema, (Part(style=Style.PLAIN),) * schema.d)

    @classmethod
    def standard(cls, schema: TableSchema, x: Float[Tensor, "n d"]) -> Self:
        """Categories one-hot, the others less their mean over their deviation in ``x``."""
        rows = x.double()
        centre, spread = rows.mean(0), rows.std(0, correction=0)
        return cls(
            schema,
            tuple(
                Part(style=Style.ONE_HOT)
                if column.kind is ColumnKind.CATEGORICAL
                else Part(style=Style.STANDARD, centre=float(centre[j]), scale=float(spread[j]) or 1.0)
                for j, column in enumerate(schema.columns)
            ),
        )

    @classmethod
    def ranged(cls, schema: TableSchema) -> Self:
        """Categories one-hot, the others brought to [0, 1] by their range."""
        return cls(schema, tuple(_ranged(column) for column in schema.columns))

    @property
    def width(self) -> int:
        """How many numbers the model takes for a row."""
        return sum(size for _, size in self.slots)

    @property
    def slots(self) -> tuple[tuple[int, int], ...]:
        """Where each column begins among the encoded numbers, and how many it takes."""
        out, at = [], 0
        for column, part in zip(self.schema.columns, self.parts, strict=True):
            size = len(column.levels) if part.style is Style.ONE_HOT else 1
            out.append((at, size))
            at += size
        return tuple(out)

    @property
    def fingerprint(self) -> str:
        """A hash of the schema and of every part."""
        return hashlib.sha256((self.schema.fingerprint + repr(self.parts)).encode()).hexdigest()

    def apply(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        """The encoded rows, in the dtype of ``x``; gradients reach the numbers, not the levels.

        Raises:
            ShapeError: the rows have other columns.
        """
        if x.ndim != 2 or x.shape[1] != self.schema.d:
            raise ShapeError(
                f"table encoding: expected rows of shape (n, {self.schema.d}), got {tuple(x.shape)}."
            )
        out = []
        for j, (column, part) in enumerate(zip(self.schema.columns, self.parts, strict=True)):
            values = x[:, j : j + 1]
            if part.style is Style.ONE_HOT:
                levels = torch.arange(len(column.levels), dtype=x.dtype, device=x.device)
                out.append((values.round() == levels).to(x.dtype))
            else:
                out.append((values - part.centre) / part.scale if part.style is Style.STANDARD else values)
        return torch.cat(out, dim=1)

    def invert(self, encoded: Float[Tensor, "n w"]) -> Float[Tensor, "n d"]:
        """The rows of encoded numbers, float64: the likeliest level, numbers on their steps.

        What ``apply`` gave comes back as it was; numbers without a step within rounding.

        Raises:
            ShapeError: there are more or fewer numbers a row.
        """
        if encoded.ndim != 2 or encoded.shape[1] != self.width:
            raise ShapeError(f"table encoding: expected shape (n, {self.width}), got {tuple(encoded.shape)}.")
        out = []
        for column, part, (at, size) in zip(self.schema.columns, self.parts, self.slots, strict=True):
            values = encoded[:, at : at + size].double()
            if part.style is Style.ONE_HOT:
                out.append(values.argmax(1).double())
            else:
                values = values[:, 0] * part.scale + part.centre
                out.append(_snapped(values, column))
        return torch.stack(out, dim=1)


def _snapped(values: Float[Tensor, "*n"], column: Column) -> Float[Tensor, "*n"]:
    """The nearest values that a column may have, but for its range; float64."""
    if column.has_levels:
        return values.round().clamp(0.0, len(column.levels) - 1)
    return on_grid(values, step=column.step, decimals=column.decimals)


def _ranged(column: Column) -> Part:
    if column.kind is ColumnKind.CATEGORICAL:
        return Part(style=Style.ONE_HOT)
    if column.has_levels:
        return Part(style=Style.STANDARD, scale=float(len(column.levels) - 1) or 1.0)
    return Part(style=Style.STANDARD, centre=column.low, scale=(column.high - column.low) or 1.0)
