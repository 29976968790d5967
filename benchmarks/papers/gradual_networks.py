"""What the experiments on gradual construction share: a list of figures, and how networks are trained."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
@dataclass
class Figures:
    """What one experiment measured: by name the paper's figure and ours, one a seed."""

    title: str
    paper: dict[str, str] = field(default_factory=dict)
    ours: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float, paper: str = "-") -> None:
        self.paper[name] = paper
        self.ours.setdefault(name, []).append(value)

    def show(self) -> None:
        print(f"\n{self.title}\n{'':66}{'paper':>14}{'ours: mean, sd over seeds':>28}")
        for name, values in self.ours.items():
            deviation = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"
            print(f"{name:66}{self.paper[name]:>14}{statistics.mean(values):>18.3f}{deviation:>10}")


def trained(network: nn.Module, x: Tensor, y: Tensor, *, epochs: int, batch: int, seed: int) -> nn.Module:
    """The network after some epochs of Adam with one cycle of the rate."""
    rng = torch.Generator().manual_seed(seed)
    n = len(x) // batch * batch
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=epochs * n // batch)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=rng)[:n].view(-1, batch):
            loss = functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
    return network.eval().requires_grad_(False)


def made(build: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """An untrained network by its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
