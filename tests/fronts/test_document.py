"""The JSON of a front: each value stands under its name, and nothing else does."""

import math
from dataclasses import replace

import jsonschema
import moocore
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.search import Search
from cfsearch.fronts.document import front_document
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.gower import Gower
from cfsearch.schemas import schema
from cfsearch.solvers.genetic import Nsga2


def test_a_front_is_written_value_by_value(four: ParetoFront) -> None:
    document = front_document(four)
    jsonschema.validate(document, schema("front"))
    members = document.pop("members")
    no, again = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2))
    volume = moocore.hypervolume(four.f.double().numpy(), ref=[0.0, 2.0, 2.0])
    assert document.pop("hypervolume") == pytest.approx(volume, rel=1e-6)
    assert document.pop("original") == pytest.approx({"no": no, "yes": 1 - no}, rel=1e-6)
    assert document.pop("reconstruction") == pytest.approx({"no": again, "yes": 1 - again}, rel=1e-6)
    assert document == {
        "format": "cfsearch-front/1",
        "name": "face",
        "source": "no",
        "target": None,
        "labels": ["no", "yes"],
        "variables": ["hat", "scarf", "coat"],
        "origin_values": [0.0, 0.95, 0.0],
        "objectives": [
            {"name": "adversarial", "unit": "nat", "reference": 0.0},
            {"name": "plausibility", "unit": "critic", "reference": 2.0},
            {"name": "intensity", "unit": "attribute", "reference": 2.0},
        ],
        "found": True,
        "reason": four.reason.code,
        "reason_text": four.reason.value,
        "nearest_miss": None,
        "evaluations": 100,
        "questions": None,
        "seeding": 0,
        "picks": {"closest": 1, "sparsest": 2, "knee": 2, "crossing": 3},
        "answers": [2, 1, 3],
        "note": [],
        "extra": {"seed": 7},
    }
    assert [m["index"] for m in members] == [0, 1, 2, 3]
    assert [m["change"] for m in members] == [
        {"coat": 0.1},
        {"hat": 0.5, "scarf": 0.4, "coat": 0.3},
        {"scarf": -0.9},
        {"hat": 1.0, "coat": 1.0},
    ]
    assert [m["values"] for m in members] == [
        {"coat": 0.1},
        {"hat": 0.5, "scarf": 1.35, "coat": 0.3},
        {"scarf": 0.05},
        {"hat": 1.0, "coat": 1.0},
    ]
    assert members[2]["objectives"] == {"adversarial": -1.6, "plausibility": 0.4, "intensity": 0.9}
    assert members[2]["probabilities"] == pytest.approx({"no": 0.2, "yes": 0.8})
    assert [m["lead"] for m in members] == pytest.approx([-0.8, 0.2, 0.6, 0.9], rel=1e-5)
    assert [m["verified"] for m in members] == [False, True, True, True]
    assert [m["origin"] for m in members] == ["nsga2", "nsga2", "gradual", "nsga2"]
    assert [m["picked_as"] for m in members] == [[], ["closest"], ["sparsest", "knee"], ["crossing"]]
    assert all("genuineness" not in m and "outlierness" not in m and "text" not in m for m in members)
    assert list(members[2]["words"]) == list(four.words(2)) and "scarf" in members[2]["words"][0]


def test_what_was_measured_of_a_member_stands_with_it(four: ParetoFront) -> None:
    measured = replace(
        four,
        target=1,
        genuineness=torch.tensor([math.nan, 1.5, -0.25, 2.0]),
        extra={"genuineness": {"threshold": 1.0}},
        outlierness=torch.tensor([1.0, math.nan, 1.75, math.inf]),
    )
    document = front_document(measured)
    jsonschema.validate(document, schema("front"))
    assert document["target"] == "yes"
    members = document["members"]
    assert [m["genuineness"] for m in members] == [None, 1.5, -0.25, 2.0]
    assert [m["valid"] for m in members] == [False, True, False, True]
    assert [m.get("outlierness") for m in members] == [1.0, None, 1.75, None]


def test_without_a_flip_the_nearest_miss_is_the_member_with_the_largest_lead(four: ParetoFront) -> None:
    document = front_document(replace(four, verified=torch.zeros(4, dtype=torch.bool)))
    assert (document["found"], document["nearest_miss"], document["picks"]) == (False, 3, {})


def test_float32_values_are_written_as_the_shortest_decimal_that_differs() -> None:
    from cfsearch.fronts.document import _number

    for value in (0.1, 1 / 3, 1e-7, 16777217.0):
        single = torch.tensor(value).item()
        assert torch.tensor(_number(single)).item() == single
        assert len(repr(_number(single))) <= len(repr(single))


class Rich(Provider):
    """Says yes above a hundred and fifty million."""

    name = "rich"
    labels = ("no", "yes")
    scores = ScoreKind.LOGITS
    max_batch = 4096

    @property
    def fingerprint(self) -> str:
        return "rich"

    def predict(self, x: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
        return torch.cat([torch.zeros_like(x), (x - 1.5e8) / 1e7], dim=1)


def test_whole_numbers_of_rows_are_written_to_the_last_digit() -> None:
    schema = TableSchema(columns=(Column(name="amount", kind=ColumnKind.INTEGER, high=200_000_000.0),))
    front, *_ = Search(
        Rich(),
        Rows(schema),
        [Adversarial(), Gower()],
        lambda n: Nsga2(population=n),
        evaluations=400,
        population=20,
    ).run(torch.tensor([[123_456_781.0]], dtype=torch.float64), names=["row 0"])
    assert isinstance(front, ParetoFront) and front.rows is not None and len(front) > 0
    document = front_document(front)
    assert document["origin_values"] == [123_456_781.0]
    written = [member["values"].get("amount", 123_456_781.0) for member in document["members"]]
    assert written == front.rows[:, 0].tolist() and any(value > 2**24 and value % 2 for value in written)


def test_a_whole_number_changes_however_large_its_range_is(four: ParetoFront) -> None:
    z = torch.zeros(4, four.z.shape[1], dtype=torch.float64)
    z[1, 0] = 9 / 2e8
    assert replace(four, z=z).changed.sum().item() == 1
    assert replace(four, z=z.float()).changed.sum().item() == 0


def test_numbers_of_rows_keep_what_a_float64_holds(four: ParetoFront) -> None:
    z = torch.zeros(4, four.z.shape[1], dtype=torch.float64)
    z[1, 0] = 0.25
    start = torch.tensor([52.123456789, 0.95, 0.0], dtype=torch.float64)
    value = front_document(replace(four, z=z, origin_values=start))["members"][1]["values"]["hat"]
    assert value == pytest.approx(52.373456789, abs=1e-13)


@pytest.mark.parametrize(
    ("start", "change", "shown"),
    [
        (0.95, -0.9, 0.05),
        (0.3, -0.2999, 0.0001),
        (16_777_210.0, 5.0, 16_777_215.0),
        (1234.25, 0.5, 1234.75),
        (0.25, -0.25, 0.0),
    ],
)
def test_the_sum_of_start_and_change_has_no_digits_of_rounding(
    four: ParetoFront, start: float, change: float, shown: float
) -> None:
    z = four.z.clone()
    z[1, 0] = change
    one = replace(four, z=z, origin_values=torch.tensor([start, 0.95, 0.0]))
    value = front_document(one)["members"][1]["values"]["hat"]
    assert value == shown and math.copysign(1, value) == 1
