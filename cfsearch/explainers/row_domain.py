"""Domain of rows of a table: gradients with respect to encoded columns."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.datasets.tables import Encoding, Missing, Style, TableSchema, Variables

_SAME = 1e-5
"""Numbers this near to the original's, relative to their size, are the original's."""


@final
class RowDomain(Domain):
    """Domain whose numbers are the encoded columns and whose features are the schema's variables.

    Columns that are linked are one feature and change together. ``project`` finds the likeliest
    level, the nearest step and the nearest linked combination, and goes back to the original's
    value where a rule (range, immutable, monotone, level for "missing") forbids the step.

    Args:
        encoding: what the network takes, with the schema that it is of.
        immutable: columns that must not change, besides those of the schema.

    Raises:
        ConfigError: an unknown column.
    """

    def __init__(self, encoding: Encoding, *, immutable: Sequence[str] = ()) -> None:
        self.schema: TableSchema = encoding.schema.ruled(immutable=immutable)
        self.variables: Variables = Variables.of(self.schema)
        self.encoding = encoding
        self.shape: tuple[int, ...] = (encoding.width,)
        self.names: tuple[str, ...] = tuple(v.name for v in self.variables.all)
        self.layout: tuple[int, ...] = (len(self.names),)
        owner = torch.empty(encoding.width, dtype=torch.long)
        for (at, size), variable in zip(encoding.slots, self.variables.owner, strict=True):
            owner[at : at + size] = variable
        self.owner = owner
        self.one_hot: tuple[tuple[int, int], ...] = tuple(
            slot
            for slot, part in zip(encoding.slots, encoding.parts, strict=True)
            if part.style is Style.ONE_HOT
        )

    def encode(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b w"]:
        return self.encoding.apply(x.double()).float()

    def project(self, u: Float[Tensor, "b w"], *, origin: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        home = self.encode(origin)
        numbers = (u - home).abs() > _SAME * home.abs().clamp_min(1.0)
        moved = self.pooled(numbers.float()) > 0
        before = self.variables.values(origin)
        # a value that is on no step, or out of its range, stays as it is unless it is moved
        wanted = torch.where(moved, self._values(u), before)
        values = self.variables.allowed(wanted, origin=before, x=origin)
        return self.variables.onto(values, origin=before, x=origin).to(origin.dtype)

    def free(self, x: Float[Tensor, "b d"]) -> Bool[Tensor, "b f"]:
        lower, upper = self.variables.bounds(x)
        return lower < upper

    def bounds(self, x: Float[Tensor, "b d"]) -> tuple[Tensor, Tensor]:
        home = self.encode(x)
        low, high = torch.zeros_like(home), torch.ones_like(home)
        hot = {at for at, _ in self.one_hot}
        lower, upper = self.variables.bounds(x)
        for j, (column, part, (at, size)) in enumerate(
            zip(self.schema.columns, self.encoding.parts, self.encoding.slots, strict=True)
        ):
            if at in hot:
                if column.missing is Missing.LEVEL:  # the last level is kept, never gone to
                    high[:, at + size - 1] = home[:, at + size - 1]
                continue
            i = self.variables.owner[j]
            if self.variables.all[i].columns == (j,):
                ends = (lower[:, i], upper[:, i])
            else:
                up, down = column.monotone > 0, column.monotone < 0
                ends = (
                    x[:, j].double() if up else x[:, j].double().clamp(max=column.bounds[0]),
                    x[:, j].double() if down else x[:, j].double().clamp(min=column.bounds[1]),
                )
            centre, scale = (part.centre, part.scale) if part.style is Style.STANDARD else (0.0, 1.0)
            low[:, at] = torch.minimum(((ends[0] - centre) / scale).float(), home[:, at])
            high[:, at] = torch.maximum(((ends[1] - centre) / scale).float(), home[:, at])
        fixed = ~self.spread(self.free(x))
        return torch.where(fixed, home, low), torch.where(fixed, home, high)

    def _values(self, u: Float[Tensor, "b w"]) -> Float[Tensor, "b v"]:
        """The nearest value of every variable, rules not yet applied."""
        rows = self.encoding.invert(u)
        out = []
        for variable in self.variables.all:
            if variable.rows is None:
                out.append(rows[:, variable.columns[0]])
                continue
            combinations = self._encoded(variable.columns, variable.rows.to(u.device))
            slots = [i for j in variable.columns for i in self._numbers(j)]
            out.append(torch.cdist(u[:, slots].double(), combinations.double()).argmin(1).double())
        return torch.stack(out, dim=1)

    def _encoded(self, columns: Sequence[int], rows: Float[Tensor, "t c"]) -> Float[Tensor, "t s"]:
        whole = torch.zeros(len(rows), self.schema.d, dtype=torch.float64, device=rows.device)
        whole[:, list(columns)] = rows.double()
        return self.encoding.apply(whole)[:, [i for j in columns for i in self._numbers(j)]]

    def _numbers(self, column: int) -> range:
        at, size = self.encoding.slots[column]
        return range(at, at + size)
