"""Effects solved through the matrix of what a generator changes besides what it is meant to."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.effects import Effects

WORST: Final = 10.0
"""Condition number from which on the matrix is not solved through."""


def disentangled(effects: Effects, error: GeneratorError, measurement: Mapping[str, Any]) -> Effects:
    """The effects less the offset, solved through what the generator changes besides.

    With ``Q`` what the edits were meant to change, ``M`` what an independent classifier sees them change, both in units of
    the difference that labels make, and ``e`` the effects through the generator, the effects are ``Q M^-1 e``. Where
    ``M`` is badly conditioned, ``e``.

    Args:
        effects: through the generator.
        error: of the generator.
        measurement: of the generator.
    """
    names = effects.names
    shifts = effects.intended.double().mean(0)
    rho = torch.tensor([error.offset.get(name, 0.0) for name in names], dtype=torch.float64)
    left = effects.logits.double() - effects.intended.double() @ rho
    seen = shifts + excess(names, shifts, measurement)
    solved = left
    if float(torch.linalg.cond(seen)) < WORST:
        solved = left @ (shifts @ torch.linalg.inv(seen)).T
    return Effects(
        names,
        solved,
        effects.probability,
        effects.flips,
        effects.kept,
        effects.low,
        effects.high,
        effects.intended,
    )


def excess(
    names: tuple[str, ...], shifts: Float[Tensor, "d d"], measurement: Mapping[str, Any]
) -> Float[Tensor, "d d"]:
    """What the generator changes beyond what it is meant to, row by row.

    Of an attribute of the same group, which an edit is meant to switch off where it is on, what is seen is compared with what
    is meant on the average face.
    """
    found = torch.zeros_like(shifts)
    for i, name in enumerate(names):
        figures = measurement["attributes"][name]
        if figures["strength"] is not None:
            found[i, i] = figures["strength"] - 1.0
        for j, other in enumerate(names):
            if other in figures["moved"]:
                found[i, j] = figures["moved"][other] - shifts[i, j]
    return found
