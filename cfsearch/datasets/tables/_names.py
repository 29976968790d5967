"""What the name of a column says."""

import re
from typing import Final

_LAST: Final = frozenset(
    [
        "id",
        "ids",
        "identifier",
        "uid",
        "uuid",
        "guid",
        "nr",
        "nbr",
        "no",
        "num",
        "number",
        "idx",
        "key",
        "rowid",
        "kennung",
        "matricule",
    ]
)
"""Words with which a name of identifiers ends."""


def words_of(name: str) -> list[str]:
    """The words of a name in small letters.

    Args:
        name: as in the header.

    Example:
        >>> words_of("EmployeeNumber"), words_of("loan_ID 2")
        (['employee', 'number'], ['loan', 'id'])
    """
    apart = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
    return [word.casefold() for word in re.findall(r"[^\W\d_]+", apart)]


def names_identifiers(name: str) -> bool:
    """Whether a name says that a column holds identifiers, if its values are different in each row.

    Args:
        name: as in the header.

    Example:
        >>> [n for n in ("id", "patient_nbr", "CustomerID", "paid", "number of visits") if names_identifiers(n)]
        ['id', 'patient_nbr', 'CustomerID']
    """
    words = words_of(name)
    return bool(words) and (words[-1] in _LAST or words[0] == "id")
