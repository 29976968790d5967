"""Which changes the sparsest flips hold, counted front by front: no front is kept."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self, final

import torch
from torch import Tensor

from cfsearch.contracts.modality import Modality
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import Interval, wilson

_HELD: Final = 256
"""Flips whose directions are looked at together."""


@final
@dataclass(frozen=True, slots=True)
class Change:
    """Number of instances that flip by a change of one variable in one direction.

    ``direction`` is "+" or "-", and "~" for a category, whose levels have no order.
    """

    variable: str
    direction: str
    count: int
    n: int
    rate: Interval


@final
class ChangeTally:
    """Counts of the changes of the sparsest verified counterfactuals, one front after the other.

    Which changes count is a matter of the modality: of images those that a person sees, of the others
    all, as their generators leave none that are nothing; of texts which words are replaced or removed, whatever
    their place. Instances whose reconstruction flips before anything is changed say nothing about changes and are
    left out.

    Args:
        count: flips that hold a change, by variable and direction, to begin with.
        n: flips, to begin with.
    """

    def __init__(self, count: Mapping[tuple[str, str], int] = MappingProxyType({}), n: int = 0) -> None:
        self.n: int = n
        self._count: Counter[tuple[str, str]] = Counter(count)
        self._waiting: list[Tensor] = []
        self._of: tuple[Modality, Sequence[str], frozenset[str]] | None = None

    def add(self, front: ParetoFront, sparsest: int | None) -> None:
        """Count one front.

        Args:
            front: of one input.
            sparsest: its ``pick("sparsest")``.
        """
        if self._of is None:
            self._of = front.modality, front.variables, frozenset(front.categories)
        if sparsest is None or front.reconstruction_flips:
            return
        self.n += 1
        if self._of[0].own_variables:
            pieces = zip(front.text or (), (front.texts or ())[sparsest], strict=True)
            self._count.update({(old.strip().lower(), "~") for old, new in pieces if old != new})
            return
        self._waiting.append(front.z[sparsest].clone())  # its front is let go
        if len(self._waiting) >= _HELD:
            self._flush()

    def counted(self) -> Counter[tuple[str, str]]:
        """How many flips hold a change, by variable and direction."""
        self._flush()
        return self._count

    def joined(self, others: Iterable["ChangeTally"]) -> Self:
        """The counts of several together.

        Args:
            others: beside this one.
        """
        count, n = Counter(self.counted()), self.n
        for one in others:
            count.update(one.counted())
            n += one.n
        return type(self)(count, n)

    def less(self, other: "ChangeTally") -> Self:
        """The counts of those that are not in another, which is a part of this.

        Args:
            other: the part.
        """
        return type(self)(self.counted() - other.counted(), self.n - other.n)

    def changes(self) -> list[Change]:
        """The changes with their shares, most frequent first."""
        rated = [(way, count, wilson(count, self.n)) for way, count in self.counted().items() if count]
        found = [Change(*way, count, self.n, rate) for way, count, rate in rated if rate is not None]
        return sorted(found, key=lambda c: (-c.count, c.variable, c.direction))

    def _flush(self) -> None:
        if not self._waiting or self._of is None:
            return
        modality, variables, categories = self._of
        z = torch.stack(self._waiting)
        self._waiting.clear()
        for j, variable in enumerate(variables):
            for direction, hit in modality.directions(z[:, j], category=variable in categories).items():
                self._count[variable, direction] += int(hit.sum())


def changes(fronts: Iterable[ParetoFront]) -> list[Change]:
    """Changes of the sparsest verified counterfactuals, most frequent first; see ``ChangeTally``.

    Args:
        fronts: one an input.
    """
    tally = ChangeTally()
    for front in fronts:
        tally.add(front, front.pick("sparsest"))
    return tally.changes()
