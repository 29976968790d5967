"""Sparsity objective on decoded inputs: share of pixels or entries that changed."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.modality import modality_of
from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Sparsity(Objective):
    """Share of the decoded input that changed visibly: ``mean_i [|x'_i - x_i| > threshold]``.

    Of an image ``(channels, height, width)`` the share of pixels of which any channel changed; of
    anything else the share of entries. It says *where* the input changed; how many search
    variables did is ``intensity`` with norm "count". The reconstruction error of a generator
    counts as change. Being a share of counts it has no gradient; smooth alternatives are
    ``perceptual`` and ``intensity`` with norm "l1". Unit: share, 0 to 1.

    Args:
        threshold: largest change that nobody sees, in units of the input (images: full range is
            1), in ``[0, 1)``.

    Shapes:
        ``x`` ``(b, n, *x)`` against ``queries.x`` ``(b, *x)`` -> ``(b, n)``.

    Raises:
        ConfigError: ``threshold`` is outside ``[0, 1)``.

    References:
        Mothilal et al. 2020, *DiCE*, sparsity, https://arxiv.org/abs/1905.07697, on pixels.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(x=torch.zeros(1, 3, 2, 2))
        >>> x = torch.zeros(1, 1, 3, 2, 2)
        >>> x[..., 1, 0, 0] = 0.5  # one channel of one pixel of four
        >>> Sparsity()(make_candidates(queries=queries, x=x)).tolist()
        [[0.25]]
    """

    threshold: float = 0.05
    name: ClassVar[str] = "sparsity"
    unit: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 1.0:
            raise ConfigError(f"sparsity: `threshold` must be a number in [0, 1), got {self.threshold!r}.")

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        original = candidates.queries.x
        changed = (candidates.x - original[:, None]).abs() > self.threshold
        if modality_of(original.shape[1:]).pictured:
            changed = changed.any(2)
        return changed.flatten(2).to(candidates.z.dtype).mean(-1)
