"""How much of each front a page includes: spread evenly, within bytes that are counted by hand."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from cfsearch.report.pictures import Codec
from cfsearch.report.plan import PLANS, Plan, _cost, _Weight, budget, ceiling, fitting, thinned

from .conftest import MakeFront


@pytest.mark.parametrize(
    ("indices", "most", "kept"),
    [
        (range(5), 5, [0, 1, 2, 3, 4]),
        (range(5), 9, [0, 1, 2, 3, 4]),
        (range(5), 3, [0, 2, 4]),
        (range(5), 1, [0]),
        (range(5), 0, []),
        (range(5), -2, []),
        (range(10, 20), 4, [10, 13, 16, 19]),
        ([], 3, []),
    ],
)
def test_indices_are_thinned_evenly_with_both_ends(
    indices: range | list[int], most: int, kept: list[int]
) -> None:
    assert thinned(indices, most=most) == kept


@pytest.mark.parametrize(
    ("fronts", "bytes_", "page"),
    [
        (0, 1_900_000, 2_480_000),
        (1, 1_925_000, 2_510_000),
        (100, 4_400_000, 5_480_000),
        (900, 17_500_000, 19_900_000),
    ],
)
def test_the_budget_grows_with_the_fronts_up_to_its_end(fronts: int, bytes_: int, page: int) -> None:
    assert (budget(fronts), ceiling(fronts)) == (bytes_, page)


def plan(**more: int | bool) -> Plan:
    settings = {"strip": 3, "pictured": 2, "members": 6} | more
    return Plan(Codec("png", 100, 64), **settings)  # type: ignore[arg-type] # numbers and switches


class TestChosen:
    """Members of the strip and of the explorer."""

    def test_a_small_front_is_shown_whole_with_its_answers_first(self, make_front: MakeFront) -> None:
        front = make_front(n=4)
        shown = plan(strip=4).shown(front, picks={})
        answers = front.answers()
        assert shown[: len(answers)] == answers
        assert sorted(shown) == [0, 1, 2, 3]

    def test_of_a_larger_one_answers_then_picks_and_others_spread(self, make_front: MakeFront) -> None:
        front = make_front(n=20)
        answers = front.answers()
        for strip in (1, 3, 8, 12):
            shown = plan(strip=strip).shown(front, picks={"knee": 11, "closest": 19})
            assert len(shown) == len(set(shown)) == strip
            assert set(shown[: min(strip, len(answers))]) <= set(answers)
        shown = plan(strip=12).shown(front, picks={"knee": 11, "closest": 19})
        assert {*answers, 11, 19} <= set(shown)
        along = [i for i in front.along(most=20) if i not in answers]
        rest = [i for i in shown if i not in answers]
        assert rest == [i for i in along if i in rest]  # in the order of the front

    def test_the_explorer_holds_the_strip_and_others_in_order(self, make_front: MakeFront) -> None:
        front = make_front(n=20)
        assert plan(members=20).explored(front, first=[3]) == list(range(20))
        explored = plan(members=6).explored(front, first=[19, 3, 3])
        assert explored == sorted(explored)
        assert len(explored) == len(set(explored)) == 6
        assert {3, 19} <= set(explored)

    def test_further_pictures_are_of_those_that_the_strip_lacks(self) -> None:
        assert plan(pictured=2).further([0, 1, 2, 3, 4], shown=[0, 4]) == [1, 3]
        assert plan(pictured=9).further([0, 1, 2], shown=[1]) == [0, 2]
        assert plan(pictured=0).further([0, 1, 2], shown=[1]) == []


class TestCost:
    """Bytes of a front on the page; a picture weighs 100 here and a difference map 10.

    The front has 5 members, 3 objectives and 4 variables: a member takes 26 + 7 x 3 + 8 x 4 = 79 bytes of data, a
    tile 620 of markup, the row 900.
    """

    WEIGHT: ClassVar = _Weight(picture=100.0, heat=10.0)

    @pytest.mark.parametrize(
        ("changes", "rerenders", "cost"),
        [
            # original and reconstruction, 3 tiles, 2 further ones; 3 maps
            ({}, False, 5 * 79 + (2 + 3 + 2) * 100 + 3 * 10 + 3 * 620 + 900),
            ({}, True, 5 * 79 + (2 + 6 + 2) * 100 + 3 * 10 + 3 * 620 + 900),
            ({"rerenders": False}, True, 5 * 79 + 7 * 100 + 3 * 10 + 3 * 620 + 900),
            ({"heat": False}, False, 5 * 79 + 7 * 100 + 3 * 620 + 900),
            ({"members": 4}, False, 4 * 79 + (2 + 3 + 1) * 100 + 3 * 10 + 3 * 620 + 900),
            ({"strip": 9, "pictured": 9}, False, 5 * 79 + (2 + 5 + 0) * 100 + 5 * 10 + 5 * 620 + 900),
        ],
    )
    def test_of_pictures(
        self, make_front: MakeFront, changes: dict[str, int | bool], rerenders: bool, cost: int
    ) -> None:
        assert _cost(make_front(n=5), plan(**changes), weight=self.WEIGHT, rerenders=rerenders) == cost

    def test_of_rows(self, make_front: MakeFront) -> None:
        bare = make_front(n=5, images=False)
        rows = replace(bare, row=torch.zeros(4), rows=torch.zeros(5, 4))
        assert _cost(rows, plan(), weight=self.WEIGHT, rerenders=True) == 5 * 79 + 3 * 620 + 900


def test_few_fronts_take_the_first_plan_and_many_a_later_one(make_front: MakeFront) -> None:
    assert fitting([make_front(n=5)], rerenders=False) == PLANS
    assert fitting([], rerenders=True) == PLANS
    large = make_front(n=400, size=128)
    taken = fitting([large] * 200, rerenders=True)
    assert taken == PLANS[-len(taken) :]
    assert 0 < len(taken) < len(PLANS)
    huge = [replace(large, images=None, original=None, reconstruction=None)] * 6_500
    assert fitting(huge, rerenders=True) == PLANS[-1:]
