"""Sparsity objective: number of changed search variables (L0 norm)."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates


@final
@dataclass(frozen=True, slots=True)
class Changed(Objective):
    """Number of search variables that differ from the original at all: ``sum_i [z_i != 0]``.

    Of a table the number of changed columns, where linked columns count once. A change of one
    dollar counts like one of a thousand; ``intensity`` with norm "count" has a threshold instead.
    Unit: variables.

    Shapes:
        ``z`` ``(b, n, d)`` -> ``(b, n)``, whole numbers from 0 to d.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> Changed()(make_candidates(z=torch.tensor([[[0.0, 0.3, -1.0], [0.0, 0.0, 0.0]]]))).tolist()
        [[2.0, 0.0]]
    """

    name: ClassVar[str] = "changed"
    unit: ClassVar[str] = "variables"
    batch_invariant: ClassVar[bool] = True

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        return (candidates.z != 0).sum(-1).to(candidates.z.dtype)
