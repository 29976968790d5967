"""Gradient steps within a search: from the best members towards other trade-offs between the objectives.

Memetic algorithms join a population with local search (Moscato 1989). Here a turn of the search takes
some directions, each a scalarisation of the objectives with weights of its own, and makes one step of
steepest descent for each, from the member of the archive that is best by it. Several lengths are tried;
what comes out is repaired, evaluated and given to the solver like any other candidate.
"""

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider
from cfsearch.errors import CapabilityError
from cfsearch.solvers.batched.streams import Streams

from .answers import QUERY_FAILURES
from .archive import Archive
from .finiteness import Finiteness
from .problem import Problem

GRADIENT: Final = 2
"""Evaluations that a gradient counts as: the networks forwards, and backwards."""

LENGTHS: Final = (0.02, 0.06, 0.18)
"""Middle lengths of the steps, as shares of a variable's range."""

_SPREAD: Final = 3.0
"""A length is up to the square root of so many times longer or shorter than the middle one."""

_SHARP: Final = 0.05
"""How closely the scalarisation follows the worst of the weighted objectives."""

_SUM: Final = 0.1
"""Share of the plain weighted sum in it, without which flat parts would have no slope."""


@final
class Descent:
    """Steps of steepest descent on scalarised objectives, for all queries of a problem at once.

    The scalarisation is the augmented Chebyshev function, smoothed: of objectives ``g`` on [0, 1] within the
    archive and weights ``w``, ``t log sum_j exp(w_j g_j / t) + 0.1 sum_j w_j g_j`` with ``t = 0.05``. Weights are
    uniform on the simplex. Variables at a bound that would leave it, and those that cannot change, stay.
    Query ``i`` takes random numbers from a stream that ``rngs[i]`` is the key of.

    Args:
        problem: the queries.
        followed: the network that gradients are taken of: the audited model itself, its twin, or a surrogate.
        rngs: one generator a query.
        size: candidates a turn, each gradient counted as two; a turn makes ``size // 5`` directions.

    Raises:
        CapabilityError: when it proposes: no gradient passes through network and generator.

    References:
        Moscato 1989, On evolution, search, optimization, genetic algorithms and martial arts: towards memetic
        algorithms. Steuer and Choo 1983, https://doi.org/10.1007/BF02591870 (augmented Chebyshev).

    Example:
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.testing import FakeGenerator, FakeProvider, FakeWhiteBox
        >>> model = FakeWhiteBox(FakeProvider())
        >>> problem = Problem(
        ...     torch.full((1, 3, 16, 16), 0.4),
        ...     names=["grey"],
        ...     provider=model,
        ...     generator=FakeGenerator(),
        ...     objectives=[Adversarial(), Intensity()],
        ... )
        >>> descent = Descent(problem, model, rngs=[np.random.default_rng(0)], size=20)
        >>> start = Archive.none(problem).updated(problem.evaluate(torch.zeros(1, 1, 4)), 0, capacity=10)
        >>> z = descent.propose([start], active=[0])
        >>> tuple(z.shape), descent.cost  # 4 gradients, 3 lengths each
        ((1, 12, 4), 8)
    """

    def __init__(
        self,
        problem: Problem,
        followed: DifferentiableProvider,
        *,
        rngs: Sequence[np.random.Generator],
        size: int,
    ) -> None:
        self._problem = problem
        self._followed = followed
        self._directions = size // (GRADIENT + len(LENGTHS))
        self._streams = Streams(rngs, device="cpu")
        self._streams.turn = 0

    @property
    def directions(self) -> int:
        """Gradients a query and turn."""
        return self._directions

    @property
    def cost(self) -> int:
        """Evaluations that the gradients of a turn count as, for each query, besides the candidates."""
        return GRADIENT * self._directions

    def propose(self, archives: Sequence[Archive], *, active: Sequence[int]) -> Float[Tensor, "b n d"]:
        """The candidates of one turn, repaired; no change for queries that are not active.

        Args:
            archives: what was found of each query so far.
            active: the queries that are searched on, each with a member at least.
        """
        problem, space = self._problem, self._problem.space
        self._streams.turn += 1
        count, m = self._directions, len(problem.objectives)
        weights = -(1.0 - self._streams.uniform(0, (count, m), dtype=torch.float64)).clamp(min=1e-12).log()
        weights = weights / weights.sum(-1, keepdim=True)
        spread = self._streams.uniform(1, (count, len(LENGTHS)), dtype=torch.float64) - 0.5
        lengths = torch.tensor(LENGTHS, dtype=torch.float64) * (_SPREAD**spread)
        start = space.lower.new_zeros(problem.b, count, space.d)
        least, span = torch.zeros(problem.b, m), torch.ones(problem.b, m)
        for i in active:
            f = archives[i].f.double()
            least[i], wide = f.amin(0), f.amax(0) - f.amin(0)
            span[i] = torch.where(wide > 0, wide, 1.0)
            g = (f - least[i]) / span[i]
            value = (weights[i][:, None] * g).amax(-1) + _SUM * (weights[i][:, None] * g).sum(-1)
            best = torch.where(archives[i].violation <= 0, value, torch.inf)
            best = best if bool(best.isfinite().any()) else value
            start[i] = archives[i].z[best.argmin(1)].to(start)
        slope = self._slopes(start, weights.to(start), least.to(start), span.to(start), active)
        steps = self._steps(start, slope)
        moved = start[:, :, None] - lengths.to(start)[..., None] * steps[:, :, None]
        return space.repair(moved.flatten(1, 2))

    def _steps(self, z: Tensor, slope: Tensor) -> Tensor:
        """Directions whose largest entry is the whole range of its variable; none where a bound is in the way."""
        space = self._problem.space
        low, high = space.lower[:, None], space.upper[:, None]
        width = high - low
        slope = slope * width  # by a share of the range
        leaves = ((z <= low) & (slope > 0)) | ((z >= high) & (slope < 0))
        slope = torch.where(leaves, 0.0, slope)
        largest = slope.abs().amax(-1, keepdim=True)
        return slope / torch.where(largest > 0, largest, 1.0) * width

    def _slopes(
        self, z: Tensor, weights: Tensor, least: Tensor, span: Tensor, active: Sequence[int]
    ) -> Float[Tensor, "b w d"]:
        """Gradients of the scalarised objectives; on a CPU of each query alone, whatever its company."""
        problem = self._problem
        if z.is_cuda and len(active) == problem.b:
            try:
                return self._slope(z, weights, least, span, None)
            except QUERY_FAILURES:
                pass  # one by one it shows which query it is
        slope = torch.zeros_like(z)
        for i in active:
            one = slice(i, i + 1)
            try:
                slope[one] = self._slope(z[one], weights[one], least[one], span[one], i)
            except QUERY_FAILURES as error:
                problem.failures[i] = error
        return slope

    def _slope(self, z: Tensor, weights: Tensor, least: Tensor, span: Tensor, query: int | None) -> Tensor:
        """Gradients of the scalarised objectives, of one query or of all together."""
        problem, checks = self._problem, Finiteness()
        with torch.enable_grad(), checks.together():
            at = z.detach().clone().requires_grad_()
            seen = problem.candidates(at, query=query, followed=self._followed, checks=checks)
            if not seen.scores.requires_grad:
                raise CapabilityError(
                    f"gradients: none passes from the scores of {self._followed.name!r} to the changes of generator "
                    f"{problem.generator.name!r}. Leave --gradients out."
                )
            f = torch.stack([objective(seen) for objective in problem.objectives], dim=-1)
            g = weights * ((f - least[:, None]) / span[:, None])
            value = _SHARP * (g / _SHARP).logsumexp(-1) + _SUM * g.sum(-1)
            for constraint in problem.constraints:
                value = value + constraint(seen).clamp_min(0.0)
            total = value.sum()
            slope = torch.autograd.grad(total, at, allow_unused=True)[0] if total.requires_grad else None
        return torch.zeros_like(z) if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)
