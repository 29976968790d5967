"""A generator for rows of a table: turns columns, and keeps every rule of the schema."""

import hashlib
import json
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Critic, Describer, Generator, Relaxed
from cfsearch.contracts.small_changes import Perturber
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.datasets.tables import ColumnKind, Table, TableSchema, Variables, read_schema
from cfsearch.errors import ConfigError

from .critic import RowCritic, RowScore
from .errors import MeasurementErrors
from .forest import RowForest
from .seeds import NearestRows

_SETTINGS = ("dead_zone", "immutable")
_KINDS = {
    ColumnKind.REAL: Kind.REAL,
    ColumnKind.INTEGER: Kind.INTEGER,
    ColumnKind.ORDINAL: Kind.INTEGER,
    ColumnKind.CATEGORICAL: Kind.CATEGORICAL,
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowsState:
    """The queries' own rows ``(b, d)``, and where they may go."""

    x: Float[Tensor, "b d"]
    space: SearchSpace


@final
@dataclass(frozen=True, slots=True, eq=False)
class _RowRule:
    """All that a schema says of changes, for the queries ``x``."""

    variables: Variables
    x: Float[Tensor, "b d"]

    def __call__(
        self,
        values: Float[Tensor, "b n v"],
        *,
        origin: Float[Tensor, "b 1 v"],
        lower: Float[Tensor, "b 1 v"],
        upper: Float[Tensor, "b 1 v"],
        least: Float[Tensor, " v"],
    ) -> Float[Tensor, "b n v"]:
        """As ``Variables.allowed``."""
        return self.variables.allowed(
            values,
            origin=origin,
            x=self.x[:, None],
            lower=lower.double(),
            upper=upper.double(),
            least=least.double(),
        )

    def query(self, i: int) -> "_RowRule":
        """The rule of one row."""
        return _RowRule(self.variables, self.x[i : i + 1])

    def to(self, device: torch.device | str) -> "_RowRule":
        """The rule on another device."""
        return _RowRule(self.variables, self.x.to(device))


class _Rows(Generator[RowsState], Describer, Relaxed, Perturber, ABC):
    """What the generators of rows share: x' = x + scale * z, made to keep every rule."""

    batch_invariant: ClassVar[bool] = True
    small_changes: ClassVar[str] = MeasurementErrors.words

    def __init__(
        self, schema: TableSchema, *, dead_zone: float = 0.01, immutable: Sequence[str] = ()
    ) -> None:
        if not 0.0 <= dead_zone < 1.0:
            raise ConfigError(f"rows: `dead_zone` must lie in [0, 1), got {dead_zone!r}.")
        self.schema: TableSchema = schema.ruled(immutable=immutable)
        self.variables: Variables = Variables.of(self.schema)
        self.shape: tuple[int, ...] = (schema.d,)
        self.missing_as: Mapping[str, float] = self.variables.missing_as
        self._dead_zone = float(dead_zone)

    def variable_of(self, column: str) -> str:
        """The search variable that turns a column: its own name, or that of the link's first column.

        Raises:
            ConfigError: no column has that name; says which is nearest.
        """
        at = self.schema.names.index(self.schema.column(column).name)
        return next(v.name for v in self.variables.all if at in v.columns)

    def encode(self, x: Float[Tensor, "b d"]) -> RowsState:
        self.schema.check(x)
        return RowsState(x.clone(), self._space(x))

    def select(self, state: RowsState, i: int) -> RowsState:
        return RowsState(state.x[i : i + 1], state.space.query(i))

    def space(self, state: RowsState) -> SearchSpace:
        space, dtype = state.space, state.x.dtype
        return replace(
            space,
            lower=space.lower.to(dtype),
            upper=space.upper.to(dtype),
            origin=space.origin.to(dtype),
            scale=space.scale.to(dtype),
            steps=space.steps.to(dtype),
        )

    def decode(self, state: RowsState, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n c"]:
        origin = state.space.origin[:, None]
        z = state.space.repair(z.double())
        values = self.variables.snapped(origin + state.space.scale * z)
        values = torch.where(z != 0, values, origin)
        return self.variables.onto(values, origin=origin, x=state.x[:, None]).to(state.x.dtype)

    def relaxed(self, state: RowsState, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n c"]:
        """As ``decode``; of numbers and ordered levels each change has the slope of its range, of others none."""
        x = self.decode(state, z.detach())
        moved = (state.space.scale * (z - z.detach())).to(x.dtype)  # nothing, with a slope
        for i, v in enumerate(self.variables.all):
            if v.rows is None and v.kind is not ColumnKind.CATEGORICAL:
                column = torch.tensor([v.columns[0]], device=x.device)
                x = x.index_add(-1, column, moved[..., i : i + 1])
        return x

    def changes(self, state: RowsState, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        """The ``z`` that leads to given rows, for what others than a solver found.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        space = state.space
        z = (self.variables.values(x) - space.origin[:, None]) / space.scale
        return space.repair(z).to(state.x.dtype)

    def nearest_rows(self, table: Table, *, count: int = 30) -> Callable[[Any], list[Float[Tensor, "s d"]]]:
        """The changes with which a search begins at the nearest known rows of the target class.

        Args:
            table: known rows with their classes, in the order of the model's.
            count: how many a query.

        Raises:
            ConfigError: ``count`` is below 1.
            DataError: the rows have no class.
        """
        return NearestRows(self, table, count=count)

    def words(self, x: Float[Tensor, " c"], others: Float[Tensor, "n c"]) -> tuple[tuple[str, ...], ...]:
        before = _numbers(x)
        return tuple(self.schema.words(before, _numbers(other)) for other in others)

    def perturbed(self, x: Float[Tensor, "n c"], *, changes: int, seed: int) -> Float[Tensor, "n m c"]:
        """As ``MeasurementErrors``."""
        return MeasurementErrors.of(self.schema)(x, changes=changes, seed=seed)

    def to(self, device: str) -> Self:
        return self

    def _space(self, x: Tensor) -> SearchSpace:
        """Bounds in float64; a value out of its range may stay, and may come back in."""
        every = self.variables.all
        origin = self.variables.values(x)
        lower, upper = self.variables.bounds(x)
        span = torch.tensor([v.span for v in every], dtype=torch.float64, device=x.device)
        return SearchSpace(
            names=tuple(v.name for v in every),
            lower=(lower - origin) / span,
            upper=(upper - origin) / span,
            origin=origin,
            kinds=tuple(_KINDS[v.kind] for v in every),
            immutable=frozenset(v.name for v in every if v.immutable),
            monotone=tuple((v.name, v.monotone) for v in every if v.monotone),
            dead_zone=self._dead_zone,
            rule=_RowRule(self.variables, x),
            scale=span,
            steps=torch.tensor([v.step for v in every], dtype=torch.float64, device=x.device),
        )

    def _print(self, *parts: str) -> str:
        text = json.dumps(["rows/1", self.schema.fingerprint, self._dead_zone, *parts])
        return hashlib.sha256(text.encode()).hexdigest()


def _numbers(row: Float[Tensor, " c"]) -> list[float]:
    """The shortest decimals that are still the same numbers, so that 0.1 in float32 is 0.1."""
    if row.dtype is torch.float64:
        return row.tolist()
    return [float(str(value)) for value in row.detach().cpu().numpy()]


@final
class Rows(_Rows):
    """Turns the columns of a row: x' = x + range * z, with every rule of the schema kept.

    One search variable a column, and one for columns that are linked. A change of 1 is the whole
    range of a column, so that solvers treat all alike; whole columns and levels stay whole,
    immutable ones as they are, monotone ones go one way, linked ones change together, and a level
    that stands for "missing" is never gone to. Whatever ``z`` is, a decoded row keeps all of this.

    Has no critic: for plausibility give it rows of the training table (``with_density``,
    ``with_critic``, ``with_forest``).

    Args:
        schema: what the columns mean.
        dead_zone: changes of a real column below this share of its range become none.
        immutable: columns that must not change, besides those of the schema.

    Shapes:
        ``z`` ``(b, n, d)`` for d variables -> ``(b, n, c)`` for c columns, in the dtype of the
        queries (float64 where large or fine numbers must keep all digits).

    Raises:
        ConfigError: a setting is out of range, or names an unknown column.

    Example:
        >>> import torch
        >>> from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
        >>> age = Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=100.0)
        >>> generator = Rows(TableSchema(columns=(age,)))
        >>> state = generator.encode(torch.tensor([[40.0]], dtype=torch.float64))
        >>> generator.decode(state, torch.tensor([[[0.101]]], dtype=torch.float64)).tolist()  # a tenth of the range, whole
        [[[50.0]]]
    """

    name: ClassVar[str] = "rows"

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Rows":  # Any: as the contract
        """The generator of a schema's TOML file; settings as for the class."""
        if source is None:
            raise ConfigError("rows: expected the TOML file of a table schema, got no file.")
        return cls.of(read_schema(source), settings=settings)

    @classmethod
    def of(cls, schema: TableSchema, *, settings: Mapping[str, Any]) -> "Rows":  # Any: as the contract
        """The generator of a schema; settings as for the class.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        unknown = [key for key in settings if key not in _SETTINGS]
        if unknown:
            raise ConfigError(f"rows: unknown setting {unknown[0]!r}; it takes {', '.join(_SETTINGS)}.")
        return cls(schema, **settings)

    def with_density(self, reference: Float[Tensor, "r c"], *, neighbours: int = 5) -> "RowsWithDensity":
        """The same with the nearness of reference rows as its critic."""
        return RowsWithDensity(
            self.schema, reference=reference, neighbours=neighbours, dead_zone=self._dead_zone
        )

    def with_critic(self, reference: Float[Tensor, "r c"], *, seed: int) -> "RowsWithCritic":
        """The same with a network as its critic, trained here in seconds on reference rows.

        Raises:
            ConfigError: there are fewer than 50 rows.
            DataError: a reference row is none of this schema.
        """
        self.schema.check(reference)
        critic = RowCritic.of(self.variables, reference, seed=seed)
        return RowsWithCritic(self.schema, critic=critic, dead_zone=self._dead_zone)

    def with_forest(self, reference: Float[Tensor, "r c"], *, seed: int) -> "RowsWithCritic":
        """The same with the density of an adversarial random forest as its critic, grown here in seconds.

        Raises:
            ConfigError: there are fewer than 50 rows.
            DataError: a reference row is none of this schema.
            MissingExtraError: scikit-learn is not installed.
        """
        self.schema.check(reference)
        forest = RowForest.of(self.variables, reference, seed=seed)
        return RowsWithCritic(self.schema, critic=forest, dead_zone=self._dead_zone)

    @property
    def fingerprint(self) -> str:
        return self._print()


@final
class RowsWithDensity(_Rows, Critic):
    """``Rows`` with a plausibility: minus the mean Gower distance to the nearest reference rows.

    Args:
        schema, dead_zone, immutable: as for ``Rows``.
        reference: rows of the training table, more than ``neighbours``.
        neighbours: how many of them count.

    Shapes:
        reference ``(r, c)``; realism ``(b, n, c)`` -> ``(b, n)``, in [-1, 0].

    Raises:
        ConfigError: a setting is out of range, or there are too few reference rows.
        DataError: a reference row is none of this schema.
    """

    name: ClassVar[str] = "rows"
    critic_kind = "nearness of training rows, by Gower distance"

    def __init__(
        self,
        schema: TableSchema,
        *,
        reference: Float[Tensor, "r c"],
        neighbours: int = 5,
        dead_zone: float = 0.01,
        immutable: Sequence[str] = (),
    ) -> None:
        super().__init__(schema, dead_zone=dead_zone, immutable=immutable)
        if not 1 <= neighbours < len(reference):
            raise ConfigError(
                f"rows: `neighbours` must lie between 1 and the {len(reference)} reference rows, got "
                f"{neighbours!r}."
            )
        self.schema.check(reference)
        self._values = self.variables.values(reference)
        self._neighbours = neighbours

    @classmethod
    def open(
        cls, source: Path | None, *, settings: Mapping[str, Any]
    ) -> "RowsWithDensity":  # Any: as the contract
        raise ConfigError("rows: a density is made with Rows.with_density(reference).")

    def realism(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
        values = self.variables.values(x.flatten(0, 1))
        distance = self.variables.gower_values(values, self._values.to(x.device))
        near = distance.topk(self._neighbours, dim=1, largest=False).values.mean(1)
        return -near.reshape(x.shape[:2]).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        rows = hashlib.sha256(self._values.cpu().numpy().tobytes()).hexdigest()
        return self._print(rows, str(self._neighbours))


@final
class RowsWithCritic(_Rows, Critic):
    """``Rows`` with a plausibility: by a network that tells real rows from broken ones, or a forest's density.

    Args:
        schema, dead_zone, immutable: as for ``Rows``.
        critic: what was trained.

    Shapes:
        realism ``(b, n, c)`` -> ``(b, n)``, unbounded.

    Raises:
        ConfigError: a setting is out of range.
    """

    name: ClassVar[str] = "rows"

    def __init__(
        self,
        schema: TableSchema,
        *,
        critic: RowScore,
        dead_zone: float = 0.01,
        immutable: Sequence[str] = (),
    ) -> None:
        super().__init__(schema, dead_zone=dead_zone, immutable=immutable)
        self._critic = critic
        self.critic_kind: str = critic.kind

    @classmethod
    def open(
        cls, source: Path | None, *, settings: Mapping[str, Any]
    ) -> "RowsWithCritic":  # Any: as the contract
        raise ConfigError(
            "rows: a trained critic is made with Rows.with_critic(reference) or Rows.with_forest(reference)."
        )

    def realism(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
        return self._critic.score(x.flatten(0, 1)).reshape(x.shape[:2]).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        return self._print(self._critic.fingerprint)
