"""Uncertainty of a model's class: inputs that the smallest perturbations flip."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.explainer import Explanation
from cfsearch.errors import ConfigError


def sizes(explanation: Explanation) -> Float[Tensor, " b"]:
    """Length of each perturbation: of its attributions, where a changed category counts as 1.

    Raises:
        ConfigError: the explanation has no attributions.
    """
    if explanation.attributions is None:
        raise ConfigError(
            f"uncertainty: an explanation by {explanation.method} has no perturbations to measure. Use `emap`."
        )
    length: Tensor = torch.linalg.vector_norm(explanation.attributions, dim=1)
    return length


def uncertain(explanation: Explanation, *, share: float = 0.1) -> Bool[Tensor, " b"]:
    """Which inputs have the smallest perturbations: where the model is least sure.

    Args:
        explanation: by EMAP, whose attributions are perturbations.
        share: of the inputs that are marked, in [0, 1]; rounded down.

    Raises:
        ConfigError: ``share`` is out of range, or the explanation has no attributions.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"uncertainty: `share` must be in [0, 1], got {share!r}.")
    length = sizes(explanation)
    marked = torch.zeros_like(length, dtype=torch.bool)
    marked[length.argsort(stable=True)[: int(share * len(length))]] = True
    return marked
