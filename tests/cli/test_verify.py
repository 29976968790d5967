"""What ``verify`` counts of a model that is queried again, by hand, and how it prints it."""

import io
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch
from rich.console import Console

from cfsearch.cli import verify
from cfsearch.cli._stored_inputs import model_of_front
from cfsearch.contracts.records import Reason
from cfsearch.contracts.target_range import TargetRange
from cfsearch.errors import ConfigError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.schemas import schema
from cfsearch.testing import FakeProvider

BRIGHTNESS = (60, 200, 140, 100)
"""Of the four members, out of 255; the fake model calls an image bright from 128 on."""


@pytest.fixture
def front() -> ParetoFront:
    """A dark picture with four grey members; the stored run verified the second and the last."""
    grey = torch.tensor(BRIGHTNESS, dtype=torch.uint8)
    p = torch.tensor([0.1, 0.9, 0.4, 0.8])
    return ParetoFront(
        name="face.png",
        labels=("dark", "bright"),
        source=0,
        target=None,
        variables=("a", "b"),
        objectives=("adversarial", "intensity"),
        units=("nat", "change"),
        z=torch.tensor([[0.1, 0.0], [0.9, 0.0], [0.5, 0.5], [0.2, 0.2]]),
        f=torch.tensor([[3.0, 0.0], [0.0, 3.0], [2.0, 1.0], [1.0, 2.0]]),
        origin_values=torch.zeros(2),
        scores=torch.stack([1 - p, p], dim=1).log(),
        original_scores=torch.tensor([0.9, 0.1]).log(),
        reconstruction_scores=torch.tensor([0.9, 0.1]).log(),
        verified=torch.tensor([False, True, False, True]),
        images=grey[:, None, None, None].expand(4, 3, 4, 4).contiguous(),
        original=torch.full((3, 4, 4), 50, dtype=torch.uint8),
        reconstruction=torch.full((3, 4, 4), 50, dtype=torch.uint8),
        origins=("nsga2",) * 4,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([6.0, 6.0]),
        evaluations=100,
    )


def again(front: ParetoFront, provider: Any = None, *, pick: str = "sparsest") -> dict[str, Any]:
    return verify._again(front, FakeProvider() if provider is None else provider, pick=pick, device="cpu")


def test_members_that_flip_are_counted_by_what_they_were_then(front: ParetoFront) -> None:
    """Members 1 (200) and 2 (140) are bright: one was verified then, one is new; the last (100) is lost."""
    assert again(front) == {
        "name": "face.png",
        "source": "dark",
        "now": "dark",
        "original_kept": True,
        "verified_then": 2,
        "still": 1,
        "new": 1,
        "pick": front.pick("sparsest"),
        "pick_still": True,
    }


def test_members_that_two_generators_confirmed_are_counted_apart(front: ParetoFront) -> None:
    """Of the two that were verified then the last was lost to the second generator; the other still flips."""
    each = torch.tensor([[torch.nan] * 2, [3.0, 2.0], [torch.nan] * 2, [2.0, 0.5]]).double()
    judged = replace(
        front,
        genuineness=each.amin(1),
        genuineness_each=each,
        extra={"genuineness": {"threshold": 1.0}},
    )
    row = again(judged)
    assert (row["verified_then"], row["agreed_then"], row["agreed_still"]) == (2, 1, 1)
    document = verify._document(FakeProvider(), [row, row], pick="sparsest")
    assert (document["agreed_then"], document["agreed_still"]) == (2, 2)
    jsonschema.validate(document, schema("verify"))
    shown = io.StringIO()
    verify._show(Console(file=shown, width=120), document, noun="image")
    assert "2 of 2 members that were genuine by both generators then still flip" in shown.getvalue()
    assert "agreed_then" not in verify._document(FakeProvider(), [again(front)], pick="sparsest")


def test_a_pick_may_be_lost(front: ParetoFront) -> None:
    assert (front.pick("closest"), again(front, pick="closest")["pick_still"]) == (3, False)
    none = replace(front, verified=torch.zeros(4, dtype=torch.bool))
    row = again(none)
    assert (row["pick"], row["pick_still"], row["verified_then"], row["new"]) == (None, None, 0, 2)
    assert again(front, pick="crossing")["pick"] is None  # it needs the plausibility


def test_a_target_decides_what_flips(front: ParetoFront) -> None:
    three = FakeProvider(
        weight=((0.0,) * 3, (4.0,) * 3, (-9.0,) * 3), bias=(0.0, -6.0, -1.0), labels=("dark", "bright", "no")
    )
    p = torch.zeros(4, 3) + 1 / 3
    other = replace(
        front,
        labels=three.labels,
        scores=p.log(),
        original_scores=p[0].log(),
        reconstruction_scores=p[0].log(),
    )
    assert again(replace(other, target=2), three)["new"] == 0
    assert again(replace(other, target=1), three)["new"] == 1


def test_an_original_may_change_its_class(front: ParetoFront) -> None:
    row = again(front, FakeProvider(bias=(0.0, 6.0)))
    assert (row["now"], row["original_kept"], row["still"], row["new"]) == ("bright", False, 2, 2)


def test_other_classes_and_answers_that_are_no_numbers_are_refused(front: ParetoFront) -> None:
    with pytest.raises(ConfigError, match="has the classes dark, bright, the model 'fake' has bright, dark"):
        again(front, FakeProvider(labels=("bright", "dark")))
    with pytest.raises(ProviderError, match=r"answered NaN or infinity for what is stored of 'face.png'"):
        again(front, FakeProvider(bias=(float("nan"), 0.0)))


def test_numbers_then_and_now(front: ParetoFront) -> None:
    """A model that predicts how bright a picture is, 0 to 255, and one that predicts 10 more."""
    wanted = TargetRange("150..", 150.0, torch.inf)
    numbers = torch.tensor(BRIGHTNESS, dtype=torch.float64)
    before = wanted.scores(torch.tensor([50.0], dtype=torch.float64))[0]
    priced = replace(
        front, labels=wanted.labels, scores=wanted.scores(numbers), original_scores=before, target=1
    )

    def darker(by: float) -> FakeProvider:
        each = 255 / (3 * wanted.scale)
        offset = (150 + by) / wanted.scale
        return FakeProvider(weight=((-each,) * 3, (each,) * 3), bias=(offset, -offset), labels=wanted.labels)

    row = again(priced, darker(0.0))
    assert (row["predicted"], row["pick_predicted_now"]) == (50.0, pytest.approx(200.0, abs=1e-3))
    assert row["predicted_now"] == pytest.approx(50.0, abs=1e-3)
    picked = front.pick("sparsest")
    assert verify._line(row, pick="sparsest") == (
        "face.png: 50 (below 150); its sparsest counterfactual still flips, at 200; 1 of 2 members still flip"
    )
    row = again(priced, darker(60.0))
    assert (row["pick"], row["pick_still"]) == (picked, False)
    assert verify._line(row, pick="sparsest") == (
        "face.png: 50 (below 150), the original is -10 (below 150) now; its sparsest counterfactual no longer flips, at "
        "140; 0 of 2 members still flip"
    )
    document = verify._document(darker(60.0), [row], pick="sparsest")
    jsonschema.validate(document, schema("verify"))
    assert printed(document)[-1] == "no longer: face.png, at 140"


def test_a_front_without_inputs_is_refused(front: ParetoFront) -> None:
    bare = replace(front, images=None, original=None, reconstruction=None)
    with pytest.raises(ConfigError, match="holds no inputs"):
        again(bare)


ROWS: list[dict[str, Any]] = [
    {
        "name": f"{i:02}.png",
        "source": "dark",
        "now": "bright" if i == 0 else "dark",
        "original_kept": i != 0,
        "verified_then": 0 if i == 15 else 3,
        "still": 2 if i < 3 else 0,
        "new": 0,
        "pick": None if i == 15 else 1,
        "pick_still": None if i == 15 else i < 3,
    }
    for i in range(16)
]
"""Sixteen inputs: of fifteen that had a counterfactual three keep it; one changed its class."""


@pytest.fixture
def document() -> dict[str, Any]:
    return verify._document(FakeProvider(), ROWS, pick="sparsest")


def test_shares_are_of_those_that_had_a_counterfactual(document: dict[str, Any]) -> None:
    shares = {
        key: (document[key]["count"], document[key]["n"])
        for key in ("originals_kept", "picks_still", "any_still")
    }
    assert shares == {"originals_kept": (15, 16), "picks_still": (3, 15), "any_still": (3, 15)}
    assert (document["members_then"], document["members_still"]) == (45, 6)
    assert (document["format"], document["pick"]) == ("cfsearch-verify/1", "sparsest")
    assert document["instances"] == ROWS
    # Wilson's interval of 3 in 15 (Brown, Cai and DasGupta 2001, equation 4)
    k = 1.959964**2 / 15
    half = (k * (0.2 * 0.8 + k / 4)) ** 0.5
    ends = ((0.2 + k / 2 - half) / (1 + k), (0.2 + k / 2 + half) / (1 + k))
    rate = document["picks_still"]["rate"]
    assert (rate["value"], rate["low"], rate["high"]) == pytest.approx((0.2, *ends), abs=1e-6)


def printed(document: dict[str, Any], *, noun: str = "image") -> list[str]:
    file = io.StringIO()
    verify._show(Console(file=file, width=100, color_system=None), document, noun=noun)
    return file.getvalue().splitlines()


def test_each_figure_stands_on_its_line_and_ten_lost_ones_are_named(document: dict[str, Any]) -> None:
    assert printed(document) == [
        "fake, queried again about what is stored:",
        "  15 of 16 (94\u202f%, 72\u202f% to 99\u202f%)  originals that keep their class",
        "  3 of 15 (20\u202f%, 7\u202f% to 45\u202f%)  sparsest counterfactuals that still flip",
        "  3 of 15 (20\u202f%, 7\u202f% to 45\u202f%)  images with any that still flips",
        "  6 of 45 members that were verified then still flip",
        *(f"no longer: {i:02}.png" for i in range(3, 13)),
        "and 2 more (--json lists all)",
    ]


def test_where_nothing_is_lost_none_is_named() -> None:
    made = verify._document(FakeProvider(), ROWS[:3], pick="knee")
    lines = printed(made, noun="row")
    assert lines[2:4] == [
        "  3 of 3 (100\u202f%, 44\u202f% to 100\u202f%)  knee counterfactuals that still flip",
        "  3 of 3 (100\u202f%, 44\u202f% to 100\u202f%)  rows with any that still flips",
    ]
    assert len(lines) == 5
    ten = verify._document(FakeProvider(), ROWS[3:13], pick="knee")
    assert printed(ten)[-1] == "no longer: 12.png"
    none = verify._document(FakeProvider(), ROWS[15:], pick="knee")
    assert printed(none)[2] == "  none to verify  knee counterfactuals that still flip"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "00.png: dark, the original is bright now; its knee counterfactual still flips; 2 of 3"),
        (4, "04.png: dark; its knee counterfactual no longer flips; 0 of 3"),
        (15, "15.png: dark; its knee counterfactual was not found; 0 of 0"),
    ],
)
def test_verbose_names_what_became_of_an_input(number: int, text: str) -> None:
    assert verify._line(ROWS[number], pick="knee") == f"{text} members still flip"


@pytest.mark.parametrize(
    ("least", "message"),
    [
        (0.2, None),
        (0.0, None),
        (0.21, "verify: 3 of 15 sparsest counterfactuals still flip (20\u202f%), fewer than"),
    ],
)
def test_the_least_share(document: dict[str, Any], least: float, message: str | None) -> None:
    error = verify._below(document, at_least=least)
    assert (error is None) if message is None else str(error).startswith(message)


def test_no_share_is_reached_where_nothing_was_found() -> None:
    none = verify._document(FakeProvider(), ROWS[15:], pick="knee")
    assert "there is no knee counterfactual" in str(verify._below(none, at_least=0.0))


def test_a_front_of_rows_needs_its_schema(front: ParetoFront) -> None:
    rows = replace(
        front, images=None, original=None, reconstruction=None, row=torch.zeros(2), rows=torch.zeros(4, 2)
    )
    assert isinstance(rows.row, torch.Tensor)
    with pytest.raises(ConfigError, match="does not say what its columns mean"):
        model_of_front(
            "m.skops",
            rows,
            sidecar=None,
            arch=None,
            device="cpu",
            trusted=(),
            trust_model=None,
            isolation=None,
            deadline=None,
        )
