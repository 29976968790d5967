"""Plausibility objective of tables: distance to training rows of the target class."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import UNTARGETED, Candidates, Queries
from cfsearch.datasets.tables import Table, Variables, read_schema, read_table
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.numerics.gower import GowerIndex
from cfsearch.numerics.outliers import LocalDensity

_AROUND: Final = 20
"""Neighbours of the local outlier factor."""

_MOST: Final = 2000
"""Rows of a class between which distances are measured for it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Neighbours(Objective):
    """Mean Gower distance to the ``k`` nearest training rows of the target class.

    Away from the present class: of any other class. Unit: share of the range, 0 to 1.

    Args:
        table: training rows with their classes (``Table.labelled`` gives them those of a model),
            or the path of their CSV file; its schema stands beside it: ``train.csv``, ``train.toml``.
            Labels are in the order of the model's classes (``check_labels`` says whether).
        k: how many rows count, >= 1.
        outcomes: rows with their true classes, among which local outliers are measured: counterfactuals lie close beyond
            the model's decision, where few of the rows lie that it gives the class. ``table`` when left out.

    Shapes:
        ``x`` ``(b, n, c)`` -> ``(b, n)``, each value in ``[0, 1]``.

    Raises:
        ConfigError: ``k`` is under 1, ``outcomes`` is no table, or the schema cannot be read.
        DataError: the rows have no class, or a target class has fewer than ``k``.
        ShapeError: the model has another number of classes than the table.

    References:
        Dandl et al. 2020, *Multi-objective counterfactual explanations*, objective o_4 (there k = 1),
        https://arxiv.org/abs/2004.11165.

    Example:
        >>> import torch
        >>> from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> age = Column(name="age", kind=ColumnKind.REAL, low=0.0, high=100.0)
        >>> rows = torch.tensor([[20.0], [60.0], [80.0]], dtype=torch.float64)
        >>> table = Table(schema=TableSchema(columns=(age,)), x=rows, target=torch.tensor([0, 1, 1]), lines=(2, 3, 4))
        >>> queries = make_queries(x=rows[:1], scores=torch.tensor([[1.0, 0.0]]), target=[1])
        >>> candidates = make_candidates(queries=queries, x=torch.full((1, 1, 1), 50.0, dtype=torch.float64))
        >>> round(Neighbours(table, k=2)(candidates).item(), 4)  # (0.1 + 0.3) / 2
        0.2
    """

    table: Table | str
    k: int = 5
    outcomes: Table | None = None
    name: ClassVar[str] = "neighbours"
    unit: ClassVar[str] = "share of the range"
    batch_invariant: ClassVar[bool] = True
    _variables: Variables = field(init=False, repr=False)
    _values: Float[Tensor, "r v"] = field(init=False, repr=False)
    _target: Int[Tensor, " r"] = field(init=False, repr=False)
    _classes: dict[tuple[int, int], GowerIndex] = field(init=False, repr=False, default_factory=dict)
    _dense: dict[tuple[int, int], tuple[GowerIndex, LocalDensity]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"neighbours: `k` must be a whole number >= 1, got {self.k!r}.")
        if self.outcomes is not None and not isinstance(self.outcomes, Table):
            raise ConfigError(
                f"neighbours: `outcomes` must be a Table, which no file of settings can hold, got {self.outcomes!r}."
            )
        table = self.table if isinstance(self.table, Table) else _opened(Path(self.table))
        if table.target is None:
            raise DataError(
                "neighbours: the training rows have no class. Name the target column in the schema, or "
                "label them by the model."
            )
        variables = Variables.of(table.schema)
        object.__setattr__(self, "_variables", variables)
        object.__setattr__(self, "_values", variables.values(table.x))
        object.__setattr__(self, "_target", table.target)

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        x, queries = candidates.x, candidates.queries
        labels = self._variables.schema.labels
        if labels and len(labels) != queries.scores.shape[1]:
            raise ShapeError(
                f"neighbours: the model has {queries.scores.shape[1]} classes, the table {len(labels)} "
                f"({', '.join(labels)}). Give the table the model's classes."
            )
        values = self._variables.scaled(self._variables.values(x))
        out = torch.zeros(x.shape[:2], dtype=candidates.z.dtype, device=x.device)
        wanted = torch.stack([queries.target, queries.source], dim=1).tolist()
        for target, source in sorted({(t, s) for t, s in wanted}):
            these = [i for i, pair in enumerate(wanted) if pair == [target, source]]
            known = self._known(target, source).to(x.device)
            if len(known) < self.k:
                raise DataError(
                    f"neighbours: query {queries.names[these[0]]!r} asks for a class of which the table has "
                    f"{len(known)} rows, fewer than k = {self.k}. Give more rows, or a smaller k."
                )
            near = known.nearest(values[these].flatten(0, 1), k=self.k)
            out[these] = near.mean(-1).reshape(len(these), -1).to(out.dtype)
        return out

    def outlierness(self, x: Float[Tensor, "n c"], *, queries: Queries, i: int) -> Float[Tensor, " n"] | None:
        """The local outlier factor of rows among training rows of the class that query ``i`` asks for.

        By Gower's distance, of 20 neighbours (scikit-learn's default) among at most 2,000 rows: those of the true class
        where ``outcomes`` has more than 20, else those of ``table``; None where that has no more either.

        Args:
            x: rows.
            queries: of the search.
            i: which of them.

        References:
            Kanamori et al. 2020, *DACE: distribution-aware counterfactual explanation*,
            https://doi.org/10.24963/ijcai.2020/395 (the factor as a cost of counterfactuals).
        """
        target, source = int(queries.target[i]), int(queries.source[i])
        if (target, source) not in self._dense:
            known = self._of_outcome(target, source)
            if len(known) <= _AROUND:
                known = self._of_class(target, source)
            if len(known) > _MOST:
                known = known[torch.linspace(0, len(known) - 1, _MOST).round().long()]
            if len(known) <= _AROUND:
                return None
            index = self._variables.indexed(known)
            self._dense[target, source] = index, LocalDensity.of(index.distance(index.rows), k=_AROUND)
        index, density = self._dense[target, source]
        values = self._variables.scaled(self._variables.values(x))
        return density.factor(index.to(x.device).distance(values))

    def _of_class(self, target: int, source: int) -> Float[Tensor, "r v"]:
        """Values of the rows of the class that is wanted, or of every other than the present one."""
        of = self._target
        return self._values[of != source if target == UNTARGETED else of == target]

    def _of_outcome(self, target: int, source: int) -> Float[Tensor, "r v"]:
        """The same by the true class; none where it is not known."""
        if self.outcomes is None or self.outcomes.target is None:
            return self._values[:0]
        of = self.outcomes.target
        return self._variables.values(self.outcomes.x[of != source if target == UNTARGETED else of == target])

    def _known(self, target: int, source: int) -> GowerIndex:
        key = (target, source if target == UNTARGETED else UNTARGETED)
        if key not in self._classes:
            self._classes[key] = self._variables.indexed(self._of_class(target, source))
        return self._classes[key]


def _opened(path: Path) -> Table:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return read_table(path, schema=read_schema(plain.with_suffix(".toml")))
