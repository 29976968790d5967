"""Initial candidates of a search of rows: the nearest known rows of the target class."""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.records import UNTARGETED, Queries
from cfsearch.datasets.tables import Table, Variables
from cfsearch.errors import ConfigError, DataError

_SPARE: Final = 2
"""So many times as many rows are looked at as seeds are wanted."""


class Started(Protocol):
    """What is known of a search before its first generation; ``cfsearch.engine.problem.Problem`` is one."""

    @property
    def state(self) -> Any: ...  # Any: a generator's state is its own business

    @property
    def queries(self) -> Queries: ...


class Traced(Protocol):
    """A generator of rows, as far as seeds need it."""

    variables: Variables

    def changes(self, state: Any, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]: ...  # Any: as above


@final
@dataclass(frozen=True, slots=True, eq=False)
class NearestRows:
    """The changes that lead to the ``count`` nearest rows of the target class, nearest first.

    Given to a ``Search`` as ``seeds``, it lets a solver begin where data lie, and only make that
    simpler. Columns that must not change keep the query's value, whatever the row has, and every other
    rule of the space is kept (directions, steps, levels that are never gone to): a seed is the nearest
    permitted row, and rows that lead to one and the same seed count once.

    Args:
        generator: of the search.
        table: known rows with their classes, in the order of the model's.
        count: how many a query; fewer where the class has fewer rows.

    Shapes:
        a list of ``(s, d)``, one a query.

    Raises:
        ConfigError: ``count`` is below 1.
        DataError: the rows have no class.

    References:
        Mothilal, Sharma and Tan 2020: dice-ml's genetic method begins so, with a KD tree.
    """

    generator: Traced
    table: Table
    count: int = 30
    _values: Float[Tensor, "r v"] = field(init=False, repr=False)
    _target: Int[Tensor, " r"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"row seeds: `count` must be at least 1, got {self.count!r}.")
        if self.table.target is None:
            raise DataError("row seeds: the rows have no class. Name the target column in the schema.")
        object.__setattr__(self, "_values", self.generator.variables.values(self.table.x))
        object.__setattr__(self, "_target", self.table.target)

    def __call__(self, problem: Started) -> list[Float[Tensor, "s d"]]:
        queries, variables = problem.queries, self.generator.variables
        of = self._target
        distance = variables.gower_values(variables.values(queries.x), self._values.to(queries.x.device))
        wanted, own = queries.target[:, None].cpu(), queries.source[:, None].cpu()
        fits = torch.where(wanted == UNTARGETED, of[None] != own, of[None] == wanted)
        distance = distance.masked_fill(~fits.to(distance.device), torch.inf)
        # more than are wanted: some lead to one permitted row
        near = distance.topk(min(_SPARE * self.count, len(of)), dim=1, largest=False)
        z = self.generator.changes(problem.state, self.table.x.to(queries.x.device)[near.indices])
        return [
            _different(one[known])[: self.count]
            for one, known in zip(z, torch.isfinite(near.values), strict=True)
        ]


def _different(z: Float[Tensor, "s d"]) -> Float[Tensor, "u d"]:
    """Changes without repetitions and without "no change", in their order."""
    first: dict[bytes, int] = {}
    for i, row in enumerate(z.cpu().numpy() + 0.0):
        if row.any():
            first.setdefault(row.tobytes(), i)
    return z[list(first.values())]
