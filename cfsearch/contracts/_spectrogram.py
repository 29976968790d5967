"""A spectrogram as a picture."""

from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

_SIDE: Final = 128
# Cividis (Nunez, Anderton and Renslow 2018, https://doi.org/10.1371/journal.pone.0199239)
_COLOURS: Final = (
    (0, 34, 78), (0, 49, 112), (42, 63, 109), (67, 78, 108), (87, 93, 109), (106, 108, 113), (125, 124, 120),
    (145, 139, 120), (165, 156, 116), (188, 174, 108), (210, 192, 96), (233, 211, 78), (254, 232, 56),
)  # fmt: skip


def drawn(stored: Float[Tensor, "1 f t"]) -> UInt8[Tensor, "3 h w"]:
    """Low frequencies at the bottom, loud parts bright, enlarged to 128 pixels or more.

    Args:
        stored: levels in [0, 1], the lowest frequency first.
    """
    levels = (stored[0].clamp(0.0, 1.0) * (len(_COLOURS) - 1)).flip(0)
    below = levels.floor().long().clamp_max(len(_COLOURS) - 2)
    anchors = torch.tensor(_COLOURS, dtype=torch.float32, device=stored.device)
    share = (levels - below)[..., None]
    colours = (1 - share) * anchors[below] + share * anchors[below + 1]
    enlarged = max(1, -(-_SIDE // max(stored.shape[-2:])))
    picture = colours.round().to(torch.uint8).permute(2, 0, 1)
    return picture.repeat_interleave(enlarged, 1).repeat_interleave(enlarged, 2)
