"""Types of the columns of a data frame, which its text does not show: "01" as a text, categories, dates."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from cfsearch.errors import DataError
from cfsearch.files import open_file, read_file, write_atomically
from cfsearch.parsing import parse_json
from cfsearch.places import is_file
from cfsearch.secrecy import shown

from ._cells import natural_type

if TYPE_CHECKING:
    import pandas as pd

TEXT: Final = "str"
CATEGORY: Final = "category"
_MOST_BYTES: Final = 2**24
_FORMAT: Final = "cfsearch-types/1"
_KEYS: Final = frozenset({"type", "categories", "ordered"})
_OF_TEXT: Final = ("string", "empty")
_TIMES: Final = re.compile(r"(datetime64|timedelta64|period|timestamp|duration)\[.+\]")


@final
@dataclass(frozen=True, slots=True)
class ColumnType:
    """Type of a column of a data frame.

    Args:
        name: "str" for texts, "category", or pandas' name of dates and times.
        categories: as texts, in their order, also those of no row.
        ordered: whether that order means something.
    """

    name: str
    categories: tuple[str, ...] = ()
    ordered: bool = False


def types_of_frame(frame: "pd.DataFrame") -> dict[str, ColumnType]:
    """The types of those columns of a data frame that their text does not show.

    Args:
        frame: with names of text.

    Returns:
        By column, "str" for texts, "category" for categories, pandas' name for dates and times; numbers and
        truth values are left out. Empty where every column holds texts, as in a file that was read so.

    Example:
        >>> import pandas as pd
        >>> types_of_frame(pd.DataFrame({"branch": ["01", None], "income": [5, 7]}))
        {'branch': ColumnType(name='str', categories=(), ordered=False)}
    """
    import pandas as pd

    found: dict[str, ColumnType] = {}
    other = False  # a column that holds values and no texts
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if str(name) in found:
            continue
        values = frame[name]
        if not isinstance(values, pd.Series):  # names that come twice are refused later
            continue
        if isinstance(dtype, pd.CategoricalDtype):
            other = True
            categories = dtype.categories.tolist()
            texts = pd.api.types.infer_dtype(dtype.categories) == "string"
            if texts and looks_typed(categories):
                found[str(name)] = ColumnType(TEXT)
                continue
            names = tuple(str(category).strip() for category in categories)
            named = len(set(names)) == len(names)
            found[str(name)] = ColumnType(CATEGORY, names if named else (), bool(dtype.ordered) and named)
        elif dtype.kind in "mM" or isinstance(dtype, pd.PeriodDtype):
            other = True
            found[str(name)] = ColumnType(str(dtype))
        elif dtype.kind in "OU" and (kind := pd.api.types.infer_dtype(values, skipna=True)) in _OF_TEXT:
            if kind == "string":
                found[str(name)] = ColumnType(TEXT)
        else:
            other = other or bool(values.notna().any())
    return found if other else {}


def types_of_columns(columns: Mapping[str, Sequence[object]]) -> dict[str, ColumnType]:
    """The types of columns of a program; empty where every cell is a text, as ``csv.DictReader`` gives them.

    Args:
        columns: their values.

    Example:
        >>> types_of_columns({"branch": ["01", None], "income": [5, 7]}), types_of_columns({"branch": ["01"], "income": ["5"]})
        ({'branch': ColumnType(name='str', categories=(), ordered=False)}, {})
    """
    known = {name: [v for v in values if v is not None and v != ""] for name, values in columns.items()}
    if all(isinstance(v, str) for values in known.values() for v in values):
        return {}
    return {
        name: ColumnType(TEXT)
        for name, values in known.items()
        if values and all(isinstance(v, str) for v in values)
    }


def looks_typed(texts: Sequence[str]) -> bool:
    """Whether pandas would read numbers or truth values where these texts stand in a file.

    Args:
        texts: of one column, none of them a missing cell.

    Example:
        >>> looks_typed(["01", "02"]), looks_typed(["True", "False"]), looks_typed(["01", "A2"])
        (True, True, False)
    """
    return natural_type([text.strip() for text in texts]) != TEXT


def write_types(table: Path, types: Mapping[str, ColumnType]) -> None:
    """Writes the types of a table's columns beside it.

    Args:
        table: its file.
        types: by column.
    """
    columns = {
        name: {"type": one.name, "categories": one.categories, "ordered": one.ordered}
        for name, one in types.items()
    }
    content = {"format": _FORMAT, "columns": columns}
    write_atomically(_beside(table), json.dumps(content, ensure_ascii=False))


def types_beside(table: Path) -> dict[str, ColumnType]:
    """The types that ``write_types`` wrote beside a table; empty where nothing of it stands there.

    Args:
        table: its file.

    Raises:
        DataError: what ``write_types`` wrote there is damaged.
    """
    path = _beside(table)
    if not is_file(path):
        return {}
    try:
        with open_file(path) as file:
            ours = f'"{_FORMAT}"'.encode() in file.read(64)
        if not ours:
            return {}
        found = parse_json(read_file(path, most=_MOST_BYTES))
        columns = found["columns"] if isinstance(found, dict) else None
        if not isinstance(columns, dict):
            raise ValueError("`columns` must be a table")
        return {name: _of_json(name, one) for name, one in columns.items()}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"table: {str(path)!r} must hold the types of the columns of {table.name!r}, but it cannot be read: {error}. Remove it."
        ) from error


def _of_json(name: str, value: object) -> ColumnType:
    """The type of a column as ``write_types`` wrote it."""
    if not isinstance(value, dict) or set(value) != _KEYS:
        raise ValueError(f"column {name!r} must have `type`, `categories` and `ordered`")
    kind, categories, ordered = value["type"], value["categories"], value["ordered"]
    if not isinstance(kind, str) or not (kind in (TEXT, CATEGORY) or _TIMES.fullmatch(kind)):
        raise ValueError(f"column {name!r} has the unknown type {shown(kind)}")
    if not isinstance(categories, list) or not all(isinstance(one, str) for one in categories):
        raise ValueError(f"column {name!r} must have texts as `categories`")
    if len(set(categories)) != len(categories) or not isinstance(ordered, bool):
        raise ValueError(f"column {name!r} must have different `categories`, and `ordered` true or false")
    return ColumnType(kind, tuple(categories), ordered)


def _beside(table: Path) -> Path:
    return table.with_name(f"{table.name}.types.json")
