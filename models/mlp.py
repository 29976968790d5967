"""Dense networks on encoded rows."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.errors import ConfigError


@final
class Mlp(nn.Module):
    """Dense layers with ReLU between them, logits at the end.

    Args:
        shape: how many numbers a row has, ``(w,)``.
        classes: how many logits, >= 2.
        hidden: units of each hidden layer.

    Shapes:
        ``(n, w)`` -> ``(n, classes)``, logits.

    Raises:
        ConfigError: a layer without units, or fewer than two classes.
    """

    def __init__(self, *, shape: tuple[int], classes: int = 2, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        if classes < 2 or any(units < 1 for units in (*shape, *hidden)):
            raise ConfigError(
                f"mlp: every layer needs a unit and there must be two classes or more, got {shape[0]} numbers, "
                f"`hidden` {tuple(hidden)!r} and {classes} classes."
            )
        layers: list[nn.Module] = []
        for a, b in pairwise((shape[0], *hidden)):
            layers += [nn.Linear(a, b), nn.ReLU()]
        layers.append(nn.Linear((shape[0], *hidden)[-1], classes))
        self.layers: nn.Sequential = nn.Sequential(*layers)

    def forward(self, u: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        logits: Tensor = self.layers(u)
        return logits


linear: partial[Mlp] = partial(Mlp, hidden=())
"""Logistic regression."""

mlp_64_64: partial[Mlp] = partial(Mlp, hidden=(64, 64))
"""The surrogate of Haffar et al. 2022, table 4."""

mlp_100_100: partial[Mlp] = partial(Mlp, hidden=(100, 100))
"""The provider's model of the same table."""

mlp_200_200_200: partial[Mlp] = partial(Mlp, hidden=(200, 200, 200))
"""The surrogate of Chapman-Rounds et al. 2019."""
