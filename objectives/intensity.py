"""Proximity objective: norm of the change of the search variables."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.errors import ConfigError

Norm = Literal["l2", "l1", "count"]


@final
@dataclass(frozen=True, slots=True)
class Intensity(Objective):
    """Size of the change ``z``: ``||z||_2``, ``||z||_1``, or how many variables were changed.

    Unit: that of the search variables (attribute strength for AttGAN); with ``count``, variables.

    Args:
        norm: "l2" (the paper's), "l1" (favours few changes), or "count" (``|z_i| > threshold``).
        threshold: largest magnitude that does not count as a change, finite, >= 0; used by
            "count" only. The default is that of Jung et al. 2020.

    Shapes:
        ``z`` ``(b, n, d)`` -> ``(b, n)``, each value in ``[0, inf)``.

    Raises:
        ConfigError: ``norm`` is unknown, or ``threshold`` is negative or not finite.

    References:
        Barredo-Arrieta and Del Ser 2020, *Plausible Counterfactuals*, objective f_att,
        https://arxiv.org/abs/2003.11323. Jung et al. 2020, section 4, https://arxiv.org/abs/2008.01897.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> candidates = make_candidates(z=torch.tensor([[[3.0, -4.0, 0.0]]]))
        >>> [Intensity(norm=norm)(candidates).item() for norm in ("l2", "l1", "count")]
        [5.0, 7.0, 2.0]
    """

    norm: Norm = "l2"
    threshold: float = 1e-3
    name: ClassVar[str] = "intensity"
    unit: ClassVar[str] = "change"

    def __post_init__(self) -> None:
        if self.norm not in get_args(Norm):
            raise ConfigError(f"intensity: `norm` must be one of l2, l1, count, got {self.norm!r}.")
        if not 0.0 <= self.threshold < math.inf:
            raise ConfigError(f"intensity: `threshold` must be a finite number >= 0, got {self.threshold!r}.")

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        z = candidates.z
        match self.norm:
            case "l2":
                length: Tensor = torch.linalg.vector_norm(z, dim=-1)
                return length
            case "l1":
                return z.abs().sum(-1)
            case "count":
                steps = candidates.space.steps.to(z.device)
                return torch.where(steps > 0, z != 0, z.abs() > self.threshold).sum(-1).to(z.dtype)
