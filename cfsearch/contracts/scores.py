"""Sums on class scores that objectives, constraints and the problem share.

Everything here is computed in float64, whatever arrives, and answered there: a probability of
1 - 1e-12 or of 1e-300 keeps its digits. A class index has one entry a query and is spread over
the candidates of that query.
"""

import math
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.errors import CapabilityError

from .provider import Provider, ScoreKind
from .records import UNTARGETED

SMALLEST_PROBABILITY: Final = 1e-7
"""Probabilities below this count as this, so that their logarithm (-16.1) stays finite."""


def objective_scores(raw: Float[Tensor, "*n k"], kind: ScoreKind) -> Float[Tensor, "*n k"]:
    """The scores that objectives receive: logits, or logarithms of probabilities.

    Logits stay as they are. Probabilities become ``log(clip(p, 1e-7, 1))``. NaN and infinity
    pass through untouched, for the problem to find.

    Raises:
        CapabilityError: the provider gives labels only, which rank nothing.

    Example:
        >>> objective_scores(torch.tensor([[0.5, 0.5]]), ScoreKind.PROBABILITIES).exp().tolist()
        [[0.5, 0.5]]
    """
    match kind:
        case ScoreKind.LOGITS:
            return raw
        case ScoreKind.PROBABILITIES:
            return torch.where(raw.isfinite(), raw.clamp(SMALLEST_PROBABILITY, 1.0).log(), raw)
        case ScoreKind.LABELS:
            raise CapabilityError(
                "scores: objectives need logits or probabilities, but the provider gives labels "
                "only. Wrap it in the VotingProvider (cfsearch.providers.votes), which counts votes "
                "over small perturbations, or give a surrogate."
            )


def verdict_scores(raw: Float[Tensor, "n k"], provider: Provider) -> Float[Tensor, "n k"]:
    """Log-scores of raw answers, also of a labels-only provider (its label gets certainty).

    Example:
        >>> from cfsearch.testing import FakeProvider
        >>> verdict_scores(torch.tensor([[0.0, 1.0]]), FakeProvider(scores=ScoreKind.LABELS)).argmax(-1).tolist()
        [1]
    """
    kind = ScoreKind.PROBABILITIES if provider.scores is ScoreKind.LABELS else provider.scores
    return objective_scores(raw, kind=kind)


def log_odds(scores: Float[Tensor, "*n k"], index: Int[Tensor, "*b"]) -> Float[Tensor, "*n"]:
    """Logarithm of p / (1 - p) of one class: its score minus the log-sum-exp of the others.

    Shapes:
        scores ``(b, n, k)`` with index ``(b,)`` -> ``(b, n)``, float64.

    Example:
        >>> round(log_odds(torch.tensor([[0.8, 0.2]]).log(), torch.tensor([0])).item(), 4)  # log(0.8 / 0.2)
        1.3863
    """
    own, others = _split(scores, index)
    return own - others.logsumexp(-1)


def log_probability(scores: Float[Tensor, "*n k"], index: Int[Tensor, "*b"]) -> Float[Tensor, "*n"]:
    """Logarithm of the softmax probability of one class, with all digits near p = 1 as well.

    Shapes:
        scores ``(b, n, k)`` with index ``(b,)`` -> ``(b, n)``, float64, each ``<= 0``.

    Example:
        >>> round(log_probability(torch.tensor([[0.0, 0.0]]), torch.tensor([0])).item(), 4)  # log(1/2)
        -0.6931
    """
    return torch.nn.functional.logsigmoid(log_odds(scores, index))


def lead(
    scores: Float[Tensor, "*n k"], *, source: Int[Tensor, "*b"], target: Int[Tensor, "*b"]
) -> Float[Tensor, "*n"]:
    """Margin of the desired outcome: positive where the class has flipped.

    Target minus its best rival; where the target is UNTARGETED, the best other class minus the source.
    In the unit of the scores, so give probabilities for a lead in probability.

    Shapes:
        scores ``(b, n, k)`` with source and target ``(b,)`` -> ``(b, n)``, float64.

    Example:
        >>> probabilities = torch.tensor([[[0.2, 0.7, 0.1]]])
        >>> round(lead(probabilities, source=torch.tensor([0]), target=torch.tensor([1])).item(), 4)
        0.5
    """
    untargeted = target == UNTARGETED
    own, others = _split(scores, torch.where(untargeted, source, target))
    margin = own - others.amax(-1)
    return torch.where(_spread(untargeted, ndim=margin.ndim), -margin, margin)


def _split(scores: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The score of one class, and all scores with that class at minus infinity."""
    scores = scores.double()
    column = _spread(index, ndim=scores.ndim).expand(*scores.shape[:-1], 1)
    own: Bool[Tensor, "*n k"] = column == torch.arange(scores.shape[-1], device=scores.device)
    return scores.gather(-1, column).squeeze(-1), scores.masked_fill(own, -math.inf)


def _spread(index: Tensor, *, ndim: int) -> Tensor:
    return index.reshape(*index.shape, *[1] * (ndim - index.ndim))
