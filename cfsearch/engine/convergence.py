"""When a front no longer moves, so that a search may end before its budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from cfsearch.numerics import pareto

from .archive import Archive

GROWTH: Final = 0.001
"""A hypervolume that grows by a smaller share stands still."""


@final
@dataclass(slots=True)
class Convergence:
    """Hypervolumes of the archive of one query, generation by generation.

    The front stands still once its hypervolume grew by less than 0.1 % over the last ``patience``
    generations. Volumes are measured from the worst value of each objective in the first generation.

    Args:
        patience: generations, >= 1; 0 for a front that is never called still.
    """

    patience: int
    _volumes: list[float] = field(default_factory=list, init=False)

    def add(self, archive: Archive, *, reference: Sequence[float]) -> None:
        """Take in the archive after a generation.

        Args:
            archive: of the query.
            reference: the point that its volume is measured from.
        """
        if self.patience:
            kept = archive.f[archive.violation <= 0]
            corner = kept.new_tensor(list(reference)).double()
            self._volumes.append(pareto.hypervolume(kept, corner) if len(kept) else 0.0)

    @property
    def still(self) -> bool:
        """Whether the front stands still."""
        if not self.patience or len(self._volumes) <= self.patience:
            return False
        now, before = self._volumes[-1], self._volumes[-1 - self.patience]
        return now - before < GROWTH * now  # never of a front that has no volume yet
