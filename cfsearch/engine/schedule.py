"""Budget of a search: sizes of its generations, and the reserve for verification."""

from dataclasses import dataclass, replace
from typing import final

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError
from cfsearch.providers.budget import remaining_queries
from cfsearch.providers.wrapping import queries_per_input, queries_to

_KEPT_BACK = 5
"""One of so many queries is kept back for verification, where queries are limited."""


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """Generations of one search.

    Args:
        sizes: candidates a query in each generation; the last is smaller where the budget ends inside it.
        searching: so many generations, the first ones, are the solver's; the others prune.
    """

    sizes: tuple[int, ...]
    searching: int

    @classmethod
    def of(cls, evaluations: int, *, population: int, pruning: float) -> "Schedule":
        """The schedule of a budget.

        Args:
            evaluations: candidates a query in all; 0 gives no generation.
            population: candidates a generation, fewer where the budget is smaller.
            pruning: share of the generations that prune.
        """
        size = max(1, min(population, evaluations))
        rest = evaluations % size
        sizes = (size,) * (evaluations // size) + ((rest,) if rest else ())
        return cls(sizes, len(sizes) - int(pruning * len(sizes)))


@final
@dataclass(frozen=True, slots=True)
class Allowance:
    """Candidates and members that a query limit allows the search of one input.

    Args:
        evaluations: candidates that can be evaluated, 0 where the limit does not allow a search.
        members: members that can be verified afterwards.
        least: queries that a search takes at least.
        note: what a reader must know; empty where nothing was limited.
    """

    evaluations: int
    members: int
    least: int = 0
    note: str = ""

    @classmethod
    def of(
        cls,
        limit: int,
        *,
        model: Provider,
        through: Provider,
        evaluations: int,
        capacity: int,
        original: bool,
        beside: int = 0,
        afterwards: int = 0,
    ) -> "Allowance":
        """As many candidates as the limit allows, and as many members as can then be verified.

        A fifth of the queries is kept back, so that what is found can be verified.

        Args:
            limit: most queries to the model for one input.
            model: the audited model.
            through: what the search queries: the model, votes around it, or a surrogate.
            evaluations: candidates that are wanted.
            capacity: members that are wanted.
            original: whether the query to the original is still to be paid.
            beside: further inputs that objectives query the search's model about for one candidate, at most.
            afterwards: queries that are kept back for what is measured after the search.
        """
        once, again = queries_to(model, through=through), queries_per_input(model)
        each = once * (1 + beside)
        fixed = once * original + (2 + afterwards) * again
        least, left = fixed + each + again, limit - fixed
        if limit < least:
            return cls(0, 0, least)
        members = min(capacity, max(1, left // _KEPT_BACK // again))
        if each:
            evaluations = min(evaluations, max(1, (left - members * again) // each))
        return cls(evaluations, min(capacity, (left - each * evaluations) // again), least)


def allowance(
    *,
    model: Provider,
    through: Provider,
    evaluations: int,
    capacity: int,
    max_queries: int | None,
    queries: int,
    beside: int = 0,
    afterwards: int = 0,
) -> Allowance:
    """What ``max_queries`` and the budgets of counting providers allow each of some searches.

    Args:
        model: the audited model.
        through: what the searches query: the model, votes around it, or a surrogate.
        evaluations: candidates that are wanted.
        capacity: members that are wanted.
        max_queries: most queries to the model for one input; None for no limit.
        queries: how many searches share what counting providers have left.
        beside: further inputs that objectives query about for one candidate, at most.
        afterwards: queries that are kept back for what is measured after each search.

    Raises:
        ConfigError: ``max_queries`` does not allow a search at all.
    """
    allowed = Allowance(evaluations, capacity)
    left = [n for n in (remaining_queries(model), remaining_queries(through)) if n is not None]
    if max_queries is not None:
        allowed = Allowance.of(
            max_queries,
            model=model,
            through=through,
            evaluations=evaluations,
            capacity=capacity,
            original=True,
            beside=beside,
            afterwards=afterwards,
        )
        if not allowed.evaluations:
            raise ConfigError(
                f"search: `max_queries` must be at least {allowed.least}, what one candidate takes with the "
                f"original and the verification, got {max_queries}."
            )
        if allowed.evaluations < evaluations:
            allowed = replace(allowed, note=f"`max_queries` = {max_queries} limited the search.")
    if not left:
        return allowed
    shared = Allowance.of(
        min(left) // queries,
        model=model,
        through=through,
        evaluations=allowed.evaluations,
        capacity=allowed.members,
        original=False,
        beside=beside,
        afterwards=afterwards,
    )
    if shared.evaluations == allowed.evaluations:
        return replace(shared, note=allowed.note)
    return replace(shared, note=f"{min(left)} queries to the model were left for {queries} searches.")
