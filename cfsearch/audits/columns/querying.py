"""A model and one of its classes, queried about each row once: log-odds, probability and decision."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.scores import log_odds, verdict_scores

LEAST_PROBABILITY: Final = 0.005
"""Stands for 0 where a model gives probabilities of exactly 0 or 1, whose log-odds are infinite."""


class Queried:
    """A model and one of its classes: log-odds, probability and decision of rows, each queried about once.

    Args:
        model: the audited model.
        label: index of the class.
    """

    def __init__(self, model: Provider, label: int) -> None:
        self._model, self._label = model, label
        self.clipped: bool = False
        self._known: dict[bytes, Float[Tensor, " k"]] = {}

    @torch.no_grad()
    def scores(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Log-scores of rows.

        Args:
            x: rows in canonical form.
        """
        keys = [row.tobytes() for row in x.double().numpy()]
        new = [
            i for key, i in dict(zip(keys, range(len(keys)), strict=True)).items() if key not in self._known
        ]
        most = max(1, self._model.max_batch)
        for piece in torch.split(torch.tensor(new, dtype=torch.int64), most) if new else ():
            raw = self._model.predict(x[piece]).double().cpu()
            self.clipped |= self._model.scores is ScoreKind.PROBABILITIES and bool((raw == 0).any())
            found = verdict_scores(raw, self._model)
            self._known.update({keys[i]: row for i, row in zip(piece.tolist(), found, strict=True)})
        if not keys:
            return torch.zeros(0, len(self._model.labels), dtype=torch.float64)
        return torch.stack([self._known[key] for key in keys])

    def __call__(
        self, x: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Int[Tensor, " n"]]:
        """Log-odds and probability of the class, and the class that the model gives.

        Args:
            x: rows in canonical form.
        """
        scores = self.scores(x)
        odds = log_odds(scores[None], index=torch.tensor([self._label]))[0]
        return odds, odds.sigmoid(), scores.argmax(-1)


def clip(odds: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Log-odds within those of 0.005 and 0.995.

    Args:
        odds: any.
    """
    most = float(np.log((1.0 - LEAST_PROBABILITY) / LEAST_PROBABILITY))
    return odds.clamp(-most, most)
