"""An audit: many instances, one run directory; a run that was killed goes on where it stood."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import tomli_w
import torch
from torch import Tensor

from cfsearch.assembly.parts import Parts
from cfsearch.assembly.provenance import model_entry, versions
from cfsearch.assembly.search import Assembly, assemble
from cfsearch.config import Config
from cfsearch.contracts.generator import AttributeEstimator
from cfsearch.errors import ConfigError
from cfsearch.files import dump_json, write_atomically
from cfsearch.providers.served.messages import ServerDownError
from cfsearch.runs.checksums import seal, unseal
from cfsearch.runs.directory import InstanceRow, RunDirectory, now
from cfsearch.runs.reservation import Reservation

from .attainment import attainment_rows
from .columns.auditing import audited_columns
from .compare import ModelAudit, apart, check_alike, check_directory, joined
from .contributions import audited_contributions
from .dataset import described_dataset
from .document import audit_document, program
from .effects import MOST_MEASURED, Effects, estimate_effects, known_attributes, originals
from .figures import Figures
from .genuineness_check import generator_error, genuineness_note
from .groups import AttributeTally, ColumnTally, GroupTally
from .inputs import AuditedInputs, audited_inputs
from .listing import plain_handshake
from .measured import EFFECTS, GROUPS, Measured, load_groups, save_effects, save_groups
from .photographs import label_notes
from .resuming import taken_up
from .searching import AuditProgress, check_workers, search_left
from .served import forget_answers, remembered, served_entry
from .shared.auditing import audited_changes
from .stopping import Stopping, begun
from .verdict import check_protected

__all__ = ["Audit", "AuditProgress"]


@final
class Audit:
    """Searches a front for each input, and writes down what the model reacts to.

    Several models are audited side by side: the same inputs, generator, budget and seed, each in a
    run directory of its own below ``directory``, and one ``audit.json`` of all.

    Args:
        config: all settings.
        directory: the run directory; a run in it that was interrupted goes on.
        title: what the report is called.
        command: the command line, for the report's last section.
        effects: whether to measure, through a generator of attributes, what each does.
        watch: called with the progress.
        parts: objects of the running program that take the place of what the settings name.
        python: how the audit is made again in Python, for the report's last section.

    Example:
        >>> import tempfile
        >>> from cfsearch.config import Config
        >>> folder = tempfile.TemporaryDirectory()
        >>> config = Config.check({"data": {"texts": ["a dull film"]}, "search": {"evaluations": 40, "population": 20}})
        >>> document = Audit(config, directory=folder.name).run()
        >>> document["counts"][0]["instances"]
        1
        >>> folder.cleanup()
    """

    def __init__(
        self,
        config: Config,
        *,
        directory: Path | str,
        title: str = "Counterfactual audit",
        command: str = "",
        effects: bool = True,
        watch: Callable[[AuditProgress], None] | None = None,
        parts: Parts | None = None,
        python: str = "",
    ) -> None:
        self._config, self._directory = config, Path(directory)
        self._title, self._command, self._effects, self._watch = title, command, effects, watch
        self._parts, self._python = parts, python
        self._dataset: dict[str, Any] | None = None

    def run(
        self, *, held: Reservation | None = None, accepted: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Do what is left, write ``audit.json``, and return it.

        Args:
            held: the run directory of one model, where the caller holds it already.
            accepted: called when the directory takes the settings and inputs, before the first search.

        Raises:
            CfsearchError: the settings, the model or the directory cannot be used; instances
                that fail are results, not errors.
        """
        if self._config.further_models:
            return self._side_by_side()
        with self.reserved(held) as mine:
            assembly = assemble(self._config, parts=self._parts)
            return self.run_one(assembly, held=mine, accepted=accepted).document

    def reserved(self, held: Reservation | None = None) -> Reservation:
        """The run directory, held before the first query to a model.

        Args:
            held: it, where the caller holds it already.

        Raises:
            RunError: it cannot be written, is in use, or holds a run with other settings.
        """
        held = Reservation.of(self._directory) if held is None else held
        try:
            held.check_settings(self._decisive)
        except BaseException:
            held.release()
            raise
        return held

    @property
    def _decisive(self) -> dict[str, Any]:
        """The settings that decide results."""
        return {k: v for k, v in self._config.resolved().items() if k not in ("run", "audit", "about")}

    def _side_by_side(self) -> dict[str, Any]:
        """A run for each model, in folders of their own, and one document of all."""
        if self._config.data.decided is not None:
            raise ConfigError("decided: several models decide on different rows; audit them apart.")
        configs = apart(self._config)
        check_directory(self._directory, tuple(configs))
        audits: dict[str, ModelAudit] = {}
        past: list[AuditProgress] = []
        last: list[AuditProgress] = []
        each = {
            name: Audit(
                config,
                directory=self._directory / name,
                title=f"{self._title}: {name}",
                command=self._command,
                effects=self._effects,
                watch=self._watch_of(name, models=len(configs), past=past, last=last),
            )
            for name, config in configs.items()
        }
        with contextlib.ExitStack() as stack:
            held = {name: stack.enter_context(one.reserved()) for name, one in each.items()}
            assemblies = {name: assemble(config) for name, config in configs.items()}
            check_alike(assemblies)
            unseal(self._directory)
            for name, one in each.items():
                last.clear()
                audits[name] = one.run_one(assemblies[name], held=held[name])
                past += last[-1:]
        document = joined(audits, title=self._title, command=self._command, python=program(self._directory))
        settings = tomli_w.dumps(self._config.resolved())
        write_atomically(self._directory / "config.resolved.toml", settings, follow=False)
        write_atomically(self._directory / "audit.json", dump_json(document), follow=False)
        seal(self._directory, inside=configs)
        return document

    def _watch_of(
        self, model: str, *, models: int, past: list[AuditProgress], last: list[AuditProgress]
    ) -> Callable[[AuditProgress], None]:
        """Reports the progress of one model as that of all: those before it are done."""

        def watch(state: AuditProgress) -> None:
            last[:] = [state]
            if self._watch is not None:
                done, failed, found = (
                    sum(getattr(one, what) for one in (*past, state)) for what in ("done", "failed", "found")
                )
                self._watch(AuditProgress(done, models * state.total, failed, found, state.inside, model))

        return watch

    def run_one(
        self,
        assembly: Assembly,
        *,
        held: Reservation | None = None,
        accepted: Callable[[], None] | None = None,
    ) -> ModelAudit:
        """Do what is left of a search that is assembled already, of one model.

        Args:
            assembly: the search, made from this audit's settings.
            held: the run directory, as ``reserved`` gives it.
            accepted: as of ``run``.
        """
        check_protected(self._config.audit.protected, assembly)
        check_workers(assembly, parts=self._parts)
        self._dataset = described_dataset(self._config)
        found = audited_inputs(assembly)
        refs, photographs, groups, hashes = found.refs, found.photographs, found.groups, found.hashes
        assembly = dataclasses.replace(
            assembly, notes=(*assembly.notes, *label_notes(self._config.data, photographs, assembly))
        )
        stopping = begun(self._config, assembly, photographs=photographs, columns=groups, refs=refs)
        with RunDirectory.start(
            self._directory,
            config=self._decisive,
            hashes=hashes,
            held=held,
            hashes_without=found.hashes_without,
        ) as run:
            if accepted is not None:
                accepted()
            assembly = remembered(assembly, run.path)
            run.write("config.resolved.toml", self._config.resolved())
            for name, values in assembly.files.items():
                run.write(name, values)
            taken_up(run, refs, photographs=photographs, assembly=assembly)
            self._manifest(run, assembly, status="running")
            try:
                search_left(run, assembly, found, watch=self._watch, stopping=stopping)
                document, figures = self._document(run, assembly, found, stopping)
                run.write("audit.json", document)
            except BaseException as error:
                if isinstance(error, Exception) and not isinstance(error, ServerDownError):
                    if not run.done():
                        forget_answers(run.path)
                    if run.discard_if_empty():
                        raise
                run.event("interrupted", {"error": type(error).__name__})
                self._manifest(run, assembly, status="interrupted")
                raise
            self._manifest(run, assembly, status="finished")
            forget_answers(run.path)
            run.event("finished", {"instances": len(refs)})
            run.seal()
        return ModelAudit(document, assembly, figures)

    def _document(
        self,
        run: RunDirectory,
        assembly: Assembly,
        inputs: AuditedInputs,
        stopping: Stopping | None,
    ) -> tuple[dict[str, Any], Figures]:
        """The document and the figures that it holds, counted row by row."""
        photographs, by_column = inputs.photographs, inputs.groups
        table, by = photographs.table, self._config.data.by
        measured_note = genuineness_note(run.path)
        if measured_note:
            assembly = dataclasses.replace(assembly, notes=(*assembly.notes, measured_note))
        tally: GroupTally | None = None
        if table is not None and by:
            tally = AttributeTally(table, by)
        elif by_column:
            target, labels = self._config.search.target, assembly.model.labels
            tally = ColumnTally(
                by_column,
                assembly.names,
                selected=len(labels) - 1 if target is None else labels.index(target),
                chosen=self._config.data.decided is not None,
            )
        judged = {} if stopping is None else stopping.effects
        figures, kept, images = Figures("model", groups=tally), list[InstanceRow](), list[Tensor]()
        for row in run.figures():
            figures.add(row)
            wanted = row.name in judged if judged else len(images) < MOST_MEASURED
            read = wanted and row.front is not None and assembly.modality.pictured
            original = run.front(row.name).original if read else None
            if original is not None:
                kept.append(dataclasses.replace(row, front=None))
                images.append(original.clone())  # its front is let go
        known = known_attributes(assembly, photographs, [row.position for row in kept])
        effects: Effects | None = None
        if judged and kept:
            effects = Effects.joined([judged[row.name] for row in kept])
        elif self._effects and (
            known is not None or isinstance(assembly.search.generator, AttributeEstimator)
        ):
            effects = estimate_effects(assembly, originals(images), attributes=known)
        rows: list[dict[str, Any]] = []
        error, estimates = None, None
        if effects is not None:
            generator = assembly.search.generator
            error = generator_error(run.path, label=assembly.model.labels[-1])
            estimates = Measured(
                effects,
                tuple(row.name for row in kept),
                tuple(row.sha256 for row in kept),
                generator.edit_success,
                edit_strength=generator.edit_strength,
                error=error,
            )
            save_effects(run.path / EFFECTS, estimates)
            rows = estimates.rows("model", practical=self._config.audit.practical)
        if by or by_column:
            save_groups(run.path / GROUPS, labels=table, by=by or (), columns=by_column, names=assembly.names)
        members = load_groups(run.path / GROUPS) if by or by_column else None
        columns = audited_columns(run, assembly) if self._effects else []
        groups: list[dict[str, Any]] = []
        if tally is not None:
            by_variable = {} if estimates is None else estimates.by_variable
            measured = () if estimates is None else estimates.inputs
            groups = tally.rows("model", effects=by_variable, measured=measured)
        document = audit_document(
            run_id=run.run_id,
            title=self._title,
            created=run.created,
            finished=now(),
            command=self._command,
            assemblies={"model": assembly},
            models=[model_entry("model", assembly)],
            figures={"model": figures},
            effects=rows,
            errors={} if error is None else {"model": error},
            groups=groups,
            attainment=attainment_rows("model", run.figures(), members=members),
            stopping=None if stopping is None else stopping.document(),
            columns=columns,
            shared=audited_changes(run, assembly, inputs, members=members) if self._effects else [],
            contributions=audited_contributions(run, assembly, inputs) if self._effects else [],
            dataset=self._dataset,
            versions=versions(),
            hashes=run.hashes,
            python=self._python or program(self._directory),
        )
        return document, figures

    def _manifest(self, run: RunDirectory, assembly: Assembly, *, status: str) -> None:
        run.write(
            "manifest.json",
            {
                "format": "cfsearch-run/1",
                "run_id": run.run_id,
                "status": status,
                "created": run.created,
                "updated": now(),
                "command": self._command,
                "seed": self._config.search.seed,
                "device": self._config.run.device,
                "threads": torch.get_num_threads(),
                "hashes": run.hashes,
                "versions": versions(),
                "handshake": plain_handshake(assembly.handshake),
                **served_entry(assembly),
                **({} if self._dataset is None else {"dataset": self._dataset}),
            },
        )
