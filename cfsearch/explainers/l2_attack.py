"""L2-bounded projected gradient descent: the adversarial attack that AXAI reads."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.contracts.scores import log_odds
from cfsearch.errors import ConfigError


@final
class L2Attack:
    """Projected gradient attack with steps of equal length in an L2 ball around each input.

    The loss is the log-odds against the class, whose gradient has the direction of the cross
    entropy's and keeps it where the cross entropy's is lost in rounding (a confident model).
    Nothing is random: the attack begins at the input.

    Args:
        radius: of the ball, in the domain's numbers, > 0.
        steps: how many, >= 1.
        stride: length of a step as a share of the radius; 2.5 / steps when None, so that every
            place in the ball can be reached and left again (Madry et al. 2018).
        bounded: whether no number leaves its range (``Domain.bounds``). Only columns that must
            not change have no range here: an attack explains, it proposes nothing.

    Raises:
        ConfigError: a radius or stride that is not positive, or no steps.

    References:
        Madry et al. 2018, https://arxiv.org/abs/1706.06083.
    """

    def __init__(
        self, *, radius: float = 1.0, steps: int = 20, stride: float | None = None, bounded: bool = True
    ) -> None:
        if not 0.0 < radius < float("inf"):
            raise ConfigError(f"l2 attack: `radius` must be positive and finite, got {radius!r}.")
        if steps < 1:
            raise ConfigError(f"l2 attack: `steps` must be at least 1, got {steps!r}.")
        if stride is not None and not 0.0 < stride < float("inf"):
            raise ConfigError(f"l2 attack: `stride` must be positive and finite, got {stride!r}.")
        self.radius = radius
        self.steps = steps
        self.stride: float = 2.5 / steps if stride is None else stride
        self.bounded = bounded

    def on(self, task: Task) -> Float[Tensor, "b *u"]:
        """The changes of a checked batch: away from the source, or towards the target."""
        low, high = self._ranges(task)
        targeted = task.target >= 0
        return self.changes(
            task.subject,
            task.u,
            label=torch.where(targeted, task.target, task.source),
            towards=targeted,
            low=low,
            high=high,
        )

    def changes(
        self,
        subject: Subject,
        u: Float[Tensor, "b *u"],
        *,
        label: Int[Tensor, " b"],
        towards: Bool[Tensor, " b"] | None = None,
        low: Float[Tensor, "b *u"] | None = None,
        high: Float[Tensor, "b *u"] | None = None,
        only: Bool[Tensor, "b *u"] | None = None,
    ) -> Float[Tensor, "b *u"]:
        """What the attack adds to each number.

        Args:
            subject: whose network is followed; inputs go in pieces of its provider's ``max_batch``.
            u: the numbers attacked.
            label: the class that the attack leaves, or where ``towards`` is True seeks.
            towards: False everywhere when None.
            low: lower bounds of the numbers; none when None.
            high: upper bounds of the numbers; none when None.
            only: the numbers that may change; all when None.

        Shapes:
            the changes ``(b, *u)``; the L2 norm of each is at most ``radius``.
        """
        piece = subject.provider.max_batch
        if len(u) > piece:
            parts = [slice(at, at + piece) for at in range(0, len(u), piece)]
            return torch.cat(
                [
                    self.changes(
                        subject,
                        u[part],
                        label=label[part],
                        towards=None if towards is None else towards[part],
                        low=None if low is None else low[part],
                        high=None if high is None else high[part],
                        only=None if only is None else only[part],
                    )
                    for part in parts
                ]
            )
        tall = (-1, *[1] * (u.ndim - 1))
        sign = torch.ones(len(u), device=u.device)
        if towards is not None:
            sign = torch.where(towards, -sign, sign)
        change = torch.zeros_like(u)
        for _ in range(self.steps):
            slope = _slope(subject, u + change, label=label) * sign.view(tall)
            if only is not None:
                slope = slope * only
            length = slope.flatten(1).norm(dim=1).view(tall)
            change = change + self.radius * self.stride * torch.where(length > 0, slope / length, 0.0)
            change = self._in_ball(change)
            if low is not None:
                change = torch.maximum(change, low - u)
            if high is not None:
                change = torch.minimum(change, high - u)
        return change

    def _in_ball(self, change: Tensor) -> Tensor:
        length = change.flatten(1).norm(dim=1).view(-1, *[1] * (change.ndim - 1))
        return torch.where(length > self.radius, change * (self.radius / length), change)

    def _ranges(self, task: Task) -> tuple[Tensor | None, Tensor | None]:
        if not self.bounded:
            return None, None
        # a number that lies outside its range stays where it is, and is not pulled into it
        low, high = torch.minimum(task.low, task.u), torch.maximum(task.high, task.u)
        return torch.where(task.free, low, -torch.inf), torch.where(task.free, high, torch.inf)


def _slope(subject: Subject, u: Tensor, *, label: Tensor) -> Tensor:
    """The gradient of the log-odds against a class; 0 where it is not finite."""
    at = u.detach().requires_grad_(True)
    with torch.enable_grad():
        against = -log_odds(subject.network(at), label)
        (slope,) = torch.autograd.grad(against.sum(), at)
    return torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
