"""Training of a surrogate network on a provider's answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts import network as networks
from cfsearch.errors import NonFiniteError, RunError

from .examples import Examples, as_taken
from .recipe import Hyper, Recipe

_BATCH: Final = 1024
Watch = Callable[[int, int], None]
"""Called after every pass with how many are done, of how many."""


@final
class StoppedError(RunError):
    """The distillation was stopped; with a folder its answers and trials are kept."""

    def __init__(self) -> None:
        super().__init__("distill: was stopped. With the same folder it goes on where it stopped.")


@final
@dataclass(frozen=True, slots=True)
class Lesson:
    """Specification of one training run: architecture, hyperparameters, recipe, seed.

    Equal lessons on equal examples give equal weights (on one device and number of threads).
    """

    network: str
    hyper: Hyper
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"

    def begin(self, examples: Examples) -> nn.Module:
        """The network before it has learned anything."""
        with torch.random.fork_rng(devices=_cards(self.device)):
            torch.manual_seed(self.seed)
            network = networks.build(self.network, shape=examples.shape, classes=int(examples.y.shape[1]))
        return network.to(self.device)

    def learn(
        self, examples: Examples, *, network: nn.Module | None = None, watch: Watch | None = None
    ) -> nn.Module:
        """The trained network, in evaluation mode.

        Args:
            examples: what to learn from.
            network: to go on with, changed in place; a new one when left out.
            watch: called after every pass.

        Raises:
            NonFiniteError: the loss became NaN or infinite.
        """
        made = self.begin(examples) if network is None else network
        with torch.random.fork_rng(devices=_cards(self.device)):
            torch.manual_seed(self.seed + 1)  # dropout draws from the global generator
            _fit(made, examples, lesson=self, watch=watch)
        return made.eval()


def _fit(network: nn.Module, examples: Examples, *, lesson: Lesson, watch: Watch | None) -> None:
    hyper, recipe = lesson.hyper, lesson.recipe
    rng = torch.Generator().manual_seed(lesson.seed)
    n = len(examples)
    steps = -(-n // hyper.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=hyper.rate, weight_decay=recipe.decay)
    schedule = (
        torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=hyper.rate, total_steps=hyper.epochs * steps)
        if recipe.one_cycle
        else None
    )
    wobble = recipe.wobble if len(examples.shape) == 3 else None
    network.train()
    for epoch in range(hyper.epochs):
        order = torch.randperm(n, generator=rng)
        total = torch.zeros((), device=lesson.device)
        for rows in torch.split(order, hyper.batch):
            if len(rows) == 1 and n > 1:
                continue  # batch norm has nothing to compare one example with
            x = examples.inputs(rows)
            if wobble is not None:
                x = wobble(x, rng=rng)
            logits = network(x.to(lesson.device))
            loss = functional.cross_entropy(logits, examples.y[rows].to(lesson.device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total += loss.detach()
        if not bool(torch.isfinite(total)):
            raise NonFiniteError(
                f"distill: the loss of {lesson.network} became {float(total)} in pass {epoch + 1}. Use a smaller "
                f"learning rate than {hyper.rate:g}."
            )
        if watch is not None:
            watch(epoch + 1, hyper.epochs)


@torch.no_grad()
def answers(network: nn.Module, kept: Tensor, *, device: str = "cpu") -> Float[Tensor, "n k"]:
    """The network's logits of what examples keep, on the CPU."""
    network.eval()
    out = [network(as_taken(part).to(device)).float().cpu() for part in torch.split(kept, _BATCH)]
    return torch.cat(out) if out else torch.zeros(0, 2)


def agreement(network: nn.Module, examples: Examples, *, device: str = "cpu") -> float:
    """The share of examples of which the network says the provider's class."""
    hits = answers(network, examples.kept, device=device).argmax(1) == examples.classes
    return float(hits.double().mean())


def seconds_a_pass(lesson: Lesson, examples: Examples, *, rows: int = 2048) -> float:
    """How long one pass over all examples takes, measured on a part of them."""
    part = examples.take(torch.arange(min(rows, len(examples))))
    once = Lesson(
        lesson.network,
        Hyper(lesson.hyper.rate, 1, lesson.hyper.batch),
        lesson.recipe,
        lesson.seed,
        lesson.device,
    )
    started = time.monotonic()
    once.learn(part)
    return (time.monotonic() - started) * len(examples) / len(part)


def _cards(device: str) -> list[torch.device]:
    return [torch.device(device)] if device.startswith("cuda") else []
