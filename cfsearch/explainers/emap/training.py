"""Training of EMAP's two networks: the surrogate, then the perturbation network through it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts import network as networks
from cfsearch.contracts.records import UNTARGETED
from cfsearch.contracts.scores import log_odds

from .partitioned_gumbel import PartitionedGumbel
from .steps import Bounds, Perturber, moved

SURROGATE = "mlp_200_200_200"
"""The paper's surrogate: three dense layers of 200."""


@final
class Schedule(NamedTuple):
    """How long a network learns.

    Args:
        epochs: times that every reference input is seen.
        batch: inputs a step.
        rate: Adam's at the first step.
        decay: does the rate fall to 0 along half a cosine, or stay?
    """

    epochs: int
    batch: int
    rate: float
    decay: bool

    def rate_after(self, share: float) -> float:
        """Adam's rate after a share of the steps."""
        return self.rate * (0.5 + 0.5 * math.cos(math.pi * share) if self.decay else 1.0)


@final
class Weights(NamedTuple):
    """What a perturbation costs: its length, each changed category; and how draws are relaxed.

    Args:
        size, change: at the end of learning.
        temperature: of relaxed draws.
        start: how many times ``size`` a length costs at the first step; the factor falls to 1
            geometrically over the first two thirds of the steps.
    """

    size: float
    change: float
    temperature: float
    start: float

    def size_after(self, share: float) -> float:
        """What a length of 1 costs after a share of the steps."""
        return self.size * math.pow(self.start, max(0.0, 1.0 - 1.5 * share))


def new_surrogate(*, width: int, classes: int, device: torch.device, seed: int) -> nn.Module:
    """The surrogate before it has learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return networks.build(SURROGATE, shape=(width,), classes=classes).to(device)


def teach_surrogate(
    network: nn.Module,
    u: Float[Tensor, "n w"],
    labels: Int[Tensor, " n"],
    *,
    schedule: Schedule,
    weight_decay: float,
    rng: torch.Generator,
) -> None:
    """Teach a network to give the audited model's labels back; it is left frozen.

    References:
        Chapman-Rounds et al. 2019, eq. 2.
    """
    network.train().requires_grad_(True)
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=schedule.rate, weight_decay=weight_decay, fused=True)
    for rows, share in _batches(len(u), schedule=schedule, rng=rng):
        loss = functional.cross_entropy(network(u[rows]), labels[rows])
        _step(loss, parameters=parameters, optimizer=optimizer, rate=schedule.rate_after(share))
    network.eval().requires_grad_(False)


def new_perturber(
    *, width: int, classes: int, hidden: Sequence[int], dropout: float, device: torch.device, seed: int
) -> Perturber:
    """The perturbation network before it has learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Perturber(width=width, classes=classes, hidden=hidden, dropout=dropout).to(device)


def teach_perturber(
    network: Perturber,
    u: Float[Tensor, "n w"],
    labels: Int[Tensor, " n"],
    *,
    surrogate: Callable[[Float[Tensor, "n w"]], Float[Tensor, "n k"]],
    classes: int,
    bounds: Bounds,
    categories: PartitionedGumbel,
    weights: Weights,
    schedule: Schedule,
    rng: torch.Generator,
) -> None:
    """Teach a network to turn the surrogate's verdict at the least cost; it is left frozen.

    With two classes the other one is the target. With more, half of the inputs have as target any
    other class and half for one drawn among the others.

    References:
        Chapman-Rounds et al. 2019, eq. 3 and 5.
    """
    network.train().requires_grad_(True)
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=schedule.rate, fused=True)
    for rows, share in _batches(len(u), schedule=schedule, rng=rng):
        inputs, source = u[rows], labels[rows]
        target = targets(source, classes=classes, rng=rng)
        after = moved(
            inputs,
            network(inputs, target, rng),
            bounds=bounds.pick(rows),
            categories=categories,
            temperature=weights.temperature,
            rng=rng,
        )
        loss = _refusal(surrogate(after.u), source=source, target=target)
        loss = (loss + weights.size_after(share) * after.size + weights.change * after.changed).mean()
        _step(loss, parameters=parameters, optimizer=optimizer, rate=schedule.rate_after(share))
    network.eval().requires_grad_(False)


def _refusal(
    scores: Float[Tensor, "n k"], *, source: Int[Tensor, " n"], target: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Negative log-likelihood of the target."""
    away = target == UNTARGETED
    odds = log_odds(scores, torch.where(away, source, target)).to(scores.dtype)
    return functional.softplus(torch.where(away, odds, -odds))


def targets(source: Int[Tensor, " n"], *, classes: int, rng: torch.Generator) -> Int[Tensor, " n"]:
    """What learning asks for: away with two classes, else away or one of the others."""
    away = torch.full_like(source, UNTARGETED)
    if classes == 2:
        return away
    shift = torch.randint(1, classes, source.shape, generator=rng, device=source.device)
    named = torch.rand(source.shape, generator=rng, device=source.device) < 0.5
    return torch.where(named, (source + shift) % classes, away)


def _batches(
    n: int, *, schedule: Schedule, rng: torch.Generator
) -> Iterator[tuple[Int[Tensor, " m"], float]]:
    """Rows of every step, and the share of all steps that went before."""
    steps = schedule.epochs * math.ceil(n / schedule.batch)
    done = 0
    for _ in range(schedule.epochs):
        for rows in torch.split(torch.randperm(n, generator=rng, device=rng.device), schedule.batch):
            yield rows, done / steps
            done += 1


def _step(
    loss: Tensor, *, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer, rate: float
) -> None:
    """One step on these parameters; no gradient is left anywhere else, as in a subject's own network."""
    for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = slope
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
