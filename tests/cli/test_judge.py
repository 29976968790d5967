"""``cfsearch judge``: real output of dice-ml, our front beside it, pairs of pictures, and what is refused."""

import bz2
import gzip
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cfsearch.cli.judge as command
from cfsearch.config import Config
from cfsearch.schemas import schema

from .conftest import Call, Toys

GERMAN = Path(__file__).parent / "german"
"""``theirs.json`` is dice-ml 0.12's own, of its genetic search; benchmarks/governance/theirs_of_dice.py made it."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("credit.csv", "theirs.json", "scorecard.py"):
        shutil.copy(GERMAN / name, tmp_path / name)
    (tmp_path / "card.toml").write_text('labels = ["bad", "good"]\nscores = "probabilities"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


ROWS = (
    "--model", "scorecard:predict", "--sidecar", "card.toml", "--data", "credit.csv", "--label", "risk",
    "--immutable", "sex,age",
)  # fmt: skip


def test_real_output_of_dice_is_judged(call: Call, place: Path) -> None:
    table = ("--data", "credit.csv", "--label", "risk", "--immutable", "sex,age")
    words = ("--model", "scorecard:predict", "--sidecar", "card.toml", *table)
    answer = call("judge", "theirs.json", *words, "--out", "page.html", "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("judge"))
    theirs = document["summary"]["theirs"]
    assert (document["tool"], len(document["inputs"]), theirs["counterfactuals"]) == ("dice-ml", 5, 20)
    assert theirs["valid"]["value"] == 1.0
    # by hand from theirs.json: 15 of 20 change the age, and 2 of them the sex as well
    assert theirs["broken"] == {"age must not change": 15, "sex must not change": 2}
    assert theirs["keep_rules"]["value"] == 0.25
    assert all(entry["nearest"]["gower"] > 0 for entry in document["inputs"])
    page = (place / "page.html").read_text()
    assert "20 of 20 counterfactuals of dice-ml flip" in page
    assert page.count("nearest decided otherwise") == 5
    shown = call("judge", "theirs.json", *ROWS)
    assert "broken 15 times: age must not change" in shown.out


def test_the_wanted_class_is_the_one_that_is_given(call: Call, place: Path) -> None:
    answers = {
        target: call("judge", "theirs.json", *ROWS, "--target", target, "--json")
        for target in ("good", "bad")
    }
    assert answers["good"].document["summary"]["theirs"]["valid"]["value"] == 1.0
    valid = [one["valid"] for entry in answers["bad"].document["inputs"] for one in entry["theirs"]]
    assert valid and not any(valid), "all of theirs lead to good"


def test_our_front_stands_beside_theirs(call: Call, place: Path) -> None:
    dice = place / "theirs.json"
    rows = (place / "credit.csv").read_text().splitlines()
    where = (
        rows.index(next(line for line in rows if line.startswith("31,female,rent,little,car,1570,15"))) - 1
    )
    search = ("--evaluations", 120, "--population", 40, "--threads", 1, "--no-isolation")
    done = call("audit", *ROWS, "--row", where, *search, "--out", "run")
    assert done.code == 0, done.err
    answer = call("judge", dice, *ROWS, "--run", "run", "--target", "good", "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("judge"))
    with_ours = [entry for entry in document["inputs"] if entry["ours"]]
    assert [entry["name"] for entry in with_ours] == ["input 0"]
    assert all(one["valid"] and not one["broken"] for one in with_ours[0]["ours"])
    assert all(isinstance(one["dominated"], bool) for one in with_ours[0]["theirs"])
    assert document["inputs"][1]["theirs"][0]["dominated"] is None
    assert document["summary"]["ours"]["keep_rules"]["value"] == 1.0
    (place / "run" / "audit.json").write_text("{}")
    assert call("judge", dice, *ROWS, "--run", "run").code == 5
    assert call("judge", dice, *ROWS, "--run", "run", "--unchecked").code == 0


def test_a_schema_a_column_of_places_and_trust_reach_their_place(
    call: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "own.toml").write_text("")
    seen: list[Config] = []

    def stop(config: Config, *, spare: bool, keep_missing: bool) -> None:
        assert spare and keep_missing
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("cfsearch.assembly.model.open_model", stop)
    words = (
        "--schema",
        "own.toml",
        "--trust",
        "a.B",
        "--trust-model",
        f"sha256:{'ab' * 32}",
        "--arch",
        "p.m:build",
    )
    call("judge", "theirs.json", "--model", "scorecard:predict", "--data", "credit.csv", *words)
    [config] = seen
    assert (config.data.schema_file, config.model.trust, config.model.arch) == (
        "own.toml",
        ("a.B",),
        "p.m:build",
    )
    assert config.model.trust_model == f"sha256:{'ab' * 32}"
    monkeypatch.undo()
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    (place / "t.csv").write_text(
        "which,age,sex,housing,savings,purpose,amount,duration\n3,31,male,own,rich,car,500,6\n"
    )
    answer = call("judge", "t.csv", *ROWS, "--id", "which", "--json")
    assert answer.document["inputs"][0]["name"] == "row 3"


def test_pairs_of_pictures_are_judged(call: Call, toys: Toys, model: Path, tmp_path: Path) -> None:
    for name, value in (("o/a.png", 30), ("o/b.png", 230), ("c/a_1.png", 240), ("c/a_2.png", 40)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(tmp_path / name)
    page = tmp_path / "page.html"
    answer = call(
        "judge", tmp_path / "c", "--images", tmp_path / "o", "--model", model, "--out", page, "--json"
    )
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("judge"))
    [entry] = answer.document["inputs"]
    assert [one["valid"] for one in entry["theirs"]] == [True, False]
    assert page.read_text().count("data:image/webp") == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("theirs.json", "--model", "scorecard:predict"), "give --data TABLE.csv"),
        ((".", "--model", "scorecard:predict", "--label", "risk"), "--label is of tables"),
    ],
)
def test_what_does_not_go_together_is_refused(
    call: Call, place: Path, words: tuple[str, ...], message: str
) -> None:
    answer = call("judge", *words)
    assert answer.code == 2
    assert message in answer.err
    assert command.FORMAT == "cfsearch-judge/1"


def theirs_of(credit: Path, *places: int) -> list[str]:
    """Lines of a CSV: of each row one counterfactual with more savings and a smaller amount."""
    header, *rows = credit.read_text(encoding="utf-8").splitlines()
    lines = [f"{header},original"]
    for place in places:
        cells = dict(zip(header.split(","), rows[place].split(","), strict=True))
        lines.append(",".join([*(cells | {"amount": "300"}).values(), str(place)]))
    return lines


def changes_of(answer: Any) -> list[tuple[str, list[str]]]:
    return [(e["name"], one["changes"]) for e in answer.document["inputs"] for one in e["theirs"]]


@pytest.mark.parametrize(
    "ending", [".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".tsv", ".parquet", "cp1252", "semicolons"]
)
def test_tables_are_read_as_a_search_reads_them(call: Call, place: Path, ending: str) -> None:
    text = "\n".join(theirs_of(place / "credit.csv", 3, 5)) + "\n"
    plain = place / "t.csv"
    plain.write_text(text)
    expected = call("judge", plain, *ROWS, "--json")
    assert expected.code == 0, expected.err
    assert [name for name, _ in changes_of(expected)] == ["row 3", "row 5"]
    flags: tuple[object, ...] = ()
    other = place / f"u{ending if ending.startswith('.') else '.csv'}"
    pack: dict[str, Callable[[bytes], bytes]] = {
        ".csv.gz": gzip.compress,
        ".csv.xz": lzma.compress,
        ".csv.bz2": bz2.compress,
    }
    if ending in pack:
        other.write_bytes(pack[ending](text.encode()))
    elif ending == ".tsv":
        other.write_text(text.replace(",", "\t"))
    elif ending == ".parquet":
        pd.read_csv(plain).to_parquet(other)
    elif ending == "cp1252":
        other.write_bytes(
            text.replace("\n", ",M\u00fcller\n").replace("original,M\u00fcller", "original,n").encode(ending)
        )
        flags = ("--encoding", "cp1252")
        (place / "credit.csv").write_bytes((place / "credit.csv").read_text().encode("cp1252"))
    elif ending == "semicolons":
        other.write_text(text.replace(",", ";"))
        credit = (place / "credit.csv").read_text()
        (place / "credit.csv").write_text(credit.replace(",", "^"))
        flags = ("--delimiter", "^")
    else:
        other.write_text(text)
    answer = call("judge", other, *ROWS, *flags, "--json")
    assert answer.code == 0, answer.err
    assert changes_of(answer) == changes_of(expected)


def test_dice_in_a_packed_file_is_read(call: Call, place: Path) -> None:
    (place / "theirs.json.gz").write_bytes(gzip.compress((place / "theirs.json").read_bytes()))
    answer = call("judge", "theirs.json.gz", *ROWS, "--json")
    assert answer.document["summary"]["theirs"]["counterfactuals"] == 20


def test_a_row_that_cannot_be_read_fails_alone(call: Call, place: Path) -> None:
    (place / "t.csv").write_text("\n".join(theirs_of(place / "credit.csv", 1, 3, 5, 7)) + "\n")
    data = ("--data", "credit.csv", "--label", "risk", "--ignore", "nothing")
    assert call("schema", "table", "credit.csv", *data[2:4], "--out", "credit.schema.toml").code == 0
    credit = place / "credit.csv"
    lines = credit.read_text().splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[1], "unheard of")  # row 1: an unknown level
    cells = lines[4].split(",")
    lines[4] = ",".join(["", *cells[1:]])  # row 3: no age
    credit.write_text("\n".join(lines) + "\n")
    answer = call("judge", "t.csv", *ROWS, "--json")
    assert answer.code == 4
    assert "2 of 4 rows are not judged; row 1: " in answer.err
    document = answer.document
    jsonschema.validate(document, schema("judge"))
    because = {entry["name"]: entry.get("because", "") for entry in document["inputs"]}
    assert "line 3, column 'sex': 'unheard of' is none of its 2 levels" in because["row 1"]
    assert "line 5, column 'age': the cell is missing" in because["row 3"]
    assert (because["row 5"], because["row 7"]) == ("", "")
    assert document["summary"]["theirs"]["counterfactuals"] == 2
    assert document["summary"]["theirs"]["inputs"] == 2
    shown = call("judge", "t.csv", *ROWS, "--out", "page.html", "--allow-partial")
    assert shown.code == 0, shown.err
    assert "row 1, not judged: " in " ".join(shown.out.split())
    assert "2 rows could not be judged" in " ".join(shown.out.split())
    assert "not judged" in (place / "page.html").read_text()
    text = "\n".join([*theirs_of(credit, 5)[:1], "30,male,own,rich,car,300,6,good,999"])
    (place / "t.csv").write_text(f"{text}\n")
    refused = call("judge", "t.csv", *ROWS, "--allow-partial")
    assert refused.code == 2
    assert "row 999: there is no row 999 in the table; it has " in refused.err
