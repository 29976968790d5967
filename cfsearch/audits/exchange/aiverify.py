"""An audit as a test result of AI Verify 2.x: the zip that its gateway takes."""

import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cfsearch.audits.metrics import catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.files import write_atomically

from .subjects import limits

GID: Final = "cfsearch"
CID: Final = "counterfactual_audit"
_ENTRY_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Of every entry of the zip, so that the same audit gives the same bytes."""


def result_document(document: AuditDocument, *, artifacts: tuple[str, ...] = ()) -> dict[str, Any]:
    """The content of ``results.json``.

    Args:
        document: the content of ``audit.json``.
        artifacts: names of the files beside it.

    References:
        aiverify-test-engine 2.2, aiverify.testresult.schema.json.
    """
    begun = datetime.fromisoformat(document.created)
    ended = datetime.fromisoformat(document.finished or document.created)
    model = document.models[0]
    inputs = next((row.sha256 for row in document.reproduce.hashes if "inputs" in row.what), "")
    return {
        "gid": GID,
        "cid": CID,
        "version": document.versions.get("cfsearch", ""),
        "startTime": document.created,
        "timeTaken": max(0.0, (ended - begun).total_seconds()),
        "testArguments": {
            "testDataset": f"urn:sha256:{inputs}" if inputs else f"urn:cfsearch:{document.run_id}",
            "mode": "upload",
            "modelType": "classification",
            "modelFile": f"urn:cfsearch:model:{quote(model.file or model.name)}",
            "algorithmArgs": {
                "solver": document.search.solver,
                "evaluations": document.search.evaluations,
                "seed": document.search.seed,
                "protected": list(document.protected),
                "practical": document.practical,
            },
        },
        "output": {
            "verdicts": [verdict.model_dump() for verdict in document.verdicts],
            "figures": [
                {"name": f.name, "model": f.model, "value": f.value, "low": f.low, "high": f.high, "n": f.n}
                for f in catalogue(document)
            ],
            "limits": limits(document),
        },
        "artifacts": list(artifacts),
    }


def write_result(document: AuditDocument, path: Path, *, page: Path | None = None) -> None:
    """Write the zip, whole or not at all: ``results.json``, and the page of the run among the artifacts.

    Args:
        document: the content of ``audit.json``.
        path: of the zip.
        page: ``report.html`` of the run; None leaves it out.

    Raises:
        RunError: the file cannot be written.
    """
    files = {} if page is None or not page.is_file() else {"report.html": page.read_bytes()}
    result = json.dumps(result_document(document, artifacts=tuple(files)), indent=1, allow_nan=False)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        entries = {
            "results.json": result.encode(),
            **{f"artifacts/{name}": data for name, data in files.items()},
        }
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, date_time=_ENTRY_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    write_atomically(path, held.getvalue())
