"""The searches of an audit that are left to do: in this process, or by workers."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from cfsearch.assembly.batches import BATCH_SIZE
from cfsearch.assembly.parts import Parts
from cfsearch.assembly.search import Assembly
from cfsearch.engine.progress import Progress
from cfsearch.errors import ConfigError
from cfsearch.providers.served.contact import ledger_of
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.runs.record import row_of

from .batches import Batches, batch_size
from .genuineness_check import GENUINENESS, GenuinenessCheck, generator_error, prepare_check
from .inputs import AuditedInputs
from .stopping import Stopping


@final
@dataclass(frozen=True, slots=True)
class AuditProgress:
    """Where an audit stands: whole instances, and the generation inside the present batch.

    Of several models, counts are over all of them; ``model`` is the id of the present one, empty
    where there is one only.
    """

    done: int
    total: int
    failed: int
    found: int
    inside: Progress | None
    model: str = ""


_LIVE: Final = ("model", "generator", "solver", "objectives", "constraints", "reference", "second_generator")


def check_workers(assembly: Assembly, *, parts: Parts | None) -> None:
    """Refuse workers where each process cannot open the model for itself.

    Args:
        assembly: of the audit.
        parts: objects of the running program that the search was made of.

    Raises:
        ConfigError: they cannot.
    """
    if not _several(assembly):
        return
    if parts is not None and any(getattr(parts, name) is not None for name in _LIVE):
        raise ConfigError(
            "workers: each worker opens the model by itself, and this audit was given objects of the running program. "
            "Name the model by its file or as `module:function`, or leave `workers` out."
        )
    if ledger_of(assembly.model) is not None:
        raise ConfigError(
            "workers: a model behind an address is queried with many requests at a time by one process already, "
            "which counts them. Leave `workers` out."
        )


def search_left(
    run: RunDirectory,
    assembly: Assembly,
    inputs: AuditedInputs,
    *,
    watch: Callable[[AuditProgress], None] | None,
    stopping: Stopping | None = None,
) -> None:
    """Search what a run does not hold yet, and keep it batch by batch.

    Args:
        run: open to be written.
        assembly: the search.
        inputs: of the audit.
        watch: called with the progress.
        stopping: conditions on which the audit ends early; None for none.

    Raises:
        CfsearchError: no more can be searched; inputs that fail are results.
    """
    done, tally = run.done(), Counter(run.statuses())
    order = range(len(inputs.refs)) if stopping is None else stopping.order
    left = [i for i in order if inputs.refs[i].name not in done]

    def report(inside: Progress | None) -> None:
        if watch is not None:
            total = len(inputs.refs)
            watch(AuditProgress(tally.total(), total, tally["failed"], tally["found"], inside))

    report(None)
    check = (
        prepare_check(run, assembly, refs=inputs.refs, photographs=inputs.photographs)
        if left or GENUINENESS in run.damaged
        else None
    )
    if stopping is not None:
        if stopping.on_effects:
            generator, label = assembly.search.generator, assembly.model.labels[-1]
            stopping.correct(
                generator_error(run.path, label=label),
                success=generator.edit_success,
                strength=generator.edit_strength,
            )
        stopping.take(run.rows())
        if stopping.decided:
            return
    if _several(assembly) and left:
        arrived = _by_workers(run, assembly, inputs, check, left)
    else:
        search = assembly.watched(report)
        size = batch_size(assembly)
        if stopping is not None:  # which looks after each batch
            size = min(size, BATCH_SIZE)
        arrived = _here(
            run, Batches(assembly, search, inputs.refs, inputs.photographs, check), left, size=size
        )
    for rows in arrived:
        tally.update(row.status for row in rows)
        if stopping is not None:
            stopping.take(rows)
        report(None)
        if stopping is not None and stopping.decided:
            break


def _here(
    run: RunDirectory, batches: Batches, left: Sequence[int], *, size: int
) -> Iterator[Sequence[InstanceRow]]:
    """The rows of each batch, when it is kept."""
    for begin in range(0, len(left), size):
        result = batches.searched(left[begin : begin + size])
        run.add(result.rows)
        if result.gone is not None:
            raise result.gone
        yield result.rows


def _by_workers(
    run: RunDirectory,
    assembly: Assembly,
    inputs: AuditedInputs,
    check: GenuinenessCheck | None,
    left: Sequence[int],
) -> Iterator[Sequence[InstanceRow]]:
    """As ``_here``; deaths of workers are events of the run."""
    from .workers.pool import Task, Workers, spread
    from .workers.processes import LocalWorkers

    task = Task(
        assembly.config,
        inputs.hashes,
        None if check is None else check.calibration,
        second=None if check is None or check.second is None else check.second.calibration,
    )
    chosen = assembly.config.run.workers
    workers: Workers
    if isinstance(chosen, int):
        workers = LocalWorkers(task, count=chosen)
    else:
        from .workers.on_ray import RayWorkers

        of_ray = str(chosen).partition(":")[2]
        workers = RayWorkers(task, count=int(of_ray) if of_ray else None)
    names = {i: ref.name for i, ref in enumerate(inputs.refs)}
    with contextlib.closing(workers):
        size = batch_size(assembly)
        if assembly.config.run.batch_size is None:  # so that none has nothing to do
            size = max(1, min(size, -(-len(left) // workers.count)))
        for arrival in spread(workers, left, batch_size=size, names=names):
            if arrival.death:
                run.event("worker died", {"how": arrival.death})
            if arrival.rows:
                run.add_stored(arrival.rows)
                yield [row_of(row, run=repr(str(run.path))) for row in arrival.rows]


def _several(assembly: Assembly) -> bool:
    return assembly.config.run.workers not in (None, 1)
