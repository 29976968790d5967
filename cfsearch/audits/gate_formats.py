"""A judged gate as text, JUnit XML, SARIF 2.1.0 or annotations of GitHub."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from cfsearch.files import dump_json

from .gate import FAIL, PASS, UNSURE, Judgement

MOST_RESULTS: Final = 25_000
"""GitHub takes no SARIF file with more results."""
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_MARKS: Final = {PASS: "pass", FAIL: "FAIL", UNSURE: "cannot tell"}


def text(judgements: Sequence[Judgement], *, run: str, unsure_passes: bool) -> str:
    """A line a judgement, what failed first, and how many there are of each kind.

    Args:
        judgements: of all conditions.
        run: the run directory.
        unsure_passes: whether "cannot tell" lets the gate pass.
    """
    ranked = sorted(judgements, key=lambda j: (FAIL, UNSURE, PASS).index(j.result))
    lines = [f"{_MARKS[j.result]:11}  {j.condition.title}  [{j.title}]  {j.message}" for j in ranked]
    count = {result: sum(j.result == result for j in judgements) for result in (PASS, FAIL, UNSURE)}
    taken = "passes" if unsure_passes else "fails"
    summary = f"{count[PASS]} pass, {count[FAIL]} fail, of {count[UNSURE]} one cannot tell"
    return "\n".join([*lines, f"{run}: {summary}{f' (which {taken})' if count[UNSURE] else ''}."]) + "\n"


def junit(judgements: Sequence[Judgement], *, run: str, unsure_passes: bool) -> str:
    """A JUnit file: a test case a judgement; what one cannot tell is skipped, or a failure of that type.

    Args:
        judgements: of all conditions.
        run: the run directory.
        unsure_passes: whether "cannot tell" lets the gate pass.
    """
    cases = []
    failures = skipped = 0
    for j in judgements:
        head = f'    <testcase classname={_attribute(f"cfsearch.{j.condition.metric}")} name={_attribute(f"{j.condition.title} [{j.title}]")} time="0"'
        if j.result == PASS:
            cases.append(f"{head}/>")
        elif j.result == UNSURE and unsure_passes:
            skipped += 1
            cases.append(f"{head}>\n      <skipped message={_attribute(j.message)}/>\n    </testcase>")
        else:
            failures += 1
            cases.append(
                f"{head}>\n      <failure message={_attribute(j.message)} type={_attribute(j.result)}>"
                f"{escape(_clean(f'{j.condition.words}: {j.message}'))}</failure>\n    </testcase>"
            )
    counted = f'tests="{len(cases)}" failures="{failures}" errors="0" time="0"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="cfsearch gate" {counted}>',
            f'  <testsuite name={_attribute(run)} {counted} skipped="{skipped}">',
            *cases,
            "  </testsuite>",
            "</testsuites>",
            "",
        ]
    )


def sarif(judgements: Sequence[Judgement], *, run: str, unsure_passes: bool) -> str:
    """A SARIF 2.1.0 log: conditions are rules, judgements results; at most 25,000 of them, what failed first.

    Args:
        judgements: of all conditions.
        run: the run directory.
        unsure_passes: whether "cannot tell" lets the gate pass.
    """
    titles = list(dict.fromkeys(j.condition.title for j in judgements))
    ranked = sorted(judgements, key=lambda j: (FAIL, UNSURE, PASS).index(j.result))
    entry: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "cfsearch",
                "version": version("cfsearch"),
                "rules": [_rule(i, title, judgements) for i, title in enumerate(titles)],
            }
        },
        "results": [
            _result(j, rule=titles.index(j.condition.title), run=run, unsure_passes=unsure_passes)
            for j in ranked[:MOST_RESULTS]
        ],
    }
    if len(ranked) > MOST_RESULTS:
        left_out = (
            f"{len(ranked) - MOST_RESULTS} further results are left out; --format json has all of them."
        )
        notification = {"level": "note", "message": {"text": left_out}}
        entry["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": [notification]}]
    return dump_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [entry]})


def _rule(index: int, title: str, judgements: Sequence[Judgement]) -> dict[str, Any]:
    condition = next(j.condition for j in judgements if j.condition.title == title)
    return {
        "id": _id(index, title),
        "name": title,
        "shortDescription": {"text": f"{condition.words} must hold."},
        "defaultConfiguration": {"level": "error"},
    }


def _id(index: int, title: str) -> str:
    return f"CF{index + 1:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', title).strip('-')[:60]}"


def _result(j: Judgement, *, rule: int, run: str, unsure_passes: bool) -> dict[str, Any]:
    kinds: Mapping[str, tuple[str, str]] = {
        PASS: ("pass", "none"),
        FAIL: ("fail", "error"),
        UNSURE: ("open", "none") if unsure_passes else ("fail", "error"),
    }
    kind, level = kinds[j.result]
    place: dict[str, Any] = {
        "artifactLocation": {"uri": f"{_uri(run)}/audit.json"},
        "region": {"startLine": 1},
    }
    logical = {"name": j.title, "kind": "member"}
    return {
        "ruleId": _id(rule, j.condition.title),
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": {"text": f"{j.title}: {j.message}"},
        "locations": [{"physicalLocation": place, "logicalLocations": [logical]}],
        "properties": {
            "value": None if j.figure is None else j.figure.value,
            "low": j.low,
            "high": j.high,
            "result": j.result,
        },
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.strip("/") if path != "/" else "", safe="/._-")


def github(judgements: Sequence[Judgement], *, run: str, unsure_passes: bool) -> str:
    """Workflow commands of GitHub Actions: an annotation a judgement that is no pass, and a notice of all.

    Args:
        judgements: of all conditions.
        run: the run directory.
        unsure_passes: whether "cannot tell" lets the gate pass.
    """
    lines = []
    for j in judgements:
        if j.result == PASS:
            continue
        level = "warning" if j.result == UNSURE and unsure_passes else "error"
        title = _command(f"cfsearch gate: {j.condition.title}", of_property=True)
        lines.append(f"::{level} title={title}::{_command(f'{j.title}: {j.message}')}")
    summary = text(judgements, run=run, unsure_passes=unsure_passes).splitlines()[-1]
    return "\n".join([*lines, f"::notice title=cfsearch gate::{_command(summary)}", ""])


def _command(value: str, *, of_property: bool = False) -> str:
    """A text as workflow commands take it."""
    pairs = [
        ("%", "%25"),
        ("\r", "%0D"),
        ("\n", "%0A"),
        *([(":", "%3A"), (",", "%2C")] if of_property else []),
    ]
    for old, new in pairs:
        value = value.replace(old, new)
    return value


def _clean(value: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return "".join(
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else "\ufffd"
        for c in value
    )


def _attribute(value: str) -> str:
    return quoteattr(_clean(value))


Writer = Callable[..., str]
WRITERS: Final[Mapping[str, Writer]] = {"text": text, "junit": junit, "sarif": sarif, "github": github}
"""What each format is written by; JSON is written by the command line."""
