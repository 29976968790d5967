"""Training data of AttGAN: sources of faces, target attribute values, augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cfsearch.contracts.trainer import Labelled
from cfsearch.errors import ShapeError


@final
@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Images with their labels.

    Shapes:
        ``images`` ``(n, 3, s, s)``, float32 on [0, 1] or uint8 on 0 to 255;
        ``labels`` ``(n, a)``, 0 or 1.
    """

    images: Tensor
    labels: Tensor

    def signed(self, device: torch.device) -> Self:
        """The same on the networks' range [-1, 1], float32, on a device."""
        return type(self)(signed(self.images.to(device)), self.labels.to(device, torch.float32))


@runtime_checkable
class FaceSource(Protocol):
    """Labelled faces, by index; the same index gives the same face again."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the labels' columns."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Labelled:
        """These faces."""
        ...


@runtime_checkable
class PairedSource(FaceSource, Protocol):
    """A source that can show the same faces with other attributes, all else held fixed."""

    def pairs(self, indices: Sequence[int], targets: Float[Tensor, "n a"]) -> Tensor:
        """The true images of these faces at attribute strengths ``targets`` in [0, 1].

        Shapes:
            ``(n, 3, s, s)``, float32 on [0, 1] or uint8 on 0 to 255.
        """
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class TensorFaces:
    """A source whose faces are all in memory.

    Args:
        images: uint8 of 0 to 255 (the least memory) or float32 on [0, 1].
        labels: 0 or 1.
        attributes: names of the labels' columns.

    Shapes:
        ``images`` ``(n, 3, s, s)``, ``labels`` ``(n, a)``.

    Raises:
        ShapeError: they do not fit each other.
    """

    images: Tensor
    labels: Tensor
    attributes: tuple[str, ...]

    def __post_init__(self) -> None:
        n, a = len(self.images), len(self.attributes)
        if self.images.ndim != 4 or self.images.shape[1] != 3 or self.images.shape[2] != self.images.shape[3]:
            raise ShapeError(f"faces: expected images (n, 3, s, s), got {tuple(self.images.shape)}.")
        if tuple(self.labels.shape) != (n, a):
            raise ShapeError(f"faces: expected labels ({n}, {a}), got {tuple(self.labels.shape)}.")

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int]) -> Labelled:
        """These faces."""
        rows = list(indices)
        return Faces(self.images[rows], self.labels[rows])


def signed(images: Tensor) -> Float[Tensor, "n 3 s s"]:
    """Images on [0, 1] (or uint8) as float32 on [-1, 1]."""
    if images.dtype == torch.uint8:
        return images.to(torch.float32) / 127.5 - 1.0
    return images.to(torch.float32) * 2.0 - 1.0


def unsigned(images: Float[Tensor, "*n 3 s s"]) -> Float[Tensor, "*n 3 s s"]:
    """Images on [-1, 1] as float32 on [0, 1]."""
    return (images.float() * 0.5 + 0.5).clamp(0.0, 1.0)


def indices_of(step: int, *, batch: int, total: int, seed: int) -> list[int]:
    """Which faces batch ``step`` holds: shuffled afresh each time all were seen.

    A function of its arguments alone, so that a resumed training sees what an uninterrupted
    one would have seen.
    """
    first = step * batch
    picked: list[int] = []
    order: Tensor | None = None
    epoch = -1
    for position in range(first, first + batch):
        if order is None or position // total != epoch:
            epoch = position // total
            order = torch.randperm(total, generator=stream(seed, epoch, salt=1))
        picked.append(int(order[position % total]))
    return picked


def stream(seed: int, step: int, *, salt: int) -> torch.Generator:
    """Random numbers that belong to one step and one use of it."""
    # splitmix64, so that neighbouring steps share nothing
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + salt * 0x94D049BB133111EB) % 2**64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
    return torch.Generator().manual_seed((mixed ^ (mixed >> 31)) % 2**63)


@final
@dataclass(frozen=True, slots=True)
class TargetRule:
    """How the attribute values that a training step asks for are drawn.

    The paper's rule is a permutation of the batch's own labels, so that combinations are as
    frequent as in the data; both shares at 0 give exactly that.

    Args:
        groups: columns of which at most one may be on; switching one on clears the others.
        single: share of rows in which one attribute is flipped instead, all others kept
            (conflicts cleared): what a person tries first.
        uniform: share of rows in which each attribute goes only part of its way, uniformly
            drawn, so that a search over continuous changes meets nothing new. Attributes of
            a group go the same part of the way.
        same: share of rows whose target is their own attributes.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    single: float = 0.0
    uniform: float = 0.0
    same: float = 0.0

    def draw(self, labels: Float[Tensor, "n a"], *, rng: torch.Generator) -> Float[Tensor, "n a"]:
        """Attribute values in [0, 1] to ask for, one row a face."""
        n, a = labels.shape
        goal = labels[torch.randperm(n, generator=rng).to(labels.device)]
        column = torch.randint(a, (n,), generator=rng).to(labels.device)
        flip = (torch.rand(n, generator=rng) < self.single).to(labels.device)
        goal = torch.where(flip[:, None], self.flipped(labels, column), goal)
        part = torch.rand(n, a, generator=rng)
        for group in self.groups:
            part[:, list(group)] = part[:, list(group[:1])]
        whole = torch.rand(n, 1, generator=rng) >= self.uniform
        part = torch.where(whole, torch.ones_like(part), part).to(labels.device)
        moves = (torch.rand(n, 1, generator=rng) >= self.same).to(labels.device)
        return labels + part * (goal - labels) * moves

    def flipped(self, labels: Float[Tensor, "n a"], column: Tensor) -> Float[Tensor, "n a"]:
        """Labels with one column a row flipped; conflicts are cleared where it goes on."""
        chosen = functional.one_hot(column, labels.shape[1]).bool()
        out = torch.where(chosen, 1.0 - labels, labels)
        on = chosen & (out > 0.5)
        for group in self.groups:
            member = torch.zeros(labels.shape[1], dtype=torch.bool, device=labels.device)
            member[list(group)] = True
            clash = (on & member).any(1, keepdim=True) & member & ~chosen
            out = torch.where(clash, torch.zeros_like(out), out)
        return out


@final
@dataclass(frozen=True, slots=True)
class Augmentation:
    """Mild, differentiable disturbance of all that the critic sees, real and edited alike.

    It keeps the generator from painting what only the critic can see: a pattern that does not
    survive a shift, a blur, a little noise or a covered patch earns nothing.

    Args:
        shift: largest shift, as a share of the size.
        blur: share of the images that are blurred (3x3 binomial).
        noise: largest standard deviation of the noise, on [-1, 1].
        cutout: share of the images with one grey square of a quarter of the size.

    References:
        Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN Training,
        https://arxiv.org/abs/2006.10738.
    """

    shift: float = 0.05
    blur: float = 0.3
    noise: float = 0.06
    cutout: float = 0.3

    def __call__(self, x: Float[Tensor, "n 3 s s"], *, rng: torch.Generator) -> Tensor:
        n, _, s, _ = x.shape
        device = x.device
        x = x.float()
        limit = round(self.shift * s)
        if limit:
            move = torch.randint(-limit, limit + 1, (n, 2), generator=rng).float().to(device)
            line = (torch.arange(s, device=device) + 0.5) * 2.0 / s - 1.0
            gx = line[None, None, :] + move[:, 0, None, None] * 2.0 / s
            gy = line[None, :, None] + move[:, 1, None, None] * 2.0 / s
            grid = torch.stack([gx.expand(n, s, s), gy.expand(n, s, s)], dim=-1)
            x = functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        if self.blur:
            soft = (torch.rand(n, generator=rng) < self.blur).to(device)
            x = torch.where(soft[:, None, None, None], _binomial(x), x)
        if self.noise:
            sigma = torch.rand(n, 1, 1, 1, generator=rng) * self.noise
            x = x + (sigma * torch.randn(x.shape, generator=rng)).to(device)
        if self.cutout:
            side = s // 4
            corner = torch.randint(0, s - side + 1, (n, 2), generator=rng)
            corner[torch.rand(n, generator=rng) >= self.cutout] = s
            place = torch.arange(s)
            rows = (place >= corner[:, :1]) & (place < corner[:, :1] + side)
            columns = (place >= corner[:, 1:]) & (place < corner[:, 1:] + side)
            hidden = (rows[:, :, None] & columns[:, None, :]).to(device)
            x = x.masked_fill(hidden[:, None], 0.0)
        return x


def outliers(images: Float[Tensor, "n 3 s s"], *, rng: torch.Generator) -> Float[Tensor, "n 3 s s"]:
    """Things that are no faces, on [-1, 1]: noise, noisy faces, shuffled patches, flat colours.

    Edits are nearly faces, so that a critic that has met nothing else may take noise for real.
    """
    n, _, s, _ = images.shape
    side = s // 8
    noise = torch.rand(images.shape, generator=rng).to(images) * 2.0 - 1.0
    sigma = 0.2 + 0.8 * torch.rand(n, 1, 1, 1, generator=rng).to(images)
    noisy = (images + sigma * torch.randn(images.shape, generator=rng).to(images)).clamp(-1.0, 1.0)
    patches = images.reshape(n, 3, 8, side, 8, side).permute(2, 4, 0, 1, 3, 5).reshape(64, n, 3, side, side)
    shuffled = patches[torch.randperm(64, generator=rng).to(images.device)]
    shuffled = shuffled.view(8, 8, n, 3, side, side).permute(2, 3, 0, 4, 1, 5).reshape(n, 3, s, s)
    flat = noise[..., :1, :1].expand_as(images)
    kind = torch.randint(4, (n, 1, 1, 1), generator=rng).to(images.device)
    found = torch.where(kind == 0, noise, torch.where(kind == 1, noisy, shuffled))
    return torch.where(kind == 3, flat, found)


def _binomial(x: Tensor) -> Tensor:
    y = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    y = (y[..., :-2] + 2.0 * y[..., 1:-1] + y[..., 2:]) / 4.0
    return (y[..., :-2, :] + 2.0 * y[..., 1:-1, :] + y[..., 2:, :]) / 4.0
