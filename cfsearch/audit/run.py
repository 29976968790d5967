"""An audit: many instances, one run directory; a run that was killed goes on where it stood."""

import dataclasses
import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly import Assembly, assemble, read_fitting
from cfsearch.audit.document import audit_document, model_entry
from cfsearch.audit.effects import effect_rows, effects_through_generator
from cfsearch.config import Config
from cfsearch.datasets.images import ImageRecord, ImageRef, find_images
from cfsearch.errors import CfsearchError, ConfigError, DataError, DeadlineError, ProviderError
from cfsearch.front import ParetoFront
from cfsearch.generator import AttributeEstimator
from cfsearch.problem import Problem
from cfsearch.providers.handshake import Handshake
from cfsearch.records import Reason
from cfsearch.runs import InstanceRow, RunDirectory, now
from cfsearch.search import Failure, Progress

_PASSING = (ProviderError.code, DeadlineError.code)
"""An instance that failed so is tried again when the run goes on: the model may be back."""

_EFFECT_INSTANCES = 200
"""Effects are averaged over at most so many instances, the first ones."""


@final
@dataclass(frozen=True, slots=True)
class AuditProgress:
    """Where an audit stands: whole instances, and the generation inside the present lockstep."""

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
        refs = self._images()
        assembly = assemble(self._config)
        hashes = {**assembly.hashes, "list of inputs": _listing(refs)}
        decisive = {k: v for k, v in self._config.resolved().items() if k != "run"}
        with RunDirectory.start(self._directory, config=decisive, hashes=hashes) as run:
            run.write("config.resolved.toml", self._config.resolved())
            again = run.forget_failures(_PASSING)
            run.event("started", {"instances": len(refs), "done": len(run.done()), "tried again": again})
            self._manifest(run, assembly, status="running")
            try:
                self._search(run, refs, assembly)
                document = self._document(run, assembly)
            except BaseException as error:
                run.event("interrupted", {"error": type(error).__name__})
                self._manifest(run, assembly, status="interrupted")
                raise
            run.write("audit.json", document)
            self._manifest(run, assembly, status="finished")
            run.event("finished", {"instances": len(refs)})
        return document

    def _images(self) -> Sequence[ImageRef]:
        data = self._config.data
        refs = readable(find_images(Path(data.images), recursive=data.recursive))
        return refs if data.limit is None else refs[: data.limit]

    def _search(self, run: RunDirectory, refs: Sequence[ImageRef], assembly: Assembly) -> None:
        lockstep = self._config.run.lockstep or (4 if self._config.run.device == "cpu" else 64)
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
        for begin in range(0, len(left), lockstep):
            group = left[begin : begin + lockstep]
            rows, images = [], []
            for position, ref in group:
                try:
                    images.append((position, read_fitting(ref, search.generator.shape)))
                except DataError as error:
                    rows.append(_failed(ref.name, position, error))
            if images:
                x = torch.stack([record.x for _, record in images])
                results = search.run(x.to(self._config.run.device), names=[r.name for _, r in images])
                rows += [
                    _row(position, record, result)
                    for (position, record), result in zip(images, results, strict=True)
                ]
            run.add(rows)
            tally["done"] += len(rows)
            tally["failed"] += sum(row.status == "failed" for row in rows)
            tally["found"] += sum(row.status == "found" for row in rows)
            report(None)

    def _document(self, run: RunDirectory, assembly: Assembly) -> dict[str, Any]:
        rows = list(run.rows())
        effects: list[dict[str, Any]] = []
        if self._effects and isinstance(assembly.search.generator, AttributeEstimator):
            effects = effect_rows("model", estimate_effects(assembly, originals(rows)))
        return audit_document(
            run_id=run.run_id,
            title=self._title,
            created=run.created,
            finished=now(),
            command=self._command,
            assemblies={"model": assembly},
            models=[model_entry("model", assembly)],
            rows={"model": rows},
            effects=effects,
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


def readable(refs: Sequence[ImageRef]) -> tuple[ImageRef, ...]:
    """The same images under names that can be written anywhere: bytes that are no UTF-8 as escapes."""
    return tuple(
        dataclasses.replace(
            ref, name=ref.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )
        for ref in refs
    )


def estimate_effects(assembly: Assembly, x: Float[Tensor, "n *x"]) -> dict[str, Float[Tensor, " n"]]:
    """Effects through the generator on the log-odds of the last class, in logits, per variable."""
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
        )
        effects = effects_through_generator(problem, label=len(assembly.model.labels) - 1)
        for name, values in effects.items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(parts) for name, parts in found.items()}


def originals(rows: Sequence[InstanceRow]) -> Float[Tensor, "n c h w"]:
    """The images of the first instances that have one, in the house form."""
    kept = [row.front.original for row in rows if row.front is not None and row.front.original is not None]
    return torch.stack(kept[:_EFFECT_INSTANCES]).float() / 255.0 if kept else torch.zeros(0, 3, 1, 1)


def versions() -> dict[str, str]:
    """Versions of what decides results."""
    packages = ("cfsearch", "torch", "onnxruntime", "pymoo", "moocore", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _plain(hello: Handshake) -> dict[str, Any]:
    """The handshake as JSON values."""
    kinds = {"scores": hello.scores.name.lower(), "looks_like": hello.looks_like.name.lower()}
    times = {"seconds": {str(size): seconds for size, seconds in hello.seconds.items()}}
    return dataclasses.asdict(hello) | kinds | times


def _row(position: int, record: ImageRecord, result: ParetoFront | Failure) -> InstanceRow:
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


def _listing(refs: Sequence[ImageRef]) -> str:
    if len({ref.name for ref in refs}) != len(refs):
        raise ConfigError("audit: two inputs have the same name.")
    return hashlib.sha256("\n".join(ref.name for ref in refs).encode()).hexdigest()
