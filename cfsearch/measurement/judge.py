"""Independent attribute classifier: a network that judges edits and that no generator ever met."""

from collections.abc import Callable
from typing import Final, cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts.trainer import Source

MOST_IMAGES: Final = 4000
"""Images that a judge is trained on at most; they are held in memory as bytes."""

_WIDTHS: Final = (24, 48, 64, 64)
_COARSEST: Final = 4
_BATCH: Final = 64
_EPOCHS: Final = 24
_STEPS: Final = (200, 1500)
_RATE: Final = 4e-3
_WEIGHTS: Final = (0.05, 20.0)
_PIECE: Final = 128


@final
class AttributeJudge(nn.Module):
    """A small convolutional classifier of several attributes.

    Args:
        channels: of its images.
        attributes: how many.

    Shapes:
        ``(n, c, s, s)`` on [0, 1], ``s >= 16``, to logits ``(n, a)``; a logit above 0 says that the attribute is there.

    Example:
        >>> AttributeJudge(3, attributes=2).eval()(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 2])
    """

    def __init__(self, channels: int, *, attributes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in zip((channels, *_WIDTHS), _WIDTHS, strict=False):
            layers += [
                nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
        self.trunk: nn.Sequential = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(_COARSEST), nn.Flatten(), nn.Dropout(0.2)
        )
        self.head: nn.Linear = nn.Linear(_WIDTHS[-1] * _COARSEST**2, attributes)

    def features(self, x: Float[Tensor, "n c s s"]) -> Float[Tensor, "n f"]:
        """What the last layer sees, averaged over the places of the picture."""
        return cast(Tensor, self.trunk(x * 2.0 - 1.0)).view(len(x), _WIDTHS[-1], -1).mean(2)

    def forward(self, x: Float[Tensor, "n c s s"]) -> Float[Tensor, "n a"]:
        return cast(Tensor, self.head(self.trunk(x * 2.0 - 1.0)))


def train_judge(
    source: Source,
    *,
    seed: int = 0,
    steps: int | None = None,
    device: str = "cpu",
    watch: Callable[[float], None] | None = None,
) -> AttributeJudge:
    """A classifier of the attributes of labelled images, each attribute's two sides of equal weight.

    Args:
        source: the images; at most 4,000 of them are used, evenly spread.
        seed: the same seed gives the same network on a CPU with one thread.
        steps: of 64 images; left out, 24 epochs, at least 200 and at most 1,500 steps.
        device: of the training.
        watch: called with the share done.
    """
    images, labels = load(source, most=MOST_IMAGES)
    if steps is None:
        steps = min(max(_EPOCHS * len(images) // _BATCH, _STEPS[0]), _STEPS[1])
    share = labels.mean(0)
    weight = ((1.0 - share) / share.clamp_min(1e-6)).clamp(*_WEIGHTS).to(device)
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # first weights and dropout
        judge = AttributeJudge(images.shape[1], attributes=labels.shape[1]).to(device)
        adam = torch.optim.AdamW(judge.parameters(), lr=_RATE / 2.0, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=_RATE, total_steps=steps)
        for step in range(steps):
            rows = torch.randint(len(images), (min(_BATCH, len(images)),), generator=draw)
            x = _disturbed(images[rows].float() / 255.0, draw=draw).to(device)
            logits = judge(x)
            loss = functional.binary_cross_entropy_with_logits(
                logits, labels[rows].to(device), pos_weight=weight
            )
            adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            adam.step()
            schedule.step()
            if watch is not None:
                watch((step + 1) / steps)
    return judge.eval().requires_grad_(False)


def load(source: Source, *, most: int) -> tuple[Tensor, Float[Tensor, "n a"]]:
    """At most ``most`` images of a source, evenly spread: uint8 ``(n, c, s, s)``, and their labels as float32."""
    n = min(len(source), most)
    places = [int((k + 0.5) * len(source) / n) for k in range(n)]
    images, labels = [], []
    for at in range(0, n, _PIECE):
        part = source.batch(places[at : at + _PIECE])
        found = cast(Tensor, part.images)
        images.append(found if found.dtype == torch.uint8 else (found * 255.0).round().to(torch.uint8))
        labels.append(cast(Tensor, part.labels).float())
    return torch.cat(images), torch.cat(labels)


def balanced_accuracy(decided: Bool[Tensor, "n a"], truth: Bool[Tensor, "n a"]) -> Float[Tensor, " a"]:
    """Mean of the shares of both sides that are decided right, by attribute; NaN where a side is empty.

    Example:
        >>> decided = torch.tensor([[True], [True], [False], [False]])
        >>> float(balanced_accuracy(decided, torch.tensor([[True], [False], [False], [False]]))[0]) * 6
        5.0
    """
    right = (decided == truth).double()
    on, off = truth.double(), (~truth).double()
    return ((right * on).sum(0) / on.sum(0) + (right * off).sum(0) / off.sum(0)) / 2.0


def _disturbed(x: Float[Tensor, "n c s s"], *, draw: torch.Generator) -> Float[Tensor, "n c s s"]:
    """Mirrored, shifted, relit, noised; each image its own way but for the shift."""
    n, s = len(x), x.shape[-1]
    mirror = torch.rand(n, generator=draw) < 0.5
    x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
    edge = max(1, s // 21)
    down, right = (int(torch.randint(0, 2 * edge + 1, (), generator=draw)) for _ in range(2))
    x = functional.pad(x, (edge,) * 4, mode="replicate")[..., down : down + s, right : right + s]
    gain = 1.0 + 0.2 * (torch.rand(n, 1, 1, 1, generator=draw) - 0.5)
    grain = 0.02 * torch.rand(n, 1, 1, 1, generator=draw) * torch.randn(x.shape, generator=draw)
    return (x * gain + grain).clamp(0.0, 1.0)
