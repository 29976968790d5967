"""Fronts by hand, for tests of what is counted and shown of them."""

from collections.abc import Sequence
from typing import Any

import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow

LABELS = ("no", "yes")


def front_of(
    z: Sequence[Sequence[float]] = ((1.0, 0.0),),
    *,
    name: str = "a",
    labels: Sequence[str] = LABELS,
    variables: Sequence[str] = ("Hat", "Beard"),
    source: int = 0,
    target: int | None = None,
    scores: Sequence[Sequence[float]] | None = None,
    verified: Sequence[bool] | None = None,
    flips: bool = False,
    **parts: Any,
) -> ParetoFront:
    """A front of these changes, of pictures unless ``parts`` say other inputs.

    Args:
        z: the changes, a row a member.
        name: of the input.
        labels: of the model.
        variables: that change.
        source: class of the original.
        target: the wanted class.
        scores: of the members; those of a flip to the last class when left out.
        verified: whether each is verified; all when left out.
        flips: whether the reconstruction alone flips.
        parts: further fields of the front.
    """
    n, k = len(z), len(labels)
    before = torch.zeros(k)
    before[source] = 2.0
    return ParetoFront(
        **{
            "name": name,
            "labels": tuple(labels),
            "source": source,
            "target": target,
            "variables": tuple(variables),
            "objectives": ("adversarial", "intensity"),
            "units": ("nat", "L2"),
            "z": torch.tensor(z, dtype=torch.float32).reshape(n, len(variables)),
            "f": torch.zeros(n, 2),
            "origin_values": torch.zeros(len(variables)),
            "scores": torch.tensor([[0.0] * (k - 1) + [2.0]] * n if scores is None else scores).reshape(n, k),
            "original_scores": before,
            "reconstruction_scores": -before if flips else before,
            "verified": torch.tensor([True] * n if verified is None else verified, dtype=torch.bool),
            "images": None,
            "original": None,
            "reconstruction": None,
            "origins": ("random",) * n,
            "reason": Reason.BUDGET,
            "reference_point": torch.ones(2),
            "evaluations": 10,
            **parts,
        }
    )


def instance(i: int | str, front: ParetoFront | None, status: str = "found") -> InstanceRow:
    """An instance with this front.

    Args:
        i: its name.
        front: of it; None where it failed.
        status: what became of it.
    """
    return InstanceRow(f"{i}", i if isinstance(i, int) else 0, status, "budget", "", "", (), front)
