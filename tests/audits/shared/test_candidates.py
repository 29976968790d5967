"""Shared changes gathered from fronts: which patterns, how far, in which order."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from cfsearch.audits.shared.candidates import CandidateTally, How, Move, SharedChange, points
from cfsearch.contracts.space import SearchSpace
from cfsearch.fronts.front import ParetoFront
from tests.audits.fronts import front_of

NAMES = ("a", "b", "c", "d")


def front(*z: Sequence[float], verified: Sequence[bool] | None = None, **parts: Any) -> ParetoFront:
    """Members that change pictures of four attributes, which stand at 0.125 each."""
    return front_of(z, variables=NAMES, verified=verified, origin_values=torch.full((4,), 0.125), **parts)


def rows(*z: Sequence[float]) -> ParetoFront:
    """Members that change rows of four numbers, each of a range of 8; "d" is a category."""
    return front(
        *z,
        row=torch.zeros(4, dtype=torch.float64),
        rows=torch.zeros(len(z), 4, dtype=torch.float64),
        scale=torch.full((4,), 8.0),
        categories=("d",),
    )


def tally(*fronts: ParetoFront, how: How = "by", steps: Sequence[float] = ()) -> CandidateTally:
    made = CandidateTally(how=how, steps=steps)
    for one in fronts:
        made.add(one)
    return made


def moves(made: CandidateTally, *, most: int = 99) -> list[tuple[tuple[str, str, How, float], ...]]:
    return [
        tuple((m.variable, m.direction, m.how, m.value) for m in one.moves) for one in made.changes(most=most)
    ]


@pytest.mark.parametrize(("how", "value"), [("by", 0.5), ("to", 0.625)])
def test_a_change_is_how_far_it_goes_or_where_it_ends(how: How, value: float) -> None:
    """A change by 0.5 of an attribute that stands at 0.125."""
    assert moves(tally(front([0.5, 0.0, 0.0, 0.0]), how=how)) == [(("a", "+", how, value),)]


@pytest.mark.parametrize(("how", "value"), [("by", -2.0), ("to", -1.875)])
def test_of_rows_it_is_in_the_columns_unit(how: How, value: float) -> None:
    """A quarter of a range of 8 downwards."""
    assert moves(tally(rows([0.0, -0.25, 0.0, 0.0]), how=how)) == [(("b", "-", how, value),)]


@pytest.mark.parametrize("how", ["by", "to"])
def test_a_category_is_always_set_to_its_level(how: How) -> None:
    assert moves(tally(rows([0.0, 0.0, 0.0, 0.25]), how=how)) == [(("d", "~", "to", 2.125),)]


def test_a_member_of_several_changes_counts_whole_and_in_parts() -> None:
    found = moves(tally(front([0.5, -0.5, 0.0, 0.0])))
    a, b = ("a", "+", "by", 0.5), ("b", "-", "by", -0.5)
    assert sorted(found, key=len) == [(a,), (b,), (a, b)]


def test_three_changes_are_shared_as_a_whole_and_four_in_parts_only() -> None:
    three, four = tally(front([0.5, 0.5, 0.5, 0.0])), tally(front([0.5, 0.5, 0.5, 0.5]))
    assert [len(one) for one in moves(three)] == [1, 1, 1, 3]
    assert [len(one) for one in moves(four)] == [1, 1, 1, 1]


def test_of_each_pattern_the_nearest_verified_member_of_an_input_counts() -> None:
    members = ([0.9, 0, 0, 0], [0.5, 0, 0, 0], [0.3, 0, 0, 0])
    assert moves(tally(front(*members, verified=[True, True, False]))) == [(("a", "+", "by", 0.5),)]


def test_eight_members_of_a_front_are_looked_at() -> None:
    near = [[0.3 + 0.01 * i, 0, 0, 0] for i in range(8)]
    assert len(moves(tally(front(*near, [0, 0.9, 0, 0])))) == 1
    assert len(moves(tally(front(*near[1:], [0, 0.9, 0, 0])))) == 2


def test_a_change_is_tried_as_far_as_half_and_nine_tenths_of_the_inputs_go() -> None:
    """Of eleven inputs that go 2 to 12 eighths, the sixth goes 7 and the tenth 11; downwards alike."""
    sizes = [i / 8 for i in range(2, 13)]
    up, down = tally(*(front([s, 0, 0, 0]) for s in sizes)), tally(*(front([-s, 0, 0, 0]) for s in sizes))
    assert moves(up) == [(("a", "+", "by", 0.875),), (("a", "+", "by", 1.375),)]
    assert moves(down) == [(("a", "-", "by", -0.875),), (("a", "-", "by", -1.375),)]


def test_what_most_inputs_share_comes_first_then_what_changes_less() -> None:
    made = tally(front([0, 0.5, 0, 0]), front([0.5, 0.5, 0, 0]), front([0, 0.5, 0.5, 0]))
    found = made.changes(most=99)
    assert [(one.support, tuple(m.variable for m in one.moves)) for one in found] == [
        (3, ("b",)), (1, ("a",)), (1, ("c",)), (1, ("a", "b")), (1, ("b", "c")),
    ]  # fmt: skip
    assert made.changes(most=2) == found[:2]


@pytest.mark.parametrize(("z", "value"), [(0.5, 4.5), (-0.5, -4.5), (0.5625, 4.5), (0.6, 6.0)])
def test_a_change_ends_on_a_step_rather_further_than_short_of_it(z: float, value: float) -> None:
    """Changes of 4, 4.5 and 4.8 of a column with steps of 1.5."""
    made = tally(rows([0, z, 0, 0]), steps=(0.0, 1.5, 0.0, 1.0))
    assert moves(made) == [(("b", "+" if z > 0 else "-", "by", value),)]


def test_points_are_in_the_unit_of_the_search() -> None:
    space = SearchSpace(
        names=("a", "b"),
        lower=torch.full((1, 2), -1.0),
        upper=torch.full((1, 2), 1.0),
        origin=torch.tensor([[3.0, 1.0]]),
        scale=torch.tensor([8.0, 4.0]),
    )
    changes = [
        SharedChange((Move(0, "a", "-", "by", -2.0),), 1),
        SharedChange((Move(0, "a", "+", "to", 7.0), Move(1, "b", "~", "to", 0.0)), 1),
        SharedChange((Move(0, "a", "+", "to", 2.0), Move(1, "b", "~", "to", 3.0)), 1),
    ]
    assert points(changes, space)[0].tolist() == [[-0.25, 0.0], [0.5, -0.25], [0.0, 0.5]]
