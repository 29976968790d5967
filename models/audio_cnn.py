"""A small classifier of spectrograms."""

from itertools import pairwise
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.errors import ConfigError

LABELS: Final = tuple("0123456789")
"""Classes of the shipped weights: which digit is spoken."""


@final
class AudioCnn(nn.Module):
    """Convolutions with batch norm, ReLU and maxima of 2 x 2; means over time; logits.

    The first convolution is 5 x 5 with stride 2, the others 3 x 3. Frequencies keep their place up
    to the last layer, times do not: where in the clip a word is spoken does not matter.

    Args:
        rows: frequencies of a spectrogram, at least 7.
        classes: how many logits, >= 2.
        widths: channels of the convolutions; sides are halved by the first and after each but the
            last.
        dropout: share of units left out in front of the dense layer while training, in [0, 1).

    Shapes:
        ``(n, 1, rows, frames)`` in [0, 1] -> ``(n, classes)``, logits; at least 7 frames.

    Raises:
        ConfigError: too few rows or classes.
    """

    def __init__(
        self,
        *,
        rows: int = 64,
        classes: int = 10,
        widths: tuple[int, ...] = (16, 32, 64),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        left = (rows + 1) // 2 >> (len(widths) - 1)
        if left < 1 or classes < 2:
            raise ConfigError(
                f"audio_cnn: expected at least {(2 << (len(widths) - 1)) - 1} rows and two classes, got {rows} and "
                f"{classes}."
            )
        channels = (1, *widths)
        self.convolutions: nn.ModuleList = nn.ModuleList(
            nn.Conv2d(a, b, 3 if i else 5, stride=1 if i else 2, padding=1 if i else 2, bias=False)
            for i, (a, b) in enumerate(pairwise(channels))
        )
        self.norms: nn.ModuleList = nn.ModuleList(nn.BatchNorm2d(b) for b in widths)
        self.dropout: nn.Dropout = nn.Dropout(dropout)
        self.dense: nn.Linear = nn.Linear(widths[-1] * left, classes)

    def forward(self, x: Float[Tensor, "n 1 f t"]) -> Float[Tensor, "n k"]:
        for place, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(convolution(x)).relu()
            if place + 1 < len(self.norms):
                x = torch.max_pool2d(x, 2)
        logits: Tensor = self.dense(self.dropout(x.mean(dim=3).flatten(1)))
        return logits


def build() -> AudioCnn:
    """An untrained network; name it to the torch provider as ``cfsearch.models.audio_cnn:build``."""
    return AudioCnn()
