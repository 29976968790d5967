"""Rows as they could have been measured: each number a little off, every rule of what a row may be kept."""

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.small_changes import MOST_CHANGES
from cfsearch.datasets.tables import ColumnKind, TableSchema, Variables

FINEST: Final = 1 / 200
"""Share of its range by which a number is off at most, where its steps are no larger."""
COARSEST: Final = 1 / 50
"""Share of its range from which a step is no error of a measurement any more: such a number is a count."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class MeasurementErrors:
    """Small changes of rows: every measured number moves at once, each by a uniform draw.

    A number moves by at most the larger of one of its steps and 1/200 of its range, and then stands on its steps. What
    is counted rather than measured stays: levels, linked columns, and numbers whose step is more than 1/50 of their
    range; so do codes and missing numbers. Ranges, gaps, and relations between columns are kept: a draw that breaks one is
    taken back. What a person could not do is no rule here: an age that may only rise can have been written down too high.

    Args:
        variables: of the schema, without its rules on changes.
        most: by how much each variable moves at most, in its own unit; 0 for one that stays.

    Shapes:
        most ``(v,)``.

    Example:
        >>> from cfsearch.datasets.tables import Column
        >>> age = Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=100.0)
        >>> rooms = Column(name="rooms", kind=ColumnKind.INTEGER, low=0.0, high=9.0)
        >>> errors = MeasurementErrors.of(TableSchema(columns=(age, rooms)))
        >>> errors(torch.tensor([[40.0, 3.0]]), changes=4, seed=1).tolist()
        [[[41.0, 3.0], [40.0, 3.0], [39.0, 3.0], [41.0, 3.0]]]
    """

    variables: Variables
    most: Float[Tensor, " v"]

    words: ClassVar[str] = (
        "every measured number moved at once, by at most one step or 0.5 % of its range, whichever is larger"
    )

    @classmethod
    def of(cls, schema: TableSchema) -> Self:
        """The errors of measuring rows of a schema.

        Args:
            schema: with steps and ranges.
        """
        free = tuple(
            replace(c, immutable=False, monotone=0, max_change=0.0, max_change_share=0.0, immutable_if="")
            for c in schema.columns
        )
        variables = Variables.of(replace(schema, columns=free))
        most = [
            max(v.step, FINEST * v.span)
            if _is_measured(v.kind, step=v.step, span=v.span, linked=v.rows is not None)
            else 0.0
            for v in variables.all
        ]
        return cls(variables, torch.tensor(most, dtype=torch.float64))

    def __call__(self, x: Float[Tensor, "n c"], *, changes: int, seed: int) -> Float[Tensor, "n m c"]:
        """As ``Perturber.perturbed``."""
        draws = [
            torch.rand(
                len(self.most),
                generator=torch.Generator().manual_seed((seed * MOST_CHANGES + j) % 2**63),
                dtype=torch.float64,
            )
            for j in range(changes)
        ]
        values = self.variables.values(x)
        if not draws:
            return x[:, None][:, :0]
        off = (2.0 * torch.stack(draws) - 1.0) * self.most
        old = values[:, None]
        moved = torch.where(self._stays(values)[:, None], old, old + off.to(values.device))
        near = self.variables.allowed(moved, origin=old.expand_as(moved), x=x[:, None])
        return self.variables.onto(near, origin=old, x=x[:, None]).to(x.dtype)

    def _stays(self, values: Float[Tensor, "n v"]) -> Bool[Tensor, "n v"]:
        """Which values are not measured: counts, levels, codes, missing numbers."""
        still = (self.most.to(values.device) == 0).expand(values.shape).clone()
        for i, variable in enumerate(self.variables.all):
            still[:, i] |= variable.is_code(values[:, i])
            if variable.absent is not None:
                still[:, i] |= values[:, i] == variable.absent
        return still


def _is_measured(kind: ColumnKind, *, step: float, span: float, linked: bool) -> bool:
    return kind in (ColumnKind.REAL, ColumnKind.INTEGER) and not linked and step <= COARSEST * span
