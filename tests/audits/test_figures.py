"""Figures of an audit are counted row by row: the right ones, and no front is kept."""

import gc
import weakref
from collections import Counter
from dataclasses import replace

import pytest
import torch

from cfsearch.audits.changes import ChangeTally, changes
from cfsearch.audits.figures import Figures
from cfsearch.audits.groups import ColumnTally, GroupTally
from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import DamagedError
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow


def front(name: str, *moves: tuple[float, float], verified: bool = True) -> ParetoFront:
    """A front with a member for each change of (hat, beard), classes "no" and "yes"."""
    n = len(moves)
    return ParetoFront(
        name=name,
        labels=("no", "yes"),
        source=0,
        target=None,
        variables=("hat", "beard"),
        objectives=("a", "b"),
        units=("", ""),
        z=torch.tensor(moves),
        f=torch.zeros(n, 2),
        origin_values=torch.zeros(2),
        scores=torch.tensor([[0.0, 2.0]] * n),
        original_scores=torch.tensor([2.0, 0.0]),
        reconstruction_scores=torch.tensor([2.0, 0.0]),
        verified=torch.full((n,), verified),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * n,
        reason=Reason.BUDGET,
        evaluations=10,
        queries=12,
        seeding=2,
        reference_point=torch.ones(2),
    )


def row(
    i: int, found: ParetoFront | None, status: str = "found", code: str = "budget_exhausted"
) -> InstanceRow:
    return InstanceRow(f"row {i}", i, status, code, "why", f"{i:02d}", ("note",), found)


ROWS = (
    row(0, front("row 0", (0.5, 0.0), (0.5, 0.9))),
    row(1, front("row 1", (0.0, -0.7))),
    row(2, None, "failed", "data"),
    row(3, front("row 3", (0.6, 0.0), verified=False), "not_found"),
    row(4, front("row 4", (0.8, 0.0))),
)


def test_counts_changes_and_transitions_are_those_of_the_rows() -> None:
    figures = Figures.of("m", ROWS)
    counts = figures.counts()
    assert {
        k: counts[k] for k in ("instances", "searched", "found", "not_found", "already_target", "failed")
    } == {
        "instances": 5,
        "searched": 4,
        "found": 3,
        "not_found": 1,
        "already_target": 0,
        "failed": 1,
    }
    assert counts["questions"] == {"all": 4 * 12, "seeding": 4 * 2}
    assert counts["found_rate"]["value"] == 0.75
    assert [(c["variable"], c["direction"], c["count"], c["n"]) for c in figures.changes()] == [
        ("hat", "+", 2, 3),
        ("beard", "-", 1, 3),
    ]
    assert figures.transitions() == [{"model": "m", "from": "no", "to": "yes", "count": 3}]
    assert [one["key"] for one in figures.instances] == [f"m/row {i}" for i in range(5)]
    assert figures.instances[2]["message"] == "why"


class Counted(GroupTally):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, int | None]] = []

    def add(self, row: InstanceRow, sparsest: int | None) -> None:
        self.given.append((row.name, sparsest))

    def rows(self, model: str, **_: object) -> list[dict[str, object]]:
        return []


def test_groups_are_given_each_row_with_its_sparsest_flip() -> None:
    groups = Counted()
    Figures.of("m", [*ROWS, row(5, front("row 5", (0.9, 0.9), (0.3, 0.9), (0.0, 0.9)))], groups=groups)
    assert groups.given == [
        ("row 0", 0), ("row 1", 0), ("row 2", None), ("row 3", None), ("row 4", 0), ("row 5", 2),
    ]  # fmt: skip


def test_queries_are_of_all_fronts_or_not_given() -> None:
    unknown = replace(front("row 5", (0.5, 0.0)), queries=None)
    assert Figures.of("m", [*ROWS, row(5, unknown)]).counts()["questions"] is None


def test_nothing_of_a_front_is_kept() -> None:
    found = front("row 0", (0.5, 0.0))
    gone = weakref.ref(found.z), weakref.ref(found.f), weakref.ref(found.scores)
    figures = Figures("m")
    figures.add(row(0, found))
    del found
    gc.collect()
    assert [one() for one in gone] == [None, None, None]
    assert figures.changes()[0]["count"] == 1


def test_the_figures_under_another_id_are_the_same() -> None:
    figures = Figures.of("m", ROWS)
    other = figures.named("second")
    assert other.counts() == {**figures.counts(), "model": "second"}
    assert {one["model"] for one in other.instances} == {"second"}
    assert other.instances[0]["key"] == "second/row 0"
    assert {one["model"] for one in figures.instances} == {"m"}


@pytest.mark.parametrize("n", [1, 256, 257, 600])
def test_changes_of_many_fronts_are_counted_in_parts(n: int) -> None:
    found = changes(front("x", (0.5, 0.0) if i % 3 else (0.0, 0.5)) for i in range(n))
    hats = sum(1 for i in range(n) if i % 3)
    assert {(c.variable, c.count, c.n) for c in found} == {
        (name, count, n) for name, count in (("hat", hats), ("beard", n - hats)) if count
    }


def test_tallies_are_joined_and_taken_apart() -> None:
    one, two = ChangeTally(), ChangeTally()
    for _ in range(3):
        one.add(front("a", (0.5, 0.0)), 0)
    two.add(front("b", (0.5, 0.5)), 0)
    both = one.joined([two])
    assert (both.n, both.counted()) == (4, Counter({("hat", "+"): 4, ("beard", "+"): 1}))
    rest = both.less(one)
    assert (rest.n, rest.counted()) == (1, Counter({("hat", "+"): 1, ("beard", "+"): 1}))
    assert (one.n, two.n) == (3, 1)


def test_an_input_of_no_group_is_damage() -> None:
    tally = ColumnTally([RowGroups("sex", ("a", "b"), (0, 1))], ["row 0", "row 1"])
    tally.add(ROWS[0], 0)
    with pytest.raises(DamagedError, match="in which groups input 'row 4' is"):
        tally.add(ROWS[4], 0)
