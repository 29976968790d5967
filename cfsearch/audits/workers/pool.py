"""The protocol of workers, and how inputs are spread over them.

A worker is a process that opens the model anew and searches the batches that it is given. Only the process that
leads the audit writes: what a worker found is kept when it has arrived, whole batches at a time, so that a worker
that dies loses no more than the batch that it was searching, and that batch is searched again by another.
"""

import pickle
import sys
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from cfsearch.assembly.provenance import versions as present_versions
from cfsearch.audits.genuineness import Calibration
from cfsearch.config import Config
from cfsearch.errors import CfsearchError, RunError, WorkerDiedError
from cfsearch.runs.record import InstanceRow, Stored, stored

MOST_DEATHS: Final = 3
"""Deaths of workers that searched one input alone, after which it has failed."""
_IN_A_ROW: Final = 12
"""Deaths without an answer between them, after which the audit ends."""


def _module_folders() -> tuple[str, ...]:
    return tuple(str(Path(entry).absolute()) for entry in sys.path)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a worker must know to search the inputs of an audit.

    Args:
        config: the settings of one model's audit.
        hashes: SHA-256 of what decides results, with which a worker's own must agree.
        calibration: by which it marks genuine members; None where they are not measured.
        second: the same of a second generator; None where there is none.
        folder: from which paths are meant.
        versions: of what decides results, likewise.
        modules: folders in which modules are looked for, of the process that leads.
    """

    config: Config
    hashes: Mapping[str, str]
    calibration: Calibration | None
    second: Calibration | None = None
    folder: Path = field(default_factory=Path.cwd)
    versions: Mapping[str, str] = field(default_factory=present_versions)
    modules: tuple[str, ...] = field(default_factory=_module_folders)

    def packed(self) -> bytes:
        """As bytes, for a process of ours."""
        return pickle.dumps(self)

    @classmethod
    def unpacked(cls, data: bytes) -> "Task":
        """The task of ``packed``, from the process that leads the audit.

        Args:
            data: its bytes.
        """
        task = pickle.loads(data)  # noqa: S301 - from the process that started this one
        if not isinstance(task, cls):
            raise TypeError(f"expected a task, got {type(task).__name__}")
        return task


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What came from a worker.

    Args:
        worker: its number.
        rows: inputs that are done.
        death: how it died, in words; empty where it lives.
        error: why it cannot go on; None where it can.
        begun: whether it had begun the inputs; a worker that dies while it starts says nothing against them.
    """

    worker: int
    rows: tuple[Stored, ...] = ()
    death: str = ""
    error: CfsearchError | None = None
    begun: bool = True


class Workers(ABC):
    """Workers of one audit, numbered from 0.

    Example:
        ``cfsearch.audits.workers.processes.LocalWorkers`` and ``cfsearch.audits.workers.on_ray.RayWorkers``.
    """

    @property
    @abstractmethod
    def count(self) -> int:
        """How many there are."""

    @abstractmethod
    def give(self, worker: int, positions: Sequence[int]) -> None:
        """Have an idle worker search a batch; it is started first where it does not run.

        Args:
            worker: its number.
            positions: of the inputs in the audit.
        """

    @abstractmethod
    def take(self) -> Answer:
        """Wait for the next answer of any worker that was given something."""

    @abstractmethod
    def close(self) -> None:
        """End all workers."""


@final
@dataclass(frozen=True, slots=True)
class Arrival:
    """Inputs that are done, or the death of a worker.

    Args:
        rows: to be kept.
        death: how a worker died; empty where none did.
    """

    rows: tuple[Stored, ...] = ()
    death: str = ""


def spread(
    workers: Workers, positions: Sequence[int], *, batch_size: int, names: Mapping[int, str]
) -> Iterator[Arrival]:
    """Search inputs by workers; what is done, as it arrives.

    A batch whose worker died in it is searched again, input by input; one whose worker died before, as it is. An
    input on which three workers died alone has failed, as ``worker_died``: it is tried again when the audit is started again.

    Args:
        workers: the processes.
        positions: of the inputs in the audit.
        batch_size: inputs given at once.
        names: of the inputs, by position.

    Raises:
        CfsearchError: a worker cannot go on, or they die one after the other.
    """
    waiting = deque(tuple(positions[i : i + batch_size]) for i in range(0, len(positions), batch_size))
    idle, busy = list(range(min(workers.count, len(waiting))))[::-1], dict[int, tuple[int, ...]]()
    deaths, in_a_row = Counter[int](), 0
    while waiting or busy:
        while idle and waiting:
            worker = idle.pop()
            busy[worker] = waiting.popleft()
            workers.give(worker, busy[worker])
        answer = workers.take()
        batch = busy.pop(answer.worker)
        idle.append(answer.worker)
        if not answer.death:
            in_a_row = 0
            yield Arrival(answer.rows)
            if answer.error is not None:
                raise answer.error
            continue
        in_a_row += 1
        yield Arrival(death=answer.death)
        if in_a_row >= _IN_A_ROW:
            raise RunError(
                f"workers: {in_a_row} processes died in a row without an answer; the last one {answer.death}. "
                "Try fewer --workers, which take less memory."
            )
        if not answer.begun:
            waiting.appendleft(batch)
            continue
        if len(batch) == 1:
            deaths[batch[0]] += 1
            if deaths[batch[0]] >= MOST_DEATHS:
                yield Arrival((stored(_given_up(batch[0], names[batch[0]], answer.death)),))
                continue
        waiting.extendleft((at,) for at in reversed(batch))


def _given_up(position: int, name: str, death: str) -> InstanceRow:
    message = f"{MOST_DEATHS} workers died on this input; the last one {death}."
    return InstanceRow(name, position, "failed", WorkerDiedError.code, message, "", (), None)
