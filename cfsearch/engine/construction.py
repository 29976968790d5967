"""Construction of sparse counterfactuals: each change to a near known input alone, then the strongest ones together.

A search over many variables finds counterfactuals that change most of them a little, and taking back one change at a time
does not lead from these to one that changes two. Forward selection does: the changes that lead to the nearest known inputs
of the target class are evaluated one by one, and then the first few of each, ordered by what they do alone. All of it is
evaluated like any other candidate and paid from the budget.

References:
    Jung et al. 2020, https://arxiv.org/abs/2008.01897 (gradual construction: which variables, then how much).
"""

from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .archive import leads
from .problem import Problem

ROWS: Final = 4
"""Known inputs whose changes are looked at, at most."""

LENGTHS: Final = (2, 3, 4, 5, 6, 8, 11, 15, 20, 30)
"""How many of the strongest changes are put together."""


@final
class Construction:
    """Two generations of ideas for each query of a batch.

    Args:
        problem: the queries.
        known: of each query the changes that lead to known inputs, the nearest first; rows of zeros fill them up.

    Shapes:
        known ``(b, s, d)``.
    """

    def __init__(self, problem: Problem, known: Float[Tensor, "b s d"]) -> None:
        self._problem, self._known = problem, known
        self._alone: dict[int, Float[Tensor, "i d"]] = {}
        self._ended: set[int] = set()

    def ideas(self, i: int, *, n: int) -> Float[Tensor, "i d"]:
        """Changes to evaluate next of query ``i``: single ones first, then, once, the strongest together.

        Args:
            i: which query.
            n: how many are evaluated at most.
        """
        near = self._known[i]
        near = near[(near != 0).any(1)][:ROWS]
        if i in self._ended or not len(near):
            return near[:0]
        if i not in self._alone:
            single, self._alone[i] = alone(near, most=n), near[:0]
            if len(single):
                self._alone[i] = self._problem.space.bounds_of([i]).repair(single[None])[0].to(single)
            return self._alone[i]
        self._ended.add(i)
        single = self._alone[i]
        x = self._problem.decode(single[None].to(self._problem.space.lower), query=i)
        scores = self._problem.remembered(x, query=i) if len(single) else None
        if scores is None:
            return near[:0]
        return together(near, strength=leads(scores, self._problem, i), most=n)


def alone(near: Float[Tensor, "s d"], *, most: int) -> Float[Tensor, "i d"]:
    """Each change of each known input alone, of as many inputs as there is room for.

    Args:
        near: changes that lead to known inputs, the nearest first.
        most: how many points at most; of more changes of the first input, the largest.

    Example:
        >>> alone(torch.tensor([[0.5, 0.0, 1.0]]), most=4).tolist()
        [[0.5, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    row, column = _places(near, most=most)
    points = near.new_zeros(len(row), near.shape[1])
    points[torch.arange(len(row)), column] = near[row, column]
    return points


def together(near: Float[Tensor, "s d"], *, strength: Float[Tensor, " i"], most: int) -> Float[Tensor, "p d"]:
    """The strongest changes of each known input, and of all of them, put together in growing numbers; the fewest first.

    Args:
        near: changes that lead to known inputs, the nearest first.
        strength: of each point that ``alone`` gives for the same inputs and the same ``most``; larger is stronger.
        most: as for ``alone``.

    Example:
        >>> near = torch.tensor([[0.5, 0.25, 1.0]])
        >>> together(near, strength=torch.tensor([0.1, 0.3, 0.2]), most=4).tolist()
        [[0.0, 0.25, 1.0], [0.5, 0.25, 1.0]]
    """
    row, column = _places(near, most=most)
    order = torch.argsort(strength.to(near), descending=True, stable=True)
    row, column = row[order], column[order]
    chains = [column[row == k] for k in range(len(near))]
    values = [near[k] for k in range(len(near))]
    if len(near) > 1:  # of each variable the strongest of its values
        first: Bool[Tensor, " i"] = torch.tensor(
            [int(one) not in column[:at].tolist() for at, one in enumerate(column)], dtype=torch.bool
        )
        mixed = near.new_zeros(near.shape[1])
        mixed[column[first]] = near[row[first], column[first]]
        chains.append(column[first])
        values.append(mixed)
    made = []
    for length in LENGTHS:
        for chain, value in zip(chains, values, strict=True):
            if length <= len(chain):
                point = torch.zeros_like(value)
                point[chain[:length]] = value[chain[:length]]
                made.append(point)
    return torch.stack(made) if made else near[:0]


def _places(near: Float[Tensor, "s d"], *, most: int) -> tuple[Tensor, Tensor]:
    """Known input and variable of each single change, of the inputs that fit together; of the first one its largest."""
    counts = (near != 0).sum(1).cumsum(0)
    fit = max(1, int((counts <= most).sum()))
    row, column = (near[:fit] != 0).nonzero(as_tuple=True)
    if len(row) > most:
        largest = near[0].abs().argsort(descending=True, stable=True)[:most]
        column = largest.sort().values
        row = torch.zeros_like(column)
    return row, column
