"""Ridge regression with its leave-one-out error, in closed form."""

from dataclasses import dataclass
from typing import Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """Linear models of several outcomes with one penalty, the intercept unpenalised.

    Minimises ``||y - c - X w||^2 + penalty ||w||^2`` for each outcome.

    Args:
        coefficients: ``w``.
        intercept: ``c``.
        spread: standard deviation of the leave-one-out residuals, of each outcome.

    Shapes:
        coefficients ``(d, k)``; intercept, spread ``(k,)``; all float64.

    References:
        Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, equations 3.44 and 7.52.

    Example:
        >>> import torch
        >>> x = torch.arange(6.0)[:, None]
        >>> line = Ridge.fit(x, 2.0 * x + 1.0, penalty=0.0)
        >>> round(float(line.coefficients), 6), round(float(line.intercept), 6)
        (2.0, 1.0)
    """

    coefficients: Float[Tensor, "d k"]
    intercept: Float[Tensor, " k"]
    spread: Float[Tensor, " k"]

    @classmethod
    def fit(cls, x: Float[Tensor, "n d"], y: Float[Tensor, "n k"], *, penalty: float) -> Self:
        """The models of ``y`` on ``x``.

        Args:
            x: inputs, one row an observation.
            y: outcomes of the same observations.
            penalty: of the squared coefficients, >= 0.

        Raises:
            ShapeError: other numbers of observations, or fewer than two.
            ConfigError: a negative penalty.
        """
        if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
            raise ShapeError(
                f"ridge: expected two matrices of the same two or more rows, got {tuple(x.shape)} and {tuple(y.shape)}."
            )
        if not penalty >= 0.0:
            raise ConfigError(f"ridge: `penalty` must be a number >= 0, got {penalty!r}.")
        x, y = x.double(), y.double()
        middle, level = x.mean(0), y.mean(0)
        centred = x - middle
        gram = centred.T @ centred + penalty * torch.eye(x.shape[1], dtype=torch.float64)
        solved = torch.linalg.lstsq(gram, centred.T, driver="gelsd").solution  # a column may be constant
        coefficients = solved @ (y - level)
        leverage = (centred * solved.T).sum(1) + 1.0 / len(x)
        residuals = y - level - centred @ coefficients
        left_out = residuals / (1.0 - leverage).clamp_min(1e-9)[:, None]
        return cls(coefficients, level - middle @ coefficients, left_out.square().mean(0).sqrt())
