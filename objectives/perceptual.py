"""Perceptual objective: structural dissimilarity (1 - SSIM) of images."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates, Need
from cfsearch.errors import CapabilityError
from cfsearch.numerics.similarity import WINDOW, ssim


@final
@dataclass(frozen=True, slots=True)
class Perceptual(Objective):
    """Structural dissimilarity ``1 - SSIM(x, x')``; 0 where nothing changed.

    Mean over pixels and channels, Gaussian window of 11 x 11 with sigma 1.5, K = (0.01, 0.03),
    data range 1, population covariances, windows that stick out left out: the settings of the
    paper, and of scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)``. Unit: 1 - SSIM, in ``[0, 2]``.

    Shapes:
        ``x`` ``(b, n, channels, height, width)`` against ``queries.x`` -> ``(b, n)``.

    Raises:
        CapabilityError: the inputs are no images, or smaller than the window.

    References:
        Wang et al. 2004, *Image quality assessment: from error visibility to structural
        similarity*, https://doi.org/10.1109/TIP.2003.819861.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> queries = make_queries(x=torch.zeros(1, 3, 16, 16))
        >>> x = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])[None]
        >>> [round(v, 4) for v in Perceptual()(make_candidates(queries=queries, x=x))[0].tolist()]
        [0.0, 0.9999]
    """

    name: ClassVar[str] = "perceptual"
    unit: ClassVar[str] = "1 - SSIM"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.IMAGE})

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        shape = tuple(candidates.queries.x.shape[1:])
        if len(shape) != 3:
            raise CapabilityError(f"perceptual: expected {Need.IMAGE.value}, got inputs of shape {shape}.")
        if min(shape[1:]) < WINDOW:
            raise CapabilityError(
                f"perceptual: expected images of at least {WINDOW} x {WINDOW} pixels (the window of "
                f"SSIM), got {shape[1]} x {shape[2]}. Take `sparsity`, or larger images."
            )
        similarity = ssim(candidates.x, candidates.queries.x[:, None])
        return (1.0 - similarity).clamp_min(0.0).to(candidates.z.dtype)
