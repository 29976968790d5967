"""An audit as a run of MLflow: parameters, metrics with the ends of their intervals, tables and the page."""

import csv
import hashlib
import io
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from cfsearch.audits.checking import require_intact
from cfsearch.audits.measurements import Measurement
from cfsearch.audits.metrics import catalogue
from cfsearch.audits.pages import PAGE, open_run, page_text, read_audit
from cfsearch.audits.reading import AuditDocument
from cfsearch.audits.shared.cells import shared_cells
from cfsearch.audits.tables import figure_rows
from cfsearch.errors import MissingExtraError
from cfsearch.files import dump_json, read_text, write_atomically
from cfsearch.runs.export import export_run, neutral
from cfsearch.runs.guard import read_object
from cfsearch.secrecy import redacted

FOLDER: Final = "cfsearch"
"""Where the files of an audit stand among the artifacts of a run."""
FIGURES: Final = "figures.csv"
VERDICTS: Final = "verdicts.csv"
SHARED: Final = "shared.csv"
INSTANCES: Final = "instances.csv"
MEMBERS: Final = "members.csv"
_LONGEST_NAME: Final = 160
_LONGEST_TEXT: Final = 5000
_MOST_METRICS, _MOST_TAGS = 1000, 100
"""Of one call, as the interface of a tracking server allows."""
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_\-. :]")


def log_audit(
    run: str | Path, *, run_id: str | None = None, folder: str = FOLDER, unchecked: bool = False
) -> str:
    """Log a finished audit to MLflow, and return the id of the run there.

    Metrics are all figures that a gate can name, as ``cfsearch/METRIC:SUBJECT by GROUP`` with ``.low``, ``.high`` and ``.n``
    beside each; parameters say how it was searched; artifacts are ``audit.json``, the page, the settings and tables as
    CSV. Nothing is pickled.

    Args:
        run: the run directory of the audit.
        run_id: of the MLflow run to log to; the active one when left out, or a new one where none is active.
        folder: where the files stand among the artifacts.
        unchecked: whether to log a run that ``cfsearch check`` finds damaged or changed.

    Raises:
        MissingExtraError: MLflow is not installed (extra ``mlflow``).
        RunError: there is no such run, or it has not ended.
        DamagedError: it is not what was written.

    Example:
        ``with mlflow.start_run(): cfsearch.mlflow.log_audit("runs/june")``
    """
    if not unchecked:
        require_intact(run, page=False)
    document = AuditDocument.read(run)
    mlflow = imported_mlflow()
    if run_id is None:
        active = mlflow.active_run()
        if active is None:
            with mlflow.start_run(run_name=document.title) as begun:
                return log_audit(run, run_id=begun.info.run_id, folder=folder, unchecked=True)
        run_id = str(active.info.run_id)
    _log(Path(run), document, mlflow, run_id=run_id, folder=folder)
    return run_id


def imported_mlflow() -> ModuleType:
    """MLflow itself.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtraError(
            "mlflow: the package mlflow is not installed: pip install 'cfsearch[mlflow]'."
        ) from error
    module: ModuleType = mlflow
    return module


def metrics_of(document: AuditDocument) -> dict[str, float]:
    """Every figure of an audit by its name in MLflow, with ``.low``, ``.high`` and ``.n`` beside each.

    Args:
        document: the content of ``audit.json``.
    """
    many = len(document.models) > 1
    found: dict[str, float] = {}
    for figure in catalogue(document):
        if figure.value is None or figure.because:
            continue
        name = _name(figure, model=figure.model if many else "")
        parts = {"": figure.value, ".low": figure.low, ".high": figure.high, ".n": float(figure.n)}
        found |= {f"{name}{end}": value for end, value in parts.items() if value is not None}
    return found


def _name(figure: Measurement, *, model: str) -> str:
    """The name of a metric in letters that MLflow takes; a hash distinguishes names of which letters were replaced.

    No name may go on where another one ends in a slash: a store of files keeps metrics in folders.
    """
    subject = figure.subject.replace("+", "plus_")
    plain = figure.metric + f":{subject}" * bool(subject) + f" by {figure.group}" * bool(figure.group)
    safe = _FORBIDDEN.sub("_", plain)
    if safe != plain or len(safe) > _LONGEST_NAME:
        safe = f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
    return "/".join(part for part in (FOLDER, _FORBIDDEN.sub("_", model), safe) if part)


def _log(run: Path, document: AuditDocument, mlflow: ModuleType, *, run_id: str, folder: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client = mlflow.MlflowClient()
    now = time.time_ns() // 1_000_000
    metrics = [Metric(name, value, now, 0) for name, value in metrics_of(document).items()]
    tags = [RunTag(name, text[:_LONGEST_TEXT]) for name, text in _tags(document).items()]
    params = [Param(name, text[:_LONGEST_TEXT]) for name, text in _parameters(document).items()]
    client.log_batch(run_id, params=params)
    for i in range(0, len(tags), _MOST_TAGS):
        client.log_batch(run_id, tags=tags[i : i + _MOST_TAGS])
    for i in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[i : i + _MOST_METRICS])
    with tempfile.TemporaryDirectory() as place:
        for path in _files(run, document, Path(place)):
            client.log_artifact(run_id, str(path), folder)


def _parameters(document: AuditDocument) -> dict[str, str]:
    search, second = document.search, document.second_generator
    return {
        "cfsearch.solver": search.solver,
        "cfsearch.evaluations": str(search.evaluations),
        "cfsearch.population": str(search.population),
        "cfsearch.seed": str(search.seed),
        "cfsearch.target": search.target or "any other class",
        "cfsearch.generator": document.generator.name,
        **({} if second is None else {"cfsearch.second_generator": f"{second.name} {second.fingerprint}"}),
        "cfsearch.inputs": str(len(document.instances)),
        "cfsearch.practical": f"{document.practical:g}",
        "cfsearch.protected": ", ".join(document.protected),
        "cfsearch.models": ", ".join(f"{model.file} {model.fingerprint}" for model in document.models),
    }


def _tags(document: AuditDocument) -> dict[str, str]:
    return {
        "cfsearch.run_id": document.run_id,
        "cfsearch.version": document.versions.get("cfsearch", ""),
        "cfsearch.warnings": " ".join(document.warnings),
        **{
            f"cfsearch.verdict.{_FORBIDDEN.sub('_', f'{v.model}.{v.variable}')}": f"{v.reading}: {v.headline}"
            for v in document.verdicts
        },
    }


def _files(run: Path, document: AuditDocument, place: Path) -> list[Path]:
    """What is logged: files of the run without secrets, and tables that are made in ``place``."""
    found = list(_stored(run, place))
    _write(place / FIGURES, figure_rows(document))
    _write(place / VERDICTS, (verdict.model_dump() for verdict in document.verdicts))
    found += [place / FIGURES, place / VERDICTS]
    if shared := shared_cells(read_audit(run)):
        _write(place / SHARED, shared)
        found.append(place / SHARED)
    for folder in _folders(run, document):
        prefix = "" if folder == run else f"{folder.name}."
        with open_run(folder) as opened:
            export_run(opened, place / f"{prefix}{INSTANCES}", kind="csv", table="instances")
            export_run(opened, place / f"{prefix}{MEMBERS}", kind="csv", table="members")
        found += [place / f"{prefix}{INSTANCES}", place / f"{prefix}{MEMBERS}"]
    return found


def _stored(run: Path, place: Path) -> Iterator[Path]:
    """The files of a run as they are; those in which an older version wrote a secret as they are shown, in ``place``."""
    audit, page, settings = (run / name for name in ("audit.json", PAGE, "config.resolved.toml"))
    shown = read_audit(run)
    aged = read_object(audit) != shown
    yield write_atomically(place / audit.name, dump_json(shown)) if aged else audit
    if page.is_file():
        yield write_atomically(place / PAGE, page_text(run)) if aged else page
    if settings.is_file():
        text = read_text(settings)
        yield settings if redacted(text) == text else write_atomically(place / settings.name, redacted(text))


def _folders(run: Path, document: AuditDocument) -> list[Path]:
    return [run] if (run / "run.sqlite").exists() else [run / model.id for model in document.models]


def _cell(cell: object) -> object:
    return neutral(cell) if isinstance(cell, str) else cell


def _write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    listed = list(rows)
    text = io.StringIO()
    if listed:
        writer = csv.DictWriter(text, fieldnames=list(listed[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: _cell(cell) for name, cell in row.items()} for row in listed)
    path.write_text(text.getvalue(), encoding="utf-8")
