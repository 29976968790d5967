"""Plausibility objective: loss of realism by the generator's critic."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates, Need
from cfsearch.errors import CapabilityError


@final
@dataclass(frozen=True, slots=True)
class Plausibility(Objective):
    """Critic of the original minus critic of the counterfactual: ``D(x) - D(x')``.

    Negative where the counterfactual looks more real than the original. Unit: that of the critic,
    which has no fixed scale; values of two generators cannot be compared.

    Shapes:
        ``realism`` ``(b, n)`` and ``queries.realism`` ``(b,)`` -> ``(b, n)``.

    Raises:
        CapabilityError: the generator has no critic, or the originals were not shown to it.

    References:
        Barredo-Arrieta and Del Ser 2020, *Plausible Counterfactuals*, objective f_gan,
        https://arxiv.org/abs/2003.11323.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(b=1, realism=torch.tensor([2.0]))
        >>> Plausibility()(make_candidates(queries=queries, realism=torch.tensor([[3.0, 0.5]]))).tolist()
        [[-1.0, 1.5]]
    """

    name: ClassVar[str] = "plausibility"
    unit: ClassVar[str] = "critic"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CRITIC})

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        original = candidates.queries.realism
        if original is None:
            raise CapabilityError(
                f"plausibility: expected the realism of the queries, got none; it needs {Need.CRITIC.value}."
            )
        return (original[:, None] - candidates.realism).to(candidates.z.dtype)
