"""What a model answers where a protected column, or what goes with it, is as in another group; no search.

Each row is queried as it is, with the protected column set to each group (all else held), with its declared linked
columns moved along, and with each other column moved to the other group's distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import ColumnKind, Variables

from .moving import moved, sampling_error
from .protection import LEAST, NONE, Protected, pairs
from .querying import Queried, clip

MOST_ROWS: Final = 1000
"""Rows on which a column's effect is measured, spread over the table."""
MOST_MOVED: Final = 400
"""Rows of these of which the other columns are moved as well."""
_NOT_KNOWN: Final = (
    "A group is not among the reference rows, so that distributions are those of the audited ones."
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Change of the model's answers where other columns move to the other group's distribution.

    Args:
        columns: that move, one after the other.
        rows: which rows of the column's were moved.
        logits: change of the log-odds from the other group's distribution to this one's.
        probability: the same of the probability.
        error: standard error of the mean of ``logits`` by the sampling of the two distributions.
        error_p: of ``probability``.

    Shapes:
        ``logits``, ``probability`` ``(c, d, m)``; ``error``, ``error_p`` ``(c, d)``; ``rows`` ``(m,)``; ``c``
        comparisons, ``d`` columns, ``m`` rows.
    """

    columns: tuple[str, ...]
    rows: Int[Tensor, " m"]
    logits: Float[Tensor, "c d m"]
    probability: Float[Tensor, "c d m"]
    error: Float[Tensor, "c d"]
    error_p: Float[Tensor, "c d"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class MeasuredColumn:
    """One protected column as it was measured, row by row.

    Args:
        protected: the column and its groups, of these rows alone.
        rows: names of the rows.
        label: the class whose log-odds and probability these are.
        odds: log-odds with the column set to each group.
        p: probability likewise.
        classes: the class that the model gives likewise.
        own: the class of the row as it is.
        linked: columns that move with it, by the schema.
        linked_odds: log-odds with these moved along; empty where there are none.
        linked_p: probability likewise.
        moves: what the other columns do.
        graded: whether the model gives more than labels.
        clipped: whether probabilities of exactly 0 or 1 were counted as 0.005 from them.
        added: places of the rows that were measured beside those spread over the table, so that each group has 10;
            figures over rows of several groups leave them out.
        counts: rows of the whole table in each group; counted among the rows measured when empty.

    Shapes:
        ``odds``, ``p``, ``classes`` ``(n, k)``; ``own`` ``(n,)``; ``linked_odds``, ``linked_p`` ``(n, k)`` or
        ``(n, 0)``; ``n`` rows, ``k`` groups.
    """

    protected: Protected
    rows: tuple[str, ...]
    label: str
    odds: Float[Tensor, "n k"]
    p: Float[Tensor, "n k"]
    classes: Int[Tensor, "n k"]
    own: Int[Tensor, " n"]
    linked: tuple[str, ...] = ()
    linked_odds: Float[Tensor, "n l"] = field(default_factory=lambda: torch.zeros(0, 0))
    linked_p: Float[Tensor, "n l"] = field(default_factory=lambda: torch.zeros(0, 0))
    moves: Moves | None = None
    graded: bool = True
    clipped: bool = False
    added: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def weights(self) -> Float[Tensor, " k"]:
        """The share of each group among the rows of the table that are in one."""
        count = torch.tensor(self.counts) if self.counts else _counts(self.protected)
        return count.double() / count.sum()

    @property
    def spread(self) -> Bool[Tensor, " n"]:
        """True for rows that are spread over the table, in which groups have their own shares."""
        found = torch.ones(len(self.rows), dtype=torch.bool)
        found[list(self.added)] = False
        return found


def _counts(protected: Protected) -> Int[Tensor, " k"]:
    return torch.bincount(protected.of[protected.of != NONE], minlength=len(protected.names))


def measure_columns(
    model: Provider,
    x: Float[Tensor, "n d"],
    protected: Sequence[Protected],
    *,
    names: Sequence[str],
    variables: Variables,
    label: int,
    reference: Float[Tensor, "r d"] | None = None,
    seed: int = 0,
    most: int = MOST_ROWS,
) -> list[MeasuredColumn]:
    """Answers of a model for each protected column, row by row.

    Args:
        model: the audited model.
        x: the rows, in canonical form.
        protected: the columns, with the group of each row.
        names: of the rows.
        variables: of the schema.
        label: index of the class whose log-odds are measured.
        reference: rows whose distributions are taken; the rows themselves when left out.
        seed: decides ties.
        most: rows that are measured, spread over the table; of a group that has fewer than 10 of these, others are
            measured as well, up to 10.
    """
    spread = torch.linspace(0, len(x) - 1, most).round().long() if len(x) > most else torch.arange(len(x))
    ask = Queried(model, label)
    found: list[tuple[_Measure, MeasuredColumn, bool]] = []
    for one in protected:
        known = _known(one) if reference is not None else None
        pool, of = (x, one.of) if known is None or reference is None else (reference, known)
        note = "" if reference is None or one.reference is None or known is not None else _NOT_KNOWN
        chosen = torch.cat([spread, _others(one, spread)])
        rows: tuple[str, ...] = tuple(names[int(i)] for i in chosen)
        about = replace(one, note=f"{one.note} {note}".strip())
        measure = _Measure(ask, x[chosen], one.of[chosen], pool, of, about, variables, seed, len(spread))
        before = ask.clipped
        column = measure.column(rows, label=model.labels[label])
        counts = tuple(_counts(one).tolist()) if len(one.names) > 1 else ()
        added = tuple(range(len(spread), len(chosen)))
        found.append((measure, replace(column, added=added, counts=counts), before))
    graded = model.scores is not ScoreKind.LABELS
    clipped = ask.clipped and graded
    return [
        replace(
            column,
            graded=graded,
            clipped=clipped,
            moves=measure.moves() if clipped and not before else column.moves,
        )
        for measure, column, before in found
    ]


def _known(one: Protected) -> Int[Tensor, " r"] | None:
    """The groups of the reference rows; None where one of the groups is not among them."""
    of = one.reference
    return of if of is not None and all((of == group).any() for group in range(len(one.names))) else None


def _others(one: Protected, spread: Int[Tensor, " m"]) -> Int[Tensor, " a"]:
    """Further rows of the groups that have fewer than 10 of those spread over the table, spread over the group."""
    found = [torch.zeros(0, dtype=torch.int64)]
    left = one.of.clone()
    left[spread] = NONE
    for group in range(len(one.names) if len(one.names) > 1 else 0):
        rest, lacking = (left == group).nonzero().flatten(), LEAST - int((one.of[spread] == group).sum())
        if lacking >= len(rest):
            found.append(rest)
        elif lacking > 0:
            found.append(rest[torch.linspace(0, len(rest) - 1, lacking).round().long()])
    return torch.cat(found)


@final
class _Measure:
    """The measurement of one column."""

    def __init__(
        self,
        ask: Queried,
        x: Float[Tensor, "n d"],
        of: Int[Tensor, " n"],
        pool: Float[Tensor, "r d"],
        pool_of: Int[Tensor, " r"],
        protected: Protected,
        variables: Variables,
        seed: int,
        spread: int,
    ) -> None:
        self.ask, self.x, self.of, self.pool, self.pool_of = ask, x.double(), of, pool.double(), pool_of
        self.protected, self.variables, self.seed, self.spread = protected, variables, seed, spread
        schema = variables.schema
        self.at = schema.names.index(protected.column) if protected.taken else -1
        self.own = next((v for v in variables.all if self.at in v.columns), None) if protected.taken else None

    def column(self, rows: tuple[str, ...], *, label: str) -> MeasuredColumn:
        one, k = self.protected, len(self.protected.names)
        kept = replace(one, of=self.of, reference=None)
        odds, p, classes = self.ask(self.x)
        if k < 2:
            none = torch.zeros(len(self.x), 0)
            return MeasuredColumn(kept, rows, label, none, none, none.long(), classes)
        alone = [self.ask(self._set(g)) if one.taken else (odds, p, classes) for g in range(k)]
        linked = self._linked()
        along = [self.ask(self._with_links(g)) for g in range(k)] if linked else []
        empty = torch.zeros(len(self.x), 0)
        return MeasuredColumn(
            kept,
            rows,
            label,
            odds=torch.stack([answer[0] for answer in alone], dim=1),
            p=torch.stack([answer[1] for answer in alone], dim=1),
            classes=torch.stack([answer[2] for answer in alone], dim=1),
            own=classes,
            linked=linked,
            linked_odds=torch.stack([answer[0] for answer in along], dim=1) if along else empty,
            linked_p=torch.stack([answer[1] for answer in along], dim=1) if along else empty,
            moves=self.moves(),
        )

    def _sample(self, group: int, column: int) -> Float[np.ndarray, " s"]:
        return self.pool[self.pool_of == group, column].numpy()

    def _set(self, group: int) -> Float[Tensor, "n d"]:
        """The rows with the column alone as in a group, by rank; rows of the group as they are."""
        new = self.x.clone()
        column = self.variables.schema.columns[self.at]
        for source in [*range(len(self.protected.names)), NONE]:
            inside = self.of == source
            if source == group or not inside.any():
                continue
            values = self.x[inside, self.at].numpy()
            own = self._sample(source, self.at) if source != NONE else values
            there = moved(
                values,
                own,
                self._sample(group, self.at),
                ordered=column.kind is not ColumnKind.CATEGORICAL,
                seed=self.seed,
            )
            new[inside, self.at] = torch.from_numpy(there)
        return new

    def _linked(self) -> tuple[str, ...]:
        """Columns that move with the protected one: of its link, and those that follow it."""
        if self.own is None:
            return ()
        names = self.variables.schema.names
        with_it = [names[j] for j in self.own.columns if j != self.at]
        follows = [
            names[f.column]
            for f in self.variables.relations.follows
            if self.at in f.sources and f.column != self.at
        ]
        return tuple(dict.fromkeys([*with_it, *follows]))

    def _with_links(self, group: int) -> Float[Tensor, "n d"]:
        """The rows with the column as in a group, and its linked columns as they are there with it.

        Where the combination with the row's own other values does not occur, those of the nearest known row of the group
        are taken (Gower's distance over the other columns).
        """
        new, own = self._set(group), self.own
        if own is not None and own.rows is not None:
            place, combos = list(own.columns), own.rows
            known = {tuple(row) for row in combos.tolist()}
            donors = self.pool[self.pool_of == group]
            others = [i for i, v in enumerate(self.variables.all) if v is not own]
            bare = self.variables.values(self.x), self.variables.values(donors)
            for i in range(len(new)):
                if tuple(new[i, place].tolist()) in known or not len(donors):
                    continue
                far = torch.zeros(len(donors), dtype=torch.float64)
                for j in others:
                    variable = self.variables.all[j]
                    gap = (bare[1][:, j] - bare[0][i, j]).abs()
                    far += (
                        (gap > 0).double()
                        if variable.kind is ColumnKind.CATEGORICAL
                        else gap / (variable.span or 1.0)
                    )
                new[i, place] = donors[int(far.argmin()), place]
        for follow in self.variables.relations.follows:
            if self.at in follow.sources:
                new[:, follow.column] = self.variables.followed(follow, new)
        return new

    def moves(self) -> Moves | None:
        """What the other columns do; log-odds are clipped where any that was queried so far has to be."""
        units = self._units() if len(self.protected.names) > 1 else []
        inside = (self.of[: self.spread] != NONE).nonzero().flatten()
        if not units or not len(inside):
            return None
        if len(inside) > MOST_MOVED:
            inside = inside[torch.linspace(0, len(inside) - 1, MOST_MOVED).round().long()]
        x, base = self.x[inside], self.ask(self.x[inside])
        compared = pairs(self.protected.names)
        shape = len(compared), len(units)
        logits, points = (torch.zeros(*shape, len(inside), dtype=torch.float64) for _ in range(2))
        errors = torch.zeros(2, *shape, dtype=torch.float64)
        for c, (group, _) in enumerate(compared):
            of, known = self.of[inside] == group, self.pool_of != NONE
            here, there = (
                self.pool[known & (self.pool_of == group)],
                self.pool[known & (self.pool_of != group)],
            )
            for d, (_, unit) in enumerate(units):
                new, before, after, samples, ordered = self._moved(x, of, here, there, unit)
                answer = self.ask(new)
                sign = torch.where(of, -1.0, 1.0)
                for k, (part, into) in enumerate(((0, logits), (1, points))):
                    bounded = part == 0 and self.ask.clipped
                    change = clip(answer[part]) - clip(base[part]) if bounded else answer[part] - base[part]
                    into[c, d] = sign * change
                    errors[k, c, d] = sampling_error(change.numpy(), before, after, samples, ordered=ordered)
        return Moves(tuple(name for name, _ in units), inside, logits, points, errors[0], errors[1])

    def _units(self) -> list[tuple[str, int]]:
        """What else may move: each variable but the column's, and apart the columns that are linked with it."""
        found = [(v.name, i) for i, v in enumerate(self.variables.all) if v is not self.own]
        if self.own is not None:
            names = self.variables.schema.names
            found += [(names[j], -1 - j) for j in self.own.columns if j != self.at]
        return found

    def _moved(
        self,
        x: Float[Tensor, "m d"],
        inside: Tensor,
        here: Float[Tensor, "a d"],
        there: Float[Tensor, "b d"],
        unit: int,
    ) -> tuple[
        Float[Tensor, "m d"],
        Float[np.ndarray, " m"],
        Float[np.ndarray, " m"],
        tuple[Float[np.ndarray, " a"], Float[np.ndarray, " b"]],
        bool,
    ]:
        """Rows with one variable moved across, what it was and became, its two samples, and whether it has an order."""
        if unit < 0:
            column = self.variables.schema.columns[-1 - unit]
            ordered = column.kind is not ColumnKind.CATEGORICAL
            value, one, two = (rows[:, -1 - unit].numpy() for rows in (x, here, there))
        else:
            variable = self.variables.all[unit]
            ordered = variable.kind is not ColumnKind.CATEGORICAL
            value, one, two = (variable.values(rows).numpy() for rows in (x, here, there))
        mask, after = inside.numpy(), value.copy()
        after[mask] = moved(value[mask], one, two, ordered=ordered, seed=self.seed)
        after[~mask] = moved(value[~mask], two, one, ordered=ordered, seed=self.seed + 1)
        if unit < 0:
            new = x.clone()
            new[:, -1 - unit] = torch.from_numpy(after)
        else:
            before = self.variables.values(x)
            values = before.clone()
            values[:, unit] = torch.from_numpy(after)
            new = self.variables.onto(values, origin=before, x=x)
        return new, value, after, (one, two), ordered
