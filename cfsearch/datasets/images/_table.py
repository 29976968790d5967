"""Attribute tables: one row an image, one yes-or-no column an attribute."""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, final

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.errors import DataError
from cfsearch.files import why_no_file

KEYS: Final = ("file", "filename", "image_id", "image")
"""Names of the column with the file name; where none occurs it is the first column."""

_VALUES: Final = {"-1": -1, "0": 0, "1": 1, "-1.0": -1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
"""A column with a missing cell is written with decimals, one of truths in words."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class AttributeTable:
    """Table of binary attributes of images.

    Args:
        files: file name of each row, unique.
        names: name of each attribute, unique.
        values: whether the image has the attribute.
        extra: text columns that are no attributes, by name (a split, an identity).

    Shapes:
        ``values`` ``(n, a)`` for n files and a names.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    values: Bool[Tensor, "n a"]
    extra: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.files)

    def columns(self, names: Sequence[str]) -> Bool[Tensor, "n a"]:
        """The values of these attributes, in this order.

        Raises:
            DataError: the table has no such attribute.
        """
        place = {name: i for i, name in enumerate(self.names)}
        for name in names:
            if name not in place:
                near = difflib.get_close_matches(name, self.names, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else "Name one of its columns."
                raise DataError(
                    f"attributes: the table has no attribute {name!r} among its {len(self.names)}. {hint}"
                )
        return self.values[:, [place[name] for name in names]]

    def take(self, rows: Sequence[int]) -> Self:
        """These rows alone, in this order."""
        return type(self)(
            files=tuple(self.files[i] for i in rows),
            names=self.names,
            values=self.values[list(rows)],
            extra={name: tuple(column[i] for i in rows) for name, column in self.extra.items()},
        )


def read_attributes(
    path: Path, *, extra: Sequence[str] = (), known: Sequence[str] = (), only: Sequence[str] = ()
) -> AttributeTable:
    """The attribute table in a file with a header, whatever its encoding and what stands between its cells.

    The file name stands in the column named file, filename, image_id or image, else in the
    first. All other columns are attributes with values in {-1, 1} or {0, 1}, also with decimals, or true and
    false, but for ``extra`` and ``known``. Comments (``#``) and Excel's ``sep=;`` above the header are skipped.

    Args:
        path: the table.
        extra: columns to keep as text.
        known: as ``extra``, of those that the table has beside its first column.
        only: the attributes; every other column is kept as text. Where empty, all others are attributes.

    Raises:
        DataError: the file cannot be read as such a table; names the line.
        MissingExtraError: a parquet file without pyarrow (extra ``export``).
    """
    from cfsearch.datasets.tables import text_and_delimiter

    if wrong := why_no_file(path):
        raise DataError(f"attributes: {str(path)!r} must be a table, but {wrong}. Check the path.")
    text, delimiter, above = text_and_delimiter(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        extra = [*extra, *(name for name in known if name in header[1:] and name not in extra)]
        if only:
            own = {*only, next((name for name in KEYS if name in header), header[0] if header else "")}
            extra = [name for name in dict.fromkeys([*extra, *header]) if name not in own]
        key, kept, attributes = _header(header, extra, path, line=above + 1)
        rows: dict[str, int] = {}
        texts: list[list[str]] = []
        values: list[list[int]] = []
        for row in reader:
            line = reader.line_num + above
            if len(row) <= 1 and not "".join(row).strip():
                continue
            if len(row) != len(header):
                raise _error(path, line, f"must have {len(header)} cells, got {len(row)}")
            if row[key] in rows:
                raise _error(path, line, f"names {row[key]!r} again after line {rows[row[key]]}")
            if not row[key]:
                raise _error(path, line, "names no file")
            rows[row[key]] = line
            texts.append([row[i] for i in kept])
            try:
                values.append([_VALUES[row[i].strip().lower()] for i in attributes])
            except KeyError as error:
                at = next(i for i in attributes if row[i].strip().lower() not in _VALUES)
                raise _error(
                    path,
                    line,
                    f"must have 1 or 0, 1 or -1, or true or false in column {header[at]!r}, got "
                    f"{row[at][:40]!r} (name a column that is no attribute as `extra`)",
                ) from error
    except csv.Error as error:
        raise _error(path, reader.line_num + above, f"is no row of a table ({error})") from error
    if not rows:
        raise _error(path, above + 2, "must be the first row, but there is only the header")
    array = np.array(values, dtype=np.int8).reshape(len(rows), len(attributes))
    for column, at in enumerate(attributes):
        v = array[:, column]
        if (v == -1).any() and (v == 0).any():
            later = max(int((v == -1).argmax()), int((v == 0).argmax()))
            raise _error(
                path,
                list(rows.values())[later],
                f"mixes -1 and 0 in column {header[at]!r}; use -1 and 1, or 0 and 1",
            )
    return AttributeTable(
        files=tuple(rows),
        names=tuple(header[i] for i in attributes),
        values=torch.from_numpy(array == 1),
        extra={header[i]: tuple(text[j] for text in texts) for j, i in enumerate(kept)},
    )


def _error(path: Path, line: int, what: str) -> DataError:
    return DataError(f"attributes: {path.name!r}, line {line} {what}. Correct the table.")


def _header(
    header: list[str], extra: Sequence[str], path: Path, *, line: int
) -> tuple[int, list[int], list[int]]:
    if not any(header):
        raise _error(path, line, "must be a header, but the file is empty")
    if len(header) < 2:
        raise _error(
            path,
            line,
            f"must name columns with commas, semicolons or tabs between them, got {header[0][:60]!r}",
        )
    seen: set[str] = set()
    for i, name in enumerate(header):
        if not name:
            raise _error(path, line, f"has no name for column {i + 1}")
        if name in seen:
            raise _error(path, line, f"names column {name!r} twice")
        seen.add(name)
    missing = [name for name in extra if name not in header]
    if missing:
        raise _error(path, line, f"must name the column {missing[0]!r}, which the settings name")
    key = next((header.index(name) for name in KEYS if name in header), 0)
    kept = [header.index(name) for name in extra]
    taken = {key, *kept}
    attributes = [i for i in range(len(header)) if i not in taken]
    return key, kept, attributes
