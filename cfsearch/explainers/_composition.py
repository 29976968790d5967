"""The composition step of gradual construction: new values for the features that are open."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_TINY: Final = 1e-12
"""Under a root: where the distance is 0 its gradient is 0."""
_GAIN: Final = 1e-3
"""A smaller relative gain counts as none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompositionLoss:
    """What the composite makes small, equation 7 (of images 8; without ``centre`` 12).

    Args:
        network: logits of numbers.
        goal: target class.
        centre: mean logits of reference inputs of that class; None for plain cross-entropy.
        weight: of the distance to ``centre``.
        near: weight of the distance to the original, lambda.
        smooth: weight of the total variation, eta; images only.
        power: of the total variation, beta.

    Shapes:
        goal ``(n,)``; centre ``(n, k)``.
    """

    network: Callable[[Tensor], Tensor]
    goal: Int[Tensor, " n"]
    centre: Float[Tensor, "n k"] | None
    weight: float
    near: float
    smooth: float
    power: float

    def __call__(
        self, x: Float[Tensor, "m *u"], *, origin: Float[Tensor, "m *u"], rows: Int[Tensor, " m"]
    ) -> Float[Tensor, " m"]:
        """The loss of the instances ``rows``."""
        logits = self.network(x)
        if self.centre is None:
            pull = torch.nn.functional.cross_entropy(logits, self.goal[rows], reduction="none")
        else:
            pull = self.weight * _length(logits - self.centre[rows])
        loss = pull + self.near * _length((x - origin).flatten(1))
        if self.smooth:
            loss = loss + self.smooth * total_variation(x, power=self.power)
        return loss


def total_variation(x: Float[Tensor, "n c h w"], *, power: float = 2.0) -> Float[Tensor, " n"]:
    """Sum over pixels and channels of ((step right)^2 + (step down)^2)^(power / 2); no step at the border.

    References:
        Mahendran and Vedaldi 2015, https://arxiv.org/abs/1412.0035. Jung et al. 2020 print the
        power inside as well; with 2, which both use, the two are the same.
    """
    across = torch.nn.functional.pad(x[..., 1:] - x[..., :-1], (0, 1))
    down = torch.nn.functional.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    squares = across.square() + down.square()
    return (squares if power == 2.0 else (squares + _TINY) ** (power / 2.0)).flatten(1).sum(1)


def compose(
    start: Float[Tensor, "n *u"],
    *,
    origin: Float[Tensor, "n *u"],
    mask: Bool[Tensor, "n *u"],
    low: Float[Tensor, "n *u"],
    high: Float[Tensor, "n *u"],
    loss: CompositionLoss,
    steps: int,
    rate: float,
    patience: int,
) -> Float[Tensor, "n *u"]:
    """The composite with the least loss that Adam saw, kept inside the bounds.

    Instances do not see each other: each has its own Adam, and stops by itself.

    Args:
        start: where the composite begins.
        origin: the original.
        mask: numbers that the composite replaces.
        low: lower bounds of the numbers.
        high: upper bounds of the numbers.
        loss: what is made small.
        steps: updates.
        rate: of Adam.
        patience: an instance stops after so many steps without a gain; 0 for never.
    """
    composite = torch.where(mask, start.clamp(low, high), origin)
    best = composite.clone()
    least = torch.full((len(start),), torch.inf, device=start.device)
    mark, waited = least.clone(), torch.zeros(len(start), dtype=torch.long, device=start.device)
    optimizer = torch.optim.Adam([composite], lr=rate)
    rows = torch.arange(len(start), device=start.device)
    for _ in range(steps):
        whole = len(rows) == len(start)
        at: Tensor | slice = slice(None) if whole else rows  # views are free, copies are not
        with torch.enable_grad():
            x = composite[at].detach().requires_grad_()
            value = loss(x, origin=origin[at], rows=rows)
            (slope,) = torch.autograd.grad(value.sum(), x)
        value, slope = value.detach(), slope * mask[at]
        better = value < least[at]
        least[at] = torch.where(better, value, least[at])
        best[at] = torch.where(_like(better, x), x.detach(), best[at])
        if whole:
            composite.grad = slope
        else:  # instances that have stopped are moved on by their momentum, and not looked at again
            composite.grad = torch.zeros_like(composite).index_copy_(0, rows, slope)
        optimizer.step()
        composite.copy_(torch.where(mask, composite.clamp(low, high), origin))
        if patience:
            gain = value < mark[at] - _GAIN * mark[at].abs().nan_to_num(posinf=0.0)
            mark[at] = torch.where(gain, value, mark[at])
            waited[at] = torch.where(gain, 0, waited[at] + 1)
            rows = (waited < patience).nonzero()[:, 0]
            if not len(rows):
                break
    return best


def _length(x: Float[Tensor, "n w"]) -> Float[Tensor, " n"]:
    return (x.square().sum(1) + _TINY).sqrt()


def _like(flags: Bool[Tensor, " n"], x: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (x.ndim - 1))
