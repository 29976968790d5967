"""LeNet-5, the network of handwritten digits."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.errors import ConfigError

_SMALLEST = 16


@final
class LeNet5(nn.Module):
    """Two convolutions of 5 x 5 (6 and 16 channels), dense layers of 120 and 84, logits.

    As it is trained today: ReLU instead of tanh, maxima instead of trained means, and a border of
    two pixels in front of the first convolution, which makes 28 x 28 what the paper's 32 x 32 was.

    Args:
        shape: channels, height and width of an image; 16 pixels or more a side.
        classes: how many logits, >= 2.

    Shapes:
        ``(n, *shape)`` in [0, 1] -> ``(n, classes)``, logits.

    Raises:
        ConfigError: images too small, or fewer than two classes.

    References:
        LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document
        recognition, https://doi.org/10.1109/5.726791.
    """

    def __init__(self, *, shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) < _SMALLEST or classes < 2:
            raise ConfigError(
                f"lenet5: images must have {_SMALLEST} pixels or more a side and two classes or more, got "
                f"{tuple(shape)} and {classes}."
            )
        self.first: nn.Conv2d = nn.Conv2d(channels, 6, 5, padding=2)
        self.second: nn.Conv2d = nn.Conv2d(6, 16, 5)
        flat = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        self.dense: nn.Sequential = nn.Sequential(
            nn.Linear(flat, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = torch.max_pool2d(self.first(x).relu(), 2)
        x = torch.max_pool2d(self.second(x).relu(), 2)
        logits: Tensor = self.dense(x.flatten(1))
        return logits


def lenet5(*, shape: tuple[int, int, int], classes: int) -> LeNet5:
    """An untrained LeNet-5."""
    return LeNet5(shape=shape, classes=classes)
