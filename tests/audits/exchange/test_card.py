"""The part of a model card: its Markdown line by line, its header as YAML that parses."""

from typing import Any

import pytest
import yaml

from cfsearch.audits.exchange.card import model_card, plain
from cfsearch.audits.exchange.subjects import NON_CLAIMS
from cfsearch.audits.reading import AuditDocument

from .conftest import made

SHA = "ab" * 32


def parts(document: AuditDocument) -> tuple[Any, list[str]]:
    """The header and the lines of the body."""
    head, _, body = model_card(document).removeprefix("---\n").partition("\n---\n")
    read: Any = yaml.safe_load
    return read(head), [line for line in body.splitlines() if line]


def test_the_body_line_by_line() -> None:
    _, lines = parts(made())
    assert lines == [
        "# Bias, Risks and Limitations",
        "- **Male \\| &lt;b&gt;counts&lt;/b&gt;** by -1.5 logits \\*here\\*.",
        "- **Young \\| &lt;b&gt;counts&lt;/b&gt;** by -1.5 logits \\*here\\*.",
        "- 40 inputs were audited; a verified counterfactual was found for 38 of 40 searched, 0 failed.",
        "| figure | value | 95 % interval | inputs |",
        "| --- | ---: | --- | ---: |",
        "| found\\_rate | 0.95 | 0.91 to 0.99 | 40 |",
        "| effect:Male | -1.5 | -1.7 to -1.3 | 40 |",
        "| flip\\_rate:Male | 0.1 | 0.05 to 0.15 | 40 |",
        "| effect:Young | 0.05 | -0.15 to 0.25 | 40 |",
        "| flip\\_rate:Young | 0.1 | 0.05 to 0.15 | 40 |",
        f"Model file: faces v2.onnx, SHA-256 `{SHA}`.",
        "## What this does not say",
        "- Few pictures.",
        *(f"- {claim}" for claim in NON_CLAIMS),
        "## How it was measured",
        "Counterfactual audit run-1 by cfsearch 0.1.0, 2026-01-02T03:05:35+00:00: solver nsga2, 100 candidates an input, "
        "seed 7, generator attgan.",
        "```console",
        "cfsearch audit --images photos",
        "```",
    ]


def test_the_header_as_data() -> None:
    head, _ = parts(made())
    assert head == {
        "model-index": [
            {
                "name": "faces | <script>",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": 'An audit: "quoted" # and\nbroken', "type": "audited-inputs"},
                        "metrics": [
                            {"type": "found_rate", "name": "found_rate", "value": 0.95},
                            {"type": "effect", "name": "effect:Male", "value": -1.5},
                            {"type": "flip_rate", "name": "flip_rate:Male", "value": 0.1},
                            {"type": "effect", "name": "effect:Young", "value": 0.05},
                            {"type": "flip_rate", "name": "flip_rate:Young", "value": 0.1},
                        ],
                        "source": {"name": "cfsearch", "url": "https://pypi.org/project/cfsearch"},
                    }
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("inputs", "task"), [("rows", "tabular"), ("texts", "text"), ("sounds", "audio"), ("pictures", "image")]
)
def test_the_task_is_that_of_the_inputs(inputs: str, task: str) -> None:
    head, _ = parts(made(inputs=inputs))
    assert head["model-index"][0]["results"][0]["task"] == {"type": f"{task}-classification"}


def test_an_audit_without_figures_titles_or_verdicts() -> None:
    instance = {
        "key": "model/a", "model": "model", "name": "a", "status": "failed", "reason": "x", "reason_text": "x",
        "message": "", "source": "", "sha256": "", "notes": [],
    }  # fmt: skip
    head, lines = parts(
        made(
            counts=[], effects=[], verdicts=[], title="", finished=None, command="", instances=[instance] * 3
        )
    )
    [result] = head["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "inputs", "name": "inputs", "value": 3}]
    assert result["dataset"]["name"] == "audited inputs"
    assert lines[1:3] == [
        "- No verdict on an attribute was wanted or could be measured.",
        f"Model file: faces v2.onnx, SHA-256 `{SHA}`.",
    ]
    assert not any(line.startswith(("|", "```")) for line in lines)
    assert "2026-01-02T03:04:05+00:00: solver" in lines[-1]


def test_several_models_have_a_heading_each_and_their_own_figures() -> None:
    one = made()
    [first] = one.models
    models = [{**first.model_dump(), "id": name, "name": name.upper()} for name in ("model", "other")]
    head, lines = parts(made(models=models))
    assert [m["name"] for m in head["model-index"]] == ["MODEL", "OTHER"]
    assert head["model-index"][1]["results"][0]["metrics"] == [
        {"type": "inputs", "name": "inputs", "value": 0}
    ]
    assert lines[1] == "## MODEL" and "## OTHER" in lines
    after = lines[lines.index("## OTHER") + 1 :]
    assert after[0] == "- No verdict on an attribute was wanted or could be measured."
    assert after[1].startswith("Model file")


def test_a_figure_that_says_nothing_or_has_no_number_is_not_shown() -> None:
    effect = {"model": "model", "variable": "Hat", "estimate": None, "truth": None, "n": 3}
    unseen = {**effect, "estimate": {"value": 1, "low": 0, "high": 2}, "edit_success": 0.1}
    head, _ = parts(made(effects=[effect, unseen]))
    assert [m["name"] for m in head["model-index"][0]["results"][0]["metrics"]] == ["found_rate"]


def test_text_of_others_loses_its_markup() -> None:
    assert plain("a\n b\\`*_[]<>#|!") == "a b\\\\\\`\\*\\_\\[\\]&lt;&gt;\\#\\|\\!"
    document = made(command="a ``` b")
    assert "a  b" in model_card(document)


def test_numbers_have_six_digits_in_the_header_and_three_in_the_table() -> None:
    count = {
        "model": "model", "instances": 3, "searched": 3, "found": 1, "not_found": 2, "already_target": 0, "failed": 0,
        "found_rate": {"value": 0.123456789, "low": 0.0123456, "high": 0.98765},
    }  # fmt: skip
    head, lines = parts(made(counts=[count], effects=[]))
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.123457
    assert "| found\\_rate | 0.123 | 0.0123 to 0.988 | 3 |" in lines
