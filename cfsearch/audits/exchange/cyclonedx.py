"""An audit as a CycloneDX 1.6 machine-learning bill of materials: a model card a model, with slices and intervals."""

import uuid
from typing import Any, Final

from cfsearch.audits.measurements import Measurement
from cfsearch.audits.metrics import METRICS, catalogue
from cfsearch.audits.reading import AuditDocument, Model, VerdictRow

from .subjects import digest_of, limits, text_of

_NAMESPACE: Final = uuid.UUID("6f0f7b0e-6f8a-5c0e-9a53-3d3f1f1c8f10")


def bill_of_materials(document: AuditDocument) -> dict[str, Any]:
    """The document as CycloneDX 1.6 JSON; the same audit gives the same bytes.

    Args:
        document: the content of ``audit.json``.

    References:
        CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json (modelCard, performanceMetric, fairnessAssessment).
    """
    figures = catalogue(document)
    version = document.versions.get("cfsearch", "")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, document.run_id)}",
        "version": 1,
        "metadata": {
            "timestamp": document.finished or document.created,
            "tools": {"components": [{"type": "application", "name": "cfsearch", "version": version}]},
            "properties": [
                {"name": "cfsearch:run", "value": document.run_id},
                {"name": "cfsearch:command", "value": document.command},
                {"name": "cfsearch:seed", "value": str(document.search.seed)},
            ],
        },
        "components": [_component(model, document, figures) for model in document.models],
    }


def _component(model: Model, document: AuditDocument, figures: list[Measurement]) -> dict[str, Any]:
    own = [figure for figure in figures if figure.model == model.id]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model.id}",
        "name": model.name,
        "hashes": [{"alg": "SHA-256", "content": digest_of(model)["sha256"]}],
        "properties": [
            {"name": "cfsearch:file", "value": model.file},
            {"name": "cfsearch:fingerprint", "value": model.fingerprint},
            {"name": "cfsearch:labels", "value": ", ".join(model.labels)},
        ],
        "modelCard": {
            "bom-ref": f"card:{model.id}",
            "modelParameters": {"task": "classification"},
            "quantitativeAnalysis": {
                "performanceMetrics": [_metric(figure) for figure in own if figure.value is not None]
            },
            "considerations": {
                "technicalLimitations": limits(document),
                "fairnessAssessments": [
                    _assessment(verdict) for verdict in document.verdicts if verdict.model == model.id
                ],
            },
        },
    }


def _metric(figure: Measurement) -> dict[str, Any]:
    """One figure; what it is of stands in its type, its group in the slice."""
    entry: dict[str, Any] = {
        "type": f"{figure.metric}{f':{figure.subject}' if figure.subject else ''} ({METRICS[figure.metric]})",
        "value": text_of(figure.value or 0.0),
    }
    slices = [part for part in (figure.group, f"n={figure.n}" if figure.n else "", figure.because) if part]
    if slices:
        entry["slice"] = "; ".join(slices)
    if figure.low is not None and figure.high is not None:
        entry["confidenceInterval"] = {"lowerBound": text_of(figure.low), "upperBound": text_of(figure.high)}
    return entry


def _assessment(verdict: VerdictRow) -> dict[str, Any]:
    protected = " (protected)" if verdict.protected else ""
    return {
        "groupAtRisk": f"inputs that differ in {verdict.variable}{protected}",
        "harms": f"{verdict.reading}: {verdict.headline} {verdict.detail}".strip(),
    }
