"""Workers on this machine, each a process with a model of its own."""

import base64
import select
from collections.abc import Sequence
from typing import Any, final

from cfsearch import errors
from cfsearch.errors import CfsearchError, RunError
from cfsearch.providers.isolated.channel import Closed
from cfsearch.providers.isolated.process import ModelProcess
from cfsearch.runs.record import Stored

from .pool import Answer, Task, Workers

_SERVE = "cfsearch.audits.workers.searcher:serve"


@final
class LocalWorkers(Workers):
    """Processes of this machine; they end with this one, however it ends.

    What they answer is JSON with the bytes of fronts: nothing of it is unpickled.

    Args:
        task: what they search.
        count: how many there are at most.
    """

    def __init__(self, task: Task, *, count: int) -> None:
        self._count, self._threads = count, task.config.run.threads
        self._task = base64.b64encode(task.packed()).decode()
        self._processes: dict[int, ModelProcess] = {}
        self._busy: set[int] = set()
        self._begun: set[int] = set()
        self._rows: dict[int, list[Stored]] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def give(self, worker: int, positions: Sequence[int]) -> None:
        """As ``Workers.give``."""
        self._busy.add(worker)
        self._begun.discard(worker)
        self._rows[worker] = []
        try:
            process = self._processes.get(worker)
            if process is None:
                process = self._processes[worker] = ModelProcess(serve=_SERVE, threads=self._threads)
                process.channel.send({"task": self._task, "number": worker})
            process.channel.send({"positions": list(positions)})
        except Closed:
            pass  # its death is what is taken from it

    def take(self) -> Answer:
        """As ``Workers.take``."""
        while True:
            for worker in self._speaking():
                answer = self._heard(worker)
                if answer is not None:
                    self._busy.discard(answer.worker)
                    return answer

    def close(self) -> None:
        """As ``Workers.close``."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def _speaking(self) -> list[int]:
        """Workers of whom a message is there or comes; waits for one."""
        pending = [worker for worker in self._busy if self._processes[worker].channel.pending]
        if pending:
            return pending
        poller = select.poll()
        numbers = {self._processes[worker].channel.fileno(): worker for worker in self._busy}
        for descriptor in numbers:
            poller.register(descriptor, select.POLLIN)
        return [numbers[descriptor] for descriptor, _ in poller.poll()]

    def _heard(self, worker: int) -> Answer | None:
        """The answer of a worker once it is whole."""
        process, rows = self._processes[worker], self._rows[worker]
        try:
            message = process.channel.receive()
        except (Closed, errors.ProviderError):
            words = process.last_words()
            death = process.death() + (f"; it printed last: {words!r}" if words else "")
            del self._processes[worker]
            process.close()
            return Answer(worker, death=death, begun=worker in self._begun)
        if "begun" in message:
            self._begun.add(worker)
            return None
        if "row" in message:
            rows.append(from_json(message["row"]))
            return None
        return Answer(worker, tuple(rows), error=error_of(message) if "error" in message else None)


def from_json(values: Sequence[Any]) -> Stored:  # Any: JSON values
    """The stored row of ``to_json``.

    Args:
        values: its columns.
    """
    columns: dict[str, Any] = dict(zip(Stored._fields, values, strict=True))  # Any: JSON values
    front = columns["front"]
    columns["front"] = None if front is None else base64.b64decode(front)
    return Stored(**columns)


def error_of(message: dict[str, Any]) -> CfsearchError:  # Any: JSON values
    """The error of ``failure``.

    Args:
        message: of a worker.
    """
    kind: object = getattr(errors, str(message["error"]), None)
    if isinstance(kind, type) and issubclass(kind, CfsearchError):
        return kind(str(message["message"]))
    return RunError(str(message["message"]))
