"""Sparsity constraint: at most ``k`` changed search variables."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Constraint
from cfsearch.contracts.records import Candidates
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class MaxChanged(Constraint):
    """Constraint that at most ``k`` search variables change: ``#{i : |z_i| > threshold} - k``.

    A variable that goes in steps (whole numbers, levels) counts whatever the size of its change.

    Unit: variables.

    Args:
        k: how many may change, >= 1.
        threshold: largest magnitude of a variable without steps that does not count as a change, finite, >= 0.

    Shapes:
        ``z`` ``(b, n, d)`` -> ``(b, n)``.

    Raises:
        ConfigError: ``k`` is under 1, or ``threshold`` is negative or not finite.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> candidates = make_candidates(z=torch.tensor([[[0.5, 0.5, 0.5], [0.5, 0.0, 0.0]]]))
        >>> MaxChanged(k=2)(candidates).tolist()  # positive: one change too many
        [[1.0, -1.0]]
    """

    k: int = 3
    threshold: float = 1e-3
    name: ClassVar[str] = "max_changed"
    unit: ClassVar[str] = "variables"
    batch_invariant: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"max_changed: `k` must be a whole number >= 1, got {self.k!r}.")
        if not 0.0 <= self.threshold < math.inf:
            raise ConfigError(
                f"max_changed: `threshold` must be a finite number >= 0, got {self.threshold!r}."
            )

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        z, steps = candidates.z, candidates.space.steps.to(candidates.z.device)
        changed = torch.where(steps > 0, z != 0, z.abs() > self.threshold)
        return (changed.sum(-1) - self.k).to(z.dtype)
