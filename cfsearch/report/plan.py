"""How much of every front the page holds, so that it stays small enough to send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch

from cfsearch.front import ParetoFront

from .pictures import Codec, Picture

MOST_BYTES = 18_000_000
MOST_FRONTS = 2_000
_FIXED, _PER_FRONT = 1_900_000, 25_000
_SAMPLE = 12
_TILE_MARKUP, _MEMBER_DATA, _ROW_MARKUP = 620, 26, 900
_HEAT = 1_300


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn of every front.

    Args:
        codec: how pictures are written.
        strip: members in the strip, beside those that are picked.
        pictured: further members that the explorer can show as pictures.
        members: members in the explorer.
        heat: whether difference maps are drawn.
        rerenders: whether true re-renders are drawn.
    """

    codec: Codec
    strip: int
    pictured: int
    members: int
    heat: bool = True
    rerenders: bool = True

    def shown(self, front: ParetoFront, *, picks: Mapping[str, int]) -> list[int]:
        """The members of the strip: the picks, and others evenly spread, least flipped first."""
        if self.strip >= len(front):
            return front.along(most=self.strip)
        order = front.along(most=len(front))
        first = list(dict.fromkeys(picks.values()))[: max(1, self.strip // 2)]
        rest = [i for i in order if i not in first]
        chosen = {*first, *thinned(rest, most=self.strip - len(first))}
        return [i for i in order if i in chosen]

    def explored(self, front: ParetoFront, *, first: Sequence[int]) -> list[int]:
        """The members of the explorer: those of ``first``, and others evenly spread."""
        if len(front) <= self.members:
            return list(range(len(front)))
        first = list(dict.fromkeys(first))
        rest = [i for i in front.along(most=self.members) if i not in first]
        return sorted([*first, *thinned(rest, most=self.members - len(first))])

    def further(self, members: Sequence[int], *, shown: Sequence[int]) -> list[int]:
        """Members of the explorer that get a picture there, beside those of the strip."""
        rest = [i for i in members if i not in shown]
        return thinned(rest, most=self.pictured)


PLANS = (
    Plan(Codec("png", 100, 128), strip=8, pictured=1000, members=1000),
    Plan(Codec("webp", 92, 128), strip=8, pictured=1000, members=1000),
    Plan(Codec("webp", 90, 128), strip=8, pictured=40, members=1000),
    Plan(Codec("webp", 88, 128), strip=8, pictured=12, members=400),
    Plan(Codec("webp", 85, 128), strip=7, pictured=0, members=200),
    Plan(Codec("webp", 82, 96), strip=6, pictured=0, members=120),
    Plan(Codec("webp", 80, 96), strip=5, pictured=0, members=100),
    Plan(Codec("webp", 78, 64), strip=4, pictured=0, members=60),
    Plan(Codec("webp", 75, 64), strip=3, pictured=0, members=40, rerenders=False),
    Plan(Codec("webp", 70, 64), strip=2, pictured=0, members=30, heat=False, rerenders=False),
    Plan(Codec("webp", 60, 48), strip=1, pictured=0, members=16, heat=False, rerenders=False),
)
"""From "everything, exactly" to "one small picture of each front"."""


def thinned(indices: Sequence[int], *, most: int) -> list[int]:
    """At most ``most`` of the indices, evenly spread."""
    if most <= 0:
        return []
    if len(indices) <= most:
        return list(indices)
    at = torch.linspace(0, len(indices) - 1, most).round().int().tolist()
    return [indices[i] for i in at]


def budget(fronts: int) -> int:
    """Bytes that pictures and data of so many fronts may take."""
    return min(MOST_BYTES, _FIXED + _PER_FRONT * fronts)


def choose(fronts: Sequence[ParetoFront], *, rerenders: bool) -> Plan:
    """The first plan whose estimated size fits the budget.

    Pictures are weighed on a sample, the same for the same fronts.
    """
    sample = _sample(fronts)
    for plan in PLANS:
        bytes_each = _weigh(sample, plan.codec)
        total = sum(_cost(f, plan, bytes_each=bytes_each, rerenders=rerenders) for f in fronts)
        if total <= budget(len(fronts)):
            return plan
    return PLANS[-1]


def _sample(fronts: Sequence[ParetoFront]) -> list[Picture]:
    drawn = [f for f in fronts if f.images is not None and len(f)]
    chosen = thinned(range(len(drawn)), most=_SAMPLE)
    return [images[len(images) // 2] for i in chosen if (images := drawn[i].images) is not None]


def _weigh(sample: Sequence[Picture], codec: Codec) -> float:
    if not sample:
        return 0.0
    return sum(len(codec.encode(p)) for p in sample) / len(sample) * 4 / 3 + 40


def _cost(front: ParetoFront, plan: Plan, *, bytes_each: float, rerenders: bool) -> float:
    n, m = len(front), len(front.objectives)
    members, strip = min(n, plan.members), min(n, plan.strip)
    words = 8 * len(front.variables)
    data = members * (_MEMBER_DATA + 7 * m + words)
    if front.images is None:
        return data + strip * _TILE_MARKUP + _ROW_MARKUP
    copies = 2 if rerenders and plan.rerenders else 1
    pictures = (2 + strip * copies + min(plan.pictured, members - strip)) * bytes_each
    heat = strip * _HEAT if plan.heat else 0
    return data + pictures + heat + strip * _TILE_MARKUP + _ROW_MARKUP
