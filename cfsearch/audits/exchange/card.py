"""An audit as a part of a model card: Markdown for *Bias, Risks and Limitations*, with its figures as ``model-index``."""

import json
from typing import Any

from cfsearch.audits.measurements import Measurement
from cfsearch.audits.metrics import catalogue
from cfsearch.audits.reading import AuditDocument, Model
from cfsearch.report.agreement import counted_as

from .subjects import digest_of, generators, limits

_SHOWN = (
    *("agreement", "decided", "decided_gap", "effect", "flip_rate", "found_rate", "shared_gap"),
    "shared_rate",
)


def model_card(document: AuditDocument) -> str:
    """Markdown with a YAML header, as model hubs read it.

    Args:
        document: the content of ``audit.json``.

    References:
        Mitchell et al. 2019, https://arxiv.org/abs/1810.03993; ``model-index``,
        https://huggingface.co/docs/hub/model-cards.
    """
    parts = ["---", _yaml({"model-index": [_entry(model, document) for model in document.models]}), "---", ""]
    parts += ["# Bias, Risks and Limitations", ""]
    many = len(document.models) > 1
    for model in document.models:
        if many:
            parts += [f"## {plain(model.name)}", ""]
        parts += _model(model, document)
    parts += ["## What this does not say", "", *(f"- {plain(text)}" for text in limits(document)), ""]
    parts += ["## How it was measured", ""]
    parts += [
        f"Counterfactual audit {document.run_id} by cfsearch {document.versions.get('cfsearch', '')}, "
        f"{document.finished or document.created}: solver {document.search.solver}, {document.search.evaluations} candidates "
        f"an input, seed {document.search.seed}, generator {plain(generators(document))}.",
        "",
    ]
    if document.command:
        parts += ["```console", document.command.replace("```", ""), "```", ""]
    return "\n".join(parts)


def _model(model: Model, document: AuditDocument) -> list[str]:
    verdicts = [v for v in document.verdicts if v.model == model.id]
    counts = next((c for c in document.counts if c.model == model.id), None)
    lines = [f"- **{plain(v.headline)}** {plain(v.detail)}" for v in verdicts]
    if not verdicts:
        lines = ["- No verdict on an attribute was wanted or could be measured."]
    if counts is not None:
        flip = counted_as(row.reason for row in document.instances)
        lines.append(
            f"- {counts.instances} inputs were audited; a {flip} was found for {counts.found} of "
            f"{counts.searched} searched, {counts.failed} failed."
        )
    figures = _figures(model, document)
    table = ["", "| figure | value | 95 % interval | inputs |", "| --- | ---: | --- | ---: |"]
    for figure in figures:
        ends = "" if figure.low is None or figure.high is None else f"{figure.low:.3g} to {figure.high:.3g}"
        table.append(f"| {_cell(figure.name)} | {figure.value:.3g} | {ends} | {figure.n or ''} |")
    sha = digest_of(model)["sha256"]
    return [
        *lines,
        *(table if figures else []),
        "",
        f"Model file: {plain(model.file)}, SHA-256 `{sha}`.",
        "",
    ]


def _figures(model: Model, document: AuditDocument) -> list[Measurement]:
    return [
        figure
        for figure in catalogue(document)
        if figure.model == model.id
        and figure.metric in _SHOWN
        and figure.value is not None
        and not figure.because
    ]


def _entry(model: Model, document: AuditDocument) -> dict[str, Any]:
    metrics = [
        {"type": figure.metric, "name": figure.name, "value": float(f"{figure.value:.6g}")}
        for figure in _figures(model, document)
    ]
    kind = {"pictures": "image", "rows": "tabular", "texts": "text", "sounds": "audio"}[document.inputs]
    result = {
        "task": {"type": f"{kind}-classification"},
        "dataset": {"name": document.title or "audited inputs", "type": "audited-inputs"},
        "metrics": metrics or [{"type": "inputs", "name": "inputs", "value": len(document.instances)}],
        "source": {"name": "cfsearch", "url": "https://pypi.org/project/cfsearch"},
    }
    return {"name": model.name, "results": [result]}


def _yaml(value: Any, indent: int = 0) -> str:  # Any: JSON values
    """YAML in block style; texts as JSON strings, which are YAML too."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines: list[str] = []
        for key, one in value.items():
            nested = isinstance(one, dict | list) and one
            lines.append(f"{pad}{key}:{'' if nested else ' ' + _yaml(one)}")
            if nested:
                lines.append(_yaml(one, indent + 1))
        return "\n".join(lines)
    if isinstance(value, list):
        return "\n".join(f"{pad}- {_yaml(one, indent + 1).lstrip()}" for one in value)
    return json.dumps(value, ensure_ascii=True)


def plain(text: str) -> str:
    """A text of others on one line, without Markdown or HTML of its own.

    Args:
        text: whatever it holds.
    """
    line = " ".join(text.split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "#", "|", "!"):
        line = line.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return line


def _cell(text: str) -> str:
    return plain(text)
