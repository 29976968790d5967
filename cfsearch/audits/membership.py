"""Which inputs are in which group, as sets of names; and which groups are compared with which."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from .groups import OTHERS
from .measured import Membership


@final
@dataclass(frozen=True, slots=True)
class GroupPair:
    """Two groups by one attribute or column that are compared.

    Args:
        attribute: by which inputs are grouped.
        name: of the first group.
        against: of the second.
        first: names of its inputs.
        second: likewise.
    """

    attribute: str
    name: str
    against: str
    first: frozenset[str]
    second: frozenset[str]

    @property
    def group(self) -> str:
        """As conditions name it: of images the attribute alone, of rows with the first group."""
        return self.attribute if self.name == "with" else f"{self.attribute}:{self.name}"


def group_parts(members: Membership) -> Iterator[tuple[str, list[tuple[str, frozenset[str]]]]]:
    """Each attribute or column with its groups.

    Rows that are in no group, as there are of several columns crossed, are in none of the sets.

    Args:
        members: which input is in which group.
    """
    if members.labels is not None:
        files = members.labels.files
        for attribute, column in zip(members.by, members.labels.columns(members.by).T.tolist(), strict=True):
            has = frozenset(name for name, value in zip(files, column, strict=True) if bool(value))
            yield attribute, [("with", has), ("without", frozenset(files) - has)]
    for by in members.columns:
        found: list[set[str]] = [set() for _ in by.names]
        for name, of in zip(members.names, by.of, strict=True):
            if of >= 0:
                found[of].add(name)
        yield by.column, [(name, frozenset(part)) for name, part in zip(by.names, found, strict=True)]


def group_pairs(members: Membership) -> Iterator[GroupPair]:
    """The pairs that are compared: the first of two with the second, of more each with all others.

    Args:
        members: which input is in which group.
    """
    for attribute, parts in group_parts(members):
        if len(parts) == 2:
            (name, first), (against, second) = parts
            yield GroupPair(attribute, name, against, first, second)
            continue
        every = frozenset[str]().union(*(part for _, part in parts))
        for name, part in parts:
            yield GroupPair(attribute, name, OTHERS, part, every - part)
