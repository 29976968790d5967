"""Segmentation of images into regions (superpixels, rectangles) that explainers score as a whole."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import ConfigError, MissingExtraError

_KERNEL: Final = 4.0
_SIDE: Final = 224


class Segmenter(ABC):
    """Segmentation method: the segment index of each pixel."""

    @abstractmethod
    def __call__(self, pictures: Float[Tensor, "b c h w"]) -> Int[Tensor, "b h w"]:
        """The segment of every pixel, numbered from 0 without gaps within each picture."""


@final
@dataclass(frozen=True, slots=True)
class Grid(Segmenter):
    """Regular grid of rectangles of nearly equal size; of spectrograms bands of frequency and spans of time.

    Args:
        rows, columns: how many; a picture with fewer pixels a side gets one each.

    Raises:
        ConfigError: fewer than one.

    References:
        Mishra, Sturm and Dixon 2017, Local interpretable model-agnostic explanations for music
        content analysis (time-frequency segments).
    """

    rows: int = 8
    columns: int = 8

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise ConfigError(
                f"grid: `rows` and `columns` must be at least 1, got {self.rows!r}, {self.columns!r}."
            )

    def __call__(self, pictures: Float[Tensor, "b c h w"]) -> Int[Tensor, "b h w"]:
        b, _, height, width = pictures.shape
        rows, columns = min(self.rows, height), min(self.columns, width)
        down = torch.arange(height, device=pictures.device) * rows // height
        right = torch.arange(width, device=pictures.device) * columns // width
        return (down[:, None] * columns + right[None, :]).expand(b, height, width)


@final
@dataclass(frozen=True, slots=True)
class Quickshift(Segmenter):
    """Quickshift superpixels by scikit-image: pixels near each other in place and colour.

    Args:
        kernel_size: width of the smoothing, in pixels; larger makes fewer segments. When None, 4 for
            pictures of 224 pixels a side and in proportion for others, at least 1, so that pictures
            of any size get some 30 to 60 segments.
        max_dist: pixels further apart than this are never joined.
        ratio: how much colour counts beside place, in [0, 1].

    At 224 pixels the settings are those of LIME's pictures. Ties are broken by a seed that is
    fixed: the same picture always gets the same segments.

    Raises:
        ConfigError: a setting outside its range.
        MissingExtraError: scikit-image is not installed.

    References:
        Vedaldi and Soatto 2008, Quick shift and kernel methods for mode seeking.
    """

    kernel_size: float | None = None
    max_dist: float = 200.0
    ratio: float = 0.2

    def __post_init__(self) -> None:
        width = 1.0 if self.kernel_size is None else self.kernel_size
        if not width > 0 or not self.max_dist > 0 or not 0 <= self.ratio <= 1:
            raise ConfigError(
                "quickshift: `kernel_size` and `max_dist` must be positive and `ratio` in [0, 1], got "
                f"{self.kernel_size!r}, {self.max_dist!r}, {self.ratio!r}."
            )

    def __call__(self, pictures: Float[Tensor, "b c h w"]) -> Int[Tensor, "b h w"]:
        try:
            from skimage.segmentation import quickshift
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "quickshift needs scikit-image, which is not installed. Run: pip install 'cfsearch[segments]'; "
                "or give a Grid."
            ) from error
        if pictures.shape[1] == 1:
            pictures = pictures.expand(-1, 3, -1, -1)
        if pictures.shape[1] != 3:
            raise ConfigError(
                f"quickshift: expected pictures of 1 or 3 channels, got {pictures.shape[1]}. Give a Grid."
            )
        last = np.ascontiguousarray(pictures.detach().cpu().permute(0, 2, 3, 1).double().numpy())
        width = self.kernel_size
        if width is None:
            width = max(1.0, _KERNEL * (pictures.shape[2] * pictures.shape[3]) ** 0.5 / _SIDE)
        # Any: scikit-image has no types, and its documentation says int where it takes any number
        cut_one: Any = quickshift
        cut = [
            cut_one(picture, ratio=self.ratio, kernel_size=width, max_dist=self.max_dist, rng=0)
            for picture in last
        ]
        found = np.zeros((0, *pictures.shape[2:]), np.int64) if not cut else np.stack(cut).astype(np.int64)
        return torch.from_numpy(found).to(pictures.device)
