"""ParetoFront: picks, files, merging and words, on a front that can be read by eye."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives import Adversarial, Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

from .four import front


def test_picks_by_hand() -> None:
    # closest: norms .71 .90 1.41 of the verified; sparsest: 3, 1, 2 changes
    # crossing: p - gan = .1-0, .6-.5, .8-.4, .95-1: the sign turns between the last two, the
    # curves are closer at the last
    assert front().picks() == {"closest": 1, "sparsest": 2, "knee": 2, "crossing": 3}


def test_words_of_a_member_that_is_not_there_say_so() -> None:
    assert front().words(-1) == front().words(3)
    with pytest.raises(IndexError, match=r"front '.*': there is no member 4, it has 4 members\."):
        front().words(4)
    empty = Search(
        FakeProvider(), FakeGenerator(), [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population), evaluations=20, population=20, target="bright",
    ).run(torch.full((1, 3, 16, 16), 0.9), names=["white"])[0]  # fmt: skip
    assert isinstance(empty, ParetoFront) and len(empty) == 0
    with pytest.raises(
        IndexError,
        match=r"there is no member 0, it has none \(already_target: the model already gives the target class\)",
    ):
        empty.words(0)


def test_answers_by_hand() -> None:
    # the sparsest is 2; 1 lies 1.42 from it and .71 from the original, 3 lies 1.68 and 1.41:
    # 1.42 - .71 / 2 is more than 1.68 - 1.41 / 2
    assert front().answers() == [2, 1, 3]
    assert front().answers(2) == [2, 1] and front().answers(1) == [2]
    assert front().to_dict()["answers"] == [2, 1, 3]
    assert replace(front(), extra={"answers": 2}).to_dict()["answers"] == [2, 1], "as the search declared"


def test_answers_are_valid_and_none_is_a_copy_of_another() -> None:
    same = replace(
        front(), z=torch.tensor([[0.0, 0.0, 0.1], [0.5, 0.4, 0.3], [0.5, 0.4, 0.3], [1.0, 0.0, 1.0]])
    )
    assert same.answers() == [3, 1]
    assert replace(front(), verified=torch.zeros(4, dtype=torch.bool)).answers() == []
    with pytest.raises(ConfigError, match="`count` must be at least 1, got 0"):
        front().answers(0)


def test_answers_of_rows_are_distinguished_by_gower() -> None:
    # a category of any two values is one whole step apart, however far its index
    rows = replace(
        front(),
        images=None,
        original=None,
        reconstruction=None,
        rows=torch.zeros(4, 3).double(),
        row=torch.zeros(3).double(),
        categories=("coat",),
        z=torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 9.0], [0.0, 0.2, 0.0]]),
    )
    # from 1, the sparsest and closest: 2 lies (.1 + 1) / 3 away at a size of 1 / 3; 3 lies .1 / 3 at .2 / 3
    assert rows.answers(2) == [1, 2]


def test_answers_beside_known_rows_dominate_the_most() -> None:
    # changes 3, 1, 2; sizes .71, .9, 1.41; known rows .6, .5, 0 away: from 2, 1 adds only what is nearer than .9 with two
    # changes more, 3 what lies nearer to known rows than .5 with one change more
    known = replace(front(), objectives=("adversarial", "plausibility", "neighbours"))
    f = known.f.clone()
    f[:, 2] = torch.tensor([0.0, 0.6, 0.5, 0.0])
    assert known.answers(2) == [2, 1] and replace(known, f=f).answers() == [2, 3, 1]


def test_how_isolated_members_are_is_weighed_beside_known_rows() -> None:
    # as above, with known rows .6, .5, .4 away: as shares of the ranges of logarithms 2 lies at (0, .35, .55), 1 at (1, 0, 1) and adds
    # .0035 to it, 3 at (.63, 1, 0) and adds .026; as the less isolated 1 adds .011, and 3 .0026
    known = replace(front(), objectives=("adversarial", "plausibility", "neighbours"))
    f = known.f.clone()
    f[:, 2] = torch.tensor([0.0, 0.6, 0.5, 0.4])
    assert replace(known, f=f).answers(2) == [2, 3]
    factors = torch.tensor([1.0, 1.0, 1.25, 1.25], dtype=torch.float64)
    assert replace(known, f=f, outlierness=factors).answers(2) == [2, 1]


def test_what_is_dominated_is_no_answer_before_the_rest_however_little_isolated() -> None:
    known = replace(front(), objectives=("adversarial", "plausibility", "neighbours"))
    f = known.f.clone()
    f[:, 2] = torch.tensor([0.0, 0.6, 0.5, 0.5])
    factors = torch.tensor([1.0, 1.25, 1.25, 1.0], dtype=torch.float64)
    assert replace(known, f=f, outlierness=factors).answers() == [2, 1, 3], (
        "2 changes less than 3, and is as near"
    )


def test_what_is_dominated_beside_known_rows_comes_by_its_difference() -> None:
    known = replace(front(), objectives=("adversarial", "plausibility", "neighbours"))
    f = known.f.clone()
    f[:, 2] = torch.tensor([0.0, 0.6, 0.0, 0.0])
    # 2 dominates 3, 1 is smaller than 2; 3 comes last, though it differs more for what it costs
    assert replace(known, f=f).answers() == [2, 1, 3]
    # nothing adds anything to 2: gaps .77 and 1.42, costs 1.06 + 1.2 and 2.12
    z = front().z.clone()
    z[2] = torch.tensor([0.0, -0.1, 0.0])
    assert replace(known, f=f, z=z).answers() == [2, 3, 1]


def test_outliers_among_known_inputs_are_no_answers_where_others_are() -> None:
    isolated = replace(front(), outlierness=torch.tensor([9.0, 1.0, 2.5, 1.1], dtype=torch.float64))
    assert isolated.answers(2) == [3, 1], "2 is the sparsest, and an outlier"
    assert isolated.answers(3) == [3, 1, 2], "an outlier comes where nothing else is left"
    assert isolated.pick("sparsest") == 2, "picks stay as they are"
    assert replace(isolated, outlierness=torch.full((4,), torch.nan).double()).answers() == front().answers()


def test_the_fewest_changes_of_all_come_first_beside_known_rows_even_as_an_outlier() -> None:
    # changes 3, 1, 2: 2 alone changes one variable, and is an outlier
    known = replace(front(), objectives=("adversarial", "plausibility", "neighbours"))
    f = known.f.clone()
    f[:, 2] = torch.tensor([0.0, 0.4, 0.9, 0.2])
    isolated = replace(known, f=f, outlierness=torch.tensor([9.0, 1.0, 2.5, 1.1], dtype=torch.float64))
    assert isolated.answers(1) == [2] == [isolated.pick("sparsest")]
    # no second outlier before an inlier
    more = torch.tensor([9.0, 2.4, 2.5, 1.1], dtype=torch.float64)
    assert replace(isolated, outlierness=more).answers() == [2, 3, 1]
    # an inlier with as few changes is first, however small the outlier's change
    z = known.z.clone()
    z[3] = torch.tensor([0.0, 0.0, 1.0])
    assert replace(isolated, z=z).answers(1) == [3]


def test_the_more_isolated_outlier_costs_more() -> None:
    # from 2, and with half the sizes off, 1 is worth 1.07 and 3 .97; a fifth of 1.2 and of .6 turns them round
    isolated = replace(front(), outlierness=torch.tensor([1.0, 2.2, 1.0, 1.6], dtype=torch.float64))
    assert isolated.answers() == [2, 3, 1]
    assert replace(isolated, outlierness=torch.tensor([1.0, 2.0, 1.0, 1.7]).double()).answers() == [2, 1, 3]


def test_how_isolated_members_are_is_stored_and_merged(tmp_path: Path) -> None:
    isolated = replace(front(), outlierness=torch.tensor([1.0, 1.5, 2.0, 0.9], dtype=torch.float64))
    isolated.save(tmp_path / "a.front")
    back = ParetoFront.load(tmp_path / "a.front").outlierness
    assert back is not None and back.tolist() == [1.0, 1.5, 2.0, 0.9]
    assert [m["outlierness"] for m in isolated.to_dict()["members"]] == [1.0, 1.5, 2.0, pytest.approx(0.9)]
    merged = isolated.merge(front())
    assert merged.outlierness is not None and len(merged.outlierness) == len(merged)
    assert front().merge(front()).outlierness is None
    with pytest.raises(ShapeError, match="outlierness"):
        replace(front(), outlierness=torch.zeros(2))


def test_nothing_verified_gives_no_pick() -> None:
    none = replace(front(), verified=torch.zeros(4, dtype=torch.bool))
    assert none.picks() == {}
    assert not none.found
    assert none.to_dict()["nearest_miss"] == 3


def test_lead_is_the_distance_past_the_decision() -> None:
    assert front().lead().tolist() == pytest.approx([-0.8, 0.2, 0.6, 0.9], abs=1e-6)


def test_words_name_the_strongest_change_first() -> None:
    assert front().words(1) == ("+hat 0.00 -> 0.50", "+scarf 0.95 -> 1.35", "+coat 0.00 -> 0.30")
    assert front().words(2) == ("-scarf 0.95 -> 0.05",)


def test_along_is_sorted_by_how_far_members_flip() -> None:
    assert front().along(most=10) == [0, 1, 2, 3]
    assert front().along(most=2) == [0, 3]


def test_bytes_round_trip_and_are_the_same_each_time(tmp_path: Path) -> None:
    path = front().save(tmp_path / "a.front")
    again = ParetoFront.load(path)
    assert again.to_bytes() == front().to_bytes() == path.read_bytes()
    assert again.to_dict() == front().to_dict()
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


@given(cut=st.integers(0, 400), flip=st.integers(0, 255))
def test_damaged_files_are_refused_and_never_crash(cut: int, flip: int) -> None:
    blob = bytearray(front().to_bytes())
    blob[cut] ^= flip
    for bad in (bytes(blob[:cut]), bytes(blob)):
        try:
            ParetoFront.from_bytes(bad)
        except (DataError, ShapeError, ConfigError):
            continue


def test_what_is_no_front_is_reported_as_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(DataError, match="not a front file"):
        ParetoFront.load(tmp_path / "x")
    with pytest.raises(DataError, match="cannot be read"):
        ParetoFront.load(tmp_path / "y")


def test_merging_drops_dominated_members_and_keeps_origins() -> None:
    better = replace(front(), f=front().f - torch.tensor([0.0, 0.1, 0.0]), origins=("smpso",) * 4)
    merged = front().merge(better)
    assert set(merged.origins) == {"smpso"}
    assert len(merged) == 4
    assert merged.evaluations == 200


def test_fronts_of_different_queries_do_not_merge() -> None:
    with pytest.raises(ConfigError, match="must share query"):
        front().merge(replace(front(), name="other"))


def test_hypervolume_of_two_boxes() -> None:
    f = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    two = replace(
        front(),
        objectives=("a", "b"),
        units=("", ""),
        f=f,
        reference_point=torch.tensor([2.0, 2.0]),
        **{k: getattr(front(), k)[:2] for k in ("z", "scores", "verified", "images", "origins")},
    )
    assert two.hypervolume() == pytest.approx(3.0)


def test_the_document_is_json_and_tells_values_apart() -> None:
    document = front().to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    close = replace(
        front(), f=torch.tensor([[1.0, 1, 1]]).repeat(4, 1) * torch.tensor([[1], [1 + 2e-7], [1 + 4e-7], [2]])
    )
    values = [m["objectives"]["adversarial"] for m in close.to_dict()["members"]]
    assert len(set(values)) == 4


def test_an_unknown_pick_or_objective_is_refused() -> None:
    with pytest.raises(ConfigError, match="the ways are closest, sparsest, knee, crossing"):
        front().pick("best")
    with pytest.raises(ConfigError, match="no objective 'beauty'; it has adversarial"):
        front().column("beauty")


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected scores of shape \(4, 2\), got \(4, 3\)"):
        replace(front(), scores=torch.zeros(4, 3))


def test_values_in_json_hold_no_rounding_of_start_plus_change() -> None:
    z = torch.zeros(4, 3, dtype=torch.float64)
    z[1, 0] = -0.1
    held = replace(
        front(),
        z=z,
        origin_values=torch.tensor([0.7, 0.0, 0.0], dtype=torch.float64),
        scale=torch.tensor([7.0, 1.0, 1.0], dtype=torch.float64),
    )
    assert held.values[1, 0].item() != 0.0  # 0.7 - 7 * 0.1 in doubles
    assert str(held.to_dict()["members"][1]["values"]) == "{'hat': 0.0}"


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("z", torch.zeros(3, 3), "expected f of shape"),
        ("origins", ("nsga2",) * 3, "expected 4 origins and 3 units, got 3 and 3"),
        ("units", ("nat",), "expected 4 origins and 3 units, got 4 and 1"),
        ("described", (("x",),) * 3, "expected 4 descriptions, got 3"),
        ("rows", torch.zeros(5, 3), "expected 4 rows, got 5"),
        ("texts", (("a",),) * 2, "expected 4 texts, got 2"),
        ("sounds", torch.zeros(1, 8), "expected 4 sounds, got 1"),
        ("genuineness", torch.zeros(3), r"expected genuineness of shape \(4,\), got \(3,\)"),
        ("outlierness", torch.zeros(4, 1), r"expected outlierness of shape \(4,\), got \(4, 1\)"),
        ("scale", torch.ones(2), r"expected scale of shape \(3,\), got \(2,\)"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(part: str, value: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"front 'face': {message}"):
        replace(front(), **{part: value})
