"""The table of headings, and each section with its figures, line by line."""

from typing import Any

import pytest

from cfsearch.audits.exchange.annex import HEADINGS, annex_map
from cfsearch.audits.exchange.subjects import NON_CLAIMS

from .conftest import between, made


def sections(text: str) -> dict[str, list[str]]:
    """Lines of each section by its name."""
    found: dict[str, list[str]] = {}
    for part in text.split("\n## ")[1:]:
        name, *lines = part.split("\n")
        found[name] = [line for line in lines if line]
    return found


def table(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_every_section_of_a_plain_audit() -> None:
    text = annex_map(made(title="An audit"))
    assert text.startswith(
        "# Evidence of one audit, by the headings of others\n\nCounterfactual audit run-1: An audit. Each line says what the "
        "audit supports evidence for. It is no technical documentation, no assessment, and no statement of conformity; "
        "headings that an audit holds nothing for are listed too.\n\n| text | heading | asks for | this audit supports "
        "evidence for it by |\n| --- | --- | --- | --- |\n"
    )
    assert text.endswith(".\n") and "\n\n\n" not in text
    found = sections(text)
    assert list(found) == [
        "What was audited", "How it was tested", "How close a change of class lies", "What the model leans on",
        "What weakens the result, and what is not claimed", "Records",
    ]  # fmt: skip
    assert found["What was audited"] == [
        f"- Model faces \\| &lt;script&gt;, file faces v2.onnx, SHA-256 `{'ab' * 32}`, classes Female, Male.",
        "- Versions: cfsearch 0.1.0.",
    ]
    assert found["How it was tested"] == [
        "- 0 inputs; for each a multi-objective search for counterfactuals (nsga2, at most 100 candidates, seed 7) through "
        "attgan; what is stored was queried again.",
        "- A leaning counts from 0.25 logits, whole 95 % interval beyond it, p below 0.05 after Holm.",
        "- Protected attributes: Male, Young.",
    ]
    assert found["How close a change of class lies"] == [
        "- model: a verified change of class was found for 38 of 40 searched inputs (95 % interval 91\u202f% to 99\u202f%)."
    ]
    assert found["What the model leans on"] == [
        "- Male \\| &lt;b&gt;counts&lt;/b&gt; by -1.5 logits \\*here\\*.",
        "- Young \\| &lt;b&gt;counts&lt;/b&gt; by -1.5 logits \\*here\\*.",
    ]
    assert found["What weakens the result, and what is not claimed"] == [
        "- Few pictures.", *(f"- {claim}" for claim in NON_CLAIMS)
    ]  # fmt: skip
    assert found["Records"] == [
        "- Run run-1, 2026-01-02T03:04:05+00:00 to 2026-01-02T03:05:35+00:00; its files have checksums and a chain of events "
        "(`cfsearch check`).",
        f"- generator: SHA-256 `{'cd' * 32}`.",
        f"- list of inputs: SHA-256 `{'ef' * 32}`.",
    ]


BY_PART = {
    "subject": "“What was audited”", "procedure": "“How it was tested”", "figures": "“How close a change of class lies”",
    "verdicts": "“What the model leans on”", "limits": "“What weakens the result, and what is not claimed”",
    "records": "“Records”",
}  # fmt: skip
NOTHING = "nothing: not in this audit"


@pytest.mark.parametrize("full", [False, True])
def test_each_heading_names_the_section_that_there_is(full: bool) -> None:
    group = {"instances": 3, "decided": None, "searched": 3, "found_rate": None}
    more: dict[str, Any] = (
        {
            "about": {"who": "we"},
            "groups": [{"model": "model", "attribute": "sex", "groups": [{"name": "f", **group}]}],
        }
        if full
        else {}
    )
    also = {"about": "“Who, why, and the data”", "groups": "“Figures by group”"} if full else {}
    head, rule, *rows = table(annex_map(made(**more)))
    assert head[0] == "text" and rule[0] == "---"
    assert rows == [[h.text, h.place, h.asks, {**BY_PART, **also}.get(h.part, NOTHING)] for h in HEADINGS]


def test_headings_point_to_the_parts_that_they_ask_for() -> None:
    """Regulation (EU) 2024/1689, Annex IV and Articles 10, 12, 13, 15; ISO/IEC TS 12791:2024, by topic."""
    act, iso = "Regulation (EU) 2024/1689", "ISO/IEC TS 12791:2024"
    assert [(h.text, h.place, h.part) for h in HEADINGS] == [
        (act, "Annex IV, 1 (a)", "about"), (act, "Annex IV, 1 (c)", "subject"), (act, "Annex IV, 2 (b)", "none"),
        (act, "Annex IV, 2 (d)", "about"), (act, "Annex IV, 2 (e)", "none"), (act, "Annex IV, 2 (g)", "procedure"),
        (act, "Annex IV, 2 (h)", "none"), (act, "Annex IV, 3", "groups"), (act, "Annex IV, 3", "verdicts"),
        (act, "Annex IV, 4", "limits"), (act, "Annex IV, 5 to 9", "none"), (act, "Article 10 (2) (f)", "verdicts"),
        (act, "Article 10 (2) (h)", "limits"), (act, "Article 12", "records"), (act, "Article 13 (3) (b)", "groups"),
        (act, "Article 15 (1), (3)", "none"), (act, "Article 15 (4), (5)", "figures"),
        (iso, "5.1.4 Data sources", "about"), (iso, "5.1.6 Acceptance criteria", "procedure"),
        (iso, "5.2 Design and development", "none"), (iso, "5.3.2 Static testing of data used in development", "none"),
        (iso, "5.3.3 Dynamic testing", "verdicts"), (iso, "5.3.3 Dynamic testing", "groups"),
        (iso, "5.4 Re-evaluation, continuous validation, operations and monitoring", "records"),
        (iso, "6 Techniques to address unwanted bias", "none"), (iso, "7 Handling bias in a distributed AI system life cycle", "none"),
    ]  # fmt: skip


def test_who_and_why_and_an_unfinished_run() -> None:
    about = {"who": "we", "why": "because", "data_source": "a | b", "data_date": "2025", "remarks": "none"}
    document = made(about=about, finished=None, protected=[], versions={"a": "1", "b": "2"})
    found = sections(annex_map(document))
    assert found["Who, why, and the data"] == [
        "- By: we.", "- Purpose: because.", "- Source of the data: a \\| b.", "- Date of the data: 2025.", "- Remarks: none.",
    ]  # fmt: skip
    assert found["Records"][0].startswith("- Run run-1, 2026-01-02T03:04:05+00:00 to not finished;")
    assert found["How it was tested"][2] == "- Protected attributes: none were named."
    assert found["What was audited"][1] == "- Versions: a 1, b 2."
    assert sections(annex_map(made(about={"why": "so"})))["Who, why, and the data"] == ["- Purpose: so."]


def test_figures_without_an_interval_and_by_group() -> None:
    count = {
        "model": "model", "instances": 3, "searched": 0, "found": 0, "not_found": 0, "already_target": 3, "failed": 0,
        "found_rate": None,
    }  # fmt: skip
    part = {"instances": 12, "decided": between(0.5, 0.25), "searched": 3, "found_rate": None}
    few = {**part, "instances": 3, "decided": None}
    groups = [
        {"model": "model", "attribute": "Male", "with": part, "without": few, "difference": None, "p": None, "effects": []},
        {"model": "model", "attribute": "a_b", "groups": [{"name": "x*", **part}, {"name": "y", **few}], "comparisons": []},
    ]  # fmt: skip
    found = sections(annex_map(made(counts=[count], groups=groups)))
    assert found["How close a change of class lies"] == [
        "- model: a verified change of class was found for 0 of 0 searched inputs."
    ]
    rate = "50\u202f% decided as the last class (95 % interval 25\u202f% to 75\u202f%)."
    assert found["Figures by group"] == [
        f"- model, Male = yes: 12 inputs, {rate}", "- model, Male = no: 3 inputs, too few for a share.",
        f"- model, a\\_b = x\\*: 12 inputs, {rate}", "- model, a\\_b = y: 3 inputs, too few for a share.",
    ]  # fmt: skip
