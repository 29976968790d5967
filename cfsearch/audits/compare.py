"""Audits of several models side by side: ids, compatibility checks, joint document."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from cfsearch.assembly.provenance import model_entry, versions
from cfsearch.assembly.search import Assembly
from cfsearch.config import Config
from cfsearch.errors import ConfigError, RunError, listed
from cfsearch.runs.directory import now
from cfsearch.runs.reservation import check_own_files
from cfsearch.secrecy import without_query

from .document import audit_document
from .figures import Figures


@final
@dataclass(frozen=True, slots=True)
class ModelAudit:
    """The finished audit of one model: its own document, its search, and its figures."""

    document: dict[str, Any]
    assembly: Assembly
    figures: Figures


def apart(config: Config) -> dict[str, Config]:
    """The settings of each model alone, by an id that can name a folder.

    Ids are the names of the files without their endings, with the folder's name in front where
    two files have the same, and numbered where that is the same as well.
    """
    models = (config.model, *config.further_models)
    paths = [Path(without_query(model.path)) for model in models]
    stems = [_slug(path.stem) for path in paths]
    longer = [_slug(f"{path.parent.name}-{path.stem}") for path in paths]
    ids: list[str] = []
    for stem, long in zip(stems, longer, strict=True):
        name = stem if stems.count(stem) == 1 else long
        taken = sum(one == name or one.startswith(f"{name}-") for one in ids)
        ids.append(f"{name}-{taken + 1}" if name in ids else name)
    data = config.data.on_the_same_rows() if config.further_models else config.data
    return {
        name: config.model_copy(update={"model": model, "further_models": (), "data": data})
        for name, model in zip(ids, models, strict=True)
    }


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "model"


def check_directory(directory: Path, ids: Sequence[str]) -> None:
    """Refuse a directory that holds the run of one model, or the runs of other models.

    Args:
        directory: where the runs of several models are to stand, one folder each.
        ids: names of these folders.

    Raises:
        RunError: there is another run in it.
    """
    check_own_files(directory)
    if (directory / "run.sqlite").exists():
        raise RunError(f"run {str(directory)!r}: holds the run of one model; give a new directory.")
    others = sorted({path.parent.name for path in directory.glob("*/run.sqlite")} - set(ids))
    if others:
        raise RunError(
            f"run {str(directory)!r}: was started with other models ({', '.join(others)}), now they are "
            f"{', '.join(ids)}. Give a new directory, or the old models."
        )


def check_alike(assemblies: Mapping[str, Assembly]) -> None:
    """Refuse models that cannot be compared, before anything is searched.

    Args:
        assemblies: the search of each model, by its id.

    Raises:
        ConfigError: the labels of two models, or their order, differ.
    """
    (first, one), *others = assemblies.items()
    for name, other in others:
        if other.model.labels != one.model.labels:
            raise ConfigError(
                f"audit: models side by side must have the same labels in the same order; {first!r} has "
                f"{listed(one.model.labels)} and {name!r} has {listed(other.model.labels)}. "
                "Set `labels` in the sidecar of one of them, or audit them apart."
            )


def joined(audits: Mapping[str, ModelAudit], *, title: str, command: str, python: str) -> dict[str, Any]:
    """One document of several models that were searched on the same inputs.

    Args:
        audits: the audit of each model, by its id.
        title: what the report is called.
        command: the command line, for the report's last section.
        python: the program that makes the same again.
    """
    documents = {name: one.document for name, one in audits.items()}
    assemblies = {name: one.assembly for name, one in audits.items()}
    names = [assembly.model.name for assembly in assemblies.values()]
    entries = [model_entry(name, assembly) for name, assembly in assemblies.items()]
    if len(set(names)) < len(names):
        entries = [entry | {"name": entry["id"]} for entry in entries]
    digest = hashlib.sha256("\n".join(f"{n} {d['run_id']}" for n, d in documents.items()).encode())
    document = audit_document(
        run_id=digest.hexdigest()[:12],
        title=title,
        created=min(document["created"] for document in documents.values()),
        finished=now(),
        command=command,
        assemblies=assemblies,
        models=entries,
        figures={name: one.figures.named(name) for name, one in audits.items()},
        effects=_of_all(documents, "effects"),
        groups=_of_all(documents, "groups"),
        attainment=_of_all(documents, "attainment"),
        columns=_of_all(documents, "columns"),
        shared=_of_all(documents, "shared"),
        contributions=_of_all(documents, "contributions"),
        dataset=next(iter(documents.values())).get("dataset"),
        versions=versions(),
        hashes=_hashes(documents),
        python=python,
    )
    errors = _of_all(documents, "generator_error")
    return {**document, **({"generator_error": errors} if errors else {})}


def _of_all(documents: Mapping[str, Mapping[str, Any]], part: str) -> list[dict[str, Any]]:
    return [{**entry, "model": name} for name, one in documents.items() for entry in one.get(part, ())]


def _hashes(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """SHA-256 by what they are of; with the model's id where models differ in it."""
    found: dict[str, dict[str, str]] = {}
    for name, document in documents.items():
        for entry in document["reproduce"]["hashes"]:
            found.setdefault(entry["what"], {})[name] = entry["sha256"]
    hashes = {}
    for what, by_model in found.items():
        if len(by_model) == len(documents) and len(set(by_model.values())) == 1 and what != "model":
            hashes[what] = next(iter(by_model.values()))
        else:
            hashes |= {f"{what} ({name})": digest for name, digest in by_model.items()}
    return hashes
