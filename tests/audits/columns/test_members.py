"""Necessity, sufficiency and cost of fronts of rows made by hand, against a scorecard."""

import math
from typing import Any

import pytest
import torch

from cfsearch.audits.columns.members import MOST_MEMBERS, member_figures
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Link, TableSchema, Variables
from tests.audits.fronts import front_of, instance

SCHEMA = TableSchema(
    columns=(
        Column(name="sex", kind=ColumnKind.CATEGORICAL, levels=("f", "m")),
        Column(name="income", kind=ColumnKind.REAL, low=0, high=100),
        Column(name="debt", kind=ColumnKind.REAL, low=0, high=100),
    )
)


class Card(Provider):
    """Yes from 50 points on: 20 for a man, and the income."""

    name = "card"
    labels = ("no", "yes")
    max_batch = 3
    scores = ScoreKind.LOGITS

    @property
    def fingerprint(self) -> str:
        return "c"

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        assert len(x) <= self.max_batch
        points = 20 * x[:, 0] + x[:, 1] - 50
        return torch.stack([-points, points + 0.5], dim=1)


def found(
    i: int, row: list[float], *members: list[float], sizes: list[float] | None = None, **parts: Any
) -> Any:
    costs = [0.1 * (k + 1) for k in range(len(members))] if sizes is None else sizes
    front = front_of(
        [[3 * cost, 0.0, 0.0] for cost in costs], variables=SCHEMA.names, row=torch.tensor(row).double(),
        rows=torch.tensor(members).double(), **parts,
    )  # fmt: skip
    return instance(i, front)


def figures(*rows: Any, columns: tuple[str, ...] = ("sex",), schema: TableSchema = SCHEMA) -> Any:
    return member_figures(rows, columns, model=Card(), variables=Variables.of(schema))


def values(one: Any) -> list[list[float]]:
    return [
        [round(v, 6) for v in part.tolist()]
        for part in (one.cost, one.changed, one.necessary, one.sufficient)
    ]


def test_each_row_has_its_own_shares() -> None:
    one = found(0, [0, 30, 0], [1, 30, 0], [1, 60, 0], [0, 60, 0], [1, 45, 0])
    # changed in 3 of 4; taken back: 30 no, 60 yes, 45 no; alone: 20 + 30 is enough for all
    other = found(1, [0, 20, 0], [1, 40, 0], [0, 55, 0])
    # changed in 1 of 2; taken back: 40 no; alone: 20 + 20 is not enough
    third = found(2, [0, 20, 0], [0, 55, 0])
    made = figures(one, other, third)["sex"]
    assert made.rows == ("0", "1", "2")
    cost, changed, necessary, sufficient = values(made)
    assert cost == [0.1] * 3
    assert changed == [0.75, 0.5, 0.0]
    assert necessary[:2] == [round(2 / 3, 6), 1.0] and math.isnan(necessary[2])
    assert sufficient[:2] == [1.0, 0.0] and math.isnan(sufficient[2])


def test_only_what_was_found_counts_and_only_valid_members() -> None:
    missed = instance(1, found(1, [0, 20, 0], [1, 40, 0]).front, "not_found")
    half = found(2, [0, 30, 0], [1, 30, 0], [0, 60, 0], verified=[False, True])
    made = figures(instance(0, None, "failed"), missed, half)["sex"]
    assert made.rows == ("2",)
    assert values(made)[:2] == [[0.2], [0.0]]
    assert figures()["sex"].rows == () and figures()["sex"].cost.shape == (0,)


def test_the_nearest_eight_members_count() -> None:
    assert MOST_MEMBERS == 8
    members = [[0.0, 60.0, 0.0]] * 8 + [[1.0, 60.0, 0.0]] * 4
    sizes = [0.05] * 8 + [0.03, 0.04, 0.06, 0.07]
    [changed] = values(figures(found(0, [0, 30, 0], *members, sizes=sizes))["sex"])[1]
    assert changed == 0.25  # the two nearer ones, of eight
    assert values(figures(found(0, [0, 30, 0], *members, sizes=sizes))["sex"])[0] == [0.03]


def test_of_a_column_that_the_model_does_not_take_costs_alone_are_known() -> None:
    made = figures(found(0, [0, 30, 0], [1, 30, 0]), columns=("race", "sex"))
    assert list(made) == ["race", "sex"]
    cost, *others = values(made["race"])
    assert cost == [0.1] and all(math.isnan(part[0]) for part in others)
    bare = instance(0, front_of([[0.5, 0.0]]))
    assert all(math.isnan(part[0]) for part in values(figures(bare)["sex"])[1:])


def test_a_target_is_what_has_to_be_reached() -> None:
    away: dict[str, Any] = {"source": 1, "labels": ("no", "yes"), "scores": [[2.0, 0.0]]}
    [row] = [found(0, [1, 40, 0], [0, 40, 0], **away)]
    assert [v[0] for v in values(figures(row)["sex"])[1:]] == [1.0, 1.0, 1.0]
    to_no = found(0, [1, 40, 0], [0, 40, 0], target=0, **away)
    assert [v[0] for v in values(figures(to_no)["sex"])[1:]] == [1.0, 1.0, 1.0]
    to_yes = found(0, [1, 40, 0], [0, 40, 0], target=1, **away)  # never reached by a woman
    assert [v[0] for v in values(figures(to_yes)["sex"])[1:]] == [1.0, 0.0, 0.0]


def test_linked_columns_are_taken_back_together() -> None:
    linked = TableSchema(
        columns=(
            SCHEMA.columns[0],
            Column(name="income", kind=ColumnKind.CATEGORICAL, levels=("0", "1")),
            SCHEMA.columns[2],
        ),
        links=(Link(columns=("sex", "income"), rows=((0, 0), (1, 1))),),
    )  # fmt: skip

    class Linked(Card):
        def predict(self, x: torch.Tensor) -> torch.Tensor:
            points = x[:, 0] + x[:, 1] + x[:, 2] - 1.5
            return torch.stack([-points, points], dim=1)

    row = found(0, [0, 0, 0], [1, 1, 1])
    made = member_figures([row], ["sex", "income"], model=Linked(), variables=Variables.of(linked))
    for name in ("sex", "income"):  # both go: debt alone is too little; both alone are enough
        assert [v[0] for v in values(made[name])[1:]] == [1.0, 1.0, 1.0], name


@pytest.mark.parametrize("most", [0, 1])
def test_a_model_takes_at_least_one_row_at_a_time(most: int) -> None:
    class One(Card):
        max_batch = most

        def predict(self, x: torch.Tensor) -> torch.Tensor:
            assert len(x) == 1
            self_max, type(self).max_batch = self.max_batch, 9
            try:
                return super().predict(x)
            finally:
                type(self).max_batch = self_max

    row = found(0, [0, 30, 0], [1, 30, 0], [1, 60, 0])
    made = member_figures([row], ["sex"], model=One(), variables=Variables.of(SCHEMA))["sex"]
    assert [v[0] for v in values(made)[1:]] == [1.0, 0.5, 1.0]


def test_many_rows_are_put_to_the_model_in_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [found(i, [0, 30, 0], [1, 30 + i % 5, 0], [0, 60, 0]) for i in range(50)]
    wanted, calls, of_card = values(figures(*rows)["sex"]), list[int](), Card.predict

    def counted(self: Card, x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return of_card(self, x)

    monkeypatch.setattr(Card, "max_batch", 1000)
    monkeypatch.setattr(Card, "predict", counted)
    assert values(figures(*rows)["sex"]) == wanted
    assert calls == [100]
