"""Robustness objective: how many small changes of a counterfactual take its flip back."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates, Need, flipped
from cfsearch.contracts.small_changes import MOST_CHANGES
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Robustness(Objective):
    """Share of small changes under which the flip is lost: 1 less the robustness of a member.

    A small change is what a second measurement of the same thing could honestly differ by: of pictures noise of one level,
    JPEG recompression, a shift by a pixel, slight blur, brightness; of rows each measured number by one step or half a
    percent of its range; of recordings half a decibel, or a frame (``cfsearch.contracts.small_changes``). The same changes
    are tried of every candidate of a query; they hang on its input and ``seed`` alone. A candidate that does not
    flip has 1 and costs nothing; one that flips costs ``changes`` queries to the model beside its own, which are counted, and
    which ``max_queries`` holds down. Where the search queries a surrogate, the share is the surrogate's. Unit: share.

    Args:
        changes: small changes of each candidate, 1 to 100; the share is a multiple of ``1 / changes``.
        seed: of what is drawn.

    Shapes:
        ``x`` ``(b, n, *x)`` -> ``(b, n)``, each value in ``[0, 1]``.

    Raises:
        ConfigError: ``changes`` or ``seed`` is out of range.
        CapabilityError: nobody knows small changes of such inputs (texts).

    References:
        Pawelczyk et al. 2022, *Probabilistically robust recourse*, Definition 1 (invalidation rate),
        https://arxiv.org/abs/2203.06768; Dutta et al. 2022, *Robust counterfactual explanations for tree-based
        ensembles*, https://arxiv.org/abs/2207.02739.

    Example:
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(scores=torch.tensor([[1.0, 0.0]]), target=[1])
        >>> def nearby(x, *, query, changes, seed):  # one of four changes takes the flip back
        ...     return torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).expand(len(x), 4, 2)
        >>> scores = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> Robustness(changes=4)(make_candidates(queries=queries, scores=scores, nearby=nearby)).tolist()
        [[0.25, 1.0]]
    """

    changes: int = 8
    seed: int = 0
    name: ClassVar[str] = "robustness"
    unit: ClassVar[str] = "share of small changes that take the flip back"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SMALL_CHANGES})

    def __post_init__(self) -> None:
        if (
            isinstance(self.changes, bool)
            or not isinstance(self.changes, int)
            or not 1 <= self.changes <= MOST_CHANGES
        ):
            raise ConfigError(
                f"robustness: `changes` must be a whole number from 1 to {MOST_CHANGES}, got {self.changes!r}."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"robustness: `seed` must be a whole number >= 0, got {self.seed!r}.")

    @property
    def queries(self) -> int:
        """Further inputs for one candidate, at most: its small changes."""
        return self.changes

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        scores, source, target = candidates.scores, candidates.queries.source, candidates.queries.target
        lost = torch.ones(scores.shape[:2], dtype=candidates.z.dtype, device=candidates.z.device)
        if scores.requires_grad:  # a share has no slope, so that no gradient is worth a query
            return lost
        flips = flipped(scores, source=source[:, None], target=target[:, None])
        nearby = candidates.nearby(flips, changes=self.changes, seed=self.seed)
        at = flips.nonzero()[:, 0]
        still = flipped(nearby, source=source[at][:, None], target=target[at][:, None])
        lost[flips] = 1.0 - still.to(lost).mean(-1)
        return lost
