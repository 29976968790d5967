"""Two workers give the fronts of one process, to the byte, also where one of them is killed."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cfsearch.assembly.parts import Parts
from cfsearch.assembly.search import assemble
from cfsearch.audits.inputs import audited_inputs
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.audits.workers.pool import Task
from cfsearch.audits.workers.processes import LocalWorkers, error_of, from_json
from cfsearch.audits.workers.searcher import Searcher, failure, to_json
from cfsearch.config import Config
from cfsearch.errors import CfsearchError, ConfigError, ProviderCrashedError, RunError
from cfsearch.providers.isolated.process import ModelProcess
from cfsearch.runs.checksums import events
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.record import InstanceRow, stored

from .conftest import Settings


def fronts(path: Path) -> dict[str, tuple[str, bytes]]:
    with RunDirectory.read(path) as run:
        return {row.name: (row.status, row.front.to_bytes()) for row in run.rows() if row.front is not None}


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[ModelProcess]:
    """The workers that a test has started."""
    found: list[ModelProcess] = []
    start = ModelProcess.__init__

    def recorded(self: ModelProcess, **words: Any) -> None:
        start(self, **words)
        found.append(self)

    monkeypatch.setattr(ModelProcess, "__init__", recorded)
    return found


def test_two_workers_of_which_one_is_killed_give_the_fronts_of_one_process(
    tmp_path: Path, settings: Settings, started: list[ModelProcess]
) -> None:
    alone = Audit(settings(threads=1), directory=tmp_path / "alone").run()
    killed: list[int] = []

    def watch(state: AuditProgress) -> None:
        if state.done == 2 and not killed:
            killed.append(started[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    together = Audit(settings(workers=2), directory=tmp_path / "together", watch=watch).run()
    assert fronts(tmp_path / "together") == fronts(tmp_path / "alone")
    assert len(fronts(tmp_path / "alone")) == 6
    assert together["instances"] == alone["instances"]
    assert together["changes"] == alone["changes"]
    assert len(started) in (2, 3) and not any(process.alive for process in started)
    died = [one for one in events(tmp_path / "together") if one["event"] == "worker died"]
    assert [one["detail"]["how"].split(";")[0] for one in died] in (
        [],  # it had been given nothing more
        ["was ended by SIGKILL (the system may be out of memory)"],
    )


def test_a_worker_whose_files_are_others_is_refused(settings: Settings) -> None:
    config = settings(workers=2)
    hashes = audited_inputs(assemble(config)).hashes
    task = Task(config, {**hashes, "model": "0f"}, None)
    with pytest.raises(RunError, match=r"its files are not those .*model callable:.* \(there 0f\)"):
        Searcher(Task.unpacked(task.packed()))
    other = Task(config, hashes, None, versions={"torch": "0.1"})
    with pytest.raises(RunError, match=r"its versions are not those"):
        Searcher(other)


def test_a_worker_that_is_killed_while_it_starts_has_begun_nothing(
    settings: Settings, started: list[ModelProcess]
) -> None:
    config = settings(threads=1)
    workers = LocalWorkers(Task(config, audited_inputs(assemble(config)).hashes, None), count=1)
    try:
        workers.give(0, [4])
        os.kill(started[0].pid, signal.SIGKILL)
        died = workers.take()
        assert "SIGKILL" in died.death and not died.begun
        workers.give(0, [4])
        came = workers.take()
        assert [row.position for row in came.rows] == [4] and came.begun and not came.death
    finally:
        workers.close()


def test_a_worker_that_dies_without_work_is_no_answer(
    settings: Settings, started: list[ModelProcess]
) -> None:
    config = settings(threads=1)
    workers = LocalWorkers(Task(config, audited_inputs(assemble(config)).hashes, None), count=2)
    try:
        workers.give(0, [4])
        assert [row.position for row in workers.take().rows] == [4]
        os.kill(started[0].pid, signal.SIGKILL)
        workers.give(1, [1])
        came = workers.take()
        assert (came.worker, [row.position for row in came.rows], came.death) == (1, [1], "")
    finally:
        workers.close()


def test_a_worker_searches_by_position(settings: Settings, tmp_path: Path) -> None:
    config = settings(threads=1)
    searcher = Searcher(Task(config, audited_inputs(assemble(config)).hashes, None))
    rows, error = searcher.search([4, 1])
    assert error is None
    assert [(row.position, row.status) for row in rows] == [(4, "found"), (1, "found")]


def test_rows_and_errors_are_the_same_behind_the_socket() -> None:
    row = stored(InstanceRow("a", 3, "failed", "data", "no such file", "", ("note",), None))
    blob = row._replace(front=b"\x00\xff", front_sha256="0f")
    assert from_json(to_json(row)) == row
    assert from_json(to_json(blob)) == blob
    again = error_of(failure(ProviderCrashedError("it died")))
    assert (type(again), str(again)) == (ProviderCrashedError, "it died")
    odd = error_of({"error": "NoSuchError", "message": "it died"})
    assert (type(odd), str(odd)) == (RunError, "it died")
    assert isinstance(odd, CfsearchError)


def test_live_objects_cannot_be_searched_by_workers(settings: Settings, tmp_path: Path) -> None:
    audit = Audit(settings(workers=2), directory=tmp_path / "run", parts=Parts(constraints=()))
    with pytest.raises(ConfigError, match="each worker opens the model by itself"):
        audit.run()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "kept"), [(2, 2), ("3", 3), ("ray", "ray"), ("ray:4", "ray:4"), (None, None)]
)
def test_workers_are_a_number_or_a_cluster(settings: Settings, given: object, kept: object) -> None:
    config: Config = settings(workers=given)
    assert config.run.workers == kept
    assert config.run.threads == (None if given is None else 1)
    assert settings(workers=given, threads=3).run.threads == 3


@pytest.mark.parametrize("given", [0, -1, "ray:0", "dask", True, 2.5])
def test_other_workers_are_refused(settings: Settings, given: object) -> None:
    with pytest.raises(ConfigError, match="expected a number of processes"):
        settings(workers=given)
