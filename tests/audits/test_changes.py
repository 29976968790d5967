"""Counts of changes, front by front, against those of a hand."""

from typing import Any

import pytest
import torch
from scipy.stats import binomtest

from cfsearch.audits import changes as module
from cfsearch.audits.changes import ChangeTally, changes

from .fronts import front_of


def plain(tally: ChangeTally) -> list[tuple[str, str, int, int]]:
    return [(c.variable, c.direction, c.count, c.n) for c in tally.changes()]


def test_only_the_sparsest_flip_of_a_front_counts_most_frequent_first() -> None:
    both, hat, beard = [0.9, -0.9], [0.9, 0.0], [0.0, -0.9]
    found = changes(
        [front_of([both, hat]), front_of([hat]), front_of([beard]), front_of([hat], verified=[False])]
    )
    assert [(c.variable, c.direction, c.count, c.n) for c in found] == [
        ("Hat", "+", 2, 3),
        ("Beard", "-", 1, 3),
    ]
    low, high = binomtest(2, 3).proportion_ci(method="wilson")
    assert found[0].rate.value == 2 / 3
    assert [found[0].rate.low, found[0].rate.high] == pytest.approx([low, high])


def test_ties_are_in_the_order_of_names_and_directions() -> None:
    found = changes(
        [front_of([[0.9, 0.9]]), front_of([[-0.9, 0.9]]), front_of([[0.9, 0.9]]), front_of([[-0.9, 0.9]])]
    )
    assert [(c.variable, c.direction) for c in found] == [("Beard", "+"), ("Hat", "+"), ("Hat", "-")]


def test_a_reconstruction_that_flips_says_nothing() -> None:
    tally = ChangeTally()
    tally.add(front_of(flips=True), 0)
    tally.add(front_of(), None)
    assert (tally.n, plain(tally), tally.changes()) == (0, [], [])


def test_of_pictures_a_change_counts_from_where_it_is_seen() -> None:
    found = changes([front_of([[0.25, -0.25]]), front_of([[0.249, -0.249]])])
    assert [(c.variable, c.direction, c.count, c.n) for c in found] == [
        ("Beard", "-", 1, 2),
        ("Hat", "+", 1, 2),
    ]


def test_levels_have_no_direction() -> None:
    rows: dict[str, Any] = {
        "row": torch.zeros(2).double(),
        "rows": torch.zeros(1, 2).double(),
        "categories": ("Hat",),
    }
    tally = ChangeTally()
    for z in ([[-0.01, 0.01]], [[1.0, -0.01]]):
        tally.add(front_of(z, **rows), 0)
    assert plain(tally) == [("Hat", "~", 2, 2), ("Beard", "+", 1, 2), ("Beard", "-", 1, 2)]


def test_words_count_once_a_text_whatever_their_place_and_case() -> None:
    pieces = ("A", " good", " Good", " film")
    front = front_of(
        [[1.0, 0.0], [1.0, 1.0]], text=pieces, texts=(pieces, ("A", " bad", " bad", "")), source=0
    )
    tally = ChangeTally()
    tally.add(front, 1)
    assert plain(tally) == [("film", "~", 1, 1), ("good", "~", 1, 1)]


def test_tallies_join_and_part() -> None:
    first, second = ChangeTally(), ChangeTally({("Beard", "-"): 1}, 2)
    for _ in range(3):
        first.add(front_of([[0.9, -0.9]]), 0)
    whole = first.joined([second, second])
    assert plain(whole) == [("Beard", "-", 5, 7), ("Hat", "+", 3, 7)]
    assert plain(whole.less(second)) == [("Beard", "-", 4, 5), ("Hat", "+", 3, 5)]
    assert plain(first) == [("Beard", "-", 3, 3), ("Hat", "+", 3, 3)]


def test_waiting_flips_are_counted_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD", 2)
    tally = ChangeTally()
    tally.add(front_of(), 0)
    assert len(tally._waiting) == 1
    tally.add(front_of(), 0)
    assert not tally._waiting
    tally.add(front_of(), 0)
    assert tally.counted() == {("Hat", "+"): 3, ("Hat", "-"): 0, ("Beard", "+"): 0, ("Beard", "-"): 0}
