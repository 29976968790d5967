"""doctor and distill of a model that predicts a number: with a range they work, without one they say what to type."""

from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from cfsearch.providers.surrogate import SurrogateProvider

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
