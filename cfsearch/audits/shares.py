"""Counts of one group of inputs, and their shares with intervals and tests."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self, final

from cfsearch.numerics.intervals import Interval, share_difference, wilson
from cfsearch.runs.directory import InstanceRow

from .changes import ChangeTally
from .family import fisher

LEAST: Final = 10
"""Groups of fewer inputs have no figures: they would say more of chance, and of persons, than of the model."""


@final
@dataclass(frozen=True, slots=True)
class Share:
    """A count ``k`` of ``n`` with its share."""

    count: int
    n: int
    least: int = LEAST

    @property
    def reported(self) -> bool:
        """True if there are enough inputs to report a share."""
        return self.n >= self.least

    @property
    def rate(self) -> dict[str, float] | None:
        return plain(wilson(self.count, self.n)) if self.reported else None

    def minus(self, other: Self) -> dict[str, float] | None:
        if not (self.reported and other.reported):
            return None
        return plain(share_difference(self.count, self.n, other.count, other.n))

    def p(self, other: Self) -> float | None:
        """p-value of equal shares by Fisher's exact test; None where one is of nothing."""
        return fisher(self.count, self.n, other.count, other.n) if self.reported and other.reported else None


@final
@dataclass(slots=True)
class Part:
    """What is counted of one group: what the model decides, and how many of those searched flip, and by what."""

    last: int = 0
    kept: int = 0
    hits: int = 0
    searched: int = 0
    changes: ChangeTally = field(default_factory=ChangeTally)
    classes: Counter[int] = field(default_factory=Counter)

    def add(self, row: InstanceRow, sparsest: int | None) -> None:
        if row.front is None:
            return
        self.kept += 1
        self.last += row.front.source == len(row.front.labels) - 1
        self.searched += row.status in ("found", "not_found")
        self.hits += row.status == "found"
        self.classes[row.front.source] += 1
        self.changes.add(row.front, sparsest)

    def less(self, other: "Part") -> "Part":
        """What is counted of those that are not in another group, which is a part of this."""
        return Part(
            self.last - other.last,
            self.kept - other.kept,
            self.hits - other.hits,
            self.searched - other.searched,
            self.changes.less(other.changes),
        )

    def shares(self, least: int) -> "Shares":
        return Shares(Share(self.last, self.kept, least), Share(self.hits, self.searched, least))


@final
@dataclass(frozen=True, slots=True)
class Shares:
    """The figures of one group."""

    decided: Share
    found: Share

    def figures(self) -> dict[str, Any]:
        return {
            "instances": self.decided.n,
            "decided": self.decided.rate,
            "searched": self.found.n,
            "found_rate": self.found.rate,
        }

    def minus(self, other: Self) -> dict[str, Any]:
        return {
            "decided": self.decided.minus(other.decided),
            "found_rate": self.found.minus(other.found),
        }

    def p(self, other: Self) -> dict[str, float | None]:
        return {"decided": self.decided.p(other.decided), "found_rate": self.found.p(other.found)}


def plain(interval: Interval | None) -> dict[str, float] | None:
    """An interval as JSON; None where there is none."""
    return None if interval is None else interval.to_dict()
