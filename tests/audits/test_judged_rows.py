"""What is said of rows that another tool changed, entry by entry."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import binomtest

from cfsearch.audits.judged_rows import Bench, judge_rows, summary
from cfsearch.audits.theirs import Theirs
from cfsearch.contracts.modality import ROWS
from cfsearch.datasets.tables import Table
from cfsearch.providers.live import live_tabular

from .fronts import front_of
from .test_judging import SCHEMA, TABLE, Scorecard, cells, row

ROW = row(30, 0, 40, 10)


def lead(income: float) -> float:
    """Probability of yes less that of no."""
    return round(math.tanh((income - 50) / 10), 6)


def judged(*theirs: dict[str, object], target: str | None = None, **given: Any) -> dict[str, Any]:
    bench = Bench.of(Scorecard(), TABLE, target=target)
    one = Theirs(cells(30, "f", 40, 10), None, theirs, "input 0")
    [entry] = judge_rows(bench, [one], table=TABLE, fronts={}, **given)
    return entry


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (None, "column 'income': the cell is missing"),
        (float("nan"), "column 'income': the cell is missing"),
        (float("inf"), "column 'income': must be a finite number, got inf"),
        ([60], "column 'income': a cell must be a number or a text, got [60]"),
        ({"a": 1}, "column 'income': a cell must be a number or a text, got {'a': 1}"),
    ],
)
def test_a_cell_that_json_may_hold_and_a_table_not_is_of_its_counterfactual_alone(
    cell: object, says: str
) -> None:
    bad, good = judged({**cells(30, "f", 60, 10), "income": cell}, cells(30, "f", 60, 10))["theirs"]
    assert (bad["readable"], good["readable"]) == (False, True)
    assert bad["because"].startswith(says)


def test_an_entry_as_a_whole() -> None:
    assert judged(cells(30, "f", 60, 10), cells(30, "f", 40, 10), cells(30, "x", 60, 10)) == {
        "name": "input 0",
        "source": "no",
        "original": {"age": 30, "sex": "f", "income": 40.0, "debt": 10.0},
        "theirs": [
            {
                "readable": True, "because": "", "valid": True, "reached": "yes", "lead": lead(60),
                "changes": ["income 40 -> 60"], "broken": [], "gower": 0.05, "changed": 1,
                "nearest": round(min(5 / 52 + 1, 30 / 52 + 0.3 + 0.2) / 4, 6), "dominated": None,
            },
            {
                "readable": True, "because": "", "valid": False, "reached": "no", "lead": lead(40), "changes": [],
                "broken": [], "gower": 0.0, "changed": 0, "nearest": 0.0, "dominated": None,
            },
            {
                "readable": False, "valid": False, "broken": [], "dominated": None,
                "because": judged(cells(30, "x", 60, 10))["theirs"][0]["because"],
            },
        ],
        "ours": None,
        "nearest": {
            "reached": "yes", "gower": round((30 / 52 + 0.5 + 0.2) / 4, 6), "changed": 3,
            "changes": ["age 30 -> 60", "income 40 -> 90", "debt 10.0 -> 0.0"],
        },
        "diversity": {"theirs": None, "ours": None},
    }  # fmt: skip


def test_a_predicted_number_stands_beside_each_class() -> None:
    model = live_tabular(
        lambda frame: 1000 * frame["income"].to_numpy(), schema=SCHEMA, probes=TABLE.x, target="50000..60000"
    )
    bench = Bench.of(model, TABLE, target="50000..60000")
    theirs = (cells(30, "f", 55, 10), cells(30, "f", 65, 10), cells(30, "x", 55, 10))
    fronts = {ROWS.fingerprint(ROW): ours((30, 0, 60, 10), verified=(True,))}
    [entry] = judge_rows(
        bench, [Theirs(cells(30, "f", 40, 10), None, theirs, "i")], table=TABLE, fronts=fronts
    )
    assert (entry["source"], entry["predicted"]) == ("below 50000", 40000.0)
    said = [(one.get("reached"), one.get("predicted")) for one in (*entry["theirs"], *entry["ours"])]
    assert said == [
        ("50000..60000", 55000.0), ("above 60000", 65000.0), (None, None), ("50000..60000", 60000.0),
    ]  # fmt: skip


def test_one_that_only_cannot_be_read_leaves_nothing_to_query() -> None:
    [one] = judged(cells(30, "x", 60, 10))["theirs"]
    assert set(one) == {"readable", "because", "valid", "broken", "dominated"}
    assert "'x'" in one["because"]


def test_a_wanted_class_decides_what_is_valid_and_what_is_nearest() -> None:
    entry = judged(cells(30, "f", 60, 10), cells(30, "f", 45, 10), target="no")
    assert [one["valid"] for one in entry["theirs"]] == [False, True]
    assert [one["lead"] for one in entry["theirs"]] == [-lead(60), -lead(45)]
    assert entry["nearest"] == {
        "reached": "no",
        "gower": 0.0,
        "changed": 0,
        "changes": [],
    }  # the row itself is one of them


def test_cells_by_index_and_those_that_are_no_index() -> None:
    def words(sex: object) -> Any:
        [one] = judged({**cells(30, "f", 60, 10), "sex": sex, "further": 3})["theirs"]
        return one["changes"] if one["readable"] else one["because"]

    assert words(1) == words(1.0) == ["sex f -> m", "income 40 -> 60"]
    assert words(0) == ["income 40 -> 60"]
    for sex in (2, -1, 0.5, "1"):
        assert "sex" in words(sex) and isinstance(words(sex), str), sex


def test_places_are_those_of_the_file_and_an_original_must_be_a_row() -> None:
    bench = Bench.of(Scorecard(), TABLE, target=None)
    some = Table(SCHEMA, TABLE.x[:2], None, (0, 1), places=(5, 9))
    [entry] = judge_rows(bench, [Theirs(None, 9, ())], table=some, fronts={})
    assert (entry["name"], entry["original"]["income"]) == ("row 9", 60.0)
    bare = Table(SCHEMA, TABLE.x, None, (0, 1, 2, 3))
    [entry] = judge_rows(bench, [Theirs(None, 3, ())], table=bare, fronts={})
    assert entry["original"]["age"] == 20


def test_an_input_that_is_no_row_is_not_judged_and_says_why() -> None:
    bench = Bench.of(Scorecard(), TABLE, target=None)
    some = Table(SCHEMA, TABLE.x[:2], None, (0, 1), places=(5, 9))
    flip = (cells(35, "m", 45, 10),)
    named = Theirs(cells(30, "x", 1, 1), None, flip, "input 3")
    theirs = [Theirs(None, 1, flip), named, Theirs(None, 7, flip), Theirs(None, 9, flip)]
    entries = judge_rows(bench, theirs, table=some, fronts={}, unread={7: "line 9: no age."})
    because = [entry.get("because", "") for entry in entries]
    assert because[0] == "there is no row 1 in the table; it has 3 rows, from 0."
    assert because[1].startswith("the original is no row of the table: column 'sex': 'x' is none")
    assert because[2:] == ["line 9: no age.", ""]
    assert [len(entry["theirs"]) for entry in entries] == [0, 0, 0, 1]
    found = summary(entries, "theirs")
    assert (found["inputs"], found["counterfactuals"], found["inputs_served"]["value"]) == (1, 1, 1.0)
    assert found["inputs_served"] == summary(entries[3:], "theirs")["inputs_served"]


def ours(*members: tuple[float, ...], verified: tuple[bool, ...]) -> Any:
    rows = torch.stack([row(*member) for member in members])
    n = len(members)
    return front_of(
        [[1.0] * 4] * n, variables=SCHEMA.names, rows=rows, row=ROW, verified=verified,
        scores=[[0.0, 1.0]] * n,
    )  # fmt: skip


def test_ours_are_judged_alike_and_dominate_where_nowhere_worse() -> None:
    bench = Bench.of(Scorecard(), TABLE, target=None)
    theirs = (
        cells(30, "f", 60, 10),  # equal to ours: not dominated
        cells(30, "f", 65, 15),  # ours changes less, and lies nearer to known rows
        cells(30, "f", 45, 10),  # does not flip: not compared
        cells(35, "m", 60, 10),  # a known row itself: nothing is nearer to one
    )
    front = ours((30, 0, 60, 10), (30, 0, 99, 10), verified=(True, False))
    fronts = {ROWS.fingerprint(ROW): front}
    one = Theirs(cells(30, "f", 40, 10), None, theirs, "input 0")
    [entry] = judge_rows(bench, [one], table=TABLE, fronts=fronts)
    assert [one["dominated"] for one in entry["theirs"]] == [False, True, None, False]
    mine = {name: value for name, value in entry["theirs"][0].items() if name != "dominated"}
    assert entry["ours"] == [mine]
    [none] = judge_rows(
        bench, [one], table=TABLE, fronts={ROWS.fingerprint(ROW): ours((30, 0, 60, 10), verified=(False,))}
    )
    assert none["ours"] == [] and {one["dominated"] for one in none["theirs"]} == {None}
    [without] = judge_rows(bench, [one], table=TABLE, fronts={ROWS.fingerprint(ROW): front_of()})
    assert without["ours"] is None


def test_diversity_is_the_mean_distance_of_those_that_flip() -> None:
    entry = judged(
        cells(30, "f", 60, 10), cells(30, "f", 70, 10), cells(30, "f", 80, 10), cells(30, "f", 45, 10)
    )
    assert entry["diversity"] == {"theirs": pytest.approx((0.1 + 0.2 + 0.1) / 3 / 4, abs=1e-6), "ours": None}
    assert judged(cells(30, "f", 60, 10), cells(30, "f", 45, 10))["diversity"]["theirs"] is None


def test_rows_are_queried_in_pieces_that_the_model_takes() -> None:
    class Small(Scorecard):
        max_batch = 2

        def predict(self, x: torch.Tensor) -> torch.Tensor:
            assert len(x) <= 2
            return super().predict(x)

    bench = Bench.of(Small(), TABLE, target=None)
    assert bench.scores(TABLE.x).equal(Scorecard().predict(TABLE.x))


def member(
    *, valid: bool, broken: tuple[str, ...] = (), readable: bool = True, **figures: Any
) -> dict[str, Any]:
    return {"valid": valid, "broken": list(broken), "readable": readable, **figures}


def wilson(k: int, n: int) -> dict[str, Any]:
    low, high = binomtest(k, n).proportion_ci(method="wilson")
    return {
        "value": pytest.approx(k / n, abs=1e-6),
        "low": pytest.approx(low, abs=1e-5),
        "high": pytest.approx(high, abs=1e-5),
    }


def test_a_summary_as_a_whole() -> None:
    inputs: list[dict[str, Any]] = [
        {
            "theirs": [
                member(valid=True, gower=0.1, changed=1, nearest=None, dominated=True),
                member(valid=True, broken=("b", "a"), gower=0.3, changed=2, dominated=False),
                member(valid=False, gower=9.0, pixels=9.0),
            ],
            "ours": None,
        },
        {"theirs": [member(valid=False, readable=False, broken=("a",)), member(valid=True, gower=0.4, ssim=0.5, dominated=None)], "ours": []},
        {"theirs": [member(valid=True, broken=("c",), gower=0.8)], "ours": [member(valid=True, l1=0.25)]},
        {"theirs": [], "ours": None},
    ]  # fmt: skip
    assert summary(inputs, "theirs") == {
        "inputs": 3,
        "counterfactuals": 6,
        "valid": wilson(4, 6),
        "keep_rules": wilson(3, 6),
        "inputs_served": wilson(2, 4),
        "dominated": 1,
        "median": {"gower": 0.35, "changed": 1.5, "ssim": 0.5},
        "broken": {"a": 2, "b": 1, "c": 1},
    }
    assert list(summary(inputs, "theirs")["broken"]) == ["a", "b", "c"]
    assert summary(inputs, "ours") == {
        "inputs": 1, "counterfactuals": 1, "valid": wilson(1, 1), "keep_rules": wilson(1, 1), "inputs_served": wilson(1, 2),
        "dominated": 0, "median": {"l1": 0.25}, "broken": {},
    }  # fmt: skip
    assert summary([], "theirs") == {
        "inputs": 0, "counterfactuals": 0, "valid": None, "keep_rules": None, "inputs_served": None, "dominated": 0,
        "median": {}, "broken": {},
    }  # fmt: skip
