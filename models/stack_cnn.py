"""Convolutions in a row: the surrogates of Haffar et al. 2022, and a small one of our own."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final, final

from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.errors import ConfigError

POOL: Final = 0
"""Stands among channels for "take the maxima of 2 x 2"."""


@final
class StackCnn(nn.Module):
    """Convolutions of 3 x 3 with ReLU, maxima between them, dense layers with ReLU, logits.

    Args:
        shape: channels, height and width of an image.
        classes: how many logits, >= 2.
        layers: the channels of each convolution, with ``POOL`` where sides are halved.
        padding: pixels of border of each convolution.
        dense: units of the dense layers.
        norm: batch norm after each convolution (which then has no bias).
        dropout: share of units left out in front of the dense layers, while training, in [0, 1).

    Shapes:
        ``(n, *shape)`` in [0, 1] -> ``(n, classes)``, logits.

    Raises:
        ConfigError: nothing is left of the image, or fewer than two classes.

    References:
        Haffar et al. 2022, tables 2 and 3. The tables print strides of 0 and, for digits, no
        kernel: 3 x 3 with stride 1, a border of 2 (faces: 1) and halving maxima give the 16,384
        inputs of the fourth digit surrogate and the 4,608 of the fourth face surrogate. The
        numbers of inputs that other rows print follow from no setting; here they follow from the
        image.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        classes: int = 10,
        layers: Sequence[int] = (16, POOL, 32, POOL, 64),
        padding: int = 1,
        dense: Sequence[int] = (200,),
        norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        stack: list[nn.Module] = []
        for wide in layers:
            if wide == POOL:
                stack.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
                continue
            stack.append(nn.Conv2d(channels, wide, 3, padding=padding, bias=not norm))
            stack += [nn.BatchNorm2d(wide)] if norm else []
            stack.append(nn.ReLU())
            channels = wide
            height, width = height + 2 * padding - 2, width + 2 * padding - 2
        if min(height, width) < 1 or classes < 2:
            raise ConfigError(
                f"stack_cnn: `layers` {tuple(layers)!r} leave nothing of images of {tuple(shape)}, or there are "
                f"fewer than two classes ({classes})."
            )
        self.stack: nn.Sequential = nn.Sequential(*stack)
        head: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
        for a, b in pairwise((channels * height * width, *dense)):
            head += [nn.Linear(a, b), nn.ReLU()]
        head.append(nn.Linear((channels * height * width, *dense)[-1], classes))
        self.head: nn.Sequential = nn.Sequential(*head)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        logits: Tensor = self.head(self.stack(x).flatten(1))
        return logits


digits_1: partial[StackCnn] = partial(StackCnn, padding=2)
"""Surrogate 1 of table 3: 16, 32 and 64 channels."""

digits_3: partial[StackCnn] = partial(
    StackCnn, padding=2, layers=(64, POOL, 128, POOL, 256), dense=(1024, 200)
)
"""Surrogate 3 of table 3 (surrogate 2 is LeNet-5)."""

digits_4: partial[StackCnn] = partial(
    StackCnn, padding=2, layers=(32, POOL, 64, POOL, 128, 128, 64, 64), dense=(256,)
)
"""Surrogate 4 of table 3."""

faces_1: partial[StackCnn] = partial(
    StackCnn, layers=(32, 64, POOL, 128, 256, POOL, 512, 512, POOL), dense=(1024, 256, 32)
)
"""Surrogate 1 of table 2."""

compact: partial[StackCnn] = partial(
    StackCnn, layers=(16, POOL, 32, POOL, 64), dense=(128,), norm=True, dropout=0.3
)
"""Surrogate 1 of table 3 with batch norm, a border of 1 and dropout: for images up to 48 pixels."""

compact_faces: partial[StackCnn] = partial(
    StackCnn, layers=(16, POOL, 32, POOL, 64, POOL, 96, POOL, 128, POOL), dense=(64,), norm=True, dropout=0.3
)
"""Five halvings, as the gender classifier's, for larger images."""
