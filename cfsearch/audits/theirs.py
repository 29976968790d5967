"""Counterfactuals that another tool wrote, read as they are: dice-ml's JSON, alibi's explanations, CSV files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard, final

from cfsearch.datasets.tables import TextTable, bytes_of, number_of, read_text_table
from cfsearch.errors import DataError, listed
from cfsearch.files import read_file, reason
from cfsearch.parsing import JSONError, parse_json

Cells = Mapping[str, object]
IDS: Final = ("original", "original_index", "id", "row", "index", "query_instance")
"""Columns of a CSV that may say of which row a counterfactual is, in this order."""
_TABLES: Final = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".xlsx", ".xls", ".xlsm", ".ods")
"""Endings of tables; what is no table that can be read is refused as `--data` refuses it."""
_PACKED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
"""How files packed by gzip, bzip2 and xz begin."""


@final
@dataclass(frozen=True, slots=True)
class Theirs:
    """The counterfactuals that a tool gave for one input.

    Args:
        original: cells of the input by column; None where ``row`` says which one it is.
        row: place of the input in the table, from 0; None where its cells are given.
        counterfactuals: cells of each by column.
        name: how the tool calls the input; empty for none.
    """

    original: Cells | None
    row: int | None
    counterfactuals: tuple[Cells, ...]
    name: str = ""


def read_theirs(
    path: str | Path,
    *,
    columns: Sequence[str],
    header: Sequence[str] = (),
    identifier: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> tuple[str, list[Theirs]]:
    """What a file holds, and which tool wrote it.

    Args:
        path: JSON of dice-ml (``CounterfactualExplanations.to_json``) or of alibi (``Explanation.to_json``, one or a
            list), or a CSV; packed or as parquet as tables may be.
        columns: of the table, in the order of its schema; alibi's arrays have no names.
        header: of the table's file; a CSV's identifying column may be one of it.
        identifier: column of a CSV that says of which row a counterfactual is; one of ``IDS`` when left out.
        encoding: of the table's file, for a CSV that is no UTF-8 text either.
        delimiter: of the table's file, for a CSV in which none is found.

    Raises:
        DataError: it is none of these, or holds no counterfactual.
    """
    path = Path(path)
    document = _document(path)
    if document is None:
        table = _text_table(path, encoding=encoding, delimiter=delimiter)
        kind, found = "a CSV file", _of_csv(table, identifier, header=header)
    elif isinstance(document, Mapping) and "cfs_list" in document:
        kind, found = "dice-ml", _of_dice(document, name=path.name)
    else:
        entries = document if isinstance(document, list) else [document]
        kind, found = (
            "alibi",
            [_of_alibi(entry, i, columns, name=path.name) for i, entry in enumerate(entries)],
        )
    if not any(one.counterfactuals for one in found):
        raise DataError(f"judge: {path.name!r} holds no counterfactual.")
    return kind, found


def _document(path: Path) -> Any:  # Any: JSON values
    """What a JSON file holds; None of a table, which is known by its ending or by what it begins with."""
    endings = [ending.lower() for ending in path.suffixes]
    if any(ending in _TABLES for ending in endings):
        return None
    try:
        raw = read_file(path)
        content = bytes_of(path) if raw.startswith(_PACKED) else raw
    except OSError as error:
        raise DataError(
            f"judge: {str(path)!r} cannot be read: {reason(error)}. Give the counterfactuals as .csv or .json."
        ) from error
    try:
        return parse_json(content, constants=True)  # a missing cell may be NaN there
    except JSONError as error:
        raise DataError(
            f"judge: {path.name!r} is no JSON: {error}. Give a .csv under that ending."
        ) from error


def _text_table(path: Path, *, encoding: str | None, delimiter: str | None) -> TextTable:
    """The cells of a CSV, whose encoding and delimiter need not be those of the table beside it."""
    try:
        bytes_of(path).decode("utf-8")
        own = None
    except UnicodeDecodeError:
        own = encoding
    table = read_text_table(path, encoding=own)
    if len(table.header) == 1 and delimiter is not None:
        table = read_text_table(path, encoding=own, delimiter=delimiter)
    return table


def _of_dice(document: Mapping[str, Any], *, name: str) -> list[Theirs]:
    names = document.get("feature_names")
    originals, given = document.get("test_data"), document["cfs_list"]
    if not (
        _texts(names)
        and isinstance(originals, list)
        and isinstance(given, list)
        and len(originals) == len(given)
    ):
        raise DataError(
            f"judge: {name!r} looks like dice-ml's JSON, but lacks `feature_names` or as many `test_data` as `cfs_list`. "
            "Write it with CounterfactualExplanations.to_json()."
        )
    found = []
    for i, (original, each) in enumerate(zip(originals, given, strict=True)):
        row = (
            original[0]
            if isinstance(original, list) and original and isinstance(original[0], list)
            else original
        )
        if each is not None and not isinstance(each, list):
            raise DataError(
                f"judge: {name!r}: input {i} of `cfs_list` must be a list of rows, got {each!r:.80}."
            )
        found.append(
            Theirs(
                _named(names, row, name=name),
                None,
                tuple(_named(names, cells, name=name) for cells in each or ()),
                f"input {i}",
            )
        )
    return found


def _texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _named(names: Sequence[str], row: Any, *, name: str) -> Cells:  # Any: values of JSON
    """Cells by column; what stands behind the last column is the class."""
    if not isinstance(row, list):
        raise DataError(f"judge: {name!r}: expected rows as lists of {len(names)} cells, got {row!r:.80}.")
    if len(row) < len(names):
        raise DataError(f"judge: {name!r}: expected rows of {len(names)} columns, got one of {len(row)}.")
    return dict(zip(names, row, strict=False))


def _of_alibi(entry: object, i: int, columns: Sequence[str], *, name: str) -> Theirs:
    data = entry.get("data") if isinstance(entry, Mapping) else None
    if not isinstance(data, Mapping) or "cf" not in data:
        raise DataError(
            f"judge: {name!r} is neither dice-ml's JSON (`cfs_list`) nor an explanation of alibi (`data.cf`). "
            "Give one of these, a .csv, or a folder of pictures."
        )
    meta = entry.get("meta") if isinstance(entry, Mapping) else None
    params = meta.get("params") if isinstance(meta, Mapping) else None
    listed = params.get("feature_names") if isinstance(params, Mapping) else None
    names = listed if listed and _texts(listed) else list(columns)
    cf, orig = data["cf"], data.get("orig")
    rows = _rows(cf.get("X") if isinstance(cf, Mapping) else None, name=name)
    original = _rows(orig.get("X") if isinstance(orig, Mapping) else data.get("X"), name=name)
    return Theirs(
        _named(names, original[0], name=name) if original else None,
        None if original else i,
        tuple(_named(names, row, name=name) for row in rows),
        f"input {i}",
    )


def _rows(values: Any, *, name: str) -> list[list[Any]]:  # Any: nested lists, however deep
    if values is None or values == []:
        return []
    if not isinstance(values, list):
        raise DataError(f"judge: {name!r}: expected rows as lists of cells, got {values!r:.80}.")
    if not any(isinstance(part, list) for part in values):
        return [values]
    return [row for part in values for row in _rows(part, name=name)]


def _of_csv(table: TextTable, identifier: str | None, *, header: Sequence[str]) -> list[Theirs]:
    given, name = table.header, table.name
    taken = frozenset(header)
    known = [column for column in IDS if column in given and column not in taken]
    column = identifier if identifier is not None else next(iter(known), None)
    if column is None or column not in given:
        raise DataError(
            f"judge: {name!r}: no column says of which row each counterfactual is; it has {listed(given, most=30)}. Add one "
            f"called {IDS[0]!r} with the row's place in --data (from 0), or name it with --id."
        )
    at = given.index(column)
    groups: dict[int, list[Cells]] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = {name: cell for i, (name, cell) in enumerate(zip(given, row, strict=True)) if i != at}
        number = number_of(row[at])
        if number is None or not number.is_integer():
            raise DataError(
                f"judge: {name!r}, line {line}: {column!r} must be the place of a row, from 0, got {row[at]!r}."
            )
        groups.setdefault(int(number), []).append(cells)
    return [Theirs(None, place, tuple(cells), f"row {place}") for place, cells in groups.items()]
