"""Flip constraint: the predicted class must have changed by a margin."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Constraint
from cfsearch.contracts.records import Candidates, flipped
from cfsearch.contracts.scores import lead
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Flip(Constraint):
    """Constraint that the class flips by at least ``margin`` in probability.

    ``margin - (p_target - p_best_rival)``; away from the present class
    ``margin - (p_best_other - p_source)``. Feasible (<= 0) implies that the winning class is
    another one: a tie that the old class still wins is out by a hair (1.2e-7). Unit: probability.

    Args:
        margin: lead over the runner-up, in probability, in ``[0, 1)``. 0: any flip will do.

    Shapes:
        ``scores`` ``(b, n, k)`` -> ``(b, n)``, each value in ``(margin - 1, margin + 1]``.

    Raises:
        ConfigError: ``margin`` is outside ``[0, 1)``.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(scores=torch.tensor([[2.0, 0.0]]), target=[1])
        >>> scores = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]]).log()
        >>> values = Flip(margin=0.1)(make_candidates(queries=queries, scores=scores))
        >>> [round(value, 4) for value in values[0].tolist()]  # 0.1 - (p of the target - p of the rival)
        [0.9, -0.5]
    """

    margin: float = 0.0
    name: ClassVar[str] = "flip"
    unit: ClassVar[str] = "probability"

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin < 1.0:
            raise ConfigError(f"flip: `margin` must be a number in [0, 1), got {self.margin!r}.")

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        scores, source, target = candidates.scores, candidates.queries.source, candidates.queries.target
        won = lead(scores.double().softmax(-1), source=source, target=target)
        done = flipped(scores, source=source[:, None], target=target[:, None])
        hair = torch.finfo(torch.float32).eps
        value = self.margin - won
        return torch.where(done, value, value.clamp_min(hair)).to(candidates.z.dtype)
