"""Proximity objective of tables: Gower's distance to the original row."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.contracts.space import Kind
from cfsearch.numerics.gower import gower


@final
@dataclass(frozen=True, slots=True)
class Gower(Objective):
    """Gower's distance to the original: the mean over the variables of how much each changed.

    ``1/d sum_i g_i`` with ``g_i = min(|z_i|, 1)`` for numbers and ordinal levels, whose ``z`` is a share
    of their range, and ``g_i = [z_i != 0]`` for categories. Variables that cannot change count in d;
    columns that are linked are one variable. Unit: share of the range, 0 to 1. Meant for tables:
    of other generators it is the mean size of a change.

    Shapes:
        ``z`` ``(b, n, d)`` -> ``(b, n)``, each value in ``[0, 1]``.

    References:
        Gower 1971, *A general coefficient of similarity and some of its properties*,
        https://doi.org/10.2307/2528823.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> z = torch.tensor([[[0.5, 0.0, -0.25, 0.0]]])
        >>> Gower()(make_candidates(z=z)).tolist()  # (0.5 + 0.25) / 4
        [[0.1875]]
    """

    name: ClassVar[str] = "gower"
    unit: ClassVar[str] = "share of the range"
    batch_invariant: ClassVar[bool] = True

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        z = candidates.z
        categorical = [kind is Kind.CATEGORICAL for kind in candidates.space.kinds]
        return gower(z, categorical=torch.tensor(categorical, device=z.device))
