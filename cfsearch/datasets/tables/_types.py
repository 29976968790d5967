"""Types of the columns of a data frame, which its text does not show: "01" as a text, categories, dates."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfsearch.errors import DataError
from cfsearch.files import read_file, write_atomically
from cfsearch.parsing import parse_json
from cfsearch.places import is_file

from ._cells import natural_type

if TYPE_CHECKING:
    import pandas as pd

TEXT: Final = "str"
CATEGORY: Final = "category"
_MOST_BYTES: Final = 2**24


def types_of_frame(frame: "pd.DataFrame") -> dict[str, str]:
    """The types of those columns of a data frame that their text does not show.

    Args:
        frame: with names of text.

    Returns:
        By column, "str" for texts, "category" for categories, pandas' name for dates and times; numbers and
        truth values are left out.

    Example:
        >>> import pandas as pd
        >>> types_of_frame(pd.DataFrame({"branch": ["01", None], "income": [5, 7]}))
        {'branch': 'str'}
    """
    import pandas as pd

    found: dict[str, str] = {}
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if str(name) in found:
            continue
        values = frame[name]
        if not isinstance(values, pd.Series):  # names that come twice are refused later
            continue
        if isinstance(dtype, pd.CategoricalDtype):
            texts = pd.api.types.infer_dtype(dtype.categories) == "string"
            found[str(name)] = TEXT if texts and looks_typed(dtype.categories.tolist()) else CATEGORY
        elif dtype.kind in "mM" or isinstance(dtype, pd.PeriodDtype):
            found[str(name)] = str(dtype)
        elif dtype.kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "string":
            found[str(name)] = TEXT
    return found


def types_of_columns(columns: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """The types of columns of a program; empty where every cell is a text, as ``csv.DictReader`` gives them.

    Args:
        columns: their values.

    Example:
        >>> types_of_columns({"branch": ["01", None], "income": [5, 7]}), types_of_columns({"branch": ["01"], "income": ["5"]})
        ({'branch': 'str'}, {})
    """
    known = {name: [v for v in values if v is not None and v != ""] for name, values in columns.items()}
    if all(isinstance(v, str) for values in known.values() for v in values):
        return {}
    return {
        name: TEXT for name, values in known.items() if values and all(isinstance(v, str) for v in values)
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


def write_types(table: Path, types: Mapping[str, str]) -> None:
    """Writes the types of a table's columns beside it.

    Args:
        table: its file.
        types: by column.
    """
    write_atomically(_beside(table), json.dumps(dict(types), ensure_ascii=False))


def types_beside(table: Path) -> dict[str, str]:
    """The types that ``write_types`` wrote beside a table; empty where nothing stands there.

    Args:
        table: its file.

    Raises:
        DataError: what stands there is nothing that ``write_types`` wrote.
    """
    path = _beside(table)
    if not is_file(path):
        return {}
    wrong = f"table: {str(path)!r} must hold the types of the columns of {table.name!r}"
    try:
        found = parse_json(read_file(path, most=_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise DataError(f"{wrong}, but it cannot be read: {error}. Remove it.") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise DataError(f"{wrong}, got something else. Remove it.")
    return found


def _beside(table: Path) -> Path:
    return table.with_name(f"{table.name}.types.json")
