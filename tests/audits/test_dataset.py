"""The description of the data in an audit: compared with the files at hand, on the page, checked."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from cfsearch.audits.checking import check_run
from cfsearch.audits.dataset import dataset_warnings, described_dataset
from cfsearch.config import Config
from cfsearch.schemas import schema

from ..cli.conftest import Toys  # noqa: TID252  # as in tests/docs

HERE = Path(__file__).parents[1] / "datasets" / "croissant"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(HERE, tmp_path / "data")
    return tmp_path / "data"


def described(table: Path, croissant: Path) -> Config:
    return Config.check(
        {"model": {"path": "m"}, "data": {"table": str(table)}, "about": {"croissant": str(croissant)}}
    )


def test_a_file_at_hand_is_the_one_described_or_is_not(folder: Path) -> None:
    config = described(folder / "people.csv", folder / "croissant.json")
    found = described_dataset(config)
    assert found is not None and found["inputs"] == "same" and found["licence"].endswith("zero/1.0/")
    assert [(f["name"], f["same"]) for f in found["files"]] == [("people.csv", True), ("extra.zip", None)]
    assert dataset_warnings(found, noun="row") == []
    with (folder / "people.csv").open("a") as file:
        file.write("30,1000,3,no\n")
    other = described_dataset(config)
    assert other is not None and other["inputs"] == "other" and other["files"][0]["same"] is False
    assert other["files"][0]["found"] != other["files"][0]["sha256"]
    [warning] = dataset_warnings(other, noun="row")
    assert warning == "people.csv has another SHA-256 than croissant.json states: it describes other data."


def test_inputs_that_no_description_names(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "people.csv", tmp_path / "mine.csv")
    found = described_dataset(described(tmp_path / "mine.csv", folder / "croissant.json"))
    assert found is not None and found["inputs"] == "not named"
    assert found["files"][0]["same"] is True  # beside the description
    [warning] = dataset_warnings(found, noun="row")
    assert "names no file that the rows were read from" in warning


def test_no_path_out_of_the_folder_is_followed(folder: Path) -> None:
    value = json.loads((folder / "croissant.json").read_text())
    (folder.parent / "secret").write_text("x")
    value["distribution"][1] |= {"contentUrl": "../secret", "name": "/etc/hostname", "@id": "../secret"}
    (folder / "croissant.json").write_text(json.dumps(value))
    found = described_dataset(described(folder / "people.csv", folder / "croissant.json"))
    assert found is not None and found["files"][1]["found"] is None


def test_it_stands_in_the_audit_and_is_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from cfsearch.cli import main

    monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", False)
    toys = Toys(tmp_path)
    model, images = toys.model(), toys.pictures(count=1)
    words = [
        "audit",
        "--images",
        images,
        "--model",
        model,
        "--generator",
        "pixels:grid=2",
        "--evaluations",
        "20",
    ]
    words += [
        "--population",
        "20",
        "--croissant",
        folder / "croissant.json",
        "--out",
        tmp_path / "run",
        "--json",
    ]
    answer = CliRunner().invoke(main, [str(word) for word in words])
    assert answer.exit_code == 0, answer.stderr
    document = json.loads(answer.stdout)
    jsonschema.validate(document, schema("audit"))
    assert (document["dataset"]["name"], document["dataset"]["inputs"]) == ("people", "not named")
    assert document["warnings"][0].startswith("croissant.json names no file that the images")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    jsonschema.validate(manifest, schema("manifest"))
    assert manifest["dataset"] == document["dataset"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Nobody 2026, Made applicants." in page and "come from no file that it names" in page
    assert not check_run(tmp_path / "run").findings
    document["dataset"]["licence"] = "mine"
    (tmp_path / "run" / "audit.json").write_text(json.dumps(document))
    assert any("the data set" in finding.message for finding in check_run(tmp_path / "run").findings)
