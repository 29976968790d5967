"""``--until-decided``: exit codes, what is printed and written, going on with other conditions, and the plan."""

import json
from pathlib import Path

import jsonschema
import pytest

from cfsearch.schemas import schema

from .conftest import Call, Flags, Toys

SURE = "failed_rate > 90% at 90%"
"""Two inputs that do not fail decide it."""


def test_an_audit_ends_when_its_conditions_are_decided_and_goes_on_with_others(
    call: Call, toys: Toys, model: Path, fast: Flags, tmp_path: Path
) -> None:
    faces, out = toys.pictures(count=4), tmp_path / "run"
    words = (
        "audit",
        "--images",
        faces,
        "--model",
        model,
        *fast,
        "--batch-size",
        "1",
        "--out",
        out,
        "--no-isolation",
    )
    soon = call(*words, "--until-decided", "--fail-if", SURE)
    assert soon.code == 0, soon.err
    assert "pass: stopped after 2 of 4 images" in soon.out
    assert "decided after 2" in soon.out
    document = json.loads((out / "audit.json").read_text())
    jsonschema.validate(document, schema("audit"))
    assert (document["stopping"]["judged"], len(document["instances"])) == (2, 2)
    assert document["warnings"][0].startswith("The audit ended after 2 of 4 images")
    page = (out / "report.html").read_text()
    assert "Stopped after 2 of 4 pictures: all conditions hold" in page.replace("\u202f", " ")
    assert call("check", out).code == 0

    further = call(*words, "--until-decided", "--fail-if", "failed_rate > 40% at 90%")
    assert further.code == 1, "four inputs leave that open"
    assert "one cannot tell whether the condition" in further.err
    again = json.loads((out / "audit.json").read_text())
    assert again["stopping"]["order"][:2] == document["stopping"]["order"]
    assert (again["stopping"]["judged"], again["stopping"]["stopped"]) == (4, False)


def test_a_condition_that_fails_ends_it_with_1(
    call: Call, toys: Toys, model: Path, fast: Flags, tmp_path: Path
) -> None:
    faces = toys.pictures(count=3)
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run", "--no-isolation")
    answer = call(*words, "--until-decided", "--fail-if", "failed_rate < 90% at 90%")
    assert answer.code == 1
    assert "fails" in answer.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--fail-if", SURE], "without --until-decided"),
        (["--until-decided"], "no condition is given"),
        (["--until-decided", "--fail-if", "effect:Hat > 1"], "no interval of 'effect'"),
        (["--until-decided", "--fail-if", "found_gap@sex > 1%"], "compare groups with --by"),
    ],
)
def test_what_cannot_be_decided_is_refused_before_anything_is_written(
    call: Call, toys: Toys, model: Path, fast: Flags, tmp_path: Path, given: list[str], words: str
) -> None:
    out = tmp_path / "run"
    answer = call(
        "audit",
        "--images",
        toys.pictures(count=2),
        "--model",
        model,
        *fast,
        "--out",
        out,
        "--no-isolation",
        *given,
    )
    assert answer.code == 2
    assert words in answer.err
    assert not (out / "run.sqlite").exists()


def test_a_plan_says_what_to_expect(call: Call, toys: Toys, model: Path, fast: Flags) -> None:
    words = ("plan", "--images", toys.pictures(count=4), "--model", model, *fast)
    answer = call(*words, "--until-decided", "--fail-if", SURE, "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("plan"))
    [one] = answer.document["until_decided"]
    assert one["least"] == 2
    assert one["queries"]["least"] == 2 * answer.document["queries"] // 4
    shown = call(*words, "--until-decided", "--fail-if", SURE).out
    assert "after 2 inputs at the earliest" in shown
