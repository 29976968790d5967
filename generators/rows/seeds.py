"""Initial candidates of a search of rows: the nearest known rows of the target class."""

from dataclasses import dataclass, field
from typing import Any, Protocol, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.records import UNTARGETED, Queries
from cfsearch.datasets.tables import Table
from cfsearch.errors import ConfigError, DataError

from .generator import Rows, RowsWithDensity


class Started(Protocol):
    """What is known of a search before its first generation; ``cfsearch.engine.problem.Problem`` is one."""

    @property
    def state(self) -> Any: ...  # Any: a generator's state is its own business

    @property
    def queries(self) -> Queries: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class NearestRows:
    """The changes that lead to the ``count`` nearest rows of the target class, nearest first.

    Given to a ``Search`` as ``seeds``, it lets a solver begin where data lie, and only make that
    simpler. Columns that must not change keep the query's value, whatever the row has.

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

    generator: Rows | RowsWithDensity
    table: Table
    count: int = 8
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
        near = distance.topk(min(self.count, len(of)), dim=1, largest=False)
        z = self.generator.changes(problem.state, self.table.x.to(queries.x.device)[near.indices])
        return [one[known] for one, known in zip(z, torch.isfinite(near.values), strict=True)]
