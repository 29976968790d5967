"""An audit with everything that formats project: verdicts, effects, groups, names that are hostile."""

from typing import Any

import pytest

from cfsearch.audits.reading import AuditDocument


def between(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def made(**parts: Any) -> AuditDocument:
    """The document; ``parts`` take the place of its own."""
    effects = [
        {
            "model": "model",
            "variable": variable,
            "estimate": between(value, 0.2),
            "truth": None,
            "n": 40,
            "edit_success": 0.9,
            "flips_alone": {"count": 4, "n": 40, "rate": between(0.1, 0.05)},
        }
        for variable, value in (("Male", -1.5), ("Young", 0.05))
    ]
    verdicts = [
        {
            "model": "model",
            "variable": variable,
            "protected": True,
            "reading": reading,
            "because": "",
            "headline": f"{variable} | <b>counts</b>",
            "detail": "by -1.5 logits *here*.",
        }
        for variable, reading in (("Male", "leans"), ("Young", "does not lean"))
    ]
    base: dict[str, Any] = {
        "format": "cfsearch-audit/1",
        "title": 'An audit: "quoted" # and\nbroken',
        "run_id": "run-1",
        "created": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:05:35+00:00",
        "versions": {"cfsearch": "0.1.0"},
        "command": "cfsearch audit --images photos",
        "models": [
            {
                "id": "model",
                "name": "faces | <script>",
                "file": "faces v2.onnx",
                "fingerprint": f"onnx:{'ab' * 32}:0011",
                "labels": ["Female", "Male"],
                "scores": "probabilities",
                "note": "",
                "device": "cpu",
            }
        ],
        "generator": {
            "name": "attgan",
            "fingerprint": "f",
            "critic": "",
            "size": [64, 64],
            "variables": ["Male", "Young"],
        },
        "search": {
            "solver": "nsga2",
            "population": 10,
            "evaluations": 100,
            "target": None,
            "immutable": [],
            "seed": 7,
            "objectives": [],
            "constraints": [],
        },
        "protected": ["Male", "Young"],
        "verdicts": verdicts,
        "counts": [
            {
                "model": "model",
                "instances": 40,
                "searched": 40,
                "found": 38,
                "not_found": 2,
                "already_target": 0,
                "failed": 0,
                "found_rate": between(0.95, 0.04),
            }
        ],
        "instances": [],
        "changes": [],
        "effects": effects,
        "genuine": [],
        "warnings": ["Few pictures."],
        "reproduce": {
            "command": "",
            "python": "",
            "hashes": [
                {"what": "generator", "sha256": "cd" * 32},
                {"what": "list of inputs", "sha256": "ef" * 32},
            ],
        },
    }
    return AuditDocument.parsed({**base, **parts})


@pytest.fixture
def document() -> AuditDocument:
    return made()
