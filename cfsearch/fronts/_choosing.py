"""Members of a front that are read first: one by a rule, or several that differ."""

from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError
from cfsearch.numerics import pareto

from . import picks
from .picks import PICKS

_FAR: Final = 10.0
"""Beyond this all members are equally isolated."""

_ISOLATED: Final = 2.0
"""The same beside other measures, so that what one member is isolated by hides no difference of the others."""

_LEAST: Final = 1e-4
"""Sizes and distances below this are as good as none."""

if TYPE_CHECKING:
    from .front import ParetoFront


def pick(front: "ParetoFront", how: str) -> int | None:
    """One member, among the valid ones; see ``ParetoFront.pick``.

    Args:
        front: whose member it is.
        how: a name of ``PICKS``.

    Raises:
        ConfigError: an unknown way, or "crossing" without a plausibility objective.
    """
    if how not in PICKS:
        raise ConfigError(f"pick: unknown way {how!r}; the ways are {', '.join(PICKS)}.")
    if how == "crossing" and "plausibility" not in front.objectives:
        raise ConfigError("pick: `crossing` needs the objective 'plausibility', which was not searched.")
    if not front.found:
        return None
    match how:
        case "closest":
            return picks.closest(_effort(front), among=front.valid)
        case "sparsest":
            return picks.sparsest(front.z, sizes=_effort(front), among=front.valid)
        case "knee":
            return picks.knee(front.f, among=front.valid)
    wanted = 1.0 - front.p[:, front.source] if front.target is None else front.p[:, front.target]
    return picks.crossing(wanted, front.column("plausibility"), among=front.valid)


def every_pick(front: "ParetoFront") -> dict[str, int]:
    """All ways to pick that give a member, by name; see ``ParetoFront.picks``.

    Args:
        front: whose members they are.
    """
    ways = [way for way in PICKS if way != "crossing" or "plausibility" in front.objectives]
    found = {way: front.pick(way) for way in ways}
    return {way: i for way, i in found.items() if i is not None}


def answers(front: "ParetoFront", count: int | None) -> list[int]:
    """Members that differ from each other, the sparsest first; see ``ParetoFront.answers``.

    Args:
        front: whose members they are.
        count: how many; None for what the search declared.

    Raises:
        ConfigError: ``count`` is below 1.
    """
    count = int(front.extra.get("answers", picks.ANSWERS)) if count is None else count
    if count < 1:
        raise ConfigError(f"answers: `count` must be at least 1, got {count!r}.")
    if not front.found:
        return []
    among, costs, excess = front.valid, _costs(front), None
    inside = among
    if front.outlierness is not None:
        inside = picks.inliers(front.outlierness, among=among)
        inside = inside if bool(inside.any()) else among
        excess = (front.outlierness.double() - 1.0).clamp(0.0, _FAR).nan_to_num(nan=_FAR)
        costs = costs + picks.ISOLATION * excess
    best = _undominated(front, among=inside) if "neighbours" in front.objectives else inside
    first = picks.sparsest(front.z, sizes=_effort(front), among=best)
    if "neighbours" in front.objectives:  # the fewest changes of all are worth an outlier
        fewest = picks.sparsest(front.z, sizes=_effort(front), among=_undominated(front, among=among))
        count_of = front.changed.sum(1)
        if count_of[fewest] < count_of[first]:
            first, best = fewest, best.index_fill(0, torch.tensor([fewest]), True)
    members = among.nonzero().flatten()
    z, taken = front.z[members], [int((members == first).nonzero())]
    if "neighbours" in front.objectives:
        judged = _judged(front) if excess is None else _beside(_judged(front), excess)
        at = best.nonzero().flatten()
        covering = picks.covering(judged[at], first=int((at == first).nonzero()), count=count)
        taken = [int((members == at[k]).nonzero()) for k in covering]
    # where nothing else is better in anything, what differs
    chosen = picks.diverse(
        front.distances((z[:, None] - z).flatten(0, 1)).reshape(len(z), len(z)),
        costs=costs[members],
        first=taken[0],
        count=count,
        preferred=inside[members],
        more=taken[1:],
    )
    return members[chosen].tolist()


def _undominated(front: "ParetoFront", *, among: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Of some members those that no valid one dominates by what rows are weighed by; all of them where there are none."""
    members, mask = front.valid.nonzero().flatten(), torch.zeros_like(among)
    mask[members] = pareto.non_dominated(_judged(front)[members])
    return among & mask if bool((among & mask).any()) else among


def _beside(judged: Float[Tensor, "n 3"], excess: Float[Tensor, " n"]) -> Float[Tensor, "n 4"]:
    return torch.cat([judged, excess.clamp_max(_ISOLATED)[:, None]], dim=1)


def _judged(front: "ParetoFront") -> Float[Tensor, "n 3"]:
    """What is weighed of a row: how many variables change, how much, and how far known rows are, each by its logarithm."""
    count = front.changed.sum(1).double()
    every = [count, _effort(front).double(), front.column("neighbours").double()]
    return torch.stack(every, dim=1).clamp_min(_LEAST).log()


def flips(front: "ParetoFront", scores: Float[Tensor, " k"]) -> bool:
    """Whether scores of one input are of what the search wanted: the target class, or any other than the source.

    Args:
        front: of the search.
        scores: log-probabilities or logits; a tie of the source with another class is none.
    """
    if front.target is not None:
        return int(scores.argmax()) == front.target
    others = torch.arange(len(front.labels)) != front.source
    return bool(scores[others].amax() > scores[front.source])


def _costs(front: "ParetoFront") -> Float[Tensor, " n"]:
    """What speaks against each member as an answer, in the unit of its size."""
    if "neighbours" in front.objectives:  # a share of the range, like the size of a row's change
        return 1.5 * _effort(front) + 2.0 * front.column("neighbours").double()
    return 0.5 * _effort(front)


def _effort(front: "ParetoFront") -> Float[Tensor, " n"]:
    """How large each member's change is: its size, or its declared cost, made as large as sizes are on the whole."""
    if "cost" not in front.objectives:
        return front.sizes
    cost = front.column("cost").to(front.sizes.dtype)
    return cost * (front.sizes.sum() / cost.sum().clamp_min(1e-12))
