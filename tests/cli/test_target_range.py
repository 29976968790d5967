"""doctor and distill of a model that predicts a number: with a range they work, without one they say what to type."""

from pathlib import Path

import jsonschema
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.schemas import schema

from .conftest import Call


@pytest.fixture
def houses(tmp_path: Path) -> tuple[object, ...]:
    """``price = 2 * area``, in a skops file, and a table of 40 of them."""
    areas = [20 + 3 * i for i in range(40)]
    table = tmp_path / "houses.csv"
    table.write_text("area,price\n" + "".join(f"{area},{2 * area}.5\n" for area in areas))
    path = tmp_path / "price.skops"
    skops.io.dump(LinearRegression().fit([[a] for a in areas], [2 * a for a in areas]), path)
    return (path, "--data", table, "--label", "price")


@pytest.mark.parametrize("command", ["doctor", "distill"])
def test_without_a_range_the_error_shows_the_line_to_type(
    command: str, call: Call, houses: tuple[object, ...], tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "s.safetensors") if command == "distill" else ()
    answer = call(command, *houses, *out)
    assert answer.code != 0
    assert "LinearRegression predicts a number and has no classes" in answer.error
    assert "--target LOW..HIGH" in answer.error


def test_doctor_asks_about_the_classes_of_the_range(call: Call, houses: tuple[object, ...]) -> None:
    answer = call("doctor", *houses, "--target", "100..150", "--json")
    assert answer.code == 0, answer.err
    assert answer.document["model"]["labels"] == ["below 100", "100..150", "above 150"]
    assert list(answer.document["columns"]) == ["area"], "the column of true numbers is no input"


def test_a_surrogate_of_a_range_has_its_classes(
    call: Call, houses: tuple[object, ...], tmp_path: Path
) -> None:
    out = tmp_path / "s.safetensors"
    quick = ("--queries", 200, "--trials", 0, "--network", "linear", "--minutes", 0.2, "--seed", 1)
    answer = call("distill", *houses, "--target", "100..", *quick, "--out", out, "--json")
    assert answer.code == 0, answer.err
    assert SurrogateProvider.open(out).labels == ("below 100", "100..")


def test_a_range_goes_with_a_table(call: Call, tmp_path: Path) -> None:
    assert "--data TABLE.csv" in call("doctor", "m.onnx", "--target", "5..6").error
    words = ("distill", "m.onnx", "--images", tmp_path, "--out", tmp_path / "s.safetensors")
    assert "--data TABLE.csv" in call(*words, "--target", "5..6").error


def test_a_run_is_listed_verified_and_compared_with_others_in_numbers(
    call: Call, houses: tuple[object, ...], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small = ("--evaluations", 60, "--population", 20, "--no-isolation", "--threads", 1)
    done = call(
        "audit", "--model", *houses, "--target", "100..", "--row", 0, "--row", 39, *small, "--out", run
    )
    assert done.code == 0, done.err
    # 20 square metres for 40, and 137 for 274
    assert "row 0 40 (below 100) found" in " ".join(call("show", run).out.split())
    listed = call("show", run, "--json").document
    jsonschema.validate(listed, schema("instances"))
    assert [one["predicted"] for one in listed["instances"]] == pytest.approx([40.0, 274.0], rel=1e-6)
    again = call("verify", run, "--model", houses[0], "--no-isolation", "--json").document
    jsonschema.validate(again, schema("verify"))
    first = again["instances"][0]
    assert (first["predicted"], first["predicted_now"]) == pytest.approx((40.0, 40.0), rel=1e-6)
    assert first["pick_predicted_now"] >= 100.0
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("original,area\n0,51\n0,49\n")
    words = ("judge", theirs, "--model", *houses, "--target", "100..", "--no-isolation", "--run", run)
    document = call(*words, "--json").document
    jsonschema.validate(document, schema("judge"))
    [entry] = document["inputs"]
    assert [one["predicted"] for one in (entry, *entry["theirs"])] == pytest.approx([40.0, 102.0, 98.0])
    assert all(one["predicted"] >= 100.0 for one in entry["ours"])
    near = entry["nearest"]  # of a table of whole square metres, half the number each
    area = float(near["changes"][0].split("-> ")[1])
    assert near["reached"] == "100.." and near["predicted"] == pytest.approx(2 * area) and area >= 50
    shown = call(*words)
    assert "row 0, 40 (below 100):" in shown.out
    assert f"nearest decided otherwise ({2 * area:g} (100..))" in shown.out
    assert "flips (102 (100..)" in shown.out and "does not flip (98 (below 100)" in shown.out
