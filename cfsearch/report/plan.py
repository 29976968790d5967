"""Size budget of the report: how much of every front it includes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch

from cfsearch.fronts.front import ParetoFront

from .pictures import Codec, Picture, difference, heat_png, heat_top

MOST_BYTES, MOST_PAGE = 17_500_000, 19_900_000
MOST_FRONTS = 2_000
MOST_LISTED = 2_000
"""Inputs in the page's table of all inputs; audit.json lists all."""
MOST_LINES = 200
"""Lines of a table or a list with one for each column or each change; audit.json has all."""
MOST_SAMPLED = 16
"""Fronts whose page is rendered to foresee the size of the whole one."""
MOST_READ = 400_000_000
"""Bytes of stored fronts that are read for a page; of pictures that is fewer than ``MOST_FRONTS``."""
_FIXED, _PER_FRONT = 1_900_000, 25_000
_SAMPLE = 12
_TILE_MARKUP, _MEMBER_DATA, _ROW_MARKUP = 620, 26, 900


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """Members, points and pictures of every front that the report includes.

    Args:
        codec: how pictures are written.
        strip: members in the strip, beside those that are picked.
        pictured: further members that the explorer can show as pictures.
        members: members in the explorer.
        changes: changes of a member that are named in the explorer, and lines of a table of cells.
        heat: whether difference maps are drawn.
        rerenders: whether true re-renders are drawn.
    """

    codec: Codec
    strip: int
    pictured: int
    members: int
    changes: int = MOST_LINES
    heat: bool = True
    rerenders: bool = True

    def shown(self, front: ParetoFront, *, picks: Mapping[str, int]) -> list[int]:
        """The members of the strip: the answers, then picks and others evenly spread, least flipped first."""
        answers = front.answers()
        order = [*answers, *(i for i in front.along(most=len(front)) if i not in answers)]
        if self.strip >= len(front):
            return order
        first = list(dict.fromkeys([*answers[: self.strip], *picks.values()]))
        first = first[: max(1, self.strip // 2, min(len(answers), self.strip))]
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
    Plan(Codec("webp", 88, 128), strip=8, pictured=12, members=400, changes=100),
    Plan(Codec("webp", 85, 128), strip=7, pictured=0, members=200, changes=100),
    Plan(Codec("webp", 82, 96), strip=6, pictured=0, members=120, changes=100),
    Plan(Codec("webp", 80, 96), strip=5, pictured=0, members=100, changes=50),
    Plan(Codec("webp", 78, 64), strip=4, pictured=0, members=60, changes=50),
    Plan(Codec("webp", 75, 64), strip=3, pictured=0, members=40, changes=50, rerenders=False),
    Plan(Codec("webp", 70, 64), strip=2, pictured=0, members=30, changes=25, heat=False, rerenders=False),
    Plan(Codec("webp", 60, 48), strip=1, pictured=0, members=16, changes=12, heat=False, rerenders=False),
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


def ceiling(fronts: int) -> int:
    """Bytes that a whole page of so many fronts may have; past it the next plan is tried."""
    return min(MOST_PAGE, int(1.2 * budget(fronts)) + 200_000)


def fitting(fronts: Sequence[ParetoFront], *, rerenders: bool) -> tuple[Plan, ...]:
    """The first plan whose estimated size fits the budget, and those after it.

    Pictures are weighed on a sample, the same for the same fronts.
    """
    sample = _sample(fronts)
    heat = _weigh_heat(sample)
    for i, plan in enumerate(PLANS):
        weight = _Weight(_weigh([p for p, _ in sample], plan.codec), heat)
        total = sum(_cost(f, plan, weight=weight, rerenders=rerenders) for f in fronts)
        if total <= budget(len(fronts)):
            return PLANS[i:]
    return PLANS[-1:]


@final
@dataclass(frozen=True, slots=True)
class _Weight:
    """Bytes of one picture and of one difference map, as the page holds them."""

    picture: float
    heat: float


def _sample(fronts: Sequence[ParetoFront]) -> list[tuple[Picture, Picture]]:
    chosen = thinned([i for i, f in enumerate(fronts) if f.picture is not None and len(f)], most=_SAMPLE)
    return [
        (picture, original)
        for i in chosen
        if (picture := fronts[i].picture_of(len(fronts[i]) // 2)) is not None
        and (original := fronts[i].picture) is not None
    ]


def _weigh(sample: Sequence[Picture], codec: Codec) -> float:
    if not sample:
        return 0.0
    return sum(len(codec.encode(p)) for p in sample) / len(sample) * 4 / 3 + 40


def _weigh_heat(sample: Sequence[tuple[Picture, Picture]]) -> float:
    gaps = [difference(picture, original) for picture, original in sample]
    top = heat_top(gaps)
    return sum(len(heat_png(gap, top=top)) for gap in gaps) / max(1, len(gaps)) * 4 / 3 + 100


def _cost(front: ParetoFront, plan: Plan, *, weight: _Weight, rerenders: bool) -> float:
    n, m = len(front), len(front.objectives)
    members, strip = min(n, plan.members), min(n, plan.strip)
    words = 8 * min(len(front.variables), plan.changes)
    data = members * (_MEMBER_DATA + 7 * m + words)
    if not front.modality.pictured:
        return data + strip * _TILE_MARKUP + _ROW_MARKUP
    copies = 2 if rerenders and plan.rerenders else 1
    pictures = (2 + strip * copies + min(plan.pictured, members - strip)) * weight.picture
    heat = strip * weight.heat if plan.heat else 0
    return data + pictures + heat + strip * _TILE_MARKUP + _ROW_MARKUP
