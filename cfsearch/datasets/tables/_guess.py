"""What one column of a file seems to hold, and why."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

from cfsearch.errors import DataError

from ._cells import ABSENT, NOT_AVAILABLE, fixed_digits, truth_of
from ._columns import MOST_DIGITS, Column, ColumnKind, Missing
from ._names import names_identifiers
from ._numbers import is_number, signed_example
from ._support import support_of
from ._text_table import TextTable
from ._types import CATEGORY, TEXT, ColumnType, looks_typed

_MOST_LEVELS: Final = 100
_MOST_DECIMALS: Final = 6
_MOST_CODES: Final = 1000
"""Codes of at most so many kinds are listed, and a search goes from one to another."""
_CONSTANT: Final = "one value only: nothing to change to"
_NAN: Final = "NaN"
"""The name of the level for cells that pandas reads as NaN."""
_NAMED: Final = "another number in each row, under a name of identifiers"
_CODES: Final = 12
"""Whole numbers of at most so many kinds may be codes of categories."""
_NEARLY: Final = 0.9
"""From this share of numbers on, a column that also holds texts is one of numbers with wrong cells."""
_MOSTLY: Final = 0.5


def note_on_gaps(name: str, rows: int, *, kept: bool) -> str:
    """What becomes of rows that have no number in a column.

    Args:
        name: of the column.
        rows: how many.
        kept: whether they stay.
    """
    what = (
        "; they stay, as the model takes missing numbers, and a search leaves such cells as they are (missing = 'keep')."
        if kept
        else " and are dropped (missing = 'drop'). Where the model takes missing numbers, missing = 'keep' in a schema keeps them."
    )
    return f"{name}: {rows} rows have no number here{what}"


@final
@dataclass(slots=True)
class Guesses:
    """What was found of a file's columns so far.

    Args:
        text: the file's cells.
        markers: cells that count as missing in every column.
        categorical: columns whose numbers are codes.
        needed: columns that must not be left out.
        because: why they must not.
        named: columns that were left out for what their name says.
        notes: for people.
        reasons: by column, why it is what it is.
        words: cells that turned out to stand for a missing number.
        lacking: by column of numbers, how many rows have none there; only where there are any.
    """

    text: TextTable
    markers: Sequence[str]
    categorical: Sequence[str] = ()
    needed: Sequence[str] = ()
    because: str = "the model takes it"
    named: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    lacking: dict[str, int] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column that a name stands for; None for one that is left out.

        Args:
            name: as in the header.

        Raises:
            DataError: it is nearly all numbers, but for a cell that is none; says which line.
        """
        cells = self.text.column(name)
        count, known = Counter(cells), self.text.types.get(name)
        markers = frozenset(self.markers)
        if known is not None and not (known.name == TEXT and _are_numbers(set(count) - markers)):
            markers -= NOT_AVAILABLE - {""}  # a text "None" among texts of a data frame is one
            texts = sorted(cell for cell in count if cell in NOT_AVAILABLE and cell)
            if texts:
                self.notes.append(
                    f"{name}: {texts[0]!r} is a text of the data frame, and a level; a missing cell is none."
                )
        gone = [cell for cell in count if cell in markers]
        values = [cell for cell in count if cell not in markers]
        if not values:
            if name in self.needed:
                raise DataError(
                    f"table: {self.text.name!r}, column {name!r}: the model takes it, but every cell is missing. Fill it in."
                )
            self.notes.append(f"{name}: every cell is missing; left out.")
            return None
        if name in self.categorical:
            self.reasons[name] = "declared as categories"
        if known is not None:
            return self._typed(name, values, count, gone, known=known)
        if name in self.categorical:
            return self._levels(name, values, count, gone)
        wrong = [cell for cell in values if not is_number(cell)]
        if wrong and self._are_words(name, count, wrong):
            gone += wrong
            words = frozenset(wrong)
            values = [cell for cell in values if cell not in words]
            wrong = []
        if wrong or fixed_digits(values) > MOST_DIGITS:
            return self._levels(name, values, count, gone)
        return self._numbers(name, values, count, gone)

    def _typed(
        self, name: str, values: list[str], count: Counter[str], gone: list[str], *, known: ColumnType
    ) -> Column | None:
        """A column of a data frame that holds texts, categories or dates there, whatever its cells look like."""
        if known.name == CATEGORY:
            self.reasons.setdefault(name, f"{len(values)} categories of the data frame")
            found = self._levels(name, values, count, gone)
            return found if found is None else self._of_frame(found, known, values)
        if known.name != TEXT:
            self.notes.append(
                f"{name}: {known.name} in the data frame; a model is given its values as texts."
            )
        if not looks_typed(values):
            return self._levels(name, values, count, gone)
        rows, words = len(self.text.rows), sorted(cell for cell in gone if cell)
        many = len(values) > _MOST_LEVELS or (rows > _CODES and len(values) > rows // 2)
        if name not in self.categorical and (many or words) and _are_numbers(values):
            return self._texts_of_numbers(name, values, count, gone, words=words)
        what = "truth values" if truth_of(values[0]) is not None else "numbers"
        self.notes.append(
            f"{name}: texts that look like {what} ({values[0]!r}); a model is given these texts, as the data frame holds them "
            '(dtype = "str"). If it takes numbers, convert the column (astype).'
        )
        found = self._levels(name, values, count, gone)
        return found if found is None else replace(found, dtype=TEXT)

    def _of_frame(self, found: Column, known: ColumnType, values: list[str]) -> Column:
        """A column of categories with those of the data frame, in their order."""
        kind = ColumnKind.ORDINAL if known.ordered else ColumnKind.CATEGORICAL
        if not set(values) <= set(known.categories):
            return replace(found, dtype=CATEGORY)
        unused = sorted(set(known.categories) - set(values))
        if unused:
            self.notes.append(
                f"{found.name}: {len(unused)} categories of the data frame are in no row ({unused[0]!r}); they are levels too. "
                "Take them out of the data frame (remove_unused_categories) if no search should go there."
            )
        names = set(known.categories)
        levels = (*known.categories, *(level for level in found.levels if level not in names))
        return replace(found, kind=kind, levels=levels, dtype=CATEGORY)

    def _texts_of_numbers(
        self, name: str, values: list[str], count: Counter[str], gone: list[str], *, words: list[str]
    ) -> Column | None:
        """A column of texts that are numbers: a model is given the numbers as texts."""
        digits = fixed_digits(values)
        if digits > MOST_DIGITS:
            return self._levels(name, values, count, gone)
        if words:
            self.notes.append(
                f"{name}: {words[0]!r} among texts that are numbers; taken for missing. If it is a level, make the column "
                "categorical."
            )
        if digits:
            often: Counter[float] = Counter({float(cell): count[cell] for cell in values})
            absent = sum(count[cell] for cell in gone)
            return self._codes(name, often, digits, counts=False, absent=absent, dtype=TEXT)
        found = self._numbers(name, values, count, gone)
        if found is None:
            return None
        found = replace(found, dtype=TEXT)
        other = next((cell for cell in values if found.text(float(cell)) != cell), None)
        form = "" if other is None else f", all in one form ({found.text(float(other))!r} for {other!r})"
        self.notes.append(
            f"{name}: {len(values)} texts that are numbers; taken for numbers, and a model is given them as texts{form} "
            '(dtype = "str"). If it takes numbers, convert the column (astype).'
        )
        return found

    def _are_words(self, name: str, count: Counter[str], wrong: list[str]) -> bool:
        """Whether cells that are no numbers stand for missing ones; refuses those that are mistakes."""
        total = sum(count.values()) - sum(n for cell, n in count.items() if cell in self.markers)
        numbers = {cell: n for cell, n in count.items() if cell not in self.markers and is_number(cell)}
        share = sum(numbers.values()) / total
        words = [cell for cell in wrong if cell.casefold() in ABSENT]
        many = len(numbers) > _CODES
        if share >= _MOSTLY and many and len(words) == len(wrong):
            shown = ", ".join(f"{cell!r} {count[cell]} times" for cell in wrong[:3])
            self.notes.append(
                f"{name}: {sum(numbers.values())} numbers, and {shown}; taken for missing. If it is a level, make the "
                "column categorical."
            )
            self.words += [cell for cell in wrong if cell not in self.words]
            return True
        odd = [cell for cell in wrong if cell not in words]
        if share >= _NEARLY and many and odd:
            cell = odd[0]
            line = self.text.lines[self.text.column(name).index(cell)]
            others = f", and {len(odd) - 1} more like it" if len(odd) > 1 else ""
            hint = " (write a decimal point)" if "," in cell and cell.replace(",", "", 1).isdigit() else ""
            raise DataError(
                f"table: {self.text.name!r}, line {line}, column {name!r}: {cell[:40]!r} is no finite number{hint}{others}, but "
                f"{sum(numbers.values())} of {total} cells are. Correct it, or declare it: `cfsearch schema table` with "
                f"--missing {cell[:40]!r} for a missing number, with --categorical {name!r} for a level."
            )
        return False

    def _numbers(self, name: str, values: list[str], count: Counter[str], gone: list[str]) -> Column | None:
        numbers, rows = [float(cell) for cell in values], len(self.text.rows)
        absent = sum(count[cell] for cell in gone)
        whole = all(v == int(v) for v in numbers) and not any(
            "." in cell or "e" in cell.lower() for cell in values
        )
        if whole and max(map(abs, numbers)) > 2**53:
            whole = False
            self.notes.append(
                f"{name}: whole numbers beyond 2^53, which keep their first 15 digits; taken for real. If it is an identifier, "
                "list it under `ignore` in a schema."
            )
        counts = whole and len(values) == rows > _CODES and max(numbers) - min(numbers) == rows - 1
        if name in self.needed:  # the ages of few people may be consecutive numbers too, but not in order
            counts = counts and numbers == sorted(numbers)
        why = "counts the rows"
        if not counts and whole and len(values) == rows > _CODES and names_identifiers(name):
            counts, why = True, _NAMED
        if counts and name not in self.needed:
            self.notes.append(f"{name}: {why}; left out, as it looks like an identifier.")
            self.named += [name] if why == _NAMED else []
            return None
        if counts:
            self.notes.append(
                f"{name}: {why}, but {self.because}; it is held fixed (immutable), as it looks like an identifier."
            )
        if whole and 2 <= len(values) <= _CODES and max(numbers) - min(numbers) < 2 * _CODES:
            self.notes.append(f"{name}: {len(values)} whole numbers; if they are codes, make it categorical.")
        if absent:
            self.lacking[name] = absent
            self.notes.append(note_on_gaps(name, absent, kept=False))
        places = max(len(cell.partition(".")[2]) for cell in values)
        fine = any("e" in cell.lower() for cell in values) or places > _MOST_DECIMALS
        fine = fine or max(map(abs, numbers)) * 10.0**places > 2**53
        often: Counter[float] = Counter()
        for cell, number in zip(values, numbers, strict=True):
            often[number] += count[cell]
        step = 1.0 if whole else 0.0 if fine else float(f"1e-{places}")
        digits = fixed_digits(values)
        if digits:
            return self._codes(name, often, digits, counts=counts, absent=absent)
        support = support_of(name, often, step=step, whole=whole)
        self.notes += support.notes
        special = frozenset(support.codes)
        inside = [number for number in numbers if number not in special]
        decimals = f"{places} decimal{'' if places == 1 else 's'}"
        what = "whole numbers" if whole else "numbers" if fine else f"numbers with {decimals}"
        self.reasons[name] = f"{len(values)} different {what}" if len(values) > 1 else _CONSTANT
        return Column(
            name=name,
            kind=ColumnKind.INTEGER if whole else ColumnKind.REAL,
            low=min(inside),
            high=max(inside),
            step=support.step,
            immutable=counts,
            missing=Missing.DROP if absent else Missing.REFUSE,
            codes=support.codes,
            values=support.values,
            gaps=support.gaps,
        )

    def _codes(
        self, name: str, often: Counter[float], digits: int, *, counts: bool, absent: int, dtype: str = ""
    ) -> Column:
        """Numbers with zeros in front: codes, between which nothing lies."""
        many = len(often) > _MOST_CODES
        if many:
            self.notes.append(
                f"{name}: {len(often)} different codes; held fixed (immutable), as no number between two codes need be one. "
                "To let a search change it, list the codes as `values` in the schema, or take `immutable` out of it."
            )
        only = "" if many else ", a search goes to those that occur (values)"
        self.notes.append(
            f"{name}: codes of {digits} digits with zeros in front; a model is given them as texts, as the data frame holds them"
            f"{only}."
            if dtype == TEXT
            else f"{name}: codes of {digits} digits with zeros in front; taken for the whole numbers that pandas reads{only}, and "
            'written with all digits (digits). Where the model takes texts, set `dtype = "str"` in a schema.'
        )
        self.reasons[name] = (
            f"{len(often)} different codes of {digits} digits" if len(often) > 1 else _CONSTANT
        )
        return Column(
            name=name,
            kind=ColumnKind.INTEGER,
            low=min(often),
            high=max(often),
            step=1.0,
            digits=digits,
            dtype=dtype,
            immutable=many or counts,
            missing=Missing.DROP if absent else Missing.REFUSE,
            values=() if many or len(often) < 2 else tuple(sorted(often)),
        )

    def _levels(self, name: str, values: list[str], count: Counter[str], gone: list[str]) -> Column | None:
        rows, absent = len(self.text.rows), sum(count[cell] for cell in gone)
        rare = rows > _CODES and len(values) > rows // 2
        many, declared = len(values) > _MOST_LEVELS or rare, name in self.categorical
        example = signed_example(values) if many and not declared else None
        texts = f"{len(values)} different {'texts' if example is None else f'numbers beside a sign or a unit ({example!r})'}"
        plainly = (
            ""
            if example is None
            else " Where the model takes numbers, write them alone (1234.5) in the file."
        )
        if rare and not declared and name not in self.needed:
            self.notes.append(f"{name}: {texts} in {rows} rows; left out.{plainly}")
            return None
        if many and not declared:
            self.notes.append(
                f"{name}: {texts} in {rows} rows; held fixed (immutable).{plainly} To let a search change it, "
                "declare it as categorical, or take `immutable` out of the schema."
            )
        near = [v for v in values if is_number(v)]
        if near and len(near) < len(values):
            odd = next(v for v in values if v not in near)
            self.notes.append(
                f"{name}: numbers and texts ({odd[:40]!r}) in one column; taken for categories. If it "
                "holds numbers, correct the text or declare it as a missing value."
            )
        levels = sorted(values, key=by_number)
        if gone:
            # pandas keeps a "?" as text and reads an empty cell as NaN: a model tells the two apart
            words = sorted(cell for cell in gone if cell not in NOT_AVAILABLE)
            last = _NAN if len(words) < len(gone) else words.pop(0)
            levels += words
            self.notes.append(f"{name}: {absent} cells are missing and get a level of their own, {last!r}.")
            levels.append(last)
        self.reasons.setdefault(name, f"{len(values)} different texts" if len(levels) > 1 else _CONSTANT)
        return Column(
            name=name,
            kind=ColumnKind.CATEGORICAL,
            levels=tuple(levels),
            immutable=many and not declared,
            missing=Missing.LEVEL if gone else Missing.REFUSE,
        )


def _are_numbers(cells: Collection[str]) -> bool:
    return bool(cells) and all(map(is_number, cells))


def by_number(label: str) -> tuple[float, str]:
    """The order of levels: by their number where they are ones, the others after them by the alphabet.

    Args:
        label: of a level.
    """
    try:
        number = float(label)
    except ValueError:
        number = math.inf
    return (math.inf if math.isnan(number) else number, label)
