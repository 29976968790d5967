"""Construction of sparse counterfactuals: single changes, as far as near known inputs go, and then the strongest together.

A search over many variables finds counterfactuals that change most of them a little, and taking back one change at a time
does not lead from these to one that changes two. Forward selection does: of each variable the value of the nearest known input of
the target class and the farthest value of the nearest ones (of a category the most frequent) are evaluated alone, and then the
first few together, ordered by what they do alone. All of it is evaluated like any other candidate and paid from the budget;
refinement then makes the changes smaller.

References:
    Jung et al. 2020, https://arxiv.org/abs/2008.01897 (gradual construction: which variables, then how much).
"""

from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .archive import leads
from .problem import Problem

LENGTHS: Final = (2, 3, 4, 5, 6, 8, 11, 15, 20, 30)
"""How many of the strongest changes are put together."""


@final
class Construction:
    """Two generations of ideas for each query of a batch.

    Args:
        problem: the queries.
        known: of each query the changes that lead to the nearest known inputs; rows of zeros fill them up.
        categorical: which variables have values without an order.

    Shapes:
        known ``(b, s, d)``; categorical ``(d,)``.
    """

    def __init__(
        self, problem: Problem, known: Float[Tensor, "b s d"], *, categorical: Bool[Tensor, " d"]
    ) -> None:
        self._problem, self._known, self._categorical = problem, known, categorical
        self._alone: dict[int, Float[Tensor, "i d"]] = {}
        self._ended: set[int] = set()

    def ideas(self, i: int, *, n: int) -> Float[Tensor, "i d"]:
        """Changes to evaluate next of query ``i``: single ones first, then, once, the strongest together.

        Args:
            i: which query.
            n: how many are evaluated at most.
        """
        if i not in self._alone:
            self._alone[i] = single = alone(self._known[i], categorical=self._categorical, most=n)
            return single
        single = self._alone[i]
        if i in self._ended or not len(single):
            return single[:0]
        self._ended.add(i)
        space = self._problem.space.bounds_of([i])
        x = self._problem.decode(space.repair(single[None].to(space.lower)), query=i)
        scores = self._problem.remembered(x, query=i)
        if scores is None:
            return single[:0]
        return together(single, leads(scores, self._problem, i), near=self._known[i, 0])


def alone(known: Float[Tensor, "s d"], *, categorical: Bool[Tensor, " d"], most: int) -> Float[Tensor, "i d"]:
    """Single changes: of each variable the nearest known input's, and the largest (of a category the most frequent) of all.

    Args:
        known: changes that lead to known inputs, the nearest first; zeros are no changes.
        categorical: which variables have values without an order.
        most: how many at most; of more the largest.

    Example:
        >>> known = torch.tensor([[0.25, 1.0], [-0.5, 2.0], [0.125, 2.0]])
        >>> alone(known, categorical=torch.tensor([False, True]), most=9).tolist()
        [[0.25, 0.0], [-0.5, 0.0], [0.0, 1.0], [0.0, 2.0]]
    """
    variables, values = [], []
    for j in range(known.shape[1]):
        column = known[known[:, j] != 0, j]
        if not len(column):
            continue
        if categorical[j]:
            levels, counts = torch.unique(column, return_counts=True)
            usual = levels[counts.argmax()]
        else:
            usual = column[column.abs().argmax()]
        chosen = (column[0].item(), usual.item())
        for value in dict.fromkeys(chosen):
            variables.append(j)
            values.append(value)
    variable, size = torch.tensor(variables, dtype=torch.long), known.new_tensor(values)
    if len(variable) > most:
        kept = size.abs().argsort(descending=True, stable=True)[:most].sort().values
        variable, size = variable[kept], size[kept]
    points = known.new_zeros(len(variable), known.shape[1])
    points[torch.arange(len(variable)), variable] = size
    return points


def together(
    single: Float[Tensor, "i d"], strength: Float[Tensor, " i"], *, near: Float[Tensor, " d"]
) -> Float[Tensor, "p d"]:
    """The strongest single changes put together in growing numbers, the fewest first: of all, and of the nearest known input's.

    Args:
        single: points with one change each.
        strength: of each; larger is stronger. Of each variable the strongest counts.
        near: the changes that lead to the nearest known input.

    Example:
        >>> single = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> together(single, torch.tensor([0.1, 0.3, 0.2, 0.0]), near=torch.tensor([0.5, 0.0, -1.0])).tolist()
        [[0.0, 0.25, 1.0], [0.5, 0.0, -1.0], [0.5, 0.25, 1.0]]
    """
    ordered = single[torch.argsort(strength, descending=True, stable=True).to(single.device)]
    of = ordered.abs().argmax(1).tolist()
    strongest = [at for at, variable in enumerate(of) if variable not in of[:at]]
    nearest = [at for at, variable in enumerate(of) if ordered[at, variable] == near[variable]]
    chains = (ordered[strongest], ordered[nearest])
    made = [chain[:length].sum(0) for length in LENGTHS for chain in chains if length <= len(chain)]
    return torch.stack(made) if made else single[:0]
