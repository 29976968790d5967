"""How well the sparsest flips stand small changes, counted front by front: no front is kept."""

import math
from typing import Any, final

import torch

from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import share_mean


@final
class RobustnessTally:
    """Robustness of the sparsest verified counterfactuals, one front after the other.

    Instances whose reconstruction flips before anything is changed say nothing about changes and are left out, as of
    ``ChangeTally``.
    """

    def __init__(self) -> None:
        self._shares: list[float] = []
        self._untried = 0
        self._tried: dict[str, Any] | None = None

    def add(self, front: ParetoFront, sparsest: int | None) -> None:
        """Count one front.

        Args:
            front: of one input.
            sparsest: its ``pick("sparsest")``.
        """
        if front.robustness is not None:
            self._tried = front.extra["robustness"]
        if sparsest is None or front.reconstruction_flips:
            return
        share = None if front.robustness is None else float(front.robustness[sparsest])
        if share is None or math.isnan(share):
            self._untried += 1
        else:
            self._shares.append(share)

    def rows(self, model: str) -> list[dict[str, Any]]:
        """The entry of ``audit.json``; none where no small changes were tried.

        Args:
            model: its id.
        """
        if self._tried is None:
            return []
        mean = share_mean(torch.tensor(self._shares, dtype=torch.float64))
        return [
            {
                "model": model,
                "changes": int(self._tried["changes"]),
                "what": str(self._tried["what"]),
                "n": len(self._shares),
                "left_out": self._untried,
                "mean": None if mean is None else mean.to_dict(),
            }
        ]
