"""A schema guessed from a file, for people to read and correct."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

import numpy as np

from cfsearch.errors import ConfigError, DataError, listed

from ._columns import Column, ColumnKind, Missing
from ._csv import read_text_table
from ._guess import Guesses, by_number, note_on_gaps
from ._notes import joined_notes
from ._number_forms import plain_numbers
from ._numbers import is_number
from ._protected import free_note
from ._schema import MISSING_VALUES, Link, TableSchema
from ._text_table import TextTable
from ._types import TEXT

_MOST_LEVELS: Final = 100
_MOST_LINKED: Final = 64
_FEWEST_LINKED: Final = 3


@final
@dataclass(frozen=True, slots=True)
class Inference:
    """A guessed schema, and what a person should look at before it is used.

    Args:
        schema: the guess.
        source: name of the file.
        rows: how many it has.
        notes: what to look at.
        reasons: by column, why it is what it is.
    """

    schema: TableSchema
    source: str
    rows: int
    notes: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """The schema as a small table of text, with the notes below it."""
        lines = [f"{self.source}: {self.rows} rows, {self.schema.d} columns", ""]
        table = [("column", "kind", "values", "missing", "rules", "why")]
        linked = frozenset(name for link in self.schema.links for name in link.columns)
        table += [
            (*_line(column, linked=column.name in linked), self.reasons.get(column.name, ""))
            for column in self.schema.columns
        ]
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines += [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        lines.append("")
        if self.schema.target is not None:
            lines.append(f"target: {self.schema.target.name} ({listed(self.schema.labels)})")
        lines += [f"linked: {link.title} ({len(link.rows)} combinations)" for link in self.schema.links]
        if self.schema.ignore:
            lines.append(f"left out: {listed(self.schema.ignore, most=30)}")
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
    needed: Sequence[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    keep_missing: bool = False,
) -> Inference:
    """What a CSV file seems to hold; show ``summary()`` to a person before it is used.

    Columns of numbers alone become integer or real, with the range that was seen and the step
    of their decimals; columns of text categorical, with their levels in order of the alphabet.
    Columns that say the same thing one to one are linked. Texts that hardly ever repeat are
    left out, and those of more than 100 kinds held fixed; so are identifiers that a model takes, and those
    that only their name makes such where no other column is left. Words among numbers ("n/a", "-") are
    missing ones. Rules on changes are never guessed.

    Args:
        path: the file, ``.csv`` or ``.csv.gz``.
        target: the column with the true class.
        ignore: columns that are no inputs.
        immutable: columns that must not change.
        monotone: of a column, 1 where it may only rise and -1 where it may only fall.
        categorical: columns whose numbers are codes of categories.
        missing_values: cells that count as missing: categories get a level for them, rows where
            a number is missing are dropped.
        needed: columns that the model takes: never left out.
        encoding: "utf-8", "cp1252", ...; None to find out.
        delimiter: what stands between cells; None to find out.
        keep_missing: keep rows in which a number is missing (``missing = "keep"``), for a model that takes
            them, instead of dropping them; of linked columns they are dropped all the same.

    Raises:
        DataError: the file is no table, or lacks a column that was named; a column is nearly all
            numbers, but for a cell that is none.
        ConfigError: the rules do not fit the columns.
    """
    text = read_text_table(path, encoding=encoding, delimiter=delimiter)
    known, ignored = frozenset(text.header), frozenset(ignore)
    for name in (*ignore, *immutable, *monotone, *categorical, *([target] if target else [])):
        if name not in known:
            raise DataError(
                f"table: {text.name!r} has no column {name!r}; its columns are {listed(text.header, most=30)}."
            )
    others = {*categorical, *ignored, *([target] if target else [])}
    text = plain_numbers(
        text, names=[name for name, kind in text.types.items() if kind.name == TEXT and name not in others]
    )
    found = Guesses(text, missing_values, categorical=categorical, needed=needed)
    names = [name for name in text.header if name not in ignored and name != target]
    guessed = {name: found.column(name) for name in names}
    if found.named and all(column is None for column in guessed.values()):
        found = Guesses(
            text, missing_values, categorical, needed=found.named, because="no other column could be an input"
        )
        guessed = {name: found.column(name) for name in names}
    left_out = [*ignore, *(name for name, column in guessed.items() if column is None)]
    columns = [column for column in guessed.values() if column is not None]
    if not columns:
        raise DataError(f"table: {text.name!r} has no column left that could be an input.")
    cells = [] if target is None else text.column(target)
    predicted = _is_number_to_predict(cells, missing_values)
    goal = None if target is None or predicted else _target(target, cells, missing_values)
    if target is not None and predicted:
        left_out.append(target)
    markers = (*missing_values, *(word for word in found.words if word not in missing_values))
    plain = TableSchema(
        columns=tuple(columns), target=goal, ignore=tuple(left_out), missing_values=markers
    ).ruled(immutable=immutable, monotone=monotone)
    schema = replace(plain, links=_links(plain, text))
    if keep_missing:
        schema = _with_missing_kept(schema, found)
    free = free_note(schema)
    of_target = (
        f"{target}: {len(set(cells))} different numbers; taken for what a model predicts, and no input. Search with "
        "a range as the target: --target LOW..HIGH."
    )
    of_columns = joined_notes(found.notes, columns=text.header)
    notes = (*text.notes, *of_columns, *([of_target] if predicted else []), *([free] if free else []))
    return Inference(schema, text.name, len(text.rows), notes, found.reasons)


def _with_missing_kept(schema: TableSchema, found: Guesses) -> TableSchema:
    """The schema with missing numbers kept, and the notes on them; a link has no combination for them."""
    linked = {name for link in schema.links for name in link.columns}
    kept = {name: rows for name, rows in found.lacking.items() if name not in linked}
    instead = {
        note_on_gaps(name, rows, kept=False): note_on_gaps(name, rows, kept=True)
        for name, rows in kept.items()
    }
    found.notes[:] = [instead.get(note, note) for note in found.notes]
    return replace(
        schema,
        columns=tuple(replace(c, missing=Missing.KEEP) if c.name in kept else c for c in schema.columns),
    )


def _is_number_to_predict(cells: Sequence[str], markers: Sequence[str]) -> bool:
    """Whether a target has numbers, too many to be classes."""
    known = {cell for cell in cells if cell not in markers}
    return len(known) > _MOST_LEVELS and all(is_number(cell) for cell in known)


def _target(name: str, cells: list[str], markers: Sequence[str]) -> Column:
    labels = sorted({cell for cell in cells if cell not in markers}, key=by_number)
    if not 2 <= len(labels) <= _MOST_LEVELS:
        raise ConfigError(
            f"table: target {name!r} must have 2 to {_MOST_LEVELS} classes, got {len(labels)} "
            f"({', '.join(labels[:4])}). Name another column."
        )
    return Column(name=name, kind=ColumnKind.CATEGORICAL, levels=tuple(labels))


def _links(schema: TableSchema, text: TextTable) -> tuple[Link, ...]:
    """Columns that say the same thing one to one."""
    alike: dict[bytes, list[str]] = {}
    for column in schema.columns:
        order: dict[str, int] = {}
        first = [order.setdefault(cell, len(order)) for cell in text.column(column.name)]
        if _FEWEST_LINKED <= len(order) <= min(_MOST_LINKED, len(text.rows) // 3):
            # columns are one to one where their values come up for the first time in the same rows, and again in the same
            alike.setdefault(hashlib.sha256(np.array(first).tobytes()).digest(), []).append(column.name)
    links = []
    for group in alike.values():
        if len(group) > 1:
            found = sorted(set(zip(*(text.column(name) for name in group), strict=True)))
            link = _link(schema, group, found)
            links += [link] if link is not None else []
    return tuple(links)


def _link(schema: TableSchema, group: list[str], found: list[tuple[str, ...]]) -> Link | None:
    columns = [schema.column(name) for name in group]
    rows = []
    for combination in found:
        codes = []
        for column, cell in zip(columns, combination, strict=True):
            gone = cell in schema.missing_values and cell not in column.levels
            if gone and column.missing is not Missing.LEVEL:
                break
            codes.append(float(len(column.levels) - 1) if gone else column.code(cell))
        else:
            rows.append(tuple(codes))
    return Link(tuple(group), tuple(sorted(rows))) if len(rows) > 1 else None


def _line(column: Column, *, linked: bool) -> tuple[str, str, str, str, str]:
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
    rules += ["linked"] if linked else []
    return column.name, column.kind.value, values[:60], column.missing.value, ", ".join(rules)
