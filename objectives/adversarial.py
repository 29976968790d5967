"""Adversarial objective: cross-entropy of the model on the candidate."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import UNTARGETED, Candidates
from cfsearch.contracts.scores import log_probability
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Adversarial(Objective):
    """Minus the cross-entropy against the present class, or the cross-entropy against the target.

    Away from the present class s: ``log p(s)``, in ``(-inf, 0]``. Towards a target class t:
    ``-log p(t)``, in ``[0, inf)``. ``p`` is the softmax of the scores, computed in float64 without
    clipping, so a model that is certain still ranks its candidates. Queries of both sorts may
    stand in one batch. Unit: nat.

    Args:
        floor: values below this count as this, a finite number < 0: once p(s) is under
            ``exp(floor)``, nothing more is to be gained. Only moving away is unbounded below, so
            towards a target it changes nothing. None: no floor.

    Shapes:
        ``scores`` ``(b, n, k)`` -> ``(b, n)``.

    Raises:
        ConfigError: ``floor`` is not a finite number < 0.

    References:
        Barredo-Arrieta and Del Ser 2020, *Plausible Counterfactuals*, objective f_adv,
        https://arxiv.org/abs/2003.11323.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(scores=torch.tensor([[2.0, 0.0]]), target=[1])
        >>> even = make_candidates(queries=queries, scores=torch.zeros(1, 1, 2))
        >>> round(Adversarial()(even).item(), 4)  # -log(1/2)
        0.6931
    """

    floor: float | None = None
    name: ClassVar[str] = "adversarial"
    unit: ClassVar[str] = "nat"
    batch_invariant: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.floor is not None and not -math.inf < self.floor < 0.0:
            raise ConfigError(
                f"adversarial: `floor` must be a finite number < 0 or left out, got {self.floor!r}."
            )

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        source, target = candidates.queries.source, candidates.queries.target
        away = target == UNTARGETED
        log_p = log_probability(candidates.scores, torch.where(away, source, target))
        value = torch.where(away[:, None], log_p, -log_p)
        if self.floor is not None:
            value = value.clamp_min(self.floor)
        return value.to(candidates.z.dtype)
