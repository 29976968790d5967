"""Each format of a gate as it stands in the file, letter by letter."""

import json
from importlib.metadata import version

import pytest

from cfsearch.audits import gate_formats
from cfsearch.audits.conditions import Condition
from cfsearch.audits.gate import FAIL, PASS, UNSURE, Judgement
from cfsearch.audits.gate_formats import github, junit, sarif, text
from cfsearch.audits.measurements import Measurement

FIRST = Condition("found_rate", ">=", 0.5, name="enough: found, 100%")
SECOND = Condition("effect", "<", 1.0, subject="Male")
FIGURE = Measurement("effect", "m", "Male", value=0.2, low=0.1, high=0.3, n=5)
GOOD = Judgement(SECOND, FIGURE, 0.1, 0.3, PASS, "all of it.")
BAD = Judgement(FIRST, None, None, None, FAIL, 'none <of> "it" & more\x00\nsecond line.')
OPEN = Judgement(SECOND, FIGURE, -0.1, 1.3, UNSURE, "open.")
ALL = (GOOD, OPEN, BAD)


def test_text_lists_what_failed_first() -> None:
    assert text(ALL, run="runs/x", unsure_passes=True) == (
        'FAIL         enough: found, 100%  [found_rate >= 0.5]  none <of> "it" & more\x00\nsecond line.\n'
        "cannot tell  effect:Male < 1  [effect:Male (m)]  open.\n"
        "pass         effect:Male < 1  [effect:Male (m)]  all of it.\n"
        "runs/x: 1 pass, 1 fail, of 1 one cannot tell (which passes).\n"
    )
    assert (
        text(ALL, run="r", unsure_passes=False)
        .splitlines()[-1]
        .endswith("of 1 one cannot tell (which fails).")
    )
    assert (
        text((GOOD,), run="r", unsure_passes=True).splitlines()[-1]
        == "r: 1 pass, 0 fail, of 0 one cannot tell."
    )


def test_junit_letter_by_letter() -> None:
    assert junit(ALL, run='a "run"', unsure_passes=True) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuites name="cfsearch gate" tests="3" failures="1" errors="0" time="0">\n'
        '  <testsuite name=\'a "run"\' tests="3" failures="1" errors="0" time="0" skipped="1">\n'
        '    <testcase classname="cfsearch.effect" name="effect:Male &lt; 1 [effect:Male (m)]" time="0"/>\n'
        '    <testcase classname="cfsearch.effect" name="effect:Male &lt; 1 [effect:Male (m)]" time="0">\n'
        '      <skipped message="open."/>\n    </testcase>\n'
        '    <testcase classname="cfsearch.found_rate" name="enough: found, 100% [found_rate &gt;= 0.5]" time="0">\n'
        '      <failure message=\'none &lt;of&gt; "it" &amp; more\ufffd&#10;second line.\' type="fail">'
        'found_rate &gt;= 0.5: none &lt;of&gt; "it" &amp; more\ufffd\nsecond line.</failure>\n    </testcase>\n'
        "  </testsuite>\n</testsuites>\n"
    )
    strict = junit(ALL, run="r", unsure_passes=False)
    assert 'failures="2"' in strict and 'skipped="0"' in strict
    assert '<failure message="open." type="cannot tell">effect:Male &lt; 1: open.</failure>' in strict


@pytest.mark.parametrize(
    ("letter", "kept"),
    [
        ("\t", True), ("\n", True), ("\r", True), (" ", True), ("\x1f", False), ("\ud7ff", True), ("\ud800", False),
        ("\ue000", True), ("\ufffd", True), ("\ufffe", False), ("\uffff", False), ("\U00010000", True),
    ],
)  # fmt: skip
def test_xml_holds_what_its_standard_allows(letter: str, kept: bool) -> None:
    """XML 1.0, production 2: Char."""
    failed = junit((Judgement(FIRST, None, None, None, FAIL, f"a{letter}b"),), run="r", unsure_passes=True)
    assert f">found_rate &gt;= 0.5: a{letter if kept else chr(0xFFFD)}b</failure>" in failed


def result(kind: str, level: str, j: Judgement, rule: int, name: str) -> dict[str, object]:
    return {
        "ruleId": name, "ruleIndex": rule, "kind": kind, "level": level, "message": {"text": f"{j.title}: {j.message}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": "runs/a%20b/audit.json"}, "region": {"startLine": 1}},
                "logicalLocations": [{"name": j.title, "kind": "member"}],
            }
        ],
        "properties": {
            "value": None if j.figure is None else j.figure.value, "low": j.low, "high": j.high, "result": j.result,
        },
    }  # fmt: skip


@pytest.mark.parametrize(("passes", "kind", "level"), [(True, "open", "none"), (False, "fail", "error")])
def test_sarif_as_a_whole(passes: bool, kind: str, level: str) -> None:
    effect, found = "CF001-effect-Male-1", "CF002-enough-found-100"
    assert json.loads(sarif(ALL, run="/runs/a b/", unsure_passes=passes)) == {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "cfsearch",
                        "version": version("cfsearch"),
                        "rules": [
                            {
                                "id": effect, "name": "effect:Male < 1",
                                "shortDescription": {"text": "effect:Male < 1 must hold."},
                                "defaultConfiguration": {"level": "error"},
                            },
                            {
                                "id": found, "name": "enough: found, 100%",
                                "shortDescription": {"text": "found_rate >= 0.5 must hold."},
                                "defaultConfiguration": {"level": "error"},
                            },
                        ],
                    }
                },
                "results": [
                    result("fail", "error", BAD, 1, found),
                    result(kind, level, OPEN, 0, effect),
                    result("pass", "none", GOOD, 0, effect),
                ],
            }
        ],
    }  # fmt: skip


def test_sarif_names_stay_short_and_the_root_is_no_place() -> None:
    long = Condition("effect", "<", 1.0, name="x" * 70)
    [run] = json.loads(sarif((Judgement(long, None, None, None, PASS, ""),), run="/", unsure_passes=True))[
        "runs"
    ]
    assert run["results"][0]["ruleId"] == f"CF001-{'x' * 60}"
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "/audit.json"}


def test_sarif_leaves_out_what_is_too_much_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_formats, "MOST_RESULTS", 3)
    [run] = json.loads(sarif(ALL, run="r", unsure_passes=True))["runs"]
    assert "invocations" not in run
    monkeypatch.setattr(gate_formats, "MOST_RESULTS", 2)
    [run] = json.loads(sarif(ALL, run="r", unsure_passes=True))["runs"]
    assert [r["properties"]["result"] for r in run["results"]] == [FAIL, UNSURE]
    message = "1 further results are left out; --format json has all of them."
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "toolExecutionNotifications": [{"level": "note", "message": {"text": message}}],
        }
    ]


def test_github_letter_by_letter() -> None:
    more = Judgement(FIRST, None, None, None, FAIL, "5 %\r\nmore, and: so.")
    assert github((GOOD, more, OPEN), run="r", unsure_passes=True) == (
        "::error title=cfsearch gate%3A enough%3A found%2C 100%25::found_rate >= 0.5: 5 %25%0D%0Amore, and: so.\n"
        "::warning title=cfsearch gate%3A effect%3AMale < 1::effect:Male (m): open.\n"
        "::notice title=cfsearch gate::r: 1 pass, 1 fail, of 1 one cannot tell (which passes).\n"
    )
    strict = github((OPEN,), run="r", unsure_passes=False)
    assert strict.startswith("::error title=cfsearch gate%3A effect%3AMale < 1::effect:Male (m): open.\n")
    assert {"text": text, "junit": junit, "sarif": sarif, "github": github} == gate_formats.WRITERS
