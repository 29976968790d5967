"""Workers of ray give the fronts of one process, to the byte."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from cfsearch.audits.run import Audit
from cfsearch.audits.workers.on_ray import RayWorkers
from cfsearch.audits.workers.pool import Task
from cfsearch.errors import MissingExtraError, RunError
from cfsearch.runs.checksums import events
from cfsearch.runs.directory import RunDirectory

from .conftest import Settings


def test_without_ray_the_extra_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[ray\]'"):
        RayWorkers(Task(settings(workers="ray"), {}, None))


class ActorError(Exception):
    """What the played ray raises where an actor has died."""


class PlayedRay(ModuleType):
    """As much of ray as its workers use: actors live in this process, and some calls kill theirs.

    Args:
        deadly: numbers of the calls that do, in the order in which they are made.
    """

    def __init__(self, deadly: tuple[int, ...] = ()) -> None:
        super().__init__("ray")
        self.exceptions = SimpleNamespace(RayActorError=ActorError, RayError=ActorError)
        self.calls, self.killed, self.running = 0, 0, False
        self.options: dict[str, object] = {}
        self._deadly = deadly

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **_: object) -> None:
        self.running = True

    def shutdown(self) -> None:
        self.running = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def put(self, value: bytes) -> bytes:
        return value

    def remote(
        self, **options: object
    ) -> Callable[[Callable[[bytes], Any]], SimpleNamespace]:  # Any: an actor
        self.options = options
        return lambda made: SimpleNamespace(remote=lambda packed: self._handle(made(packed)))

    def wait(self, pending: list["Pending"], *, num_returns: int) -> tuple[list["Pending"], list["Pending"]]:
        return pending[-num_returns:], pending[:-num_returns]

    def get(self, pending: "Pending") -> object:
        if pending.number in self._deadly:
            raise ActorError("The actor died.\nIts node was lost.")
        return pending.work()

    def kill(self, _: object) -> None:
        self.killed += 1

    def _handle(self, actor: Any) -> SimpleNamespace:  # Any: as above
        def search(positions: list[int]) -> Pending:
            self.calls += 1
            return Pending(self.calls, lambda: actor.search(positions))

        return SimpleNamespace(search=SimpleNamespace(remote=search))


class Pending(NamedTuple):
    """An answer that will come."""

    number: int
    work: Callable[[], object]


@pytest.mark.parametrize("deadly", [(), (2,)])
def test_actors_give_the_fronts_of_one_process_also_where_one_dies(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, deadly: tuple[int, ...]
) -> None:
    played = PlayedRay(deadly)
    monkeypatch.setitem(sys.modules, "ray", played)
    found = []
    for name, run in (("alone", {"threads": 1}), ("ray", {"workers": "ray"})):
        Audit(settings(**run), directory=tmp_path / name).run()
        with RunDirectory.read(tmp_path / name) as opened:
            found.append({r.name: r.front.to_bytes() for r in opened.rows() if r.front is not None})
    assert len(found[0]) == 6
    assert found[0] == found[1]
    assert (played.options["num_cpus"], played.options["num_gpus"]) == (1, 0)
    assert (played.killed, played.running) == (2, False)
    assert played.calls == 3 + 2 * len(
        deadly
    )  # the batch that died is given again, its two inputs one by one
    died = [one["detail"] for one in events(tmp_path / "ray") if one["event"] == "worker died"]
    assert died == [{"how": "died: The actor died."}] * len(deadly)


@pytest.mark.parametrize(("given", "seen"), [(None, "0"), ("1", "1")])
def test_under_uv_nothing_is_copied_to_workers_unless_somebody_wants_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, given: str | None, seen: str
) -> None:
    """ray reads it when it is imported, and copies the working folder and makes an environment for each worker."""
    monkeypatch.setitem(sys.modules, "ray", PlayedRay())
    name = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    RayWorkers(Task(settings(workers="ray"), {}, None), count=1)
    assert os.environ[name] == seen


def test_a_worker_of_ray_that_finds_other_files_ends_the_audit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", PlayedRay())
    workers = RayWorkers(Task(settings(workers="ray"), {"model": "0f"}, None), count=1)
    workers.give(0, [0])
    answer = workers.take()
    workers.close()
    assert answer.rows == ()
    assert isinstance(answer.error, RunError)
    assert "Give all machines the same" in str(answer.error)


def test_a_cluster_without_room_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", PlayedRay())
    with pytest.raises(RunError, match="no machine of the ray cluster has 3 CPUs"):
        RayWorkers(Task(settings(workers="ray", threads=3), {}, None))
    with pytest.raises(RunError, match="has a GPU"):
        RayWorkers(Task(settings(workers="ray", device="cuda"), {}, None))


DEADLY = """
import os, signal
from pathlib import Path
from model_of_workers import predict as answers
def predict(frame):
    if os.getpid() != {leading} and not Path({killed!r}).exists():
        Path({killed!r}).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answers(frame)
"""


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [False, True])
def test_two_workers_of_ray_give_the_fronts_of_one_process(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, deadly: bool
) -> None:
    monkeypatch.setenv(
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0"
    )  # read at the import, which an audit does after it set it
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "180000")  # a busy machine starts it slowly
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "180")
    (tmp_path / "deadly.py").write_text(DEADLY.format(leading=os.getpid(), killed=str(tmp_path / "killed")))
    found = []
    for name, run in (("alone", {"threads": 1}), ("ray", {"workers": "ray:2"})):
        config = settings(**run)
        if deadly:
            model = config.model.model_copy(update={"path": "deadly:predict"})
            alone = config.run.model_copy(update={"isolate": False})  # so that the model ends its worker
            config = config.model_copy(update={"model": model, "run": alone})
        Audit(config, directory=tmp_path / name).run()
        with RunDirectory.read(tmp_path / name) as opened:
            found.append({r.name: r.front.to_bytes() for r in opened.rows() if r.front is not None})
    assert len(found[0]) == 6
    assert found[0] == found[1]
    died = [one for one in events(tmp_path / "ray") if one["event"] == "worker died"]
    assert len(died) == int(deadly)


@pytest.mark.parametrize("running", [False, True])
def test_a_cluster_that_ran_before_is_used_and_left_running(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    played = PlayedRay()
    played.running = running
    begun: list[dict[str, object]] = []
    monkeypatch.setattr(played, "init", lambda **words: begun.append(words))
    ended: list[bool] = []
    monkeypatch.setattr(played, "shutdown", lambda: ended.append(True))
    monkeypatch.setitem(sys.modules, "ray", played)
    RayWorkers(Task(settings(workers="ray"), {}, None)).close()
    assert ended == ([] if running else [True])
    quiet: dict[str, object] = {
        "log_to_driver": False,  # None, which is ray's default, prints what the workers print
        "configure_logging": False,
    }
    assert begun == ([] if running else [quiet])
