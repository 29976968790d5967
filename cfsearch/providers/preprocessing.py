"""Preprocessing: from the canonical form of an input to the form that one model takes."""

import hashlib
import math
from dataclasses import dataclass, field
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from cfsearch.errors import ConfigError, ShapeError

Layout = Literal["nchw", "nhwc", "flat"]
Order = Literal["rgb", "bgr"]
Number = Literal["float32", "float16", "float64", "uint8"]
Range = Literal["0..1", "-1..1", "0..255"]
Resize = Literal["bilinear", "nearest", "none"]

_DTYPES: Final[dict[str, torch.dtype]] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "float64": torch.float64,
    "uint8": torch.uint8,
}
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "layout": ("nchw", "nhwc", "flat"),
    "order": ("rgb", "bgr"),
    "dtype": tuple(_DTYPES),
    "range": ("0..1", "-1..1", "0..255"),
    "resize": ("bilinear", "nearest", "none"),
}
_GREY: Final = (0.299, 0.587, 0.114)


@final
@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Input format of a model of images, and the conversion of canonical images to it.

    In this order: grey or colour, resize, order of the channels, range, mean and standard deviation, number type,
    layout. All of it is differentiable but for whole-number pixels (``uint8``).

    Args:
        size: height and width in pixels; None takes any size as it comes.
        channels: 1 (grey) or 3 (RGB).
        layout: "nchw" (channels first), "nhwc" (channels last) or "flat" (one row of numbers, channels first);
            a flat one needs ``size``.
        dtype: the number type that the model takes.
        range: what the canonical [0, 1] becomes.
        mean: subtracted after ``range``, one number or one a channel; nothing when empty.
        std: divided by after ``mean``, likewise; positive.
        resize: "bilinear" (antialiased where it shrinks), "nearest" (pixel centres, as Pillow
            does) or "none" (an image of another size is refused).
        order: "rgb", or "bgr" (blue, green, red, as OpenCV reads pictures); ``mean`` and ``std`` follow it.

    Raises:
        ConfigError: a setting is unknown, not finite, or does not go with the others.

    References:
        ITU-R BT.601 for the weights of grey: 0.299 R + 0.587 G + 0.114 B.

    Example:
        >>> import torch
        >>> grey = Preprocessing(channels=1, range="0..255")
        >>> grey.apply(torch.ones(1, 3, 2, 2)).shape, round(grey.apply(torch.ones(1, 3, 2, 2)).mean().item(), 2)
        (torch.Size([1, 1, 2, 2]), 255.0)
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] = 3
    layout: Layout = "nchw"
    dtype: Number = "float32"
    range: Range = "0..1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: Resize = "bilinear"
    order: Order = field(default="rgb", repr=False)

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise ConfigError(
                    f"preprocessing: `{name}` must be one of {', '.join(known)}, got {value!r}."
                )
        if self.channels not in (1, 3):
            raise ConfigError(
                f"preprocessing: `channels` must be 1 (grey) or 3 (RGB), got {self.channels!r}."
            )
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ConfigError(f"preprocessing: `size` must be (height, width) in pixels, got {self.size!r}.")
        if self.layout == "flat" and self.size is None:
            raise ConfigError("preprocessing: layout 'flat' needs `size`: size = [height, width] in [input].")
        if self.channels == 1 and self.order != "rgb":
            raise ConfigError(
                "preprocessing: `order` is of three channels, got order 'bgr' with channels 1. Leave it out."
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, self.channels):
                raise ConfigError(
                    f"preprocessing: `{name}` must have one number, or one for each of the "
                    f"{self.channels} channels, got {len(values)}."
                )
            if not all(math.isfinite(v) for v in values):
                raise ConfigError(f"preprocessing: `{name}` must be finite, got {values!r}.")
        if any(v <= 0 for v in self.std):
            raise ConfigError(f"preprocessing: `std` must be positive, got {self.std!r}.")
        if self.dtype == "uint8" and (self.range != "0..255" or self.mean or self.std):
            raise ConfigError(
                "preprocessing: dtype uint8 needs range '0..255' and neither `mean` nor `std`, "
                f"got range {self.range!r}, mean {self.mean!r}, std {self.std!r}."
            )

    @property
    def differentiable(self) -> bool:
        """Whether gradients pass."""
        return self.dtype != "uint8"

    @property
    def fingerprint(self) -> str:
        """A hash of the settings."""
        order = "" if self.order == "rgb" else self.order  # hashes of runs that had no order stay
        return hashlib.sha256(f"{self!r}{order}".encode()).hexdigest()

    def apply(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        """The images as the model takes them; ``x`` is left alone.

        Shapes:
            x: ``(n, 3, h, w)`` or grey ``(n, 1, h, w)`` in [0, 1] -> ``(n, channels, height,
            width)``, with the channels last, or flat ``(n, channels * height * width)``; row by row, on the device of ``x``.

        Raises:
            ShapeError: ``x`` is no batch of images, or of another size and ``resize`` is "none".
        """
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ShapeError(
                "preprocessing: expected images of shape (n, 3, height, width) or "
                f"(n, 1, height, width), got {tuple(x.shape)}."
            )
        x = x if x.dtype == torch.float64 else x.to(torch.float32)
        x = self._resized(self._coloured(x))
        x = self._ranged(x.flip(1) if self.order == "bgr" else x)
        if self.dtype == "uint8":
            x = x.detach().round().clamp(0, 255)
        x = x.to(_DTYPES[self.dtype])
        if self.layout == "flat":
            return x.flatten(1)
        return x.permute(0, 2, 3, 1) if self.layout == "nhwc" else x

    def _coloured(self, x: Tensor) -> Tensor:
        if x.shape[1] == self.channels:
            return x
        if self.channels == 3:
            return x.expand(-1, 3, -1, -1)
        # A sum of three products, not a matrix product: the same bits in any batch.
        red, green, blue = _GREY
        return x[:, 0:1] * red + x[:, 1:2] * green + x[:, 2:3] * blue

    def _resized(self, x: Tensor) -> Tensor:
        have = (int(x.shape[2]), int(x.shape[3]))
        if self.size is None or self.size == have:
            return x
        if self.resize == "none":
            raise ShapeError(
                f"preprocessing: the model takes images of {_by(self.size)} pixels, got "
                f"{_by(have)}, and `resize` is 'none'. Resize the images, or set "
                "resize = 'bilinear' in [input]."
            )
        if self.resize == "nearest":
            return interpolate(x, self.size, mode="nearest-exact")
        return interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)

    def _ranged(self, x: Tensor) -> Tensor:
        if self.range == "-1..1":
            x = x * 2 - 1
        elif self.range == "0..255":
            x = x * 255
        if self.mean:
            x = x - _column(self.mean, like=x)
        return x / _column(self.std, like=x) if self.std else x


def _column(values: tuple[float, ...], *, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
