"""Distributions of the variables of a table within the leaves of a forest."""

from dataclasses import dataclass, replace
from typing import Final, Self, final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.special import log_ndtr, ndtr
from torch import Tensor

from cfsearch.datasets.tables import ColumnKind, Variables

from .trees import Array, Trees

_COMMON: Final = 0.05
"""A number that this share of all rows holds has a probability of its own."""

_NARROW: Final = 0.01
"""Steps below this share of a deviation: their probability is the density times the step."""

_TINY: Final = 1e-300


@final
@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """What one variable may be: states (levels, or single common numbers), and other numbers if it is one.

    Args:
        place: of the variable.
        ranks: of levels, where each stands among the points of the trees; empty of numbers.
        atoms: of numbers, those with a probability of their own, in shares of the range.
        support: of numbers, the least and the greatest, in shares of the range.
        low: what share 0 is.
        span: one range.
        step: in shares of the range; 0 for a number with a density.
    """

    place: int
    ranks: Float[Array, " s"]
    atoms: Float[Array, " s"]
    support: tuple[float, float]
    low: float
    span: float
    step: float

    @property
    def numeric(self) -> bool:
        """Whether there are numbers beside the states."""
        return not len(self.ranks)

    @property
    def states(self) -> int:
        """How many states; of numbers the last one is "another number"."""
        return len(self.ranks) or len(self.atoms) + 1

    def share(self, value: Float[Array, " n"]) -> Float[Array, " n"]:
        """Values in shares of the range; other numbers come back to the nearest that is known."""
        u = (value - self.low) / self.span
        inside = np.clip(u, *self.support)
        return np.where(np.isin(u, self.atoms), u, inside)

    def state(self, value: Float[Array, " n"]) -> Int[Array, " n"]:
        """The state of each value."""
        if not self.numeric:
            return np.clip(np.rint(value), 0, len(self.ranks) - 1).astype(np.int64)
        if not len(self.atoms):
            return np.zeros(len(value), dtype=np.int64)
        u = self.share(value)
        at = np.minimum(np.searchsorted(self.atoms, u), len(self.atoms) - 1)
        return np.where(self.atoms[at] == u, at, len(self.atoms))

    def edges(self, low: Float[Array, " l"], high: Float[Array, " l"]) -> tuple[Array, Array]:
        """The numbers of a leaf, on whole steps and within what is known."""
        a, b = self.support
        if self.step:
            a, b = a - 0.5 * self.step, b + 0.5 * self.step
            low, high = self._after(low), self._after(high)
        return np.clip(low, a, b), np.clip(high, a, b)

    def _after(self, threshold: Float[Array, " l"]) -> Float[Array, " l"]:
        """Half a step behind the last step that a tree's threshold lets go left."""
        nearest = np.floor(threshold / self.step + 0.5)
        goes_left = (nearest * self.step).astype(np.float32) <= threshold  # as the trees see it
        after: Float[Array, " l"] = (nearest + np.where(goes_left, 0.5, -0.5)) * self.step
        return after


@final
@dataclass(frozen=True, slots=True, eq=False)
class LeafDensities:
    """Distribution of each variable in each leaf of a forest; ``measured`` learns it.

    Args:
        variables: of the schema.
        marginals: of each of them.
        alpha: rows spread evenly over each leaf.
        logs: of each leaf the logarithms of the probabilities of all states, variable after variable.
        weight: of each leaf the logarithm of its share of rows, less that of the number of trees.
        normal: of each numeric variable and leaf: mean, deviation, log of its mass in the leaf, log of an even density, and
            the share of rows spread evenly among the numbers.
    """

    variables: Variables
    marginals: tuple[Marginal, ...]
    alpha: float
    logs: Float[Array, "l s"]
    weight: Float[Array, " l"]
    normal: Float[Array, "u 5 l"]

    @classmethod
    def of(cls, variables: Variables, rows: Float[Tensor, "r c"], *, alpha: float) -> Self:
        """What the variables may be; nothing of leaves yet.

        Args:
            variables: of the schema.
            rows: reference rows.
            alpha: rows spread evenly over each leaf.
        """
        values = variables.values(rows).numpy()
        wide = _standard(variables, values)
        marginals = tuple(_marginal(variables, j, values, wide) for j in range(len(variables.all)))
        nothing = np.zeros(0)
        return cls(variables, marginals, alpha, nothing[:, None], nothing, nothing[:, None, None])

    def points(self, rows: Float[Tensor, "n c"]) -> Float32[Array, "n v"]:
        """Rows as the trees see them: numbers in shares of their range, levels by their rank.

        Args:
            rows: in canonical form.
        """
        values = self.variables.values(rows).numpy()
        columns = [
            m.share(values[:, m.place]) if m.numeric else m.ranks[m.state(values[:, m.place])]
            for m in self.marginals
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def measured(self, trees: Trees, rows: Float[Tensor, "r c"]) -> Self:
        """The distributions in the leaves of trees, by the rows that lie in each.

        Args:
            trees: of a forest.
            rows: reference rows.
        """
        points = self.points(rows)
        values = self.variables.values(rows).numpy()
        leaf = trees.leaves(points)
        count = np.bincount(leaf.ravel(), minlength=trees.width).astype(float)
        low, high = trees.boxes(len(self.marginals))
        logs: list[Array] = []
        normal: list[Array] = []
        for m in self.marginals:
            state = m.state(values[:, m.place])
            box = (low[:, m.place], high[:, m.place])
            held = _tally(leaf, state, leaves=trees.width, states=m.states)
            if m.numeric:
                u = m.share(values[:, m.place])
                open_, of_numbers = _numbers(m, u, state, leaf, box=box, held=held[:, -1], alpha=self.alpha)
                normal.append(of_numbers)
            else:
                open_ = (m.ranks > box[0][:, None]) & (m.ranks <= box[1][:, None])
            prior = (np.bincount(state, minlength=m.states) + 0.5) / (len(state) + 0.5 * m.states)
            even = open_ * prior
            even /= np.maximum(even.sum(1, keepdims=True), _TINY)
            share = (held + self.alpha * even) / np.maximum(held.sum(1, keepdims=True) + self.alpha, _TINY)
            logs.append(np.log(np.maximum(share, _TINY)))
        # leaves without rows keep a little
        total = count + self.alpha / trees.width * trees.count
        weight = np.log(total / (len(rows) + self.alpha)) - np.log(trees.count)
        first = np.zeros((0, 5, trees.width))
        return replace(
            self,
            logs=np.concatenate(logs, axis=1),
            weight=weight - np.log(np.exp(weight).sum()),
            normal=np.stack(normal) if normal else first,
        )

    def log_density(self, rows: Float[Tensor, "n c"], leaf: Int[Array, "n t"]) -> Float[Array, " n"]:
        """Log density of rows, in nats.

        Args:
            rows: in canonical form.
            leaf: of each in each tree.
        """
        values = self.variables.values(rows).numpy()
        total = self.weight[leaf]
        first = numbers = 0
        for m in self.marginals:
            value = values[:, m.place]
            state = m.state(value)
            total = total + self.logs[leaf, first + state[:, None]]
            first += m.states
            if m.numeric:
                other = state == len(m.atoms)
                if other.any():
                    log = _log_number(m, m.share(value[other]), self.normal[numbers][:, leaf[other]])
                    total[other] += log
                numbers += 1
        most = total.max(1)
        mixed: Float[Array, " n"] = most + np.log(np.exp(total - most[:, None]).sum(1))
        return mixed

    @property
    def parts(self) -> tuple[Array, ...]:
        """All that tells these distributions from others."""
        return self.logs, self.weight, self.normal


def _tally(
    leaf: Int[Array, "r t"], state: Int[Array, " r"], *, leaves: int, states: int
) -> Float[Array, "l s"]:
    at = (leaf * states + state[:, None]).ravel()
    held: Float[Array, "l s"] = (
        np.bincount(at, minlength=leaves * states).reshape(leaves, states).astype(float)
    )
    return held


def _numbers(
    m: Marginal,
    u: Float[Array, " r"],
    state: Int[Array, " r"],
    leaf: Int[Array, "r t"],
    *,
    box: tuple[Array, Array],
    held: Float[Array, " l"],
    alpha: float,
) -> tuple[Bool[Array, "l s"], Float[Array, "5 l"]]:
    """Which states a leaf can hold, and the truncated normal of its other numbers."""
    begin, end = m.edges(*box)
    width = end - begin
    other = state == len(m.atoms)
    at = leaf[other].ravel()
    each = np.repeat(u[other], leaf.shape[1])
    n = np.maximum(held, 1.0)
    mean = np.bincount(at, weights=each, minlength=len(held)) / n
    mean = np.where(held > 0, mean, 0.5 * (begin + end))
    square = np.bincount(at, weights=(each - mean[at]) ** 2, minlength=len(held))
    # one further observation as wide as the leaf: no leaf is a point
    deviation = np.sqrt((square + width**2 / 12.0) / (held + 1.0))
    deviation = np.maximum(deviation, max(0.25 * m.step, 1e-6))
    mass = ndtr((end - mean) / deviation) - ndtr((begin - mean) / deviation)
    room = width / m.step if m.step else width
    atoms = m.atoms.astype(np.float32)  # as the trees see them
    inside = (atoms > box[0][:, None]) & (atoms <= box[1][:, None])
    if m.step:  # single numbers are none of the others
        on_step = np.abs(m.atoms / m.step - np.rint(m.atoms / m.step)) < 1e-6
        within = inside & on_step & (m.atoms >= m.support[0] - 1e-9) & (m.atoms <= m.support[1] + 1e-9)
        taken = np.exp(_log_mass(m, m.atoms[None], mean[:, None], deviation[:, None]))
        mass = mass - (taken * within).sum(1)
        room = room - within.sum(1)
    possible = room > (0.5 if m.step else 1e-9)
    room = np.maximum(room, 1e-9)
    fine = possible & (mass > 1e-9)
    even = np.where(fine, alpha / (held + alpha), 1.0)
    log_mass = np.log(np.where(fine, mass, 1.0))
    of_numbers = np.stack([mean, deviation, log_mass, -np.log(room), even])
    return np.concatenate([inside, possible[:, None]], axis=1), of_numbers


def _log_mass(m: Marginal, u: Array, mean: Array, deviation: Array) -> Array:
    """Log of the normal probability of a number's step, or of the density where it has none."""
    z = (u - mean) / deviation
    density: Array = -0.5 * z * z - np.log(deviation) - 0.5 * np.log(2.0 * np.pi)
    if not m.step:
        return density
    half = 0.5 * m.step / deviation
    away = np.abs(z)
    upper, lower = log_ndtr(half - away), log_ndtr(-half - away)
    exact = upper + np.log(-np.expm1(np.minimum(lower - upper, -1e-12)))
    found: Array = np.where(half < 0.5 * _NARROW, density + np.log(m.step), exact)
    return found


def _log_number(m: Marginal, u: Float[Array, " n"], normal: Float[Array, "5 n t"]) -> Float[Array, "n t"]:
    mean, deviation, log_mass, log_even, even = normal
    bell = _log_mass(m, u[:, None], mean, deviation) - log_mass
    mixed: Float[Array, "n t"] = np.log(
        np.maximum((1.0 - even) * np.exp(np.minimum(bell, 700.0)) + even * np.exp(log_even), _TINY)
    )
    return mixed


def _marginal(
    variables: Variables, j: int, values: Float[Array, "r v"], wide: Float[Array, "r w"]
) -> Marginal:
    v = variables.all[j]
    value, none = values[:, j], np.zeros(0)
    if v.kind is ColumnKind.CATEGORICAL or v.rows is not None or _is_levels(variables, j):
        states = round(v.span) + 1 if v.span >= 1 else 1
        states = max(states, int(value.max()) + 1)
        ranks = np.arange(states, dtype=float)
        if v.kind is ColumnKind.CATEGORICAL:
            ranks = _ranks(value.astype(np.int64), wide, states=states)
        return Marginal(j, ranks, none, (0.0, 0.0), 0.0, 1.0, 1.0)
    seen, counts = np.unique(value, return_counts=True)
    void = [*v.codes, *(() if v.absent is None else (v.absent,))]
    atoms = {*seen[counts >= _COMMON * len(value)].tolist(), *void}
    atoms |= {edge for hole in v.holes for edge in hole if np.isfinite(edge) and _only_values(variables, j)}
    u_atoms = np.array(sorted((a - v.low) / v.span for a in atoms))
    others = (value[~np.isin(value, void)] - v.low) / v.span
    support = (min(0.0, *others.tolist(), 0.0), max((v.high - v.low) / v.span, *others.tolist(), 0.0))
    return Marginal(j, none, u_atoms, support, v.low, v.span, v.step / v.span)


def _is_levels(variables: Variables, j: int) -> bool:
    return variables.schema.columns[variables.all[j].columns[0]].has_levels


def _only_values(variables: Variables, j: int) -> bool:
    return bool(variables.schema.columns[variables.all[j].columns[0]].values)


def _standard(variables: Variables, values: Float[Array, "r v"]) -> Float[Array, "r w"]:
    """Standardised numbers and indicators of levels, by which levels are put in an order."""
    columns: list[Array] = []
    for j, v in enumerate(variables.all):
        if v.kind is ColumnKind.CATEGORICAL:
            names = np.unique(values[:, j])[:20]
            columns += [(values[:, j] == name).astype(float) for name in names]
        else:
            columns.append(np.argsort(np.argsort(values[:, j], kind="stable"), kind="stable").astype(float))
    table = np.stack(columns, axis=1)
    table = table - table.mean(0)
    scaled: Float[Array, "r w"] = table / np.maximum(table.std(0), 1e-12)
    return scaled


def _ranks(level: Int[Array, " r"], wide: Float[Array, "r w"], *, states: int) -> Float[Array, " s"]:
    """Levels along the first principal component of what stands beside them, so that one split parts them well.

    Wright and König 2019, *Splitting on categorical predictors in random forests*; levels without rows come last.
    """
    count = np.bincount(level, minlength=states)
    total = np.zeros((states, wide.shape[1]))
    np.add.at(total, level, wide)
    means = total / np.maximum(count, 1)[:, None]
    scaled = means * np.sqrt(count)[:, None]
    _, _, axes = np.linalg.svd(scaled, full_matrices=False)
    along = means @ axes[0]
    along = along * (1.0 if along[int(count.argmax())] >= 0 else -1.0)
    along = np.where(count > 0, along, np.inf)
    ranks = np.empty(states)
    ranks[np.argsort(along, kind="stable")] = np.arange(states, dtype=float)
    return ranks
