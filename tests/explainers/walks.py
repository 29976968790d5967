"""Subjects whose nearest flips are known in closed form, for tests of explainers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.explainers.subjects import row_subject
from cfsearch.testing.tables import random_rows, random_schema


@final
@dataclass(eq=False)
class Queried(Provider):
    """A provider that is a function, and counts what it is asked."""

    answer: Callable[[Tensor], Tensor]
    labels: tuple[str, ...] = ("no", "yes")
    scores: ScoreKind = ScoreKind.LOGITS
    name: str = "asked"
    max_batch: int = 1024
    asked: int = 0

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        self.asked += len(x)
        return self.answer(x)

    @property
    def fingerprint(self) -> str:
        return "asked"


@final
class Plain(Domain):
    """Vectors without bounds, each number a feature of its own."""

    def __init__(self, d: int, *, fixed: tuple[int, ...] = ()) -> None:
        self.shape, self.layout, self.fixed = (d,), (d,), fixed
        self.names = tuple(f"x{i}" for i in range(d))
        self.owner = torch.arange(d)

    def encode(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return x.float()

    def project(self, u: Float[Tensor, "b d"], *, origin: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return u.to(origin.dtype)

    def free(self, x: Float[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        return torch.tensor([i not in self.fixed for i in range(self.features)]).expand(len(x), -1)


def two_classes(w: Tensor, b: float) -> Callable[[Tensor], Tensor]:
    """Scores (0, w.x + b), summed row by row so that a row does not see its batch."""

    def scores(x: Float[Tensor, "n *d"]) -> Float[Tensor, "n 2"]:
        assert len(x), "networks need not take an empty batch"
        lead = (x.flatten(1).to(w.dtype) * w).sum(1) + b
        return torch.stack([torch.zeros_like(lead), lead], dim=1)

    return scores


def linear_subject(w: Tensor, b: float = 0.0, *, fixed: tuple[int, ...] = ()) -> Subject:
    """A linear model on plain vectors, followed by its own gradient."""
    scores = two_classes(w, b)
    return Subject(Queried(scores), scores, Plain(len(w), fixed=fixed), white_box=True)


def table_subject(seed: int, *, n: int = 12) -> tuple[Subject, TableSchema, Tensor]:
    """A linear model on the encoded rows of a random schema, and rows of it on both sides."""
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=8, immutable=2, monotone=2, links=1)
    x = random_rows(schema, n=n, draw=draw)
    encoding = Encoding.standard(schema, x)
    w = torch.from_numpy(draw.normal(size=encoding.width)).float()
    b = -float((encoding.apply(x).float() @ w).median())
    scores = two_classes(w, b)
    provider = Queried(lambda rows: scores(encoding.apply(rows.double())))
    return row_subject(provider, encoding, scores, white_box=True), schema, x
