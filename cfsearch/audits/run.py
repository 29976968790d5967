"""An audit: many instances, one run directory; a run that was killed goes on where it stood."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.images import read_fitting, readable
from cfsearch.assembly.provenance import model_entry, versions
from cfsearch.assembly.search import Assembly, assemble
from cfsearch.assembly.table import RowRecord
from cfsearch.config import Config
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker
from cfsearch.contracts.records import Reason
from cfsearch.datasets.images import ImageRecord, ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs, open_photographs
from cfsearch.datasets.tables import RowGroups
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Failure, Progress
from cfsearch.errors import CfsearchError, ConfigError, DataError, DeadlineError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.handshake import Handshake
from cfsearch.runs.directory import InstanceRow, RunDirectory, now

from .document import audit_document
from .effects import effect_rows, effects_through_generator
from .groups import column_groups, group_rows

_PASSING = (ProviderError.code, DeadlineError.code)
"""An instance that failed so is tried again when the run goes on: the model may be back."""

_EFFECT_INSTANCES = 200
"""Effects are averaged over at most so many instances, the first ones."""


@final
@dataclass(frozen=True, slots=True)
class AuditProgress:
    """Where an audit stands: whole instances, and the generation inside the present batch."""

    done: int
    total: int
    failed: int
    found: int
    inside: Progress | None


@final
class Audit:
    """Searches a front for each image of a folder, and writes down what the model reacts to.

    Args:
        config: all settings.
        directory: the run directory; a run in it that was interrupted goes on.
        title: what the report is called.
        command: the command line, for the report's last section.
        effects: whether to measure, through a generator of attributes, what each does.
        watch: told of progress.

    Example:
        ``Audit(Config.read("cfsearch.toml"), directory=Path("runs/one")).run()``
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
    ) -> None:
        self._config, self._directory = config, Path(directory)
        self._title, self._command, self._effects, self._watch = title, command, effects, watch

    def run(self) -> dict[str, Any]:
        """Do what is left, write ``audit.json``, and return it.

        Raises:
            CfsearchError: the settings, the model or the directory cannot be used; instances
                that fail are results, not errors.
        """
        photographs = self._photographs()
        assembly = assemble(self._config)
        refs: Sequence[ImageRef | RowRecord] = photographs.refs
        if assembly.table is not None:
            refs = assembly.table.records
        assembly = dataclasses.replace(assembly, notes=(*assembly.notes, *self._told(photographs, assembly)))
        hashes = {**assembly.hashes, "list of inputs": _listing(refs)}
        if photographs.table is not None:
            hashes["attributes of the inputs"] = photographs.fingerprint
        groups = () if assembly.table is None else assembly.table.groups()
        if groups:
            hashes["groups of the rows"] = _grouping(groups)
        decisive = {k: v for k, v in self._config.resolved().items() if k != "run"}
        with RunDirectory.start(self._directory, config=decisive, hashes=hashes) as run:
            run.write("config.resolved.toml", self._config.resolved())
            if assembly.table is not None:
                run.write("schema.toml", assembly.table.schema.to_dict())
            again = run.forget_failures(_PASSING)
            run.event("started", {"instances": len(refs), "done": len(run.done()), "tried again": again})
            self._manifest(run, assembly, status="running")
            try:
                self._search(run, refs, photographs, assembly)
                document = self._document(run, assembly, photographs, groups)
            except BaseException as error:
                if isinstance(error, Exception) and run.discard_if_empty():
                    raise
                run.event("interrupted", {"error": type(error).__name__})
                self._manifest(run, assembly, status="interrupted")
                raise
            run.write("audit.json", document)
            self._manifest(run, assembly, status="finished")
            run.event("finished", {"instances": len(refs)})
        return document

    def _photographs(self) -> LabelledPhotographs:
        data = self._config.data
        if data.images is None:
            return LabelledPhotographs(refs=(), table=None, source="", aligned=False, note="")
        found = open_photographs(
            Path(data.image_path),
            attributes=None if data.attributes is None else Path(data.attributes),
            part=data.split,
            recursive=data.recursive,
            limit=data.limit,
        )
        refs, table = readable(found.refs), found.table
        if table is not None:
            table = dataclasses.replace(table, files=tuple(ref.name for ref in refs))
            table.columns(data.by or ())
        elif data.by:
            raise ConfigError(
                f"by: results can be compared by {data.by[0]!r} only where it is known which images have it; "
                "give a table of attributes with --attributes."
            )
        return dataclasses.replace(found, refs=refs, table=table)

    def _told(self, photographs: LabelledPhotographs, assembly: Assembly) -> list[str]:
        """What a reader must know of the images and their labels."""
        notes = [photographs.note] if photographs.note else []
        generator, table = assembly.search.generator, photographs.table
        if table is None:
            return notes
        names = generator.attribute_names if isinstance(generator, AttributeTaker) else ()
        known = [name for name in names if name in table.names]
        if not known and self._config.data.attributes is not None and not self._config.data.by:
            raise ConfigError(
                f"attributes: {photographs.source!r} says nothing that generator {generator.name!r} can be "
                f"told (it takes {', '.join(names) or 'no attributes'}). Give other labels, or name "
                "attributes to compare by with --by."
            )
        if known:
            unknown = [name for name in names if name not in known]
            rest = f"; {', '.join(unknown)} are estimated" if unknown else ""
            notes.append(
                f"What the images show is taken from {photographs.source} and not estimated{rest}. A change "
                "is counted from there: where a label is wrong, so is what a change is called."
            )
        return notes

    def _search(
        self,
        run: RunDirectory,
        refs: Sequence[ImageRef | RowRecord],
        photographs: LabelledPhotographs,
        assembly: Assembly,
    ) -> None:
        batch_size = self._config.run.batch_size or (4 if self._config.run.device == "cpu" else 64)
        done = run.done()
        tally = {"done": len(done), "failed": 0, "found": 0}
        for row in run.rows():
            tally["failed"] += row.status == "failed"
            tally["found"] += row.status == "found"
        left = [(i, ref) for i, ref in enumerate(refs) if ref.name not in done]

        def report(inside: Progress | None) -> None:
            if self._watch is not None:
                self._watch(AuditProgress(tally["done"], len(refs), tally["failed"], tally["found"], inside))

        report(None)
        search = assembly.watched(report)
        for begin in range(0, len(left), batch_size):
            group = left[begin : begin + batch_size]
            rows: list[InstanceRow] = []
            images: list[tuple[int, ImageRecord | RowRecord]] = []
            for position, ref in group:
                if isinstance(ref, RowRecord):
                    images.append((position, ref))
                    continue
                try:
                    shape = search.generator.shape
                    images.append((position, read_fitting(ref, shape, crop=photographs.crop(shape[-1]))))
                except DataError as error:
                    rows.append(_failed(ref.name, position, error))
            if images:
                x = torch.stack([record.x for _, record in images])
                known = known_attributes(assembly, photographs, [position for position, _ in images])
                results = search.run(
                    x.to(self._config.run.device), names=[r.name for _, r in images], attributes=known
                )
                rows += [
                    _row(position, record, result)
                    for (position, record), result in zip(images, results, strict=True)
                ]
            run.add(rows)
            tally["done"] += len(rows)
            tally["failed"] += sum(row.status == "failed" for row in rows)
            tally["found"] += sum(row.status == "found" for row in rows)
            report(None)

    def _document(
        self,
        run: RunDirectory,
        assembly: Assembly,
        photographs: LabelledPhotographs,
        by_column: Sequence[RowGroups],
    ) -> dict[str, Any]:
        rows, table, by = list(run.rows()), photographs.table, self._config.data.by
        kept = [row for row in rows if row.front is not None and row.front.original is not None]
        kept = kept[:_EFFECT_INSTANCES]
        known = known_attributes(assembly, photographs, [row.position for row in kept])
        effects: dict[str, Float[Tensor, " n"]] = {}
        if self._effects and (known is not None or isinstance(assembly.search.generator, AttributeEstimator)):
            effects = estimate_effects(assembly, originals(kept), attributes=known)
        groups: list[dict[str, Any]] = []
        if table is not None and by:
            measured = [row.name for row in kept] if effects else []
            groups = group_rows("model", rows, labels=table, by=by, effects=effects, measured=measured)
        elif assembly.table is not None:
            groups = column_groups("model", rows, groups=by_column, names=assembly.table.names)
        return audit_document(
            run_id=run.run_id,
            title=self._title,
            created=run.created,
            finished=now(),
            command=self._command,
            assemblies={"model": assembly},
            models=[model_entry("model", assembly)],
            rows={"model": rows},
            effects=effect_rows("model", effects, edit_success=assembly.search.generator.edit_success),
            groups=groups,
            versions=versions(),
            hashes=run.hashes,
        )

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
                "handshake": _plain(assembly.handshake),
            },
        )


def estimate_effects(
    assembly: Assembly, x: Float[Tensor, "n *x"], *, attributes: Float[Tensor, "n a"] | None = None
) -> dict[str, Float[Tensor, " n"]]:
    """Effects through the generator on the log-odds of the last class, in logits, per variable.

    Args:
        attributes: what is known of each input, as for ``Problem``.
    """
    found: dict[str, list[Tensor]] = {}
    search = assembly.search
    for i in range(len(x)):
        problem = Problem(
            x[i : i + 1].to(assembly.config.run.device),
            names=[str(i)],
            provider=search.provider,
            generator=search.generator,
            objectives=search.objectives,
            constraints=search.constraints,
            reference=search.reference,
            attributes=None if attributes is None else attributes[i : i + 1],
        )
        effects = effects_through_generator(problem, label=len(assembly.model.labels) - 1)
        for name, values in effects.items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(parts) for name, parts in found.items()}


def originals(rows: Sequence[InstanceRow]) -> Float[Tensor, "n c h w"]:
    """The images of the first instances that have one, in the house form."""
    kept = [row.front.original for row in rows if row.front is not None and row.front.original is not None]
    return torch.stack(kept[:_EFFECT_INSTANCES]).float() / 255.0 if kept else torch.zeros(0, 3, 1, 1)


def known_attributes(
    assembly: Assembly, photographs: LabelledPhotographs, places: Sequence[int]
) -> Float[Tensor, "n a"] | None:
    """What is known of these images' attributes, for a generator that can be told."""
    generator = assembly.search.generator
    if not isinstance(generator, AttributeTaker):
        return None
    known = photographs.known(generator.attribute_names, rows=places)
    return None if known is None else known.to(assembly.config.run.device)


def _plain(contact: Handshake) -> dict[str, Any]:
    """The handshake as JSON values."""
    kinds = {"scores": contact.scores.name.lower(), "looks_like": contact.looks_like.name.lower()}
    times = {"seconds": {str(size): seconds for size, seconds in contact.seconds.items()}}
    return dataclasses.asdict(contact) | kinds | times


def _row(position: int, record: ImageRecord | RowRecord, result: ParetoFront | Failure) -> InstanceRow:
    if isinstance(result, Failure):
        return InstanceRow(
            record.name,
            position,
            "failed",
            result.error.code,
            str(result.error),
            record.sha256,
            tuple(record.notes),
            None,
        )
    status = "found" if result.found else "not_found"
    if result.reason is Reason.ALREADY_TARGET:
        status = "already_target"
    return InstanceRow(
        record.name,
        position,
        status,
        result.reason.code,
        result.reason.value,
        record.sha256,
        tuple(record.notes),
        result,
    )


def _failed(name: str, position: int, error: CfsearchError) -> InstanceRow:
    return InstanceRow(name, position, "failed", error.code, str(error), "", (), None)


def _grouping(groups: Sequence[RowGroups]) -> str:
    said = json.dumps([(g.column, g.names, g.of) for g in groups])
    return hashlib.sha256(said.encode()).hexdigest()


def _listing(refs: Sequence[ImageRef | RowRecord]) -> str:
    if len({ref.name for ref in refs}) != len(refs):
        raise ConfigError("audit: two inputs have the same name.")
    return hashlib.sha256("\n".join(ref.name for ref in refs).encode()).hexdigest()
