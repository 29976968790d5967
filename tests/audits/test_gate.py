"""Gates: what is judged, by which end of an interval, and how it is written."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from cfsearch.audits.conditions import Condition, fail_if, named, read_conditions
from cfsearch.audits.gate import FAIL, PASS, UNSURE, Judgement, interval_at, judge, passed
from cfsearch.audits.gate_formats import MOST_RESULTS, WRITERS, github, junit, sarif, text
from cfsearch.audits.measurements import Measurement
from cfsearch.audits.metrics import METRICS, catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.errors import ConfigError
from cfsearch.numerics.intervals import wilson

_HERE = Path(__file__).parent
SARIF = jsonschema.Draft4Validator(
    json.loads((_HERE / "sarif-2.1.0-rtm.5.json").read_text()), format_checker=jsonschema.FormatChecker()
)
"""The schema as @microsoft/jest-sarif 1.0.0-beta.0 carries it."""
JUNIT = xmlschema.XMLSchema(str(_HERE / "junit-10.xsd"))
"""That of Jenkins' xunit-plugin, as pytest validates its own files by it."""
INTERVAL = {"value": 0.3, "low": 0.2, "high": 0.4}


def document(**parts: Any) -> AuditDocument:
    base: dict[str, Any] = {
        "format": "cfsearch-audit/1",
        "title": "t",
        "run_id": "r",
        "created": "2026-01-01T00:00:00+00:00",
        "finished": None,
        "versions": {},
        "command": "",
        "models": [
            {
                "id": "m",
                "name": "net",
                "file": "m.onnx",
                "fingerprint": "f",
                "labels": ["a", "b"],
                "scores": "",
                "note": "",
                "device": "cpu",
            }
        ],
        "generator": {"name": "g", "fingerprint": "f", "critic": "", "size": [1], "variables": ["Male"]},
        "search": {
            "solver": "s",
            "population": 1,
            "evaluations": 1,
            "target": None,
            "immutable": [],
            "seed": 0,
            "objectives": [],
            "constraints": [],
        },
        "protected": ["Male"],
        "counts": [],
        "instances": [],
        "changes": [],
        "effects": [effect("Male", -2.0, 0.5), effect("Young", 0.1, 0.05)],
        "genuine": [],
        "warnings": [],
        "reproduce": {"command": "", "python": "", "hashes": []},
    }
    return AuditDocument.parsed({**base, **parts})


def effect(variable: str, value: float, half: float, **more: Any) -> dict[str, Any]:
    rate = wilson(6, 50)
    assert rate is not None
    return {
        "model": "m",
        "variable": variable,
        "estimate": {"value": value, "low": value - half, "high": value + half},
        "truth": None,
        "n": 50,
        "probability": {"value": value / 10, "low": (value - half) / 10, "high": (value + half) / 10},
        "flips_alone": {"count": 6, "n": 50, "rate": rate.to_dict()},
        "p": 0.01,
        "edit_success": 0.9,
        **more,
    }


def result(line: str, **parts: Any) -> list[str]:
    return [judgement.result for judgement in judge(document(**parts), [fail_if(line)])]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Male: -2.5 to -1.5, so its size 1.5 to 2.5; 6 of 50 flip, 5.6 to 23.8 %
        ("effect:Male > 0.5", PASS),
        ("effect:Male < -1", FAIL),
        ("effect:Male < -2", UNSURE),
        ("effect:Male < -2.5", PASS),  # none of it is below -2.5
        ("effect:Male <= -2.5", UNSURE),  # but its end is -2.5
        ("effect:Male <= -1.5", FAIL),
        ("|effect:Male| > 0.5", FAIL),
        ("|effect:Male| > 2.5", PASS),
        ("|effect:Male| >= 2.5", UNSURE),
        ("| effect : Male | > 2", UNSURE),
        ("flip_rate:Male > 5%", FAIL),
        ("flip_rate:Male > 0.05", FAIL),
        ("flip_rate:Male > 10%", UNSURE),
        ("flip_rate:Male > 24%", PASS),
        ("flip_rate:Male > 5% at 99%", UNSURE),  # 4.6 to 28 %
        ("p:Male < 0.05", FAIL),
        ("edit_success:Male < 0.8", PASS),
        ("|probability:Male| > 0.1", FAIL),
        ('flip_rate:"Male" > 5%', FAIL),
        ("effect:Nobody > 0", FAIL),
        ("found_rate > 0.5", FAIL),
    ],
)
def test_judged_on_the_ends_of_the_interval(line: str, expected: str) -> None:
    assert result(line) == [expected]


def test_several_subjects_are_judged_each() -> None:
    assert result("|effect:*| > 0.5") == [FAIL, PASS]
    assert result("|effect:protected| > 0.5") == [FAIL]
    [missing] = judge(document(protected=[]), [fail_if("flip_rate:protected > 5%")])
    assert (missing.result, missing.message) == (
        FAIL,
        "the audit has no protected attributes; name them with --protected.",
    )


def test_contributions_that_were_not_measured_name_the_option() -> None:
    [found] = judge(document(), [fail_if("contribution:Male > 20%")])
    assert found.result == FAIL
    assert found.message == (
        "the audit has no contribution:Male; `cfsearch audit --contribution-queries N` measures what changes contribute."
    )
    [other] = judge(document(), [fail_if("found_gap > 20%")])
    assert "contribution" not in other.message


def test_agreement_that_was_not_measured_names_the_option() -> None:
    [found] = judge(document(), [fail_if("agreement < 90%")])
    assert found.result == FAIL
    assert found.message == (
        "the audit has no agreement; `cfsearch audit --second-generator FILE` has a second generator agree on what is genuine."
    )


def test_robustness_that_was_not_measured_names_the_option() -> None:
    [found] = judge(document(), [fail_if("robustness < 90%")])
    assert found.result == FAIL
    assert found.message == (
        "the audit has no robustness; `cfsearch audit --robustness N` tries N small changes of each flip."
    )


def test_what_is_missing_says_what_there_is() -> None:
    [missing] = judge(document(), [fail_if("effect:Mal > 0.5")])
    assert missing.message == "the audit has no effect:Mal; it has effect:Male, for example."


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"edit_success": None}, "edits were never measured"),
        ({"edit_success": 0.3}, "hardly edits it"),
        ({"estimate": None}, "not measured"),
        ({"because": "the true re-render contradicts the generator"}, "contradicts"),
    ],
)
def test_an_effect_that_says_nothing_of_its_attribute_lets_one_tell_nothing(
    more: dict[str, Any], because: str
) -> None:
    effects = [effect("Male", -2.0, 0.5, **more)]
    [judged] = judge(document(effects=effects), [fail_if("flip_rate:Male > 5%")])
    assert judged.result == UNSURE
    assert because in judged.message


def test_a_figure_that_is_none_fails() -> None:
    [judged] = judge(document(effects=[effect("Male", -2.0, 0.5, p=None)]), [fail_if("p:Male < 0.05")])
    assert judged.result == FAIL
    nothing = Measurement("effect", "m", "Male", value=None)
    assert interval_at(nothing, 0.95) is None


def group(few: bool) -> dict[str, Any]:
    part = {
        "instances": 9 if few else 40,
        "decided": None if few else INTERVAL,
        "searched": 40,
        "found_rate": INTERVAL,
    }
    whole = {"instances": 40, "decided": INTERVAL, "searched": 40, "found_rate": INTERVAL}
    gap = {"value": -0.3, "low": -0.5, "high": -0.1}
    return {
        "model": "m",
        "attribute": "Young",
        "with": part,
        "without": whole,
        "difference": {"decided": None if few else gap, "found_rate": gap},
        "p": {"decided": None, "found_rate": 0.01},
        "effects": [],
    }


def test_groups_and_their_differences() -> None:
    assert result("found_rate@Young:with > 0.1", groups=[group(few=False)]) == [FAIL]
    assert result("found_rate@Young > 0.1", groups=[group(few=False)]) == [FAIL, FAIL]
    assert result("found_gap@Young > 0.05", groups=[group(few=False)]) == [FAIL]
    assert result("found_gap@* > 0.6", groups=[group(few=False)]) == [PASS]
    assert result("decided@Young:with > 0.1", groups=[group(few=True)]) == [UNSURE]
    assert result("decided_gap@Young > 0.1", groups=[group(few=True)]) == [UNSURE]


def test_f35_a_small_group_says_why() -> None:
    [judged] = judge(document(groups=[group(few=True)]), [fail_if("decided_gap@Young > 0.1")])
    assert judged.message == "cannot tell: a group has fewer than 10 inputs."


def test_intervals_at_another_confidence() -> None:
    share = Measurement("flip_rate", "m", "Male", value=0.12, low=0.056, high=0.238, count=6, n=50)
    exact = wilson(6, 50, confidence=0.9)
    assert exact is not None
    assert interval_at(share, 0.9) == (exact.low, exact.high)
    other = Measurement("effect", "m", "Male", value=1.0, low=0.0, high=3.0)
    low, high = interval_at(other, 0.99) or (0.0, 0.0)
    # 2.5758 / 1.9600 = 1.3142
    assert (round(low, 3), round(high, 3)) == (-0.314, 3.628)


@pytest.mark.parametrize(
    "line",
    ["", "effect:Male", "effect:Male = 1", "effect:Male > x", "|effect:Male > 1", "effect:Male| > 1", "a b > 1", "effect > nan",
     "__import__('os') > 1", "effect:Male > 1 at", "effect:Male > 1 > 2"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="is no condition. Write metric:subject@group"):
        fail_if(line)


def test_unknown_metrics_and_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'flip_rate'"):
        fail_if("flip_rates:Male > 5%")
    with pytest.raises(ConfigError, match=r"\|found_rate\| is no size"):
        fail_if("|found_rate| > 5%")
    with pytest.raises(ConfigError, match="`confidence` must lie in 0.5 to 1"):
        fail_if("effect:Male > 1 at 20%")
    with pytest.raises(ConfigError, match="`op` must be one of"):
        Condition("effect", "==", 1.0)
    with pytest.raises(ConfigError, match="finite"):
        Condition("effect", ">", float("nan"))
    with pytest.raises(ConfigError, match="no condition is given"):
        named([])
    with pytest.raises(ConfigError, match="two conditions are called"):
        named([fail_if("effect:Male > 1"), fail_if("effect:Male > 1")])


def test_a_line_forbids_what_a_table_requires(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(
        '[[gate]]\nmetric = "flip_rate"\nsubject = "Male"\nop = "<="\nvalue = 0.05\nconfidence = 0.99\n'
        '[[gate]]\nname = "young"\nmetric = "abs_effect"\nsubject = "Young"\nop = "<="\nvalue = 1\nmodel = "m"\n'
    )
    first, second = read_conditions(path)
    assert first == fail_if("flip_rate:Male > 5% at 99%")
    assert first.words == "flip_rate:Male <= 0.05 at 99%"
    assert (second.title, second.model) == ("young", "m")
    assert [j.result for j in judge(document(), [first, second])] == [UNSURE, PASS]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "not valid TOML"),
        ("a = 1", "holds no condition"),
        ('gate = ["x"]', "must be a table"),
        ('[[gate]]\nmetric = "effect"\nop = ">"', r"\[\[gate\]\] 1: the setting `value` is missing"),
        ('[[gate]]\nmetrik = "effect"', "Did you mean 'metric'"),
        ('[[gate]]\nmetric = "effect"\nop = ">"\nvalue = "1"', "`value` must be a number"),
        ('[[gate]]\nmetric = "effect"\nop = ">"\nvalue = true', "`value` must be a number"),
        ('[[gate]]\nmetric = 3\nop = ">"\nvalue = 1', "`metric` must be a text"),
        ('[[gate]]\nmetric = "effect"\nop = ">"\nvalue = nan', "finite"),
        ('[[gate]]\nmetric = "effect"\nop = ">"\nvalue = 1\nconfidence = 95', "confidence"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_conditions(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_conditions(tmp_path / "none.toml")


def test_every_metric_of_the_catalogue_is_described() -> None:
    found = {figure.metric for figure in catalogue(document(groups=[group(few=False)]))}
    assert found <= set(METRICS)
    assert {"effect", "abs_effect", "flip_rate", "found_gap", "decided"} <= found


def judged() -> list[Judgement]:
    lines = ("|effect:Male| > 0.5", "|effect:Young| > 0.5", "flip_rate:Male > 10%", "effect:<&> > 1")
    return judge(document(), [fail_if(line.replace("<&>", '"a&b,c: d"')) for line in lines])


def test_what_one_cannot_tell_passes_or_fails_as_is_set() -> None:
    unsure = judge(document(), [fail_if("flip_rate:Male > 10%")])
    assert not passed(unsure, unsure_passes=False)
    assert passed(unsure, unsure_passes=True)
    assert not passed(judged(), unsure_passes=True)


def test_text_begins_with_what_failed() -> None:
    lines = text(judged(), run="runs/one", unsure_passes=False).splitlines()
    assert [line[:11].strip() for line in lines[:-1]] == ["FAIL", "FAIL", "cannot tell", "pass"]
    assert lines[0].endswith("2, 95 % interval 1.5 to 2.5: none of it is <= 0.5.")
    assert lines[-1] == "runs/one: 1 pass, 2 fail, of 1 one cannot tell (which fails)."


@pytest.mark.parametrize("unsure_passes", [False, True])
def test_junit_has_a_case_a_judgement(unsure_passes: bool) -> None:
    """The elements and attributes of the format as Jenkins, GitLab and GitHub read it, and valid by the schema of Jenkins."""
    written = junit(judged(), run="runs/<one>", unsure_passes=unsure_passes)
    assert [str(error) for error in JUNIT.iter_errors(written)] == []
    root = ET.fromstring(written)
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.attrib["name"] == "runs/<one>"
    assert (suite.get("tests"), suite.get("errors")) == ("4", "0")
    cases = list(suite)
    assert all(case.tag == "testcase" and {"classname", "name", "time"} <= set(case.attrib) for case in cases)
    failures = suite.findall("testcase/failure")
    assert len(failures) == int(suite.attrib["failures"]) == (2 if unsure_passes else 3)
    assert len(suite.findall("testcase/skipped")) == int(suite.attrib["skipped"]) == int(unsure_passes)
    assert all(failure.get("message") and failure.get("type") in (FAIL, UNSURE) for failure in failures)
    assert any("a&b,c: d" in case.attrib["name"] for case in cases)


@pytest.mark.parametrize("unsure_passes", [False, True])
def test_sarif_has_conditions_as_rules_and_judgements_as_results(unsure_passes: bool) -> None:
    log = json.loads(sarif(judged(), run="runs/my one", unsure_passes=unsure_passes))
    SARIF.validate(log)
    assert log["version"] == "2.1.0"
    assert set(log) == {"$schema", "version", "runs"}
    [run] = log["runs"]
    assert set(run) == {"tool", "results"}
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == 4
    levels = []
    for one in run["results"]:
        assert one["message"]["text"]
        assert one["ruleId"] == rules[one["ruleIndex"]]["id"]
        assert one["kind"] in ("pass", "open", "fail")
        assert one["level"] == ("error" if one["kind"] == "fail" else "none")  # 3.27.10: none unless it fails
        place = one["locations"][0]["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9%/._-]+", place["artifactLocation"]["uri"])
        assert place["region"]["startLine"] == 1
        levels.append(one["level"])
    assert levels.count("error") == (2 if unsure_passes else 3)


def test_f86_sarif_is_cut_with_a_note() -> None:
    many = judged()[:1] * (MOST_RESULTS + 3)
    log = json.loads(sarif(many, run="r", unsure_passes=False))
    [run] = log["runs"]
    SARIF.validate({**log, "runs": [{**run, "results": run["results"][:2]}]})
    assert len(run["results"]) == MOST_RESULTS
    [note] = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("3 further results are left out")


def test_github_annotations_are_escaped() -> None:
    lines = github(judged(), run="runs/one", unsure_passes=True).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::error", "::notice"]
    assert 'title=cfsearch gate%3A effect%3A"a&b%2Cc%3A d"' in lines[2]
    assert "95 %25 interval" in lines[0]


def test_f85_every_format_has_a_writer() -> None:
    assert set(WRITERS) == {"text", "junit", "sarif", "github"}
    for write in WRITERS.values():
        assert write(judged(), run="r", unsure_passes=False)
