"""What the name of a column says."""

import re
from typing import Final

_LAST: Final = frozenset(
    ["id", "ids", "identifier", "uid", "uuid", "guid", "nr", "nbr", "idx", "rowid", "kennung", "matricule"]
)
"""Words with which a name of identifiers ends."""
_BEHIND: Final = frozenset(["no", "num", "number", "key"])
"""Words of which that holds behind another word only: ``No``, ``Number`` and ``key`` alone name a quantity as well."""
_MEASURED: Final = frozenset(
    [
        "age",
        "amount",
        "count",
        "length",
        "percent",
        "price",
        "rate",
        "ratio",
        "score",
        "share",
        "size",
        "value",
    ]
)
"""Words that make a quantity of ``id`` before them."""


def words_of(name: str) -> list[str]:
    """The words of a name in small letters.

    Args:
        name: as in the header.

    Example:
        >>> words_of("EmployeeNumber"), words_of("loan_ID 2")
        (['employee', 'number'], ['loan', 'id'])
    """
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", _apart(name))]


def names_identifiers(name: str) -> bool:
    """Whether a name says that a column holds identifiers, if its values are different in each row.

    A word with a digit in it is another word (``NO2`` is a gas), and ``id`` in front counts where one word follows it
    that is no quantity (``id_client``, but not ``id_rate`` or ``id card age``).

    Args:
        name: as in the header.

    Example:
        >>> names = ("id", "patient_nbr", "CustomerID", "Roll No", "paid", "NO2", "number of visits", "Number")
        >>> [name for name in names if names_identifiers(name)]
        ['id', 'patient_nbr', 'CustomerID', 'Roll No']
    """
    parts = [part.casefold() for part in re.findall(r"[^\W_]+", _apart(name))]
    words = [part for part in parts if not part.isdecimal()]
    if not words:
        return False
    if words[-1] in _BEHIND:
        return len(words) > 1 and parts[-1] == words[-1]
    return words[-1] in _LAST or (len(words) == 2 and words[0] == "id" and words[1] not in _MEASURED)


def _apart(name: str) -> str:
    """A name with a space before each capital that follows a small letter."""
    return re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
