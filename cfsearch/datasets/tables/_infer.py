"""A schema guessed from a file, for people to read and correct."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from cfsearch.errors import ConfigError, DataError

from ._cells import NOT_AVAILABLE
from ._columns import Column, ColumnKind, Missing
from ._csv import TextTable, read_text_table
from ._schema import MISSING_VALUES, Link, TableSchema
from ._support import support_of

_MOST_LEVELS: Final = 100
_MOST_DECIMALS: Final = 6
_MOST_LINKED: Final = 64
_FEWEST_LINKED: Final = 3
_NAN: Final = "NaN"
"""The name of the level for cells that pandas reads as NaN."""
_CODES: Final = 12
"""Whole numbers of at most so many kinds may be codes of categories."""


@final
@dataclass(frozen=True, slots=True)
class Inference:
    """A guessed schema, and what a person should look at before it is used."""

    schema: TableSchema
    source: str
    rows: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The schema as a small table of text, with the notes below it."""
        lines = [f"{self.source}: {self.rows} rows, {self.schema.d} columns", ""]
        table = [("column", "kind", "values", "missing", "rules")]
        table += [_line(column, self.schema) for column in self.schema.columns]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        lines.append("")
        if self.schema.target is not None:
            lines.append(f"target: {self.schema.target.name} ({', '.join(self.schema.labels)})")
        lines += [f"linked: {link.title} ({len(link.rows)} combinations)" for link in self.schema.links]
        if self.schema.ignore:
            lines.append(f"left out: {', '.join(self.schema.ignore)}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def infer_schema(
    path: str | Path,
    *,
    target: str | None = None,
    ignore: Sequence[str] = (),
    immutable: Sequence[str] = (),
    monotone: Mapping[str, int] = MappingProxyType({}),
    categorical: Sequence[str] = (),
    missing_values: Sequence[str] = MISSING_VALUES,
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Inference:
    """What a CSV file seems to hold; show ``summary()`` to a person before it is used.

    Columns of numbers alone become integer or real, with the range that was seen and the step
    of their decimals; columns of text categorical, with their levels in order of the alphabet.
    Columns that say the same thing one to one are linked. Texts that hardly ever repeat are
    left out. Rules on changes are never guessed.

    Args:
        path: the file, ``.csv`` or ``.csv.gz``.
        target: the column with the true class.
        ignore: columns that are no inputs.
        immutable: columns that must not change.
        monotone: of a column, 1 where it may only rise and -1 where it may only fall.
        categorical: columns whose numbers are codes of categories.
        missing_values: cells that count as missing: categories get a level for them, rows where
            a number is missing are dropped.
        encoding: "utf-8" (with or without a byte order mark), "latin-1", ...
        delimiter: what stands between cells.

    Raises:
        DataError: the file is no table, or lacks a column that was named.
        ConfigError: the rules do not fit the columns.
    """
    text = read_text_table(path, encoding=encoding, delimiter=delimiter)
    for name in (*ignore, *immutable, *monotone, *categorical, *([target] if target else [])):
        if name not in text.header:
            raise DataError(
                f"table: {text.name!r} has no column {name!r}; its columns are {', '.join(text.header)}."
            )
    notes: list[str] = []
    columns: list[Column] = []
    left_out = list(ignore)
    for name in text.header:
        if name in ignore or name == target:
            continue
        column = _guess(name, text.column(name), missing_values, notes, codes=name in categorical)
        if column is None:
            left_out.append(name)
        else:
            columns.append(column)
    if not columns:
        raise DataError(f"table: {text.name!r} has no column left that could be an input.")
    goal = None if target is None else _target(target, text.column(target), missing_values)
    plain = TableSchema(
        columns=tuple(columns), target=goal, ignore=tuple(left_out), missing_values=tuple(missing_values)
    ).ruled(immutable=immutable, monotone=monotone)
    schema = TableSchema(
        columns=plain.columns,
        target=goal,
        links=_links(plain, text),
        ignore=plain.ignore,
        missing_values=plain.missing_values,
    )
    return Inference(schema, text.name, len(text.rows), tuple(notes))


def _guess(
    name: str, cells: list[str], markers: Sequence[str], notes: list[str], *, codes: bool
) -> Column | None:
    count = Counter(cells)
    gone = [cell for cell in count if cell in markers]
    absent = sum(count[cell] for cell in gone)
    values = [cell for cell in count if cell not in markers]
    if not values:
        notes.append(f"{name}: every cell is missing; left out.")
        return None
    numbers = None if codes else _numbers(name, values)
    if numbers is None:
        return _categorical(name, values, rows=len(cells), gone=gone, absent=absent, notes=notes)
    whole = all(v == int(v) for v in numbers) and not any(
        "." in cell or "e" in cell.lower() for cell in values
    )
    if whole and len(values) == len(cells) > _CODES and max(numbers) - min(numbers) == len(cells) - 1:
        notes.append(f"{name}: counts the rows; left out, as it looks like an identifier.")
        return None
    if whole and 2 <= len(values) <= _CODES and max(numbers) - min(numbers) < 2 * _CODES:
        notes.append(f"{name}: {len(values)} whole numbers; if they are codes, make it categorical.")
    if absent:
        notes.append(f"{name}: {absent} rows have no number here and are dropped (missing = 'drop').")
    places = max(len(cell.partition(".")[2]) for cell in values)
    fine = any("e" in cell.lower() for cell in values) or places > _MOST_DECIMALS
    often: Counter[float] = Counter()
    for cell, number in zip(values, numbers, strict=True):
        often[number] += count[cell]
    step = 1.0 if whole else 0.0 if fine else float(f"1e-{places}")
    support = support_of(name, often, step=step, whole=whole)
    notes += support.notes
    inside = [number for number in numbers if number not in support.codes]
    return Column(
        name=name,
        kind=ColumnKind.INTEGER if whole else ColumnKind.REAL,
        low=min(inside),
        high=max(inside),
        step=support.step,
        missing=Missing.DROP if absent else Missing.REFUSE,
        codes=support.codes,
        values=support.values,
        gaps=support.gaps,
    )


def _categorical(
    name: str, values: list[str], *, rows: int, gone: list[str], absent: int, notes: list[str]
) -> Column | None:
    if len(values) > _MOST_LEVELS or (rows > _CODES and len(values) > rows // 2):
        notes.append(f"{name}: {len(values)} different texts in {rows} rows; left out.")
        return None
    near = [v for v in values if _numbers(name, [v]) is not None]
    if near and len(near) < len(values):
        odd = next(v for v in values if v not in near)
        notes.append(
            f"{name}: numbers and texts ({odd[:40]!r}) in one column; taken for categories. If it "
            "holds numbers, correct the text or declare it as a missing value."
        )
    levels = sorted(values, key=_by_number)
    if gone:
        # pandas keeps a "?" as text and reads an empty cell as NaN: a model tells the two apart
        words = sorted(cell for cell in gone if cell not in NOT_AVAILABLE)
        last = _NAN if len(words) < len(gone) else words.pop(0)
        levels += words
        notes.append(f"{name}: {absent} cells are missing and get a level of their own, {last!r}.")
        levels.append(last)
    return Column(
        name=name,
        kind=ColumnKind.CATEGORICAL,
        levels=tuple(levels),
        missing=Missing.LEVEL if gone else Missing.REFUSE,
    )


def _numbers(name: str, values: list[str]) -> list[float] | None:
    probe = Column(name=name, kind=ColumnKind.REAL)
    try:
        return [probe.code(cell) for cell in values]
    except DataError:
        return None


def _target(name: str, cells: list[str], markers: Sequence[str]) -> Column:
    labels = sorted({cell for cell in cells if cell not in markers}, key=_by_number)
    if not 2 <= len(labels) <= _MOST_LEVELS:
        raise ConfigError(
            f"table: target {name!r} must have 2 to {_MOST_LEVELS} classes, got {len(labels)} "
            f"({', '.join(labels[:4])}). Name another column."
        )
    return Column(name=name, kind=ColumnKind.CATEGORICAL, levels=tuple(labels))


def _by_number(label: str) -> tuple[float, str]:
    try:
        number = float(label)
    except ValueError:
        number = math.inf
    return (math.inf if math.isnan(number) else number, label)


def _links(schema: TableSchema, text: TextTable) -> tuple[Link, ...]:
    """Columns that say the same thing one to one."""
    cells = {c.name: text.column(c.name) for c in schema.columns}
    few = {
        name: count
        for name, column in cells.items()
        if _FEWEST_LINKED <= (count := len(set(column))) <= min(_MOST_LINKED, len(text.rows) // 3)
    }
    links, taken = [], set[str]()
    for i, a in enumerate(few):
        group = [a]
        for b in list(few)[i + 1 :]:
            if a in taken or b in taken or few[a] != few[b]:
                continue
            if len(set(zip(cells[a], cells[b], strict=True))) == few[a]:
                group.append(b)
        if len(group) > 1:
            taken.update(group)
            found = sorted(set(zip(*(cells[name] for name in group), strict=True)))
            link = _link(schema, group, found)
            links += [link] if link is not None else []
    return tuple(links)


def _link(schema: TableSchema, group: list[str], found: list[tuple[str, ...]]) -> Link | None:
    columns = [schema.column(name) for name in group]
    rows = []
    for combination in found:
        codes = []
        for column, cell in zip(columns, combination, strict=True):
            gone = cell in schema.missing_values
            if gone and column.missing is not Missing.LEVEL:
                break
            codes.append(float(len(column.levels) - 1) if gone else column.code(cell))
        else:
            rows.append(tuple(codes))
    return Link(tuple(group), tuple(sorted(rows))) if len(rows) > 1 else None


def _line(column: Column, schema: TableSchema) -> tuple[str, str, str, str, str]:
    if column.has_levels:
        shown = ", ".join(column.levels[:4]) + (", ..." if len(column.levels) > 4 else "")
        values = f"{len(column.levels)}: {shown}"
    else:
        values = f"{column.text(column.low)} to {column.text(column.high)}"
        values += f", step {column.step:g}" if column.step not in (0.0, 1.0) else ""
        values += f", {len(column.values)} values" if column.values else ""
        values += f", codes {', '.join(map(column.text, column.codes))}" if column.codes else ""
        values += ", with gaps" if column.gaps else ""
    rules = []
    if column.immutable:
        rules.append("immutable")
    if column.monotone:
        rules.append("may only rise" if column.monotone > 0 else "may only fall")
    if column.max_change or column.max_change_share:
        rules.append("changes bounded")
    if column.immutable_if:
        rules.append(f"immutable if {column.immutable_if}")
    rules += ["linked" for link in schema.links if column.name in link.columns]
    return column.name, column.kind.value, values[:60], column.missing.value, ", ".join(rules)
