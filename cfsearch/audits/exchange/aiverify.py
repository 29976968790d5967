"""An audit as a test result of AI Verify 2.x: the zip that its gateway takes, and the plugin that it must know before.

The gateway looks up the algorithm of a result, and refuses one that no plugin of its registers; it holds the output to the schema
that the plugin brings. The plugin is data alone: AI Verify runs nothing of it.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cfsearch.audits.metrics import catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.files import write_atomically

from .subjects import limits

GID: Final = "cfsearch"
CID: Final = "counterfactual_audit"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
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
    entries = {
        "results.json": result.encode(),
        **{f"artifacts/{name}": data for name, data in files.items()},
    }
    write_atomically(path, _zipped(entries))


def write_plugin(path: Path) -> None:
    """Write the plugin, whole or not at all: what it is called, and the schemas of arguments and output.

    It is uploaded once (Plugins), before the first result; without it the gateway answers "Algorithm cfsearch not found".

    Args:
        path: of the zip.

    Raises:
        RunError: the file cannot be written.

    References:
        aiverify 2, common/schemas: aiverify.plugin.schema.json and aiverify.algorithm.schema.json.
    """
    about = {
        "version": version("cfsearch"),
        "author": "cfsearch",
        "description": "Counterfactual audits of classifiers by cfsearch: what the model leans on, with intervals. Results are uploaded; nothing runs here.",
    }
    folder = f"algorithms/{CID}"
    contents = {
        "plugin.meta.json": {"gid": GID, "name": "cfsearch", **about},
        f"{folder}/{CID}.meta.json": {
            "cid": CID,
            "gid": GID,
            "name": "Counterfactual audit",
            "modelType": ["classification"],
            **about,
            "tags": ["counterfactual", "fairness", "explainability"],
            "requireGroundTruth": False,
        },
        f"{folder}/input.schema.json": _schema(
            "Arguments of a counterfactual audit",
            {
                "solver": {"type": "string", "title": "Solver"},
                "evaluations": {"type": "integer", "minimum": 1, "title": "Candidates an input"},
                "seed": {"type": "integer", "title": "Seed"},
                "protected": {
                    "type": "array",
                    "items": {"type": "string"},
                    "title": "Protected attributes",
                },
                "practical": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "title": "Size in logits from which an effect matters",
                },
            },
        ),
        f"{folder}/output.schema.json": _schema(
            "Output of a counterfactual audit",
            {
                "verdicts": {"type": "array", "items": {"type": "object"}},
                "figures": {
                    "type": "array",
                    "items": _schema("One figure with its 95 % interval", _FIGURE, nested=True),
                },
                "limits": {"type": "array", "items": {"type": "string"}},
            },
        ),
    }
    write_atomically(
        path, _zipped({name: json.dumps(content, indent=1).encode() for name, content in contents.items()})
    )


_NUMBER: Final = {"type": ["number", "null"]}
_FIGURE: Final[dict[str, Any]] = {
    "name": {"type": "string"},
    "model": {"type": "string"},
    "value": _NUMBER,
    "low": _NUMBER,
    "high": _NUMBER,
    "n": {"type": "integer", "minimum": 0},
}


def _schema(title: str, properties: dict[str, Any], *, nested: bool = False) -> dict[str, Any]:
    """JSON Schema of an object that has all of the properties."""
    return {
        **({} if nested else {"$schema": _DIALECT}),
        "title": title,
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _zipped(entries: Mapping[str, bytes]) -> bytes:
    """A zip; the same entries give the same bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, date_time=_ENTRY_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return held.getvalue()
