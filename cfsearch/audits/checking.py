"""Whether a run is what was written: checksums, chain of events, schema, and every figure computed again."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfsearch.contracts.modality import modality_named
from cfsearch.errors import DamagedError, RunError
from cfsearch.files import read_text
from cfsearch.places import is_folder
from cfsearch.runs import checksums
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.guard import guarded, read_object
from cfsearch.runs.salvage import run_id
from cfsearch.secrecy import redacted_settings

from .agreement import two_generators
from .attainment import attainment_rows
from .columns.figures import column_rows
from .columns.store import COLUMNS, load_columns
from .columns.words import column_verdicts
from .contributions import contribution_rows
from .contributions_file import CONTRIBUTIONS, load_contributions
from .document import error_entry
from .figures import Figures
from .findings import Caught, CheckResult, Finding, difference
from .groups import AttributeTally, ColumnTally, GroupTally
from .measured import EFFECTS, GROUPS, load_effects, load_groups
from .page_checks import page_findings
from .pages import PAGE
from .reading import AuditDocument
from .shared.figures import shared_rows
from .shared.store import SHARED, load_shared
from .stopping import judged_again
from .verdict import verdicts


def require_intact(directory: str | Path, *, page: bool = True) -> None:
    """Refuse a run that is not what was written.

    Args:
        directory: the run directory.
        page: whether its page counts; not where the page is not read.

    Raises:
        RunError: there is none.
        DamagedError: it fails a check.
    """
    result = check_run(directory, page=page)
    if result.findings:
        more = len(result.findings) - 1
        raise DamagedError(
            f"run {str(directory)!r} is not what was written: {result.findings[0].message}"
            f"{f' And {more} more; `cfsearch check` lists them.' if more else ''} "
            "Give --unchecked to use it as it is."
        )


def check_run(directory: str | Path, *, page: bool = True) -> CheckResult:
    """Check all that is stored of a run, or of the runs of several models.

    Args:
        directory: the run directory.
        page: whether to check its page.

    Raises:
        RunError: there is none.
    """
    directory = Path(directory)
    if not is_folder(directory):
        raise RunError(f"run {str(directory)!r}: there is no such directory.")
    inside = sorted(path.parent for path in directory.glob("*/run.sqlite"))
    if not (directory / "run.sqlite").exists() and not inside:
        raise RunError(f"run {str(directory)!r}: no run directory (it has no run.sqlite).")
    check = _Check(directory, page=page)
    check.run([] if (directory / "run.sqlite").exists() else inside)
    return CheckResult(str(directory), tuple(check.findings), tuple(check.notes), check.checked)


class _Check:
    """The checks of one directory, one after the other."""

    def __init__(self, directory: Path, *, page: bool) -> None:
        self.path, self._with_page = directory, page
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.checked: dict[str, int] = {"files": 0, "events": 0, "fronts": 0, "figures": 0}

    def run(self, inside: Sequence[Path]) -> None:
        self._files(self.path)
        figures: dict[str, Figures] = {}
        for path in inside:
            self._files(path)
        document = self._document()
        if document is not None:  # figures stand in the order in which the models were named
            places = {model.id: i for i, model in enumerate(document.models)}
            inside = sorted(inside, key=lambda path: places.get(path.name, len(places)))
        for path in inside or [self.path]:
            model = path.name if inside else "model"
            if document is not None and not inside:
                model = document.models[0].id
            found = self._store(path, model, document)
            if found is not None:
                figures[model] = found
                self._identity(path, document, model=model, alone=not inside)
        if document is not None and len(figures) == len(inside or [self.path]):
            with self._finding("figures", "audit.json"):
                self._figures(document, read_object(self.path / "audit.json"), figures, inside=bool(inside))
            self._page()

    def add(self, check: str, part: str, message: str) -> None:
        self.findings.append(Finding(check, part, message))

    def _finding(self, check: str, part: str) -> Caught:
        return Caught(lambda error: self.add(check, part, str(error)))

    def _files(self, path: Path) -> None:
        with self._finding("checksums", checksums.CHECKSUMS):
            known = checksums.sums(path)
            if known is None:
                ended = (path / "audit.json").exists()
                self.notes.append(
                    f"{str(path)!r} has no checksums: "
                    + ("it was written by a cfsearch without them." if ended else "it has not ended.")
                )
            for name in checksums.changed_files(path):
                if name == PAGE and not self._with_page:
                    continue
                gone = not (path / name).exists()
                self.add(
                    "checksums",
                    name,
                    f"{str(path / name)!r} {'is gone.' if gone else 'has another SHA-256 than when it was written.'}",
                )
            self.checked["files"] += len(known or ())
        with self._finding("events", checksums.EVENTS):
            happened = checksums.events(path)
            self.checked["events"] += len(happened)
            if not happened and (path / "run.sqlite").exists():
                self.add("events", checksums.EVENTS, f"{str(path / checksums.EVENTS)!r} holds no event.")

    def _document(self) -> AuditDocument | None:
        if not (self.path / "audit.json").exists():
            self.notes.append(f"{str(self.path)!r} has no audit.json: it has not ended.")
            return None
        with self._finding("schema", "audit.json"):
            return AuditDocument.read(self.path)
        return None

    def _store(self, path: Path, model: str, document: AuditDocument | None) -> Figures | None:
        """The figures of a run, counted again row by row."""
        groups = None if document is None else self._groups(path, model, document)
        with self._finding("fronts", "run.sqlite"), RunDirectory.read(path) as run:
            if not run.checksummed:
                self.notes.append(f"{str(path)!r}: its fronts have no checksums.")
            found = Figures.of(model, run.rows(), groups=groups)
            self.checked["fronts"] += found.fronts
            return found
        return None

    def _identity(self, path: Path, document: AuditDocument | None, *, model: str, alone: bool) -> None:
        """What names the run: settings, hashes, seed and fingerprints, wherever they stand."""
        with self._finding("identity", "manifest.json"), RunDirectory.read(path) as run:
            config, hashes, name = run.config, run.hashes, run.run_id
            self._same("identity", "run.sqlite", "its id", name, run_id(config, hashes))
            manifest = read_object(path / "manifest.json")
            with guarded(repr(str(path / "config.resolved.toml"))):
                resolved = tomllib.loads(read_text(path / "config.resolved.toml"))
            apart = ("run", "audit", "about")
            kept = {key: value for key, value in resolved.items() if key not in apart}
            self._same(
                "config",
                "config.resolved.toml",
                "its settings",
                redacted_settings(kept),
                redacted_settings(config),
            )
            seed = config.get("search", {}).get("seed")
            self._same("identity", "manifest.json", "the seed", manifest.get("seed"), seed)
            self._same("identity", "manifest.json", "the hashes", manifest.get("hashes"), hashes)
            self._same("identity", "manifest.json", "the id of the run", manifest.get("run_id"), name)
            for row in run.figures():
                if row.front is not None:
                    stated = row.front.extra.get("model")
                    self._same(
                        "identity", "run.sqlite", f"the model of {row.name!r}", stated, hashes.get("model")
                    )
                    for message in two_generators(row.front, hashes.get("second generator")):
                        self.add("identity", "run.sqlite", message)
            if document is None:
                return
            entry = document.model_named(model)
            self._same(
                "identity", "audit.json", "the model's fingerprint", entry.fingerprint, hashes.get("model")
            )
            self._same("identity", "audit.json", "the seed", document.search.seed, seed)
            labels = {row.front.labels for row in run.figures() if row.front is not None}
            if labels:
                self._same("identity", "audit.json", "the labels", entry.labels, next(iter(labels)))
            if alone:
                self._same("identity", "audit.json", "the id of the run", document.run_id, name)
                listed = {row.what: row.sha256 for row in document.reproduce.hashes}
                self._same("identity", "audit.json", "the hashes", listed, hashes)
                audit = resolved.get("audit", {})
                self._same(
                    "config",
                    "audit.json",
                    "the protected attributes",
                    list(document.protected),
                    audit.get("protected", []),
                )
                self._same(
                    "config",
                    "audit.json",
                    "the practical size",
                    document.practical,
                    audit.get("practical", 0.25),
                )
                stated = read_object(path / "audit.json").get("about", {})
                self._same("config", "audit.json", "what [about] says", stated, resolved.get("about", {}))
                described = read_object(path / "audit.json").get("dataset")
                self._same("identity", "audit.json", "the data set", described, manifest.get("dataset"))

    def _same(self, check: str, part: str, what: str, found: object, expected: object) -> None:
        self.checked["figures"] += 1
        where = difference(found, expected)
        if where is not None:
            self.add(check, part, f"{part}: {what} {where}.")

    def _figures(
        self,
        document: AuditDocument,
        plain: dict[str, Any],
        figures: Mapping[str, Figures],
        *,
        inside: bool,
    ) -> None:
        """Every figure of the document, computed again from what is stored input by input."""
        effects: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        groups: list[dict[str, Any]] = []
        fronts: list[dict[str, Any]] = []
        columns: list[dict[str, Any]] = []
        shared: list[dict[str, Any]] = []
        shares: list[dict[str, Any]] = []
        complete = True
        for model, part in figures.items():
            folder = self.path / model if inside else self.path
            above = self.path / f"{model}.{EFFECTS}"
            measured = load_effects(above if above.exists() else folder / EFFECTS)
            if measured is None and any(e.model == model for e in document.effects):
                complete = False
                self._missing(folder, EFFECTS, "effects")
            elif measured is not None and (above.exists() or not (inside and plain.get("genuine"))):
                effects += measured.rows(model, practical=document.practical)
                if measured.error is not None:
                    errors.append(error_entry(model, measured.error))
            if part.grouped is not None:
                with guarded(repr(str(folder / GROUPS))):
                    groups += part.grouped.rows(
                        model,
                        effects={} if measured is None else measured.by_variable,
                        measured=[] if measured is None else measured.inputs,
                    )
            if any(row.model == model for row in document.attainment):
                with self._finding("fronts", "run.sqlite"), RunDirectory.read(folder) as run:
                    fronts += attainment_rows(model, run.figures(), members=load_groups(folder / GROUPS))
            columns += self._columns(folder, model, document)
            shared += self._shared(folder, model, document)
            shares += self._contributions(folder, model, plain)
        for name, again in (
            ("counts", [part.counts() for part in figures.values()]),
            ("instances", [entry for part in figures.values() for entry in part.instances]),
            ("changes", [entry for part in figures.values() for entry in part.changes()]),
            ("transitions", [entry for part in figures.values() for entry in part.transitions()]),
            ("robustness", [entry for part in figures.values() for entry in part.robustness()]),
            ("agreement", [entry for part in figures.values() for entry in part.agreement()]),
        ):
            self._same("figures", "audit.json", f"`{name}`", plain.get(name, []), again)
        if complete:
            self._same("figures", "audit.json", "`effects`", plain["effects"], effects)
            stated = plain.get("generator_error", [])
            self._same("figures", "audit.json", "`generator_error`", stated, errors)
        if groups or not plain.get("groups"):
            self._same("figures", "audit.json", "`groups`", plain.get("groups", []), groups)
            self._same("figures", "audit.json", "`attainment`", plain.get("attainment", []), fronts)
        if "stopping" in plain:
            self._stopping(plain["stopping"])
        if columns or not plain.get("columns"):
            self._same("figures", "audit.json", "`columns`", plain.get("columns", []), columns)
        if shared or not plain.get("shared"):
            self._same("figures", "audit.json", "`shared`", plain.get("shared", []), shared)
        if shares or not plain.get("contributions"):
            self._same("figures", "audit.json", "`contributions`", plain.get("contributions", []), shares)
        noun = modality_named("" if document.inputs == "pictures" else document.inputs).noun
        again_verdicts = verdicts(
            effects if complete else plain["effects"],
            models=plain["models"],
            protected=document.protected,
            practical=document.practical,
            noun="picture" if noun == "image" else noun,
            groups=groups or plain.get("groups", []),
        )
        again_verdicts += column_verdicts(
            columns or plain.get("columns", []),
            models=plain["models"],
            practical=document.practical,
            noun=noun,
        )
        self._same("figures", "audit.json", "`verdicts`", plain.get("verdicts", []), again_verdicts)

    def _stopping(self, stated: dict[str, Any]) -> None:
        """The conditions that the audit ended on, judged again from what is stored, in its order."""
        measured = load_effects(self.path / EFFECTS)
        with RunDirectory.read(self.path) as run:
            again = judged_again(
                stated, run.rows(), members=load_groups(self.path / GROUPS), measured=measured
            )
        self._same("figures", "audit.json", "`stopping`", stated, again)

    def _groups(self, folder: Path, model: str, document: AuditDocument) -> GroupTally | None:
        """Counts by group as the run compared them; None where it compared none, or they are damaged."""
        if not any(group.model == model for group in document.groups):
            return None
        with self._finding("figures", GROUPS):
            members = load_groups(folder / GROUPS)
            if members is None:
                self._missing(folder, GROUPS, "groups")
            elif members.labels is not None:
                return AttributeTally(members.labels, members.by)
            else:
                target, labels = document.search.target, document.model_named(model).labels
                rated = any(group.impact is not None for group in document.groups)
                return ColumnTally(
                    members.columns,
                    members.names,
                    selected=(len(labels) - 1 if target is None else labels.index(target)) if rated else None,
                    chosen=document.search.decided is not None,
                )
        return None

    def _columns(self, folder: Path, model: str, document: AuditDocument) -> list[dict[str, Any]]:
        kept = load_columns(folder / COLUMNS)
        if kept is None:
            if any(column.model == model for column in document.columns):
                self._missing(folder, COLUMNS, "protected columns")
            return []
        return column_rows(model, kept[0], practical=document.practical, members=kept[1])

    def _shared(self, folder: Path, model: str, document: AuditDocument) -> list[dict[str, Any]]:
        kept = load_shared(folder / SHARED)
        if kept is None:
            if any(row.model == model for row in document.shared):
                self._missing(folder, SHARED, "shared changes")
            return []
        return shared_rows(model, kept, members=load_groups(folder / GROUPS))

    def _contributions(self, folder: Path, model: str, plain: Mapping[str, Any]) -> list[dict[str, Any]]:
        kept = load_contributions(folder / CONTRIBUTIONS)
        if kept is None and any(row["model"] == model for row in plain.get("contributions", ())):
            self._missing(folder, CONTRIBUTIONS, "contributions")
        return contribution_rows(model, kept)

    def _missing(self, folder: Path, file: str, what: str) -> None:
        known = checksums.sums(folder)
        if known is None:
            self.notes.append(f"{str(folder)!r} has no {file}: its {what} cannot be computed again.")
        else:
            self.add("figures", file, f"{str(folder)!r} has no {file}, from which its {what} were computed.")

    def _page(self) -> None:
        """Whether the page says what the document and the fronts say."""
        path = self.path / PAGE
        if not self._with_page:
            return
        if not path.exists():
            self.notes.append(f"{str(self.path)!r} has no {PAGE}.")
            return
        with self._finding("page", PAGE), guarded(repr(str(path))):
            document = read_object(self.path / "audit.json")
            wrong, notes = page_findings(
                self.path,
                document,
                sealed=checksums.sums(self.path) is not None,
                again=not self.findings,
            )
            for message in wrong:
                self.add("page", PAGE, message)
            self.notes += notes
