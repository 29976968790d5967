"""What a model answers with a column, or what goes with it, moved to another group: against a linear model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from cfsearch.audits.columns import measuring
from cfsearch.audits.columns.measuring import MeasuredColumn, measure_columns
from cfsearch.audits.columns.moving import sampling_error
from cfsearch.audits.columns.protection import NONE, Protected
from cfsearch.audits.columns.querying import Queried, clip
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Link, TableSchema, Variables

REAL, LEVELS = ColumnKind.REAL, ColumnKind.CATEGORICAL
SEX = Column(name="sex", kind=LEVELS, levels=("f", "m"))
HOURS = Column(name="hours", kind=REAL, low=0, high=100)
INCOME = Column(name="income", kind=REAL, low=0, high=100)
PLAIN = TableSchema(columns=(SEX, HOURS, INCOME))
WEIGHTS = (0.5, 0.02, 0.01)


class Linear(Provider):
    """Log-odds of "yes" are a weighted sum."""

    name, labels = "linear", ("no", "yes")

    def __init__(
        self, weights: Sequence[float] = WEIGHTS, *, scores: ScoreKind = ScoreKind.LOGITS, most: int = 100
    ) -> None:
        self.weights, self.scores, self.max_batch = torch.tensor(weights).double(), scores, most
        self.asked: list[int] = []

    @property
    def fingerprint(self) -> str:
        return "l"

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(x))
        odds = x.double() @ self.weights
        if self.scores is ScoreKind.LOGITS:
            return torch.stack([torch.zeros_like(odds), odds], dim=1)
        if self.scores is ScoreKind.LABELS:
            return torch.eye(2)[(odds > 0.5).long()]
        p = odds.clamp(0, 1)
        return torch.stack([1 - p, p], dim=1)


ROWS = torch.tensor([[0, 10, 5], [0, 20, 5], [1, 30, 5], [1, 40, 5]]).double()
OF = (0, 0, 1, 1)


def sex(
    of: Sequence[int] = OF, *, taken: bool = True, names: tuple[str, ...] = ("f", "m"), **parts: Any
) -> Protected:
    return Protected("sex", "sex", False, taken, names, torch.tensor(of), **parts)


def measured(
    rows: torch.Tensor = ROWS,
    one: Protected | None = None,
    *,
    model: Linear | None = None,
    schema: TableSchema = PLAIN,
    **given: Any,
) -> MeasuredColumn:
    known: dict[str, Any] = {
        "names": [f"row {i}" for i in range(len(rows))],
        "variables": Variables.of(schema),
        "label": 1,
    }
    [found] = measure_columns(model or Linear(), rows, [one or sex()], **{**known, **given})
    return found


def sums(rows: list[list[float]], weights: Sequence[float] = WEIGHTS) -> list[float]:
    return (torch.tensor(rows).double() @ torch.tensor(weights).double()).tolist()


def test_rows_are_queried_once_and_in_pieces_that_the_model_takes() -> None:
    model = Linear(most=2)
    ask = Queried(model, 1)
    rows = ROWS[[0, 1, 0, 2, 1]]
    odds, p, classes = ask(rows)
    assert model.asked == [2, 1]
    expected = torch.tensor(sums(rows.tolist())).double()
    assert torch.allclose(odds, expected) and torch.allclose(p, expected.sigmoid())
    assert classes.tolist() == (expected > 0).long().tolist()
    ask(ROWS[:3])
    assert model.asked == [2, 1]
    ask(ROWS)
    assert model.asked == [2, 1, 1]
    assert ask.scores(ROWS[:0]).shape == (0, 2)
    other, *_ = Queried(model, 0)(rows)
    assert torch.allclose(other, -expected)
    assert not ask.clipped
    single = Linear(most=0)
    Queried(single, 1)(ROWS[:2])
    assert single.asked == [1, 1]


@pytest.mark.parametrize(
    ("scores", "weights", "clipped"),
    [
        (ScoreKind.PROBABILITIES, (1.0, 0.0, 0.0), True), (ScoreKind.PROBABILITIES, (0.1, 0.01, 0.0), False),
        (ScoreKind.LOGITS, (0.0, 0.0, 0.0), False), (ScoreKind.LABELS, (1.0, 0.0, 0.0), False),
    ],
)  # fmt: skip
def test_probabilities_of_exactly_0_are_noticed(
    scores: ScoreKind, weights: tuple[float, ...], clipped: bool
) -> None:
    found = measured(model=Linear(weights, scores=scores))
    assert found.clipped is clipped
    assert found.graded is (scores is not ScoreKind.LABELS)


def test_one_clipped_answer_marks_it_whatever_comes_later() -> None:
    model = Linear((1.0, 0.0, 0.0), scores=ScoreKind.PROBABILITIES)
    ask = Queried(model, 1)
    ask(ROWS[:1])
    ask(torch.tensor([[0.5, 0.0, 0.0]]).double())
    assert ask.clipped


def test_log_odds_are_clipped_at_a_two_hundredth() -> None:
    most = float(np.log(199))
    assert clip(torch.tensor([-9.0, -5.0, 0.0, 5.29, 9.0]).double()).tolist() == pytest.approx(
        [-most, -5.0, 0.0, 5.29, most]
    )


def test_a_column_alone_is_set_to_each_group() -> None:
    found = measured()
    assert (found.rows, found.label, found.linked) == (("row 0", "row 1", "row 2", "row 3"), "yes", ())
    own = [r[1:] for r in ROWS.tolist()]
    for group in (0, 1):
        expected = torch.tensor(sums([[group, *rest] for rest in own])).double()
        assert torch.allclose(found.odds[:, group], expected)
        assert torch.allclose(found.p[:, group], expected.sigmoid())
    assert found.classes.tolist() == [[1, 1]] * 4 and found.own.tolist() == [1] * 4
    assert (found.linked_odds.shape, found.linked_p.shape) == ((4, 0), (4, 0))
    assert found.protected.of.tolist() == list(OF) and found.protected.reference is None


def test_classes_are_those_of_the_rows_as_changed_and_as_they_are() -> None:
    found = measured(model=Linear((50.0, -1.0, 0.0)))
    assert found.classes.tolist() == [[0, 1]] * 4
    assert found.own.tolist() == [0, 0, 1, 1]


def test_the_weights_of_groups_are_their_shares_among_those_in_one() -> None:
    found = measured(one=sex((0, 1, NONE, 0)))
    assert found.weights.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_rows_in_no_group_are_set_too_and_move_nothing() -> None:
    found = measured(one=sex((0, NONE, 1, 1)))
    assert torch.allclose(found.odds[1], torch.tensor(sums([[0, 20, 5], [1, 20, 5]])).double())
    assert found.moves is not None and found.moves.rows.tolist() == [0, 2, 3]
    assert measured(one=sex((NONE,) * 4)).moves is None


def test_numbers_are_moved_by_rank_to_the_values_of_the_group() -> None:
    ages = TableSchema(columns=(Column(name="sex", kind=REAL, low=0, high=9), HOURS, INCOME))
    rows = torch.tensor([[1, 10, 5], [2, 20, 5], [7, 30, 5], [8, 40, 5]]).double()
    found = measured(rows, schema=ages)
    first = sums([[1, 10, 5], [2, 20, 5], [1, 30, 5], [2, 40, 5]])
    second = sums([[7, 10, 5], [8, 20, 5], [7, 30, 5], [8, 40, 5]])
    assert torch.allclose(found.odds, torch.tensor([first, second]).double().T)


def test_other_columns_move_to_the_other_groups_distribution() -> None:
    moves = measured().moves
    assert moves is not None
    assert (moves.columns, moves.rows.tolist(), tuple(moves.logits.shape)) == (
        ("hours", "income"),
        [0, 1, 2, 3],
        (1, 2, 4),
    )
    weight = WEIGHTS[1]
    assert moves.logits[0, 0].tolist() == pytest.approx([-20 * weight] * 4)
    assert moves.logits[0, 1].tolist() == moves.probability[0, 1].tolist() == [0.0] * 4
    there = torch.tensor([[0, 30, 5], [0, 40, 5], [1, 10, 5], [1, 20, 5]]).double()
    change = torch.tensor(sums(there.tolist())).sigmoid() - torch.tensor(sums(ROWS.tolist())).sigmoid()
    sign = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    assert torch.allclose(moves.probability[0, 0], (sign * change).double(), atol=1e-6)
    assert float(moves.error[0, 0]) == pytest.approx(weight * np.sqrt(50 / 2 + 50 / 2))
    before, after = ROWS[:, 1].numpy(), there[:, 1].numpy()
    samples = (before[:2], before[2:])
    assert float(moves.error_p[0, 0]) == pytest.approx(
        sampling_error(change.double().numpy(), before, after, samples, ordered=True), rel=1e-5
    )
    assert moves.error[0, 1] == moves.error_p[0, 1] == 0


def test_moves_of_log_odds_are_those_of_the_model_however_sure_it_is() -> None:
    for weights in ((0.0, 1.0, 0.0), (-30.0, 1.0, 0.0), (500.0, 1.0, 0.0)):
        moves = measured(model=Linear(weights)).moves
        assert moves is not None
        assert moves.logits[0, 0].tolist() == pytest.approx([-20.0] * 4)
        assert float(moves.error[0, 0]) == pytest.approx(np.sqrt(50 / 2 + 50 / 2))


def test_moves_of_log_odds_are_clipped_where_probabilities_of_0_were_met() -> None:
    model = Linear((0.0, 0.04, 0.0), scores=ScoreKind.PROBABILITIES)  # 0.4, 0.8, 1 and 1
    found = measured(model=model)
    most, odds = float(np.log(199)), [float(np.log(p / (1 - p))) for p in (0.4, 0.8)]
    assert found.clipped and found.moves is not None
    # 10 and 20 go to 30 and 40 and back: to and from what is clipped
    expected = [odds[0] - most, odds[1] - most] * 2
    assert found.moves.logits[0, 0].tolist() == pytest.approx(expected)
    change = np.array(expected) * np.array([-1, -1, 1, 1])
    before, after = ROWS[:, 1].numpy(), ROWS[[2, 3, 0, 1], 1].numpy()
    assert float(found.moves.error[0, 0]) == pytest.approx(
        sampling_error(change, before, after, (before[:2], before[2:]), ordered=True)
    )


def test_what_is_clipped_is_decided_when_all_was_queried() -> None:
    """Moves that were measured before the first probability of 0 are clipped like those after it."""
    rows = torch.tensor([[0, 60, 10], [0, 10, 60], [1, 89.7, 10], [1, 10, 60]]).double()  # 0.7 and 0.997
    low, high, most = (float(np.log(p / (1 - p))) for p in (0.7, 0.997, 0.995))
    hours = Protected("work", "", False, False, ("much", "little"), torch.tensor([0, 1, 0, 1]))

    def first(*others: Protected) -> MeasuredColumn:
        model = Linear((0.0, 0.01, 0.01), scores=ScoreKind.PROBABILITIES)
        names, variables = list("abcd"), Variables.of(PLAIN)
        return measure_columns(model, rows, [sex(), *others], names=names, variables=variables, label=1)[0]

    for one, clipped, top in ((first(), False, high), (first(hours), True, most)):
        assert one.clipped is clipped and one.moves is not None
        assert one.moves.logits[0, 0].tolist() == pytest.approx([low - top, 0.0, low - top, 0.0], rel=1e-4)
        expected = abs(top - low) / 29.7 * np.sqrt(50**2 / 4 + 79.7**2 / 4)  # a line through the changes seen
        assert float(one.moves.error[0, 0]) == pytest.approx(expected, rel=1e-4)


def test_levels_move_by_coupling_and_more_groups_each_against_all_others() -> None:
    job = Column(name="job", kind=LEVELS, levels=("a", "b", "c"))
    schema = TableSchema(columns=(SEX, job))
    rows = torch.tensor([[0, 0], [0, 0], [1, 1], [1, 1], [0, 2], [1, 2]]).double()
    found = measured(
        rows, sex((0, 0, 1, 1, 2, 2), names=("x", "y", "z")), model=Linear((0.0, 0.1)), schema=schema
    )
    moves = found.moves
    assert moves is not None and tuple(moves.logits.shape) == (3, 1, 6)
    last = moves.logits[2, 0]  # z has c alone; the others a and b
    assert last[:4].tolist() == pytest.approx([0.2, 0.2, 0.1, 0.1])
    assert set(last[4:].round(decimals=6).tolist()) <= {0.2, 0.1}


def test_distributions_are_those_of_the_reference_where_there_is_one() -> None:
    reference = torch.tensor([[0, 10, 5], [0, 20, 5], [1, 50, 5], [1, 60, 5], [1, 99, 5]]).double()
    own = torch.tensor([0, 0, 1, 1, NONE])
    weight = WEIGHTS[1]
    moves = measured(one=sex(reference=own), reference=reference).moves
    assert moves is not None
    assert moves.logits[0, 0].tolist() == pytest.approx(
        [-40 * weight, -40 * weight, -20 * weight, -30 * weight]
    )
    half = sex(reference=torch.tensor([1, 1, 1, 1, NONE]), note="By value.")
    lacking = measured(one=half, reference=reference)
    assert lacking.protected.note == (
        "By value. A group is not among the reference rows, so that distributions are those of the audited ones."
    )
    for one, given in ((sex(), reference), (sex(reference=own), None), (half, reference)):
        moves = measured(one=one, reference=given).moves
        assert moves is not None and moves.logits[0, 0].tolist() == pytest.approx([-20 * weight] * 4)


def test_a_column_that_the_model_does_not_take_is_set_to_nothing() -> None:
    schema = TableSchema(columns=(HOURS, INCOME))
    found = measured(ROWS[:, 1:], sex(taken=False), model=Linear(WEIGHTS[1:]), schema=schema)
    expected = torch.tensor(sums(ROWS[:, 1:].tolist(), WEIGHTS[1:])).double()
    assert torch.allclose(found.odds, expected[:, None].expand(-1, 2)) and found.linked == ()
    assert found.moves is not None and found.moves.columns == ("hours", "income")


@pytest.mark.parametrize("names", [(), ("f",)])
def test_with_fewer_than_two_groups_nothing_is_moved(names: tuple[str, ...]) -> None:
    model = Linear()
    found = measured(one=sex((0,) * 4 if names else (NONE,) * 4, names=names), model=model)
    assert (found.odds.shape, found.p.shape, found.classes.shape, found.classes.dtype) == (
        (4, 0),
        (4, 0),
        (4, 0),
        torch.int64,
    )
    assert found.own.tolist() == [1] * 4 and found.moves is None and sum(model.asked) == 4
    assert found.protected.names == names


def numbered(n: int) -> torch.Tensor:
    return torch.stack([torch.tensor([i % 2, i, 5]).double() for i in range(n)])


def test_many_rows_are_spread_over_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, of = numbered(101), [i % 2 for i in range(101)]
    monkeypatch.setattr(measuring, "LEAST", 1)
    some = measured(rows, sex(of), most=5)
    assert some.rows == ("row 0", "row 25", "row 50", "row 75", "row 100")
    assert some.protected.of.tolist() == [0, 1, 0, 1, 0] and some.added == ()
    assert some.counts == (51, 50) and some.weights.tolist() == pytest.approx([51 / 101, 50 / 101])
    assert len(measured(rows, sex(of), most=101).rows) == 101
    rows, of = numbered(11), [i % 2 for i in range(11)]
    monkeypatch.setattr(measuring, "MOST_MOVED", 3)
    moves = measured(rows, sex(of)).moves
    assert moves is not None and moves.rows.tolist() == [0, 5, 10]
    assert moves.logits.shape == (1, 2, 3)
    monkeypatch.setattr(measuring, "MOST_MOVED", 11)
    moves = measured(rows, sex(of)).moves
    assert moves is not None and len(moves.rows) == 11


def test_of_a_rare_group_ten_rows_are_measured_wherever_they_stand() -> None:
    rows = numbered(1001)
    for rare in (range(1, 13), range(0, 1000, 84), (*range(0, 81, 20), *range(501, 508))):
        of = [int(i in rare) for i in range(1001)]
        found = measured(rows, sex(of), model=Linear(most=1000), most=101)
        spread = [f"row {10 * i}" for i in range(101)]
        assert found.rows[:101] == tuple(spread)
        places = [int(name.removeprefix("row ")) for name in found.rows]
        assert found.protected.of.tolist() == [of[i] for i in places] and len(set(places)) == len(places)
        assert sum(found.protected.of.tolist()) == 10
        assert found.added == tuple(range(101, len(places)))
        assert found.spread.tolist() == [True] * 101 + [False] * len(found.added)
        assert found.counts == (1001 - len(rare), len(rare))
        assert found.weights.tolist() == pytest.approx([1 - len(rare) / 1001, len(rare) / 1001])
        assert found.moves is not None and int(found.moves.rows.max()) < 101
    few = measured(rows, sex([NONE] * 989 + [0, 1] * 6), most=11)
    assert [int((few.protected.of == group).sum()) for group in (0, 1)] == [6, 6]  # all that there are


TITLE = Column(name="title", kind=LEVELS, levels=("Mr", "Mrs", "Ms"))
LINKED = TableSchema(
    columns=(SEX, TITLE, HOURS), links=(Link(columns=("sex", "title"), rows=((1, 0), (0, 1), (0, 2))),)
)
COUPLES = torch.tensor([[0, 1, 10], [0, 2, 80], [1, 0, 20], [1, 0, 70]]).double()


def test_linked_columns_move_along_as_they_are_with_the_nearest_of_the_group() -> None:
    weights = (1.0, 0.1, 0.0)
    found = measured(COUPLES, schema=LINKED, model=Linear(weights))
    assert found.linked == ("title",)
    alone = [sums([[g, *r[1:]] for r in COUPLES.tolist()], weights) for g in (0, 1)]
    assert torch.allclose(found.odds, torch.tensor(alone).double().T)
    as_women = sums([[0, 1, 10], [0, 2, 80], [0, 1, 20], [0, 2, 70]], weights)
    as_men = sums([[1, 0, 10], [1, 0, 80], [1, 0, 20], [1, 0, 70]], weights)
    expected = torch.tensor([as_women, as_men]).double().T
    assert torch.allclose(found.linked_odds, expected)
    assert torch.allclose(found.linked_p, expected.sigmoid())
    assert found.moves is not None and found.moves.columns == ("hours", "title")
    # women's titles go to Mr, men's to Mrs or Ms: 0 less 1 or 2, and back
    title = (found.moves.logits[0, 1] / 0.1).round().tolist()
    assert title[:2] == [1, 2] and set(title[2:]) <= {1, 2}


def test_a_linked_column_of_numbers_is_moved_by_rank() -> None:
    links = (Link(columns=("sex", "hours"), rows=((0, 10), (0, 20), (1, 30), (1, 40))),)
    schema = TableSchema(columns=(SEX, HOURS, INCOME), links=links)
    rows = torch.tensor([[0, 20, 5], [0, 10, 5], [1, 30, 5], [1, 40, 5]]).double()
    found = measured(rows, schema=schema)
    assert found.moves is not None and found.moves.columns == ("income", "hours")
    # women less men: 20 of the women's goes to 40 of the men's, 10 to 30, and back, each 20 hours
    assert found.moves.logits[0, 1].tolist() == pytest.approx([-20 * WEIGHTS[1]] * 4)


def test_columns_that_follow_move_along() -> None:
    double = Column(name="double", kind=REAL, low=0, high=100)
    number = Column(name="sex", kind=REAL, low=0, high=50)
    schema = TableSchema(columns=(number, double, HOURS), relations=("double = 2 * sex",))
    rows = torch.tensor([[1, 2, 10], [2, 4, 10], [7, 14, 10], [8, 16, 10]]).double()
    found = measured(rows, schema=schema, model=Linear((1.0, 0.01, 0.0)))
    assert found.linked == ("double",)
    expected = sums([[1, 2, 10], [2, 4, 10], [1, 2, 10], [2, 4, 10]], (1.0, 0.01, 0.0))
    assert torch.allclose(found.linked_odds[:, 0], torch.tensor(expected).double())


def test_a_measured_column_says_nothing_that_it_is_not_given() -> None:
    empty = torch.zeros(4, 0)
    bare = MeasuredColumn(
        sex(), ("a", "b", "c", "d"), "yes", empty, empty, empty.long(), torch.zeros(4).long()
    )
    assert (bare.linked, bare.moves, bare.graded, bare.clipped) == ((), None, True, False)
    assert (bare.linked_odds.shape, bare.linked_p.shape) == ((0, 0), (0, 0))


def test_ranks_are_those_in_the_known_rows_and_not_among_the_audited_ones() -> None:
    """Third and fourth of four known numbers become third and fourth of the other group's."""
    ages = TableSchema(columns=(Column(name="sex", kind=REAL, low=0, high=20), HOURS, INCOME))
    known = torch.tensor([[age, 0, 0] for age in (1, 2, 3, 4, 11, 12, 13, 14)]).double()
    of = torch.tensor([0] * 4 + [1] * 4)
    rows = torch.tensor([[3, 10, 5], [4, 20, 5]]).double()
    found = measured(rows, sex((0, 0), reference=of), schema=ages, reference=known)
    assert torch.allclose(found.odds[:, 1], torch.tensor(sums([[13, 10, 5], [14, 20, 5]])).double())
