"""Parts of pymoo's algorithms, rewritten on arrays: the same search in a fraction of the time.

pymoo asks each individual for its values in Python, which is most of what a generation of
NSGA-II costs. Here the values of a population are gathered once. Imported only when a solver
starts, since this file imports pymoo.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt
import torch
from pymoo.core.evaluator import Evaluator
from pymoo.core.individual import Individual, default_config
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.sampling import Sampling
from pymoo.core.selection import Selection
from pymoo.core.survival import Survival
from pymoo.operators.crossover.dex import DE_REPAIRS
from pymoo.termination.max_gen import (
    MaximumGenerationTermination,
)

from cfsearch.numerics import pareto

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rule = Callable[[Any, Ints, Ints], Floats]  # Any: a pymoo population
"""How much better the first of each pair is than the second; 0 where the rule cannot tell."""

_UNRANKED = 1_000_000

_ATTEMPTS = 5
"""How often children that are already there are made again."""

_JITTER = 1e-4
"""Keeps differences from lying on a few lines; pymoo's default."""


@final
class Candidate(Individual):  # type: ignore[misc]  # pymoo ships no types
    """An individual of pymoo that takes a quarter of the time to make.

    What no candidate of ours has (derivatives, equality constraints) is shared by all.
    """

    config: ClassVar[dict[str, Any]] = default_config()  # Any: pymoo's settings
    _F = _G = _H = np.zeros(0)
    _dF = _dG = _dH = _ddF = _ddG = _ddH = np.zeros(0)  # noqa: N815  # pymoo's names
    _CV = None

    def __init__(self, x: Floats) -> None:
        self._X = x
        self.data: dict[str, Any] = {}  # Any: pymoo's attributes
        self.evaluated: set[str] = set()

    def set(self, key: str, value: Any) -> "Candidate":  # Any: pymoo's attributes
        """Set a value by name."""
        if key in _OWN:
            setattr(self, key, value)
        else:
            self.data[key] = value
        return self


_OWN = frozenset({"X", "F", "G", "H", "CV"})


def candidates(x: Floats) -> Any:  # Any: a pymoo population
    """A population of new individuals, from ``(n, d)``."""
    return np.fromiter((Candidate(row) for row in x), dtype=object, count=len(x)).view(Population)


@final
class Given(Sampling):  # type: ignore[misc]  # pymoo ships no types
    """An initial population that is already there."""

    def __init__(self, x: Floats) -> None:
        super().__init__()
        self.x = x

    def do(self, problem: Any, n_samples: int, *args: Any, **_: Any) -> Any:  # Any: pymoo's objects
        """The population, as new individuals."""
        return candidates(self.x.copy())


@final
class NotEvaluated(Evaluator):  # type: ignore[misc]  # pymoo ships no types
    """Evaluates nothing: candidates are evaluated by the search, never by an algorithm."""

    def eval(self, problem: Any, pop: Any, **_: Any) -> Any:  # Any: pymoo's objects
        """The population as it is."""
        return pop


@final
class Endless(MaximumGenerationTermination):  # type: ignore[misc]  # pymoo ships no types
    """Tells an algorithm's schedule how many generations are planned, and never ends it."""

    def has_terminated(self) -> bool:
        """No."""
        return False


@final
class Tournament(Selection):  # type: ignore[misc]  # pymoo ships no types
    """Binary tournaments decided by the first rule that can tell, else by chance."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__()
        self.rules = rules

    def _do(
        self,
        problem: Any,
        pop: Any,
        n_select: int,
        n_parents: int = 1,
        random_state: Any = None,
        **_: Any,
    ) -> Ints:  # Any: pymoo's objects
        count = 2 * n_select * n_parents
        turns = -(-count // len(pop))
        pool = np.concatenate([random_state.permutation(len(pop)) for _ in range(turns)])[:count]
        return self.winners(pop, pool.reshape(-1, 2), random_state=random_state).reshape(n_select, n_parents)

    def winners(self, pop: Any, pairs: Ints, *, random_state: Any, **_: Any) -> Ints:  # Any: pymoo's objects
        """The winner of each pair, ``(n, 2)`` -> ``(n, 1)``."""
        a, b = pairs.T
        lead = np.zeros(len(a))
        for rule in self.rules:
            undecided = lead == 0
            if not undecided.any():
                break
            lead[undecided] = rule(pop, a[undecided], b[undecided])
        chance = random_state.random(len(a)) - 0.5
        winner: Ints = np.where(np.where(lead == 0, chance, lead) > 0, a, b)
        return winner[:, None]


def less_violated(pop: Any, a: Ints, b: Ints) -> Floats:  # Any: a pymoo population
    """The one that breaks the constraints less."""
    cv = violations(pop)
    lead: Floats = cv[b] - cv[a]
    return lead


def smaller(key: str) -> Rule:
    """The one of which ``key`` is smaller; infeasible ones have none and lose."""

    def rule(pop: Any, a: Ints, b: Ints) -> Floats:  # Any: a pymoo population
        value = np.array([_number(ind.data.get(key), np.inf) for ind in pop])
        lead: Floats = (value[a] < value[b]).astype(float) - (value[a] > value[b])
        return lead

    return rule


@final
class Mating(InfillCriterion):  # type: ignore[misc]  # pymoo ships no types
    """Selection, crossover and mutation of real numbers, with pymoo's operators on whole arrays.

    A child that equals a parent or another child is made again, as pymoo does.
    """

    def __init__(self, *, selection: Any, crossover: Any, mutation: Any) -> None:  # Any: pymoo's operators
        super().__init__()
        self.selection, self.crossover, self.mutation = selection, crossover, mutation

    def do(
        self, problem: Any, pop: Any, n_offsprings: int, random_state: Any = None, **kwargs: Any
    ) -> Any:  # Any: pymoo's objects
        """``n_offsprings`` children."""
        x = variables(pop)
        known = {row.tobytes() for row in x}
        made: list[Floats] = []
        for attempt in range(_ATTEMPTS):
            for child in self._children(problem, pop, x, n_offsprings - len(made), random_state, kwargs):
                key = child.tobytes()
                if key not in known or attempt == _ATTEMPTS - 1:
                    known.add(key)
                    made.append(child)
            if len(made) == n_offsprings:
                break
        return candidates(np.stack(made))

    def _children(
        self, problem: Any, pop: Any, x: Floats, n: int, random_state: Any, kwargs: dict[str, Any]
    ) -> Floats:  # Any: pymoo's objects
        matings = -(-n // self.crossover.n_offsprings)
        chosen = self.selection.do(
            problem,
            pop,
            matings,
            self.crossover.n_parents,
            to_pop=False,
            random_state=random_state,
            **kwargs,
        )
        parents = x[chosen.T]
        crossed = random_state.random(matings) < float(self.crossover.prob.value)
        mated = applied(self.crossover, problem, parents, random_state=random_state)
        children = np.where(crossed[None, :, None], mated, parents[: self.crossover.n_offsprings])
        children = children.reshape(-1, problem.n_var)[:n]
        changed = random_state.random(n) <= float(self.mutation.prob.value)
        mutants = applied(self.mutation, problem, children, random_state=random_state)
        made: Floats = np.where(changed[:, None], mutants, children)
        return made


@final
class Differential(InfillCriterion):  # type: ignore[misc]  # pymoo ships no types
    """Trials of differential evolution (rand/1/bin), one for each member in order.

    Args:
        rate: share of variables that come from the donor; at least one always does.
        scale: factor of the difference; None draws it from 0 to 1 for each trial.

    References:
        Storn and Price 1997, https://doi.org/10.1023/A:1008202821328.
    """

    def __init__(self, *, rate: float, scale: float | None) -> None:
        super().__init__()
        self.rate, self.scale = rate, scale

    def do(
        self, problem: Any, pop: Any, n_offsprings: int, random_state: Any = None, **_: Any
    ) -> Any:  # Any: pymoo's objects
        """One trial a member; donors outside the bounds bounce back between base and bound."""
        x = variables(pop)
        n, d = x.shape
        # three others: ranks of random keys, with the member itself put last
        key = random_state.random((n, n))
        np.fill_diagonal(key, np.inf)
        base, one, two = np.argpartition(key, 3, axis=1)[:, :3].T
        factor = random_state.random((n, 1)) if self.scale is None else np.full((n, 1), self.scale)
        donor = x[base] + factor * (1 + _JITTER * (random_state.random((n, d)) - 0.5)) * (x[one] - x[two])
        donor = DE_REPAIRS["bounce-back"](donor, x[base], *problem.bounds(), random_state=random_state)
        taken = random_state.random((n, d)) < self.rate
        taken[np.arange(n), random_state.integers(d, size=n)] = True
        return candidates(np.where(taken, donor, x))


@final
class RankAndCrowding(Survival):  # type: ignore[misc]  # pymoo ships no types
    """The survival of NSGA-II: feasible first, by rank, the last front by crowding.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017.
    """

    def __init__(self) -> None:
        super().__init__()

    def do(
        self, problem: Any, pop: Any, *args: Any, n_survive: int | None = None, **_: Any
    ) -> Any:  # Any: pymoo's objects
        """The ``n_survive`` best; their ``rank`` and ``crowding`` are set."""
        n = len(pop) if n_survive is None else min(n_survive, len(pop))
        f, cv = torch.from_numpy(objectives(pop)), violations(pop)
        fine = np.flatnonzero(cv <= 0)
        broken = np.flatnonzero(cv > 0)
        broken = broken[np.argsort(cv[broken], kind="stable")]
        rank, wide = np.full(len(pop), _UNRANKED), np.zeros(len(pop))
        front = pareto.ranks(f[fine])
        rank[fine], wide[fine] = front.numpy(), pareto.crowding(f[fine], front).numpy()
        order = np.concatenate([fine[np.lexsort((-wide[fine], rank[fine]))], broken])[:n]
        for i in order.tolist():
            pop[i].data["rank"], pop[i].data["crowding"] = int(rank[i]), float(wide[i])
        return pop[order]


def applied(operator: Any, problem: Any, x: Floats, *, random_state: Any) -> Floats:  # Any: pymoo's
    """What a crossover or mutation of pymoo makes of arrays; its public method takes individuals only."""
    made = operator._do(problem, x, random_state=random_state)  # noqa: SLF001  # see above
    return np.asarray(made, dtype=np.float64)


def variables(pop: Sequence[Any]) -> Floats:  # Any: pymoo's individuals
    """Search variables of a population, ``(n, d)``."""
    return np.array([ind.X for ind in pop], dtype=np.float64)


def objectives(pop: Sequence[Any]) -> Floats:  # Any: pymoo's individuals
    """Objective values of a population, ``(n, m)``."""
    return np.array([ind.F for ind in pop], dtype=np.float64)


def violations(pop: Sequence[Any]) -> Floats:  # Any: pymoo's individuals
    """Constraint violations of a population, ``(n,)``."""
    return np.array([ind.CV[0] for ind in pop], dtype=np.float64)


def _number(value: float | None, missing: float) -> float:
    return missing if value is None else float(value)
