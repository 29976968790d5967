"""MNIST, and the LeNet-5 that plays the provider's model in the papers' experiments."""

import gzip
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.models.lenet import LeNet5

LABELS: Final = tuple("0123456789")
_FILES: Final = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


class Mnist(NamedTuple):
    """Digits in [0, 1], ``(n, 1, 28, 28)``, and their classes."""

    train: Float[Tensor, "n 1 28 28"]
    train_labels: Int[Tensor, " n"]
    test: Float[Tensor, "t 1 28 28"]
    test_labels: Int[Tensor, " t"]


def read(folder: Path) -> Mnist:
    """The four idx files under ``folder/MNIST/raw``."""
    parts = []
    for name in _FILES:
        content = gzip.decompress((folder / "MNIST" / "raw" / f"{name}-ubyte.gz").read_bytes())
        if "images" in name:
            pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)
            parts.append(torch.from_numpy(pixels.copy()).float() / 255.0)
        else:
            parts.append(torch.from_numpy(np.frombuffer(content, np.uint8, offset=8).astype(np.int64)))
    return Mnist(*parts)


@torch.no_grad()
def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of digits classified right."""
    hits = [int((network(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum()) for i in range(0, len(x), 500)]
    return sum(hits) / len(x)


def shifted(x: Float[Tensor, "n 1 h w"], *, rng: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """The batch moved by up to two pixels, all alike."""
    down, right = (int(torch.randint(-2, 3, (), generator=rng)) for _ in range(2))
    h, w = x.shape[2:]
    return functional.pad(x, (2, 2, 2, 2))[..., 2 + down : 2 + down + h, 2 + right : 2 + right + w]


def train_lenet(data: Mnist, *, epochs: int, seed: int, batch: int = 128, rate: float = 2e-3) -> LeNet5:
    """LeNet-5 on the training part as it is: Adam, batches of 128, one cycle of the rate.

    The paper keeps a rate of 0.001 for 100 passes; the cycle gets as far in fewer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LeNet5()
    rng = torch.Generator().manual_seed(seed)
    n = len(data.train) // batch * batch
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * n // batch)
    started = time.monotonic()
    network.train()
    for epoch in range(epochs):
        order = torch.randperm(len(data.train), generator=rng)[:n].view(-1, batch)
        for rows in order:
            loss = functional.cross_entropy(network(data.train[rows]), data.train_labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        print(f"  provider: epoch {epoch + 1}/{epochs}, {time.monotonic() - started:.0f} s", flush=True)
    return network.eval()


def provider_network(data: Mnist, *, cache: Path, epochs: int, seed: int = 0) -> LeNet5:
    """The provider's LeNet-5: from the cache, or trained and put there."""
    path = cache / f"mnist_lenet5_plain_{epochs}_{seed}.safetensors"
    if path.exists():
        network = LeNet5()
        network.load_state_dict(load_file(path))
        return network.eval()
    cache.mkdir(parents=True, exist_ok=True)
    network = train_lenet(data, epochs=epochs, seed=seed)
    save_file(network.state_dict(), path)
    return network
