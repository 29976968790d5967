"""Clues to the pixels that a model was trained on: range, mean and standard deviation, order of the channels."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.numerics.percent import percent

from .preprocessing import Preprocessing, Range

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_UNIT, _BYTES = (0.15, 0.9), (20.0, 230.0)
"""Where the mean of training pictures lies on 0..1 and on 0..255."""
_NARROW, _WIDE = 0.5, 0.6
"""Deviation of pixels: at most the first on 0..1, more than the second where they were normalised."""
_ALIKE, _VARIED = 0.02, 0.2
"""Mean total variation between answers that are all but the same, and that differ."""
_SATURATED: Final = 0.999
_RISE: Final = 0.02
"""Of natural pictures red is the brightest channel and blue the darkest; by less nothing is concluded."""


@final
@dataclass(frozen=True, slots=True)
class Clue:
    """What speaks for one form of pixels.

    Args:
        range: what the model takes [0, 1] as; None where only the order of the channels is known.
        mean: subtracted after ``range``; empty for nothing.
        std: divided by, likewise.
        reversed: whether the channels seem to come as blue, green, red.
        because: the evidence, half a sentence.
        known: whether ``mean`` and ``std`` themselves are known, or only that the pixels are centred.
    """

    because: str
    range: Range | None = "0..1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    reversed: bool = False
    known: bool = True

    def agrees(self, taken: Preprocessing) -> bool:
        """Whether a model that is given pictures like this gets what the clue speaks for."""
        if self.range is None:
            return True
        centred = bool(taken.mean) or taken.range == "-1..1"
        if not self.known:
            return centred
        wants_centred = bool(self.mean) or self.range == "-1..1"
        return wants_centred == centred and (self.range == "0..255") == (taken.range == "0..255")

    @property
    def lines(self) -> str:
        """What stands under ``[input]`` where the clue is right."""
        if self.mean:
            return f"mean = {list(self.mean)} and std = {list(self.std)}"
        return f'range = "{self.range}"'


@runtime_checkable
class Clued(Protocol):
    """A provider of pictures that knows how they are brought to its model, and what its model gives away."""

    @property
    def preprocessing(self) -> Preprocessing | None: ...

    @property
    def pixel_clues(self) -> Sequence[Clue]:
        """What the model's own structure says, the strongest first."""
        ...


def affine_clue(scale: Float[Tensor, " c"], shift: Float[Tensor, " c"]) -> Clue | None:
    """What the first arithmetic of a model says, ``y = scale * x + shift``, a number a channel; None for nothing.

    ``-shift / scale`` is the pixel that becomes 0: about the mean of the training pictures, or 0.

    Args:
        scale: not 0.
        shift: likewise a number a channel, or one for all.
    """
    zero = (-shift / scale).tolist()
    middle, factor = sum(zero) / len(zero), 1 / float(scale.abs().mean())
    first = f"its first operations subtract {_numbers(zero)} and divide by {_numbers((1 / scale).tolist())}"
    if any(zero):
        rising = len(zero) == 3 and zero[0] < zero[1] < zero[2] and zero[2] - zero[0] > _RISE * max(zero)
        for name, (low, high) in (("0..1", _UNIT), ("0..255", _BYTES)):
            if low <= middle <= high:
                return Clue(first, range="0..1" if name == "0..1" else "0..255", reversed=rising)
        return None
    if 250.0 <= factor <= 260.0:
        return Clue(f"its first operation divides by {factor:.4g}", range="0..255")
    return None


def stem_clue(
    weight: Float[Tensor, "o c h w"],
    bias: Float[Tensor, " o"] | None,
    *,
    mean: Float[Tensor, " o"],
    variance: Float[Tensor, " o"],
) -> Clue | None:
    """What the first convolution and the statistics of the normalisation behind it say; None for nothing.

    The mean of a convolution's output is linear in that of its input: ``mean = S m + bias``, where ``S`` sums each
    filter over its places. Solved for ``m``, that is the mean of the training pictures as the network saw them (but
    for padding). Their spread follows from the variances, by least squares on a smooth and a rough part: that of
    pixels in [0, 1] is at most 0.5, that of normalised ones about 1.

    Args:
        weight: of the convolution.
        bias: of the convolution.
        mean: of the batch normalisation behind it.
        variance: likewise.
    """
    s = weight.double().sum((2, 3))
    t = mean.double() - (0.0 if bias is None else bias.double())
    spare = s.shape[0] - s.shape[1]
    everything = (s, t, variance)
    if spare < 4 or not all(bool(torch.isfinite(v).all()) for v in everything) or not bool(t.any()):
        return None
    if int(torch.linalg.matrix_rank(s)) < s.shape[1]:
        return None
    m = torch.linalg.lstsq(s, t[:, None]).solution[:, 0]
    error = ((s @ m - t).square().sum() / spare * torch.linalg.inv(s.T @ s).diagonal()).sqrt()
    spread, middle, unsure = (
        _spread_of(weight.double(), variance.double()),
        float(m.mean()),
        float(error.max()),
    )
    seen = (
        f"the statistics behind its first layer say that its training pictures had a mean of {_numbers(m.tolist())} "
        f"and a deviation of about {spread:.2g}"
    )
    rise = m.diff() if len(m) == 3 else m.new_zeros(1)
    rising = bool((rise > 2 * error.max()).all()) and float(rise.sum()) > _RISE * float(m.max())
    if _BYTES[0] <= middle <= _BYTES[1] and unsure < 25.0:
        return Clue(seen, range="0..255", reversed=rising)
    if unsure > 0.1 or middle > _BYTES[0]:
        return None
    below = bool((m < -0.03 - 2 * error).any())
    if below or spread > _WIDE:
        return Clue(seen, mean=IMAGENET_MEAN, std=IMAGENET_STD, known=False)
    return Clue(seen, range="0..1", reversed=rising) if spread < _NARROW and 0.0 < middle < 1.0 else None


def _spread_of(weight: Float[Tensor, "o c h w"], variance: Float[Tensor, " o"]) -> float:
    """The standard deviation of pixels whose convolution has these variances: a smooth part and a rough one."""
    from scipy.optimize import nnls

    rough = weight.square().sum((1, 2, 3)).clamp_min(1e-12)
    smooth = weight.sum((1, 2, 3)).square()
    parts = torch.stack([smooth / rough, torch.ones_like(rough)], dim=1)
    found, _ = nnls(parts.cpu().numpy(), (variance / rough).cpu().numpy())
    return math.sqrt(float(found.sum()))


def module_clues(module: nn.Module, *, assumed: bool) -> tuple[Clue, ...]:
    """What a torch network gives away: its configuration, its first layers, the library that it is from.

    Args:
        module: the network.
        assumed: whether nobody declared the range; only then the library says anything.
    """
    found: list[Clue] = []
    config: object = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    mean, std = (config.get("mean"), config.get("std")) if isinstance(config, Mapping) else (None, None)
    if isinstance(mean, Sequence) and isinstance(std, Sequence) and mean and len(mean) == len(std):
        numbers = tuple(float(v) for v in mean), tuple(float(v) for v in std)
        found.append(Clue("its own configuration says so", mean=numbers[0], std=numbers[1]))
    leaves = [part for part in module.modules() if not any(True for _ in part.children())]
    for conv, norm in pairwise(leaves):
        if isinstance(conv, nn.Conv2d):
            clue = _stem_of(conv, norm)
            found += [] if clue is None else [clue]
            break
    home = type(module).__module__
    if assumed and home.startswith("torchvision.models"):
        found.append(architecture_clue(f"torchvision's {type(module).__name__}"))
    return tuple(found)


def _stem_of(conv: nn.Conv2d, norm: nn.Module) -> Clue | None:
    if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
        return None
    if conv.groups != 1 or conv.in_channels not in (1, 3):
        return None
    bias = None if conv.bias is None else conv.bias.detach()
    return stem_clue(conv.weight.detach(), bias, mean=norm.running_mean, variance=norm.running_var)


def architecture_clue(what: str) -> Clue:
    """What an architecture says whose published weights take ImageNet's mean and standard deviation."""
    return Clue(
        f"it has the architecture of {what}, whose published weights take these",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        known=False,
    )


def answers_clue(
    ask: Callable[[Tensor], Tensor], x: Float[Tensor, "n c h w"], *, p: Float[Tensor, "n k"]
) -> Clue | None:
    """What answers say: all but the same on [0, 1], but different in another form; None otherwise.

    Args:
        ask: pictures as the model takes them -> probabilities ``(n, k)``.
        x: different pictures in [0, 1].
        p: what it answered to them as they are.
    """
    before = _spread(p)
    if before >= _ALIKE:
        return None
    mean, std = (torch.tensor(v)[: x.shape[1], None, None].to(x) for v in (IMAGENET_MEAN, IMAGENET_STD))
    forms: tuple[tuple[Clue, Tensor], ...] = (
        (Clue("", mean=IMAGENET_MEAN, std=IMAGENET_STD), (x - mean) / std),
        (Clue("", range="-1..1"), x * 2 - 1),
        (Clue("", range="0..255"), x * 255),
    )
    for clue, changed in forms:
        answers = ask(changed)
        winners = len(set(answers.argmax(1).tolist()))
        if (
            _spread(answers) < _VARIED
            or winners < 2
            or float((answers.amax(1) > _SATURATED).double().mean()) > 0.9
        ):
            continue
        because = (
            f"on 0..1 its answers to {len(x)} different pictures are all but the same (they differ by "
            f"{percent(before, digits=1)} on average), and so they differ by {percent(_spread(answers))} and name {winners} classes"
        )
        return Clue(because, range=clue.range, mean=clue.mean, std=clue.std)
    return None


def doubt(
    provider: object,
    ask: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n c h w"],
    *,
    p: Float[Tensor, "n k"],
    name: str,
) -> tuple[str, int]:
    """A warning where a model probably wants other pixels than it is given, and how many queries that took.

    The strongest clue decides: the model's own arithmetic and statistics, then its architecture, then its answers.

    Args:
        provider: the model; one that does not tell how pictures are brought to it is not doubted.
        ask: pictures -> probabilities.
        x: different pictures in [0, 1].
        p: what it answered to them.
        name: of the model.
    """
    if not isinstance(provider, Clued) or (taken := provider.preprocessing) is None or taken.dtype == "uint8":
        return "", 0
    queries = 0

    def count(changed: Tensor) -> Tensor:
        nonlocal queries
        queries += len(changed)
        return ask(changed)

    clue = next(iter(provider.pixel_clues), None)
    if clue is None and taken.range == "0..1" and not taken.mean:
        clue = answers_clue(count, x, p=p)
    if clue is None:
        return "", queries
    turn = 'write order = "bgr" under [input] in its sidecar.'
    if clue.agrees(taken):
        order = f"{name} seems to want its channels as blue, green, red: {clue.because}. If so, {turn}"
        return order if clue.reversed and taken.order == "rgb" else "", queries
    turned = (
        f" Its channels seem to come as blue, green, red: {turn}"
        if clue.reversed and taken.order == "rgb"
        else ""
    )
    given = f"{taken.range}{', less mean over std' if taken.mean else ''}"
    also = ' (or range = "-1..1", where it was trained so)' if not clue.known else ""
    instead = " and no mean and std" if taken.mean and not clue.mean else ""
    return (
        f"{name} is given pixels on {given}, but probably wants others: {clue.because}. If so, write {clue.lines}"
        f"{instead}{also} under [input] in its sidecar, or give them in the call.{turned}"
    ), queries


def _spread(p: Float[Tensor, "n k"]) -> float:
    """Mean total variation distance between the answers to different pictures."""
    n = len(p)
    return float(torch.cdist(p.double(), p.double(), p=1).sum() / 2 / max(1, n * (n - 1)))


def _numbers(values: Sequence[float]) -> str:
    same = max(values) - min(values) < 1e-3 * max(1e-9, *(abs(v) for v in values))
    return f"{values[0]:.3g}" if same else ", ".join(f"{v:.3g}" for v in values)
