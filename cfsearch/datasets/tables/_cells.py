"""In which type the cells of a column reach a model: as pandas reads them from a file."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DTYPES: Final = ("bool", "int64", "float64", "str", "category")
"""What ``dtype`` of a column may be; "category" is pandas' type, as LightGBM and XGBoost take it."""

NOT_AVAILABLE: Final = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
"""Cells that ``pandas.read_csv`` reads as NaN."""

ABSENT: Final = frozenset(
    [
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "?",
        "??",
        "*",
        "n.a.",
        "n.a",
        "n/a",
        "na",
        "n\\a",
        "nan",
        "nil",
        "null",
        "none",
        "missing",
        "unknown",
        "unk",
        "undefined",
        "void",
        "blank",
        "empty",
        "(blank)",
        "(null)",
        "(empty)",
        "not-available",
        "not_available",
        "#n/a",
        "#na",
        "#null!",
        "#div/0!",
        "#value!",
        "#ref!",
        "#name?",
        "k.a.",
        "k.a",
        "ka",
        "unbekannt",
        "inconnu",
        "inconnue",
        "desconocido",
        "desconhecido",
        "sconosciuto",
        "onbekend",
        "nieznany",
        "okänd",
        "bilinmiyor",
        "nd",
        "n.d.",
        "s/d",
        "nr",
        "n.r.",
        "tbd",
        "tba",
        "x",
    ]
) | {"not available", "not known", "keine angabe", "no data", "k. a.", "n. a."}
"""Words that, among numbers, stand for a missing one; in lower case."""

_TRUTH: Final = {
    "True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False,
}  # fmt: skip
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_INT64: Final = 2**63


def truth_of(cell: str) -> bool | None:
    """What pandas reads in a word for true or false; None of any other text."""
    return _TRUTH.get(cell)


def fixed_digits(cells: Iterable[str]) -> int:
    """How many digits write each of some codes, of which one begins with a zero; 0 of other cells.

    Args:
        cells: as they stand in a file.

    Example:
        >>> fixed_digits(["02139", "90210"]), fixed_digits(["2139", "90210"]), fixed_digits(["07", "007"])
        (5, 0, 0)
    """
    size, zeros = 0, False
    for cell in cells:
        if not (cell.isascii() and cell.isdigit()) or len(cell) != (size or len(cell)):
            return 0
        size, zeros = len(cell), zeros or cell[0] == "0"
    return size if zeros and size > 1 else 0


def is_absent(value: Any) -> bool:  # Any: what stands in a cell of a data frame
    """Whether a value stands for a missing cell: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def level_values(levels: Sequence[str], *, dtype: str = "", absent: bool = False) -> NDArray[Any]:
    """The value of each level as pandas reads it from a file.

    Args:
        levels: the names, as they stand in the file.
        dtype: one of ``DTYPES``; empty for what pandas makes of a column of these cells.
        absent: whether the last level stands for missing cells; it is NaN if its name is one of
            ``NOT_AVAILABLE``, else the text that it is.

    Returns:
        An array of bool, int64, float64 or object, one value a level (Any: it depends on the names).

    Raises:
        ValueError: a level is no value of ``dtype``.
    """
    gone = absent and levels[-1] in NOT_AVAILABLE
    names = list(levels[:-1] if gone else levels)
    kind = natural_type(names) if dtype in ("", "category") else dtype
    values: NDArray[Any]
    if kind == "bool":
        wrong = [name for name in names if name not in _TRUTH]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is neither true nor false")
        values = np.array([_TRUTH[name] for name in names], dtype=bool)
        return np.array([*values.tolist(), np.nan], dtype=object) if gone else values
    if kind in ("int64", "float64"):
        wrong = [n for n in names if not (_WHOLE if kind == "int64" else _NUMBER).fullmatch(n)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no {'whole ' if kind == 'int64' else ''}number")
        if kind == "int64" and not gone:
            return np.array([int(name) for name in names], dtype=np.int64)
        return np.array([*map(float, names), *([np.nan] if gone else [])], dtype=np.float64)
    return np.array([*names, *([np.nan] if gone else [])], dtype=object)


def natural_type(names: Sequence[str]) -> str:
    """The type that pandas makes of a column of these cells: "bool", "int64", "float64" or "str".

    Args:
        names: the cells, none of them missing.
    """
    if names and all(name in _TRUTH for name in names):
        return "bool"
    if names and all(_WHOLE.fullmatch(name) and abs(int(name)) < _INT64 for name in names):
        return "int64"
    return "float64" if names and all(_NUMBER.fullmatch(name) for name in names) else "str"
