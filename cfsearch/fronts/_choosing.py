"""Members of a front that are read first: one by a rule, or several that differ."""

from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError

from . import picks
from .picks import PICKS

_FAR: Final = 10.0
"""Beyond this all members are equally isolated."""

_ISOLATED: Final = 2.0
"""The same beside other measures, so that what one member is isolated by hides no difference of the others."""

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
    among, costs = front.valid, _costs(front)
    inside, excess = among, None
    if front.outlierness is not None:
        inside = picks.inliers(front.outlierness, among=among)
        inside = inside if bool(inside.any()) else among
        excess = (front.outlierness.double() - 1.0).clamp(0.0, _FAR).nan_to_num(nan=_FAR)
        costs = costs + picks.ISOLATION * excess
    first = picks.sparsest(front.z, sizes=_effort(front), among=inside)
    members = among.nonzero().flatten()
    z, at = front.z[members], int((members == first).nonzero())
    covering = [at]
    if "neighbours" in front.objectives:
        covering = picks.covering(
            _judged(front, excess)[members], first=at, count=count, among=inside[members]
        )
    # where nothing else is better in anything, what differs
    chosen = picks.diverse(
        front.distances((z[:, None] - z).flatten(0, 1)).reshape(len(z), len(z)),
        costs=costs[members],
        first=at,
        count=count,
        preferred=inside[members],
        more=covering[1:],
    )
    return members[chosen].tolist()


def _judged(front: "ParetoFront", excess: Float[Tensor, " n"] | None) -> Float[Tensor, "n m"]:
    """What is weighed of a row: how many variables change, how much, how far known rows are, and how isolated it is."""
    count = front.changed.sum(1).double()
    every = [count, _effort(front).double(), front.column("neighbours").double()]
    return torch.stack(every if excess is None else [*every, excess.clamp_max(_ISOLATED)], dim=1)


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
