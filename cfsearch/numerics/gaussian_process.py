"""Gaussian processes that learn from few values: a Matern kernel with a length scale for each variable."""

import math
from typing import Final, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import ShapeError

_FITTED: Final = 128
"""Points that length scales are fitted to, at most; their number is what a fit costs in its third power."""
_RATE: Final = 0.1
_DECAY: Final = (0.9, 0.999)
_LENGTHS: Final = (0.05, 100.0)
_NOISES: Final = (1e-6, 1e-1)
_NOISE: Final = 1e-4
"""A prior's centre: values have no noise, but kinks that a smooth function misses."""
_LENGTH_SPREAD: Final = math.sqrt(3.0)
_NOISE_SPREAD: Final = 3.0
_JITTER: Final = 1e-8
_NO_SCALE: Final = 1e-12
"""Of a function that is the same everywhere."""


class _Known(NamedTuple):
    """What was learned: scaled points, Cholesky factor, weights, scale, and how values were standardised."""

    x: Float[Tensor, "m n c"]
    factor: Float[Tensor, "m n n"]
    weights: Float[Tensor, "m n"]
    scale: Float[Tensor, " m"]
    mean: Float[Tensor, " m"]
    deviation: Float[Tensor, " m"]


@final
class GaussianProcesses:
    """``m`` functions of the same points, each a Gaussian process of its own.

    Matern kernel of order 5/2; length scales, noise and scale are those of the largest posterior density, found by Adam from the
    last ones. Values are taken as deviations from their mean, in their standard deviations. All in float64 on the CPU.

    Args:
        outputs: how many functions.
        owners: which length scale each column of the points has, from 0; columns that stand for one category share one.

    References:
        Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, algorithm 2.1, equations 4.17, 5.8 and 5.9.
        Hvarfner et al. 2024, https://arxiv.org/abs/2402.02229 (the prior of length scales in many dimensions).

    Example:
        >>> x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
        >>> processes = GaussianProcesses(outputs=1, owners=torch.tensor([0]))
        >>> processes.fit(x, torch.sin(4 * x), steps=50)
        >>> mean, deviation = processes.predict(torch.tensor([[0.3125]], dtype=torch.float64))
        >>> abs(mean.item() - math.sin(1.25)) < 0.01, deviation.item() < 0.1
        (True, True)
    """

    def __init__(self, *, outputs: int, owners: Int[Tensor, " c"]) -> None:
        lengths = int(owners.max()) + 1
        self._owners = owners
        self._prior = torch.full(
            (lengths + 1,), math.sqrt(2.0) + 0.5 * math.log(lengths), dtype=torch.float64
        )
        self._prior[-1] = math.log(_NOISE)
        self._spread = torch.full_like(self._prior, _LENGTH_SPREAD)
        self._spread[-1] = _NOISE_SPREAD
        begin = self._prior.clone()
        begin[:-1] = 0.5 * math.log(lengths)
        self.logs: Tensor = begin.repeat(outputs, 1)
        """Natural logarithms of length scales and, last, of the noise, ``(m, v + 1)``."""
        self._known: _Known | None = None

    @property
    def length_scales(self) -> Float[Tensor, "m v"]:
        """Of each function and variable, in the unit of the points."""
        return self.logs[:, :-1].exp()

    @property
    def noises(self) -> Float[Tensor, " m"]:
        """Variance of the noise of each function, a share of its scale."""
        return self.logs[:, -1].exp() + _JITTER

    def log_prior(self) -> Float[Tensor, " m"]:
        """Log density of length scales and noise of each process before anything is known, up to a constant."""
        return -0.5 * ((self.logs - self._prior) / self._spread).square().sum(1)

    def fit(self, x: Float[Tensor, "n c"], y: Float[Tensor, "n m"], *, steps: int) -> None:
        """Learn from values; length scales move from where they are.

        Args:
            x: the points.
            y: the values of each function.
            steps: of the search for length scales and noise; 0 keeps them.

        Raises:
            ShapeError: points and values do not fit each other, or the functions.
        """
        if y.shape != (len(x), len(self.logs)) or x.shape[1:] != self._owners.shape or not len(x):
            raise ShapeError(
                f"Gaussian processes: expected points of shape (n >= 1, {len(self._owners)}) and values of shape "
                f"(n, {len(self.logs)}), got {tuple(x.shape)} and {tuple(y.shape)}."
            )
        z, mean, deviation = _standard(y)
        some = torch.linspace(0, len(x) - 1, min(len(x), _FITTED), dtype=torch.float64).long()
        self._fit(x[some], z[:, some], steps)
        scaled = self._scaled(x)
        factor = self._cholesky(_matern(_squared(scaled, scaled))[0])
        weights = torch.cholesky_solve(z[..., None], factor)[..., 0]
        scale = (z * weights).mean(1).clamp_min(0.0)
        self._known = _Known(scaled, factor, weights, scale, mean, deviation)

    def predict(self, x: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
        """Mean and standard deviation of each function at points, without noise.

        Args:
            x: the points.

        Raises:
            ShapeError: nothing was learned yet.
        """
        if self._known is None:
            raise ShapeError("Gaussian processes: expected `fit` before `predict`.")
        scaled, factor, weights, scale, middle, deviation = self._known
        kernel, _ = _matern(_squared(self._scaled(x), scaled))  # (m, n, known)
        mean = (kernel @ weights[..., None])[..., 0]
        half = torch.linalg.solve_triangular(factor, kernel.mT, upper=False)
        variance = scale[:, None] * (1.0 - half.square().sum(1)).clamp_min(0.0)
        return mean.T * deviation + middle, variance.sqrt().T * deviation

    def log_likelihood(self, x: Float[Tensor, "n c"], y: Float[Tensor, "n m"]) -> Float[Tensor, " m"]:
        """Log density of standardised values under each process, at the scale that makes it largest.

        Args:
            x: the points.
            y: the values.
        """
        z, n, scaled = _standard(y)[0], len(x), self._scaled(x)
        factor = self._cholesky(_matern(_squared(scaled, scaled))[0])
        weights = torch.cholesky_solve(z[..., None], factor)[..., 0]
        scale = (z * weights).mean(1)
        halves = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        return -0.5 * n * (scale.log() + 1.0 + math.log(2.0 * math.pi)) - halves

    def _fit(self, x: Float[Tensor, "n c"], z: Float[Tensor, "m n"], steps: int) -> None:
        first, second = torch.zeros_like(self.logs), torch.zeros_like(self.logs)
        low = torch.full_like(self._prior, math.log(_LENGTHS[0]))
        high = torch.full_like(self._prior, math.log(_LENGTHS[1]))
        low[-1], high[-1] = (math.log(noise) for noise in _NOISES)
        one, two = _DECAY
        for step in range(1, steps + 1):
            slope = self._slope(x, z) + (self.logs - self._prior) / self._spread.square()
            first = one * first + (1 - one) * slope
            second = two * second + (1 - two) * slope.square()
            move = first / (1 - one**step) / ((second / (1 - two**step)).sqrt() + 1e-8)
            self.logs = (self.logs - _RATE * move).clamp(low, high)

    def _slope(self, x: Float[Tensor, "n c"], z: Float[Tensor, "m n"]) -> Float[Tensor, "m p"]:
        """Of minus the log likelihood, by the logarithms of length scales and noise."""
        scaled = self._scaled(x)
        kernel, change = _matern(_squared(scaled, scaled))
        inverse = torch.cholesky_inverse(self._cholesky(kernel))
        weights = (inverse @ z[..., None])[..., 0]
        scale = (z * weights).mean(1).clamp_min(_NO_SCALE)[:, None, None]
        slope = inverse - weights[:, :, None] * weights[:, None, :] / scale
        w = slope * change
        columns = (scaled * (w.sum(2)[..., None] * scaled - w @ scaled)).sum(1)
        lengths = columns.new_zeros(len(z), self.logs.shape[1] - 1).index_add_(1, self._owners, columns)
        noise = 0.5 * self.logs[:, -1:].exp() * slope.diagonal(dim1=1, dim2=2).sum(1, keepdim=True)
        return torch.cat([lengths, noise], dim=1)

    def _scaled(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "m n c"]:
        return x[None] / self.length_scales[:, self._owners][:, None]

    def _cholesky(self, kernel: Float[Tensor, "m n n"]) -> Float[Tensor, "m n n"]:
        whole = kernel + torch.diag_embed(self.noises[:, None].expand(-1, kernel.shape[1]))
        factor: Tensor = torch.linalg.cholesky_ex(whole).L
        return factor


def _standard(
    y: Float[Tensor, "n m"],
) -> tuple[Float[Tensor, "m n"], Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Values as deviations from their mean in standard deviations, and both."""
    mean, spread = y.mean(0), y.std(0, correction=0)
    deviation = torch.where(spread > 0, spread, 1.0)
    return ((y - mean) / deviation).T.contiguous(), mean, deviation


def _squared(a: Float[Tensor, "m n c"], b: Float[Tensor, "m k c"]) -> Float[Tensor, "m n k"]:
    """Squared distances."""
    ends = a.square().sum(-1)[:, :, None] + b.square().sum(-1)[:, None]
    return torch.baddbmm(ends, a, b.mT, alpha=-2.0).clamp_min(0.0)


def _matern(squared: Float[Tensor, "m n k"]) -> tuple[Float[Tensor, "m n k"], Float[Tensor, "m n k"]]:
    """The kernel, and its slope by the logarithm of a length scale a part of the squared distance."""
    s = (5.0 * squared).sqrt()
    fall = torch.exp(-s)
    return (1.0 + s + s.square() / 3.0) * fall, (5.0 / 3.0) * (1.0 + s) * fall
