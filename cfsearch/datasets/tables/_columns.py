"""One column of a table: what its cells may hold, and how a cell becomes a number and back."""

import difflib
import math
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final, final

from cfsearch.errors import ConfigError, DataError
from cfsearch.secrecy import shown

from ._cells import DTYPES, level_values, truth_of
from ._numbers import DECIMAL_COMMA, NUMBER, decimals_of, is_number, plain

_HAIR: Final = 1e-9
"""A number this near to a step, in steps, is on it."""

_LARGEST: Final = 2.0**53
"""Whole numbers beyond this have neighbours that cannot be distinguished."""

MOST_DIGITS: Final = 15
"""Whole numbers of more digits are not all different numbers here."""

MISSING_TEXT: Final = "missing"
"""How a missing number is written for people."""

Cell = float | int | str
"""What stands in one cell: a number, or a level's name."""


class ColumnKind(Enum):
    """Kind of a column: real, integer, ordinal or categorical."""

    REAL = "real"
    INTEGER = "integer"
    ORDINAL = "ordinal"
    CATEGORICAL = "categorical"


class Missing(Enum):
    """Policy for missing cells; the value is its name in a schema."""

    REFUSE = "refuse"
    DROP = "drop"
    FILL = "fill"
    LEVEL = "level"
    KEEP = "keep"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    In canonical form a number stands in its own unit and a level as its index in ``levels``.

    Args:
        name: as in the header.
        kind: real, integer, ordinal (levels in their order) or categorical.
        low, high: of numbers, where a search may go; cells may lie outside.
        levels: of ordinal and categorical columns, all that may occur.
        unit: for people ("years", "EUR"); empty for none.
        immutable: must never change.
        monotone: +1 may only rise, -1 may only fall, 0 both; never for categorical columns.
        step: numbers change to multiples of this only; 0 for any number. Integer columns have
            whole steps, 1 when left out.
        codes: numbers that stand for something else (-9 "no record"): no search goes to one, and a cell
            that holds one stays. ``low`` and ``high`` are of the other numbers.
        leave_codes: a cell that holds a code may be changed to a number.
        values: the only numbers that a search may go to; empty for all in the range.
        gaps: pairs (a, b) between which no number occurs: a search goes to a or b instead.
        max_change: by how much a number may change; 0 for any.
        max_change_share: by which share of its own size a number may change; 0 for any.
        immutable_if: a condition on the row as it is, under which the column must not change:
            ``employed = 'no'``; empty for none.
        cost: what any change of it costs, in a unit of your own; None for nothing declared.
        cost_per_step: what each step of a change costs on top; where there is no step each unit, of ordinal
            columns each level.
        missing: refuse the table, drop the row, fill in ``fill``, keep the number as missing (NaN,
            where the model takes that; it stays missing), or take the last level, which stands for
            "missing": no search ever changes a cell to it.
        fill: what is filled in, a number or the name of a level.
        unknown: the level that stands for cells that are none of ``levels``; empty refuses them.
        dtype: in which type cells reach a model that takes data frames: "bool", "int64",
            "float64", "str" or "category" (of pandas); empty for the one in which
            ``pandas.read_csv`` reads such a column.
        digits: of whole numbers that are codes (a postcode): so many digits write each, with zeros in front; 0
            for as many as the number has.

    Raises:
        ConfigError: the settings do not go together.

    Example:
        >>> postcode = Column(name="postcode", kind=ColumnKind.INTEGER, low=501.0, high=99950.0, digits=5)
        >>> postcode.code("02139"), postcode.cell(2139.0), postcode.text(2139.0)
        (2139.0, '02139', '02139')
    """

    name: str
    kind: ColumnKind
    low: float = 0.0
    high: float = 0.0
    levels: tuple[str, ...] = ()
    unit: str = ""
    immutable: bool = False
    monotone: int = 0
    step: float = 0.0
    missing: Missing = Missing.REFUSE
    fill: Cell | None = None
    unknown: str = ""
    dtype: str = ""
    codes: tuple[float, ...] = ()
    leave_codes: bool = False
    values: tuple[float, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    max_change: float = 0.0
    max_change_share: float = 0.0
    immutable_if: str = ""
    cost: float | None = None
    cost_per_step: float = 0.0
    digits: int = 0

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("table schema: a column has no name.")
        if self.monotone not in (-1, 0, 1):
            raise self._wrong(f"`monotone` must be 1 (may only rise), -1 or 0, got {self.monotone!r}")
        if self.has_levels:
            self._check_levels()
        else:
            self._check_numbers()
        self._check_dtype()
        if not (0.0 <= (self.cost or 0.0) < math.inf and 0.0 <= self.cost_per_step < math.inf):
            raise self._wrong(
                f"`cost` and `cost_per_step` must be finite numbers >= 0, got {self.cost!r}, {self.cost_per_step!r}"
            )
        if self.cost_per_step and self.kind is ColumnKind.CATEGORICAL:
            raise self._wrong("`cost_per_step` is of numbers and ordinal columns; give `cost`")
        if (self.missing is Missing.FILL) != (self.fill is not None):
            raise self._wrong("`fill` goes with missing = 'fill', and needs a value")
        if self.fill is not None:
            try:
                self.code(self.fill)
            except DataError as error:
                raise self._wrong(f"`fill` must be a value of the column, got {self.fill!r}") from error

    def _check_levels(self) -> None:
        if len(set(self.levels)) != len(self.levels) or not self.levels:
            raise self._wrong(f"`levels` must be at least one, all different, got {self.levels[:8]!r}")
        if any(level != level.strip() for level in self.levels):
            raise self._wrong("levels begin and end without spaces, as cells do once they are read")
        if self.step or self.low or self.high:
            raise self._wrong("levels have no range and no step")
        if self.codes or self.leave_codes or self.values or self.gaps:
            raise self._wrong(
                "`codes`, `leave_codes`, `values` and `gaps` are of numbers; leave levels out instead"
            )
        if self.max_change or self.max_change_share:
            raise self._wrong("`max_change` is of numbers; levels have no distance")
        if self.digits:
            raise self._wrong("`digits` is of whole numbers; levels are written as they are")
        if self.missing is Missing.KEEP:
            raise self._wrong("missing = 'keep' is of numbers; of levels it is missing = 'level'")
        if self.monotone and self.kind is ColumnKind.CATEGORICAL:
            raise self._wrong("only numbers and ordinal columns can be monotone")
        if self.missing is Missing.LEVEL and len(self.levels) < 2:
            raise self._wrong("missing = 'level' needs a level besides the last, which stands for missing")
        if self.unknown and self.unknown not in self.levels:
            raise self._wrong(f"`unknown` must be one of the levels, got {self.unknown!r}")

    def _check_dtype(self) -> None:
        if self.dtype not in ("", *DTYPES):
            raise self._wrong(f"`dtype` must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.has_levels:
            try:
                values = level_values(self.levels, dtype=self.dtype, absent=self.missing is Missing.LEVEL)
            except ValueError as error:
                raise self._wrong(f"dtype = {self.dtype!r} does not fit its levels: {error}") from error
            if self.dtype == "category":
                self._check_categories(values.tolist())
        elif self.dtype == "category":
            raise self._wrong("dtype = 'category' goes with levels; make the column categorical")
        elif self.kind is ColumnKind.REAL and self.dtype in ("bool", "int64"):
            raise self._wrong(f"dtype = {self.dtype!r} cannot hold a real column; make it integer")
        elif self.missing is Missing.KEEP and self.dtype in ("bool", "int64"):
            raise self._wrong(f"dtype = {self.dtype!r} has no missing number to keep; leave `dtype` out")
        elif self.dtype == "bool" and (self.low < 0 or self.high > 1):
            raise self._wrong("dtype = 'bool' needs range = [0, 1]")

    def _check_categories(self, values: list[Cell]) -> None:
        seen: dict[Cell, str] = {}
        for value, level in zip(values, self.levels, strict=True):
            if seen.setdefault(value, level) != level:
                raise self._wrong(
                    f"dtype = 'category' does not fit its levels: {seen[value]!r} and {level!r} are the same {value!r}; leave one "
                    "out, or make it dtype = 'str'"
                )

    def _check_numbers(self) -> None:
        if self.levels or self.unknown or self.missing is Missing.LEVEL:
            raise self._wrong("levels belong to ordinal and categorical columns")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise self._wrong(f"`range` must be two finite numbers in order, got {self.low!r}, {self.high!r}")
        if not 0.0 <= self.step < math.inf:
            raise self._wrong(f"`step` must be a finite number >= 0, got {self.step!r}")
        if self.kind is ColumnKind.INTEGER:
            if self.step == 0.0:
                object.__setattr__(self, "step", 1.0)
            if any(v != int(v) for v in (self.step, self.low, self.high)):
                raise self._wrong("an integer column has a whole range and a whole step")
        if self.digits:
            self._check_digits()
        self._check_support()

    def _check_digits(self) -> None:
        if self.kind is not ColumnKind.INTEGER:
            raise self._wrong("`digits` is of whole numbers; make the column integer")
        if not 1 <= self.digits <= MOST_DIGITS:
            raise self._wrong(
                f"`digits` must be 1 to {MOST_DIGITS}, got {shown(self.digits)}; make longer codes categorical"
            )
        if self.low < 0 or self.high >= 10**self.digits:
            raise self._wrong(
                f"`range` must lie in 0 to {10**self.digits - 1} with digits = {self.digits}, got {self.low:g}, {self.high:g}"
            )

    def _check_support(self) -> None:
        """Codes, values, gaps and the largest change of a column of numbers."""
        whole = self.kind is ColumnKind.INTEGER
        for what, numbers in (("codes", self.codes), ("values", self.values)):
            if len(set(numbers)) != len(numbers) or not all(map(math.isfinite, numbers)):
                raise self._wrong(f"`{what}` must be finite numbers, all different, got {list(numbers)!r}")
            if whole and any(v != int(v) for v in numbers):
                raise self._wrong(f"`{what}` of an integer column must be whole, got {list(numbers)!r}")
        if self.leave_codes and not self.codes:
            raise self._wrong("`leave_codes` goes with `codes`")
        both = [v for v in self.values if v in self.codes]
        if both:
            raise self._wrong(f"{both[0]:g} stands in `values` and in `codes`; it can be one of the two only")
        if self.values and self.gaps:
            raise self._wrong("`values` says all that `gaps` could; give one of the two")
        if self.values and self.step not in (0.0, 1.0):
            raise self._wrong("`values` takes the place of `step`; give one of the two")
        if self.values and not any(self.low <= v <= self.high for v in self.values):
            raise self._wrong(f"none of its `values` lies in its range, {self.low:g} to {self.high:g}")
        edges = [edge for gap in sorted(self.gaps) for edge in gap]
        if not all(map(math.isfinite, edges)) or any(a >= b for a, b in self.gaps) or edges != sorted(edges):
            raise self._wrong(
                f"`gaps` must be pairs [a, b] with a < b that do not overlap, got {self.gaps!r}"
            )
        for most in (self.max_change, self.max_change_share):
            if not 0.0 <= most < math.inf:
                raise self._wrong(f"`max_change` must be a number > 0, or a share as '20 %', got {most!r}")

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"table schema, column {self.name!r}: {what}.")

    @property
    def has_levels(self) -> bool:
        """Whether the cells are names, not numbers."""
        return self.kind in (ColumnKind.ORDINAL, ColumnKind.CATEGORICAL)

    @property
    def costs(self) -> tuple[float, float]:
        """What a change costs: whatever it is, and for each unit (of ordinal columns each level) of it."""
        fixed = self.cost if self.cost is not None else 0.0 if self.cost_per_step else 1.0
        return fixed, self.cost_per_step / (1.0 if self.has_levels else self.step or 1.0)

    @property
    def decimals(self) -> int | None:
        """Decimals that a multiple of ``step`` has; None where any number may occur."""
        if self.has_levels:
            return 0
        return decimals_of(self.step)

    @property
    def holes(self) -> tuple[tuple[float, float], ...]:
        """Open intervals of numbers that a search does not go to, in order; their ends are steps in the range."""
        if self.values:
            inside = sorted(v for v in self.values if self.low <= v <= self.high)
            ends = (-math.inf, *inside, math.inf)
            return tuple(pairwise(ends))
        found: list[tuple[float, float]] = []
        for gap in sorted(self.gaps):
            a, b = self._on_steps(*gap)
            if found and a < found[-1][1]:  # no step lies between the two
                found[-1] = (found[-1][0], b)
            else:
                found.append((a, b))
        return tuple(found)

    def _on_steps(self, a: float, b: float) -> tuple[float, float]:
        """The nearest numbers around a gap that a search can go to; infinite where the range has none."""
        if self.step == 0.0:
            return a, b
        places = self.decimals or 0
        below = round(math.floor(a / self.step + _HAIR) * self.step, places)
        above = round(math.ceil(b / self.step - _HAIR) * self.step, places)
        return below if below >= self.low else -math.inf, above if above <= self.high else math.inf

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and largest number (of levels: index) that a search may go to."""
        if not self.has_levels:
            return self.low, self.high
        return 0.0, float(len(self.levels) - 1 - (self.missing is Missing.LEVEL))

    def code(self, cell: Cell) -> float:
        """The number that stands for a cell; a text is read as it stands in a file.

        Raises:
            DataError: it is none of the levels, or no finite number.
        """
        if self.has_levels:
            return self._level(cell)
        if isinstance(cell, str):
            cell = cell.strip()
            if not NUMBER.fullmatch(cell):
                hint = " (write a decimal point, not a comma)" if DECIMAL_COMMA.fullmatch(cell) else ""
                raise DataError(
                    f"column {self.name!r}: must be a number, got {_short(cell)}{hint}. Correct it, or "
                    "declare it under `missing_values`."
                )
        number = float(cell)
        if math.isnan(number) and self.missing is Missing.KEEP:
            return number
        if not math.isfinite(number):
            raise DataError(f"column {self.name!r}: must be a finite number, got {_short(cell)}.")
        if self.kind is ColumnKind.INTEGER and (number != int(number) or abs(number) > _LARGEST):
            raise DataError(
                f"column {self.name!r}: must be a whole number under 2^53, got {_short(cell)}. Correct it, "
                "or make the column real."
            )
        return number

    def _level(self, cell: Cell) -> float:
        name = cell.strip() if isinstance(cell, str) else plain(cell)
        if name in self.levels:
            return float(self.levels.index(name))
        if isinstance(cell, bool):
            same = [i for i, level in enumerate(self.levels) if truth_of(level) is cell]
        else:
            same = self._of_number(name, written=isinstance(cell, str))
        if len(same) == 1:
            return float(same[0])
        if self.unknown:
            return float(self.levels.index(self.unknown))
        near = difflib.get_close_matches(name[:80], self.levels, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"column {self.name!r}: {_short(name)} is none of its {len(self.levels)} levels "
            f"({_listed(self.levels)}).{hint} Correct it, add the level, or set `unknown` in the schema to "
            "the level that stands for it."
        )

    def _of_number(self, name: str, *, written: bool) -> list[int]:
        """The levels that are the number of a cell: 2139 or "2139.0" of the level "02139"; of texts only where all are numbers."""
        if not is_number(name) or (written and self.dtype == "str"):
            return []
        numbers = {i: float(level) for i, level in enumerate(self.levels) if is_number(level)}
        texts = len(self.levels) - len(numbers) - (self.missing is Missing.LEVEL)
        return [] if written and texts > 0 else [i for i, value in numbers.items() if value == float(name)]

    def cell(self, code: float) -> Cell:
        """Value that a canonical number stands for: a level's name, a code of so many digits, an int or a float."""
        if self.has_levels:
            return self.levels[round(code)]
        if math.isnan(code):
            return math.nan
        if self.digits and code >= 0 and code == int(code):
            return f"{int(code):0{self.digits}d}"
        return int(code) if self.kind is ColumnKind.INTEGER and code == int(code) else float(code)

    def text(self, code: float) -> str:
        """Text of a canonical number; reading it gives the same number again."""
        if math.isnan(code):
            return MISSING_TEXT
        cell = self.cell(code)
        if isinstance(cell, str | int):
            return str(cell)
        places = self.decimals
        if places is not None and float(f"{cell:.{places}f}") == cell:
            return f"{cell:.{places}f}"
        return repr(cell)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 48 else f"{text[:40]}... ({len(text)} characters)"


def _listed(levels: tuple[str, ...]) -> str:
    shown = ", ".join(repr(level) for level in levels[:6])
    return shown if len(levels) <= 6 else f"{shown}, ..."
