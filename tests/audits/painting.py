"""A model and a generator of attributes whose leads and errors can be written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.space import SearchSpace

STEP, ARTEFACT, SLOPE = 0.2, 0.05, 40.0


@final
class Bright(Provider):
    """Log-odds of "bright" grow with the mean of the picture; counts what it is queried about."""

    name = "bright"
    labels = ("dark", "bright")
    scores = ScoreKind.LOGITS
    max_batch = 1000
    queries = 0

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        self.queries += len(x)
        t = SLOPE * (x.double().flatten(1).mean(1) - 0.5)
        return torch.stack([torch.zeros_like(t), t], dim=1)

    @property
    def fingerprint(self) -> str:
        return "bright"


@dataclass
class Painter(Generator[tuple[Tensor, Tensor]], AttributeTaker):
    """Attribute "light" truly brightens the picture; painting "ghost" brightens it by mistake.

    Its reconstruction is too bright by ``artefact`` for a photograph with the attribute "ghost".
    """

    name: ClassVar[str] = "painter"
    attribute_names = ("light", "ghost")
    shape = (3, 8, 8)
    artefact: float = ARTEFACT

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Painter":
        return cls()

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert attributes is not None
        return x, attributes

    def space(self, state: tuple[Tensor, Tensor]) -> SearchSpace:
        origin = state[1]
        return SearchSpace(names=self.attribute_names, lower=-origin, upper=1.0 - origin, origin=origin)

    def decode(self, state: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
        x, origin = state
        value = origin[:, None] + z
        shift = STEP * z[..., 0] + self.artefact * value[..., 1]
        return x[:, None] + shift[..., None, None, None]

    def select(self, state: tuple[Tensor, Tensor], i: int) -> tuple[Tensor, Tensor]:
        return state[0][i : i + 1], state[1][i : i + 1]

    def to(self, device: str) -> "Painter":
        return self

    @property
    def fingerprint(self) -> str:
        return "painter"


def photographs(n: int = 400) -> tuple[Tensor, Tensor]:
    """Grey pictures whose mean follows "light", with some scatter that no attribute explains."""
    draw = torch.Generator().manual_seed(1)
    attributes = (torch.rand(n, 2, generator=draw) < 0.5).double()
    mean = 0.4 + STEP * (attributes[:, 0] - 0.5) + 0.02 * torch.randn(n, generator=draw)
    return mean[:, None, None, None].expand(n, 3, 8, 8).clone(), attributes
