"""Provenance of a result: description of the audited model, versions of what decides results."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cfsearch.secrecy import without_query

from .search import Assembly


def model_entry(model: str, assembly: Assembly) -> dict[str, Any]:
    """Description of one audited model in a document."""
    return {
        "id": model,
        "name": assembly.model.name,
        "file": without_query(Path(assembly.config.model.path).name),
        "fingerprint": assembly.model.fingerprint,
        "labels": list(assembly.model.labels),
        "scores": assembly.model.scores.value,
        "note": " ".join(assembly.notes),
        "device": assembly.config.run.device,
    }


def versions() -> dict[str, str]:
    """Versions of what decides results."""
    packages = ("cfsearch", "torch", "onnxruntime", "pymoo", "moocore", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
