"""COUT: counterfactual transition score of images."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError


@torch.no_grad()
def transition(
    x: Float[Tensor, "n c h w"],
    counterfactuals: Float[Tensor, "n c h w"],
    *,
    probabilities: Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n k"]],
    source: Int[Tensor, " n"],
    target: Int[Tensor, " n"],
    steps: int = 50,
) -> Float[Tensor, " n"]:
    """The "COUT" score of each pair, in [-1, 1]; larger where fewer pixels carry the flip.

    Pixels of the counterfactual are put into the image, those that differ most first; the score is
    the area under the target's probability less that under the source's, over the share of pixels.

    Args:
        x: the originals.
        counterfactuals: one for each.
        probabilities: what the audited model says.
        source: the model's class of each original.
        target: the class of its counterfactual.
        steps: how many parts the pixels are put in, >= 1.

    Raises:
        ShapeError: the two are not images of one shape.
        ConfigError: ``steps`` is out of range.

    References:
        Khorram and Fuxin 2022, Cycle-consistent counterfactuals by latent transformations,
        https://arxiv.org/abs/2203.15064.

    Example:
        >>> x, y = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
        >>> def bright(x):
        ...     p = x.mean((1, 2, 3))
        ...     return torch.stack([1 - p, p], dim=1)
        >>> score = transition(x, y, probabilities=bright, source=torch.tensor([0]), target=torch.tensor([1]), steps=4)
        >>> score.tolist()  # every pixel counts alike
        [0.0]
    """
    if x.shape != counterfactuals.shape or x.ndim != 4:
        raise ShapeError(
            f"transition: expected two sets of images of one shape (n, c, h, w), got {tuple(x.shape)} and "
            f"{tuple(counterfactuals.shape)}."
        )
    pixels = x.shape[2] * x.shape[3]
    if not 1 <= steps <= pixels:
        raise ConfigError(f"transition: `steps` must lie in 1 to {pixels}, got {steps}.")
    difference = (counterfactuals - x).abs().sum(1).flatten(1)
    order = difference.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(pixels, device=x.device).expand_as(order))
    rank = rank.view(len(x), 1, *x.shape[2:])
    rows = torch.arange(len(x), device=x.device)
    curve, last, share = torch.zeros(len(x), dtype=torch.float64), None, 0.0
    for step in range(steps + 1):
        count = round(pixels * step / steps)
        p = probabilities(torch.where(rank < count, counterfactuals, x)).double()
        gap = (p[rows, target] - p[rows, source]).cpu()
        if last is not None:
            curve += (count / pixels - share) * (gap + last) / 2.0
        last, share = gap, count / pixels
    return curve
