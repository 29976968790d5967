"""Changes that could be shared by many inputs, gathered from the verified counterfactuals of some."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.space import SearchSpace
from cfsearch.fronts.front import ParetoFront

MOST_MEMBERS: Final = 8
"""Verified members of a front that are looked at, the nearest ones."""
MOST_PARTS: Final = 3
"""Variables that a shared change may hold."""
QUANTILES: Final = (0.5, 0.9)
"""How far a change goes: so far as half of the members with this pattern go, and nine tenths."""

How = Literal["by", "to"]
Pattern = tuple[tuple[int, str], ...]
"""Which variables change, by their place, and how: "+", "-", or the level that a category is set to."""


@final
@dataclass(frozen=True, slots=True)
class Move:
    """One variable of a shared change.

    Args:
        place: of the variable.
        variable: its name.
        direction: "+", "-", or "~" for a category.
        how: "by" adds ``value`` to what each input has; "to" moves each input to it, and leaves those that are
            further in this direction already.
        value: in the variable's own unit; of a category its level.
    """

    place: int
    variable: str
    direction: str
    how: How
    value: float


@final
@dataclass(frozen=True, slots=True)
class SharedChange:
    """One change that is tried on many inputs.

    Args:
        moves: at most three variables.
        support: inputs with a verified member of this pattern.
    """

    moves: tuple[Move, ...]
    support: int


@final
class CandidateTally:
    """Patterns of the verified members of fronts, with how far each goes; no front is kept.

    A pattern is which variables change and in which direction (of a category: to which level). Each pattern of a
    member counts, and each single change in it, for one change of several is often enough.

    Args:
        how: of variables with an order; levels are always set.
        steps: of each variable, what its values are multiples of; 0 for any value, empty for no steps at all.
    """

    def __init__(self, *, how: How, steps: Sequence[float] = ()) -> None:
        self._how: How = how
        self._steps_of = steps
        self._names: tuple[str, ...] = ()
        self._seen: dict[Pattern, list[tuple[float, ...]]] = {}

    def add(self, front: ParetoFront) -> None:
        """Take the members of one front; of each pattern the nearest member counts.

        Args:
            front: of an input that is no text.
        """
        self._names = front.variables
        members = front.valid.nonzero().flatten()
        order = members[front.sizes[members].argsort(stable=True)][:MOST_MEMBERS]
        found: dict[Pattern, tuple[float, ...]] = {}
        for i in order.tolist():
            whole = self._steps(front, i)
            parts = [whole] if len(whole) <= MOST_PARTS else []
            parts += [{place: step} for place, step in whole.items()] if len(whole) > 1 else []
            for part in parts:
                pattern = tuple((place, kind) for place, (kind, _) in part.items())
                if pattern and pattern not in found:
                    found[pattern] = tuple(value for _, value in part.values())
        for pattern, values in found.items():
            self._seen.setdefault(pattern, []).append(values)

    def _steps(self, front: ParetoFront, i: int) -> dict[int, tuple[str, float]]:
        """What a member changes: of each variable the kind of change, and how far it goes."""
        steps: dict[int, tuple[str, float]] = {}
        z, values = front.z[i], front.values[i]
        scale = torch.ones_like(z) if front.scale is None else front.scale
        for place in front.changed[i].nonzero().flatten().tolist():
            category = front.variables[place] in front.categories
            ways = front.modality.directions(z[place : place + 1], category=category)
            for direction, hit in ways.items():
                if bool(hit):
                    value = float(values[place] if category or self._how == "to" else z[place] * scale[place])
                    steps[place] = (f"{value:g}" if category else direction, value)
        return steps

    def changes(self, *, most: int) -> list[SharedChange]:
        """The patterns of most inputs, each at the two sizes of ``QUANTILES``, as far as these differ.

        Args:
            most: number of changes at most.
        """
        ranked = sorted(self._seen.items(), key=lambda one: (-len(one[1]), len(one[0]), one[0]))
        found: dict[tuple[Move, ...], SharedChange] = {}
        for pattern, seen in ranked:
            values = torch.tensor(seen, dtype=torch.float64)
            for q in QUANTILES:
                moves = tuple(self._move(*one, values[:, j], q) for j, one in enumerate(pattern))
                if len(found) < most:
                    found.setdefault(moves, SharedChange(moves, len(seen)))
        return list(found.values())

    def _move(self, place: int, kind: str, values: Float[Tensor, " n"], q: float) -> Move:
        """A variable's part of a change, at a quantile of how far members go."""
        if kind not in ("+", "-"):
            return Move(place, self._names[place], "~", "to", float(values[0]))
        share = q if kind == "+" else 1.0 - q
        value = float(f"{float(torch.quantile(values, share)):.4g}")
        step = self._steps_of[place] if self._steps_of else 0.0
        if step:  # a whole step further rather than short of it
            value = math.copysign(math.ceil(abs(value) / step - 1e-9) * step, value)
        return Move(place, self._names[place], kind, self._how, value)


def points(changes: Sequence[SharedChange], space: SearchSpace) -> Float[Tensor, "1 c d"]:
    """The changes as points of the space of one input, before its rules are kept.

    Args:
        changes: to be tried.
        space: of one input.
    """
    z = space.lower.new_zeros(1, len(changes), space.d)
    for i, change in enumerate(changes):
        for move in change.moves:
            j = move.place
            step = move.value if move.how == "by" else move.value - float(space.origin[0, j])
            if move.how == "to" and (step < 0) == (move.direction == "+") and move.direction != "~":
                step = 0.0
            z[0, i, j] = step / float(space.scale[j])
    return z
