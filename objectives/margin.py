"""Margin objective: Carlini-Wagner loss on the logits."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.contracts.scores import lead
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Margin(Objective):
    """Lead of the best rival over the target class; negative once the target wins.

    ``max_{i != t} s_i - s_t + lead``, without the clamp at zero, so that a clear win is better
    than a narrow one. Away from the present class s: ``s_s - max_{i != s} s_i + lead``. Unlike
    ``adversarial`` it does not flatten where the model is certain, and its steps are even.
    Unit: logit (difference of log-probabilities where the model gives probabilities).

    Args:
        lead: lead over the runner-up that counts as won (value 0), in logits, finite, >= 0.

    Shapes:
        ``scores`` ``(b, n, k)`` -> ``(b, n)``.

    Raises:
        ConfigError: ``lead`` is negative or not finite.

    References:
        Carlini and Wagner 2017, https://arxiv.org/abs/1608.04644, function f6 without its clamp.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(scores=torch.tensor([[5.0, 0.0, 1.0]]), target=[1])
        >>> candidates = make_candidates(queries=queries, scores=torch.tensor([[[3.0, 1.0, 2.0], [0.0, 4.0, 1.0]]]))
        >>> Margin()(candidates).tolist()
        [[2.0, -3.0]]
    """

    lead: float = 0.0
    name: ClassVar[str] = "margin"
    unit: ClassVar[str] = "logit"

    def __post_init__(self) -> None:
        if not 0.0 <= self.lead < math.inf:
            raise ConfigError(f"margin: `lead` must be a finite number >= 0, got {self.lead!r}.")

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        queries = candidates.queries
        won = lead(candidates.scores, source=queries.source, target=queries.target)
        return (self.lead - won).to(candidates.z.dtype)
