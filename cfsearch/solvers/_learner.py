"""What is learned of one query's objectives: predictions of candidates, and a choice among them."""

from typing import Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.numerics import pareto
from cfsearch.numerics.gaussian_process import GaussianProcesses

_KNOWN: Final = 400
"""Evaluated candidates that are learned from, at most: those of the best fronts."""

_FIRST_STEPS, _STEPS = 40, 6
"""Of the search for length scales, at first and in every later turn."""

_CORNER: Final = 1.05
"""Of the box of the front, where volumes are measured from."""

_FEW: Final = 40
"""Members of the front that count beside a candidate where there are four objectives or more: a volume is dear there."""

_ROOT_HALF: Final = 0.5**0.5


@final
class Learner:
    """Objectives of one query, learned from its candidates.

    Args:
        space: of this query, on the CPU.
        objectives: how many.
        constrained: whether candidates may break constraints.
    """

    def __init__(self, space: SearchSpace, *, objectives: int, constrained: bool) -> None:
        self._low, self._high = space.lower[0].double(), space.upper[0].double()
        free = (self._high > self._low).nonzero().flatten().tolist()
        named = [j for j in free if space.kinds[j] is Kind.CATEGORICAL]
        self._plain = [j for j in free if j not in named]
        self._levels = {j: _levels(space, j) for j in named}
        # where there are whole values, that a variable did not change at all is what objectives often count
        self._still = free if any(kind is not Kind.REAL for kind in space.kinds) else []
        p = len(self._plain)
        owners = [*range(p), *(p + k for k, j in enumerate(named) for _ in self._levels[j])]
        owners += [len(free)] * len(self._still)
        self.moves: bool = bool(free)
        """Whether anything may change."""
        self._processes = GaussianProcesses(
            outputs=objectives + constrained, owners=torch.tensor(owners or [0])
        )
        self._constrained, self._learned = constrained, False
        self._members = torch.zeros(0, space.d)
        self._front = torch.zeros(0, objectives, dtype=torch.float64)
        self._violated = 0.0

    def learn(self, z: Float[Tensor, "n d"], f: Float[Tensor, "n m"], violation: Float[Tensor, " n"]) -> None:
        """Learn from all candidates that were evaluated.

        Args:
            z: the candidates.
            f: their objectives.
            violation: by how much each breaks constraints.
        """
        kept = violation <= 0
        place = kept.nonzero().flatten()
        place = place[pareto.non_dominated(f[place])] if len(place) else place
        self._members, self._front = z[place], f[place].double()
        self._violated = float(violation[~kept].mean()) if not bool(kept.all()) else 0.0
        if len(z) > _KNOWN:
            order = pareto.ranks(f) + torch.where(kept, 0, len(z))
            some = order.argsort(stable=True)[:_KNOWN].sort().values
            z, f, violation = z[some], f[some], violation[some]
        # by how much a constraint is kept is not known: as much as it is broken elsewhere, so that a border lies in between
        broken = torch.where(violation <= 0, -self._violated, violation)
        values = torch.cat([f, broken[:, None]], dim=1) if self._constrained else f
        self._processes.fit(
            self._columns(z), values.double(), steps=_STEPS if self._learned else _FIRST_STEPS
        )
        self._learned = True

    def members(self, most: int) -> Float[Tensor, "k d"]:
        """Members of the front of what was evaluated, well spread.

        Args:
            most: at most so many.
        """
        return self._members[pareto.truncated(self._front, torch.zeros(len(self._front)), most)]

    def predicted(
        self, z: Float[Tensor, "n d"], *, optimism: float
    ) -> tuple[Float[Tensor, "n m"], Float[Tensor, " n"]]:
        """Objectives and violations that candidates will have.

        Args:
            z: the candidates.
            optimism: by how many standard deviations objectives are lowered, and violations raised.
        """
        mean, deviation = self._processes.predict(self._columns(z))
        if not self._constrained:
            return mean - optimism * deviation, mean.new_zeros(len(z))
        m = mean.shape[1] - 1
        broken = (mean[:, m] + optimism * deviation[:, m]).clamp_min(0.0)
        return mean[:, :m] - optimism * deviation[:, :m], broken

    def best(self, f: Float[Tensor, "n m"], violation: Float[Tensor, " n"], count: int) -> Int[Tensor, " k"]:
        """The candidates that enlarge the front's volume most, one after the other, then the others as they stand.

        Args:
            f: what is predicted.
            violation: likewise; what breaks constraints comes last.
            count: how many are wanted.
        """
        m = f.shape[1]
        front = (
            self._front
            if m <= 3
            else self._front[pareto.truncated(self._front, torch.zeros(len(self._front)), _FEW)]
        )
        right = (violation <= 0).nonzero().flatten()
        both = torch.cat([front, f[right]])
        if not len(both):
            return torch.arange(min(count, len(f)))
        low = both.amin(0)
        span = (both[pareto.non_dominated(both)].amax(0) - low).clamp_min(1e-12)
        corner = torch.full((m,), _CORNER, dtype=f.dtype)
        held, points = (front - low) / span, (f - low) / span
        chosen = right[pareto.enlarging(points[right], held, corner, count)].tolist()
        others = [i for i in range(len(f)) if i not in set(chosen)]
        return torch.tensor([*chosen, *others][:count])

    def _columns(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Candidates as a kernel sees them: shares of the range, a column for each level, and what did not change."""
        z = z.double()
        span = (self._high - self._low)[self._plain]
        parts = [(z[:, self._plain] - self._low[self._plain]) / span]
        # two levels are as far from each other as the ends of a range
        for j, levels in self._levels.items():
            nearest = (z[:, j, None] - levels).abs().argmin(1)
            parts.append(torch.nn.functional.one_hot(nearest, len(levels)).double() * _ROOT_HALF)
        return torch.cat([*parts, (z[:, self._still] == 0).double()], dim=1)


def _levels(space: SearchSpace, j: int) -> Float[Tensor, " l"]:
    """The changes that lead to each level of a variable."""
    low, high = float(space.lower[0, j]), float(space.upper[0, j])
    step = float(space.steps[j]) / float(space.scale[j]) if space.steps[j] > 0 else 1.0
    return low + step * torch.arange(round((high - low) / step) + 1, dtype=torch.float64)
