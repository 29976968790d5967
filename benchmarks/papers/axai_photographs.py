"""Photographs for AXAI's statistics: faces of CelebA-HQ, and the same faces as LeNet-5 sees digits.

The paper's pictures are photographs, ours were digits, spectrograms and drawings. Here our
gender classifier (``GenderCnn``, the network of the rendered faces too) learns three attributes on
photographs of 64 pixels, and a LeNet-5 the same attributes on the same photographs in grey at 28
pixels: a control, in which only the pictures differ from MNIST. Both learn from the training part
anew in each run; no weight and no image is written anywhere, as the terms of CelebA-HQ ask.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from axai_cases import Case
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.images.celeba import CelebAHQSource, Split
from cfsearch.explainers.segments import Grid, Quickshift
from cfsearch.explainers.subjects import image_subject
from cfsearch.models.gender_cnn import GenderCnn
from cfsearch.models.lenet import LeNet5
from cfsearch.providers.torch_module import TorchProvider

ATTRIBUTES: Final = ("Male", "Young", "Smiling")
"""What the audited classifiers of ``train_celeba_classifiers.py`` tell: in the place of three seeds."""
SIDE: Final = 64
SMALL: Final = 28
_BATCH: Final = 64
_RATE: Final = 2e-3
_AT_ONCE: Final = 500


class TwoLogits(nn.Module):
    """The log-odds of a ``GenderCnn`` as the logits of two classes."""

    def __init__(self, network: GenderCnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 2"]:
        half = self.network.logit(x) / 2
        return torch.cat([-half, half], dim=1)


def photographs(folder: Path, *, seeds: int, inputs: int, learned: int = 6000) -> Iterator[Case]:
    """Both networks with each of the first ``seeds`` attributes; nothing where there is no such folder.

    Args:
        folder: of CelebA-HQ, see ``CelebAHQSource``.
        seeds: how many attributes, at most three.
        inputs: faces of the validation part that are attacked.
        learned: faces of the training part that networks learn from.
    """
    if not folder.is_dir():
        print(f"no CelebA-HQ at {folder}: photographs are left out", flush=True)
        return
    x, answers = read(folder, split="train", limit=learned)
    shown, truth = read(folder, split="valid", limit=inputs)
    for seed, attribute in enumerate(ATTRIBUTES[:seeds]):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            large: nn.Module = TwoLogits(GenderCnn(size=SIDE))
            small: nn.Module = LeNet5(classes=2)
        labels = (f"not {attribute}", attribute)
        for name, network, size, epochs in (
            ("photographs of faces", large, None, 3),
            ("photographs, grey, 28 px, LeNet-5", small, SMALL, 6),
        ):
            seen, queried = (x, shown) if size is None else (grey(x, size=size), grey(shown, size=size))
            learn(network, seen, answers[:, seed], epochs=epochs, seed=seed)
            provider = TorchProvider(network, labels=labels, scores=ScoreKind.LOGITS)
            yield Case(
                name=name,
                seed=seed,
                subject=image_subject(provider, tuple(queried.shape[1:])),
                x=queried,
                truth=truth[:, seed],
                segmenter=Quickshift() if size is None else Grid(7, 7),
                radius=1.0,
                weak=0.3,
                baselines={},
            )


def read(folder: Path, *, split: Split, limit: int) -> tuple[Float[Tensor, "n 3 s s"], Int[Tensor, "n q"]]:
    """The first faces of a part, and their attributes."""
    source = CelebAHQSource(folder, split=split, attributes=ATTRIBUTES, size=SIDE, limit=limit, cache_bytes=0)
    pieces = [range(at, min(at + _AT_ONCE, len(source))) for at in range(0, len(source), _AT_ONCE)]
    return torch.cat([source.batch(piece).images for piece in pieces]), (source.labels > 0.5).long()


def grey(x: Float[Tensor, "n 3 h w"], *, size: int) -> Float[Tensor, "n 1 s s"]:
    """The means of the channels, made smaller."""
    small = functional.interpolate(x.mean(1, keepdim=True), (size, size), mode="bilinear", antialias=True)
    return small.clamp(0.0, 1.0)


def learn(
    network: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"], *, epochs: int, seed: int
) -> None:
    """Adam with one cycle of the rate; leaves the network in evaluation mode."""
    rng = torch.Generator().manual_seed(seed)
    batches = len(x) // _BATCH
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=epochs * batches)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=rng)[: batches * _BATCH].view(-1, _BATCH):
            loss = functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
    network.eval().requires_grad_(False)
