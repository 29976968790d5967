"""Cost objective of tables: what the changes of a row cost, as the schema declares it."""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.datasets.tables import TableSchema, read_schema
from cfsearch.errors import ShapeError
from cfsearch.numerics.differing import differing


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cost(Objective):
    """Sum over the changed columns of ``cost + cost_per_step * steps``, as the schema declares them.

    A step is the column's ``step``, one unit where it has none, one level of an ordinal column. Columns for which
    nothing is declared cost 1. Every column counts that changes, linked and computed ones too. Unit: that of the schema.

    Args:
        schema: what the columns mean, or the path of its TOML file; a search of rows fills it in.

    Shapes:
        ``x`` ``(b, n, c)`` and ``queries.x`` ``(b, c)`` -> ``(b, n)``, each value in ``[0, inf)``.

    Raises:
        ConfigError: the schema cannot be read.
        ShapeError: rows have other columns than the schema.

    References:
        Ustun, Spangher and Liu 2019, *Actionable recourse in linear classification*, https://arxiv.org/abs/1809.06514
        (costs that people declare).

    Example:
        >>> import torch
        >>> from cfsearch.datasets.tables import Column, ColumnKind
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> years = Column(name="years", kind=ColumnKind.INTEGER, high=40.0, cost_per_step=3.0)
        >>> job = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("none", "cook"), cost=10.0)
        >>> schema = TableSchema(columns=(years, job))
        >>> queries = make_queries(x=torch.tensor([[2.0, 0.0]]))
        >>> x = torch.tensor([[[4.0, 0.0], [4.0, 1.0]]])
        >>> Cost(schema)(make_candidates(queries=queries, x=x)).tolist()  # two years; these and a job
        [[6.0, 16.0]]
    """

    schema: TableSchema | str
    name: ClassVar[str] = "cost"
    unit: ClassVar[str] = "cost"
    batch_invariant: ClassVar[bool] = True
    _fixed: Float[Tensor, " c"] = field(init=False, repr=False)
    _each: Float[Tensor, " c"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        schema = self.schema if isinstance(self.schema, TableSchema) else read_schema(self.schema)
        costs = torch.tensor([column.costs for column in schema.columns], dtype=torch.float64)
        object.__setattr__(self, "_fixed", costs[:, 0])
        object.__setattr__(self, "_each", costs[:, 1])

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        new, old = candidates.x.double(), candidates.queries.x.double()[:, None]
        if new.shape[-1] != len(self._fixed):
            raise ShapeError(
                f"cost: the schema has {len(self._fixed)} columns, the rows have {new.shape[-1]}. Give the schema of "
                "these rows."
            )
        changed = differing(new, old)
        # a missing number has no distance
        apart = torch.nan_to_num((new - old).abs(), nan=0.0)
        each = torch.where(changed, self._fixed.to(new.device) + self._each.to(new.device) * apart, 0.0)
        return each.sum(-1).to(candidates.z.dtype)
