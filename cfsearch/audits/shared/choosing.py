"""Which few shared changes flip the most inputs together, of all inputs of a class and of each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.audits.measured import Membership
from cfsearch.audits.membership import group_parts
from cfsearch.audits.shares import LEAST
from cfsearch.numerics.cover import greedy_cover

if TYPE_CHECKING:
    from .measuring import MeasuredChanges

MOST_CHOSEN: Final = 5
"""Changes of one set."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class ChosenSet:
    """The changes that were chosen for some inputs.

    Args:
        attribute: by which inputs are grouped; empty for all of them.
        name: of the group.
        chosen: candidates by their place, in the order in which they were chosen.
        first: the inputs that they were chosen on, of the first half.
        second: the inputs that their coverage is of, of the second half.
    """

    attribute: str
    name: str
    chosen: tuple[int, ...]
    first: Bool[Tensor, " n"]
    second: Bool[Tensor, " m"]


def chosen_sets(measured: "MeasuredChanges", members: Membership | None) -> list[ChosenSet]:
    """The sets of all inputs, and of each group with 10 inputs in both halves.

    Args:
        measured: whose first half is looked at, and nothing of the second but who is in it.
        members: which input is in which group; None for no groups.
    """
    sides = measured.first.inputs, measured.second.inputs
    everyone = [torch.ones(len(side), dtype=torch.bool) for side in sides]
    found = [_set(measured, "", "", everyone[0], everyone[1])]
    for attribute, parts in [] if members is None else group_parts(members):
        for name, part in parts:
            first, second = (_mask(side, part) for side in sides)
            if min(int(first.sum()), int(second.sum())) >= LEAST:
                found.append(_set(measured, attribute, name, first, second))
    return found


def _mask(names: Sequence[str], part: frozenset[str]) -> Bool[Tensor, " n"]:
    return torch.tensor([name in part for name in names], dtype=torch.bool)


def _set(
    measured: "MeasuredChanges",
    attribute: str,
    name: str,
    first: Bool[Tensor, " n"],
    second: Bool[Tensor, " m"],
) -> ChosenSet:
    trials = measured.first
    cost = trials.cost[:, first].mean(dim=1)
    chosen = greedy_cover(trials.flips[:, first], most=MOST_CHOSEN, cost=cost)
    return ChosenSet(attribute, name, tuple(chosen), first, second)
