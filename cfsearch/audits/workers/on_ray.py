"""Workers on the machines of a ray cluster; the only module that imports ray."""

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Final, final

from cfsearch.errors import MissingExtraError, RunError, cause_of
from cfsearch.providers.threads import THREAD_VARIABLES

from .pool import Answer, Task, Workers
from .processes import error_of
from .searcher import Searcher, failure

_COPIES_UNDER_UV: Final = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"


@final
class RayWorkers(Workers):
    """Actors of a ray cluster, one process each; without a cluster ray starts one on this machine.

    ray finds the cluster by ``RAY_ADDRESS``, or one that runs on this machine. Every machine needs the same
    cfsearch, and model and inputs under the same paths; nothing is copied to it, under ``uv run`` neither, unless
    ``RAY_ENABLE_UV_RUN_RUNTIME_ENV`` is set.

    Args:
        task: what they search.
        count: how many there are; as many as the cluster has room for when left out.

    Raises:
        MissingExtraError: ray is not installed (extra ``ray``).
        RunError: there is no such cluster, or it has no room for one worker.
    """

    def __init__(self, task: Task, *, count: int | None = None) -> None:
        # under `uv run` ray would upload the working folder, and build an environment anew for each worker
        os.environ.setdefault(_COPIES_UNDER_UV, "0")
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError(
                "workers: 'ray' needs the package 'ray', which is not installed: pip install 'cfsearch[ray]'."
            ) from error
        self._ray: Any = ray  # Any: ray's functions are typed by what they wrap
        threads, gpu = task.config.run.threads or 1, task.config.run.device.startswith("cuda")
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(log_to_driver=False, configure_logging=False)
            except Exception as error:  # ray raises plain ones where its processes do not start in time
                raise RunError(
                    f"workers: ray does not start, or its cluster is not reached: {cause_of(error)}."
                ) from error
        have = self._ray.cluster_resources()
        room = int(have.get("GPU", 0.0)) if gpu else int(have.get("CPU", 0.0) // threads)
        if room < 1:
            needed = "a GPU" if gpu else f"{threads} CPUs"
            raise RunError(f"workers: no machine of the ray cluster has {needed} for one worker.")
        self._count: Final = count or room
        self._actor: Any = ray.remote(  # Any: as above
            num_cpus=threads,
            num_gpus=int(gpu),
            runtime_env={"env_vars": dict.fromkeys(THREAD_VARIABLES, str(threads))},
        )(_Actor)
        self._task: Any = ray.put(task.packed())
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def give(self, worker: int, positions: Sequence[int]) -> None:
        """As ``Workers.give``."""
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._task)
        self._pending[self._actors[worker].search.remote(list(positions))] = worker

    def take(self) -> Answer:
        """As ``Workers.take``."""
        [ready], _ = self._ray.wait(list(self._pending), num_returns=1)
        worker = self._pending.pop(ready)
        try:
            rows, message = self._ray.get(ready)
        except self._ray.exceptions.RayActorError as error:
            del self._actors[worker]
            return Answer(worker, death=f"died: {str(error).splitlines()[0]}")
        except self._ray.exceptions.RayError as error:
            return Answer(worker, error=RunError(f"workers: ray: {cause_of(error)}."))
        return Answer(worker, tuple(rows), error=None if message is None else error_of(message))

    def close(self) -> None:
        """As ``Workers.close``."""
        for actor in self._actors.values():
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)
        self._actors.clear()
        if self._started:
            self._ray.shutdown()


class _Actor:
    """A worker as ray runs it."""

    def __init__(self, packed: bytes) -> None:
        self._packed: bytes = packed
        self._searcher: Searcher | None = None

    def search(self, positions: list[int]) -> tuple[list[Any], dict[str, Any] | None]:  # Any: JSON values
        """The stored rows of some inputs, and the error that ended the search."""
        from cfsearch.errors import CfsearchError

        try:
            if self._searcher is None:
                self._searcher = Searcher(Task.unpacked(self._packed))
        except CfsearchError as error:
            return [], failure(error)
        rows, gone = self._searcher.search(positions)
        return list(rows), None if gone is None else failure(gone)
