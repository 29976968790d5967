"""Run directories: what is acknowledged stays, and what does not fit is refused."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.errors import DamagedError, RunError
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import SCHEMA, InstanceRow, RunDirectory
from cfsearch.runs.record import figures_of, listed_row
from cfsearch.runs.store import Store

CONFIG: dict[str, Any] = {"model": {"path": "m.onnx"}, "search": {"seed": 7, "evaluations": 100}}
HASHES = {"model": "onnx:1", "generator": "g:1"}


def front(name: str) -> ParetoFront:
    return ParetoFront(
        name=name,
        labels=("a", "b"),
        source=0,
        target=None,
        variables=("v",),
        objectives=("f", "g"),
        units=("", ""),
        z=torch.tensor([[0.5]]),
        f=torch.tensor([[1.0, 2.0]]),
        origin_values=torch.tensor([0.0]),
        scores=torch.tensor([[0.0, 1.0]]),
        original_scores=torch.tensor([1.0, 0.0]),
        reconstruction_scores=torch.tensor([1.0, 0.0]),
        verified=torch.tensor([True]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",),
        reason=Reason.BUDGET,
        reference_point=torch.tensor([2.0, 3.0]),
        evaluations=4,
    )


def row(name: str, position: int, *, failed: bool = False) -> InstanceRow:
    if failed:
        return InstanceRow(name, position, "failed", "data", "unreadable", "", (), None)
    return InstanceRow(
        name, position, "found", "budget_exhausted", "", "0" * 64, ("grey to RGB",), front(name)
    )


Start = Callable[..., RunDirectory]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def begin(config: dict[str, Any] = CONFIG, hashes: dict[str, str] = HASHES) -> RunDirectory:
        return RunDirectory.start(tmp_path / "run", config=config, hashes=hashes)

    return begin


def test_a_start_that_fails_closes_its_store(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Store] = []
    write = Store.write

    def kept(path: Path) -> Store:
        opened.append(write(path))
        return opened[-1]

    def refuse(path: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Store, "write", kept)
    monkeypatch.setattr("cfsearch.runs.checksums.unseal", refuse)
    with pytest.raises(OSError, match="no space left"):
        start()
    assert len(opened) == 1
    with pytest.raises(DamagedError, match="closed database"):
        opened[0].meta()


def test_rows_come_back_in_the_order_of_the_input(start: Start, tmp_path: Path) -> None:
    with start() as run:
        run.add([row("b", 1), row("c", 2, failed=True)])
        run.add([row("a", 0)])
        assert run.done() == {"a", "b", "c"}
    with RunDirectory.read(tmp_path / "run") as again:
        rows = list(again.rows())
        assert [r.name for r in rows] == ["a", "b", "c"]
        assert rows[1].notes == ("grey to RGB",)
        assert rows[2].front is None
        assert again.front("b").to_bytes() == front("b").to_bytes()
        assert (again.config, again.hashes) == (CONFIG, HASHES)


def test_a_front_that_is_not_there_is_reported(start: Start) -> None:
    with start() as run:
        run.add([row("a", 0), row("bad", 1, failed=True)])
        with pytest.raises(RunError, match="no instance 'x'; it has a, bad"):
            run.front("x")
        with pytest.raises(RunError, match="'bad' has no front: unreadable"):
            run.front("bad")


def test_an_instance_is_written_once_and_a_group_whole_or_not_at_all(start: Start) -> None:
    with start() as run:
        run.add([row("a", 0)])
        with pytest.raises(RunError, match="cannot store results"):
            run.add([row("b", 1), row("a", 0)])
        assert run.done() == {"a"}


def test_the_same_settings_go_on_under_the_same_id(start: Start) -> None:
    with start() as run:
        run.add([row("a", 0)])
        name, created = run.run_id, run.created
    with start() as run:
        assert run.done() == {"a"}
        assert (run.run_id, run.created) == (name, created)


def test_f68_other_settings_are_refused_with_the_difference(start: Start) -> None:
    start().close()
    changed = {"model": {"path": "m.onnx"}, "search": {"seed": 8, "evaluations": 100, "target": "b"}}
    with pytest.raises(RunError, match=r"search\.seed was 7, now 8; search\.target was None, now 'b'"):
        start(config=changed)


def test_f14_another_model_is_refused_with_both_hashes(start: Start) -> None:
    start().close()
    with pytest.raises(RunError, match="the model changed since it was started: onnx:1 then, onnx:2 now"):
        start(hashes={**HASHES, "model": "onnx:2"})


def test_what_other_labels_or_an_older_version_changed_is_named(start: Start) -> None:
    start().close()
    for newer in (f"onnx:1:labels-{'0' * 16}", f"torch:2:output-gender:labels-{'0' * 16}"):
        with pytest.raises(
            RunError,
            match="A version whose fingerprints hold less may have started it; go on with that version",
        ):
            start(hashes={**HASHES, "model": newer})


def test_other_labels_of_the_same_model_are_named(start: Start) -> None:
    start(hashes={**HASHES, "model": f"onnx:1:labels-{'0' * 16}:rows:2"}).close()
    other = {**HASHES, "model": f"onnx:1:labels-{'1' * 16}:rows:2"}
    with pytest.raises(RunError, match="Only its labels, or their order, are others"):
        start(hashes=other)


def test_f65_a_run_in_use_is_refused_and_free_again_when_its_process_is_killed(
    start: Start, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from cfsearch.runs.directory import RunDirectory;"
        f"run = RunDirectory.start(Path({str(tmp_path / 'run')!r}), config={CONFIG!r}, hashes={HASHES!r});"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"in use by process {process.pid} on "):
            start()
        process.kill()
        process.wait(10)
    start().close()


def test_f66_a_store_of_a_newer_version_is_refused(start: Start, tmp_path: Path) -> None:
    start().close()
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    store.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    store.close()
    with pytest.raises(RunError, match=rf"newer cfsearch \(schema {SCHEMA + 1}, this one reads {SCHEMA}\)"):
        start()
    with pytest.raises(RunError, match="newer cfsearch"):
        RunDirectory.read(tmp_path / "run")


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.sqlite").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(RunError, match="cannot be used as a run store"):
        RunDirectory.read(tmp_path / "run")


def test_folders_of_others_are_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="holds other files and no run"):
        start()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_file_and_nothing_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        RunDirectory.start(tmp_path / "file", config=CONFIG, hashes=HASHES)
    with pytest.raises(RunError, match="no run directory"):
        RunDirectory.read(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_f64_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(RunError, match="cannot be made"):
        RunDirectory.start(tmp_path / "locked" / "run", config=CONFIG, hashes=HASHES)


def test_a_start_that_was_killed_before_its_store_goes_on(start: Start, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.lock").write_text("process 1 on gone")
    with start() as run:
        assert list(run.rows()) == []
    assert (tmp_path / "run" / "run.sqlite").exists()


def test_events_are_chained_by_hash(start: Start, tmp_path: Path) -> None:
    with start() as run:
        run.event("started", {"instances": 2})
        run.event("finished")
    lines = (tmp_path / "run" / "events.jsonl").read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["event"] for entry in entries] == ["started", "finished"]
    assert entries[0]["before"] == "0" * 64
    assert entries[1]["before"] == hashlib.sha256(lines[0]).hexdigest()


def test_files_are_written_whole(start: Start, tmp_path: Path) -> None:
    with start() as run:
        run.write("manifest.json", {"status": "running"})
        run.write("config.resolved.toml", CONFIG)
        run.write("manifest.json", {"status": "finished"})
        with pytest.raises(ValueError, match="JSON compliant"):
            run.write("manifest.json", {"rate": float("nan")})
    path = tmp_path / "run"
    assert json.loads((path / "manifest.json").read_text()) == {"status": "finished"}
    assert "seed = 7" in (path / "config.resolved.toml").read_text()
    names = {"events.jsonl", "run.lock", "run.sqlite", "manifest.json", "config.resolved.toml"}
    assert {p.name for p in path.iterdir()} <= names


@pytest.mark.parametrize("reading", ["rows", "figures", "listed", "check"])
def test_no_front_goes_through_a_sort(start: Start, tmp_path: Path, reading: str) -> None:
    with start() as run:
        run.add([row("b", 0), row("a", 1), row("c", 2, failed=True)])
    statements: list[str] = []
    with Store.read(tmp_path / "run" / "run.sqlite") as store:
        store._connection.set_trace_callback(statements.append)
        parts: dict[str, Any] = {"figures": figures_of, "listed": listed_row}
        found = store.read_as(parts[reading]) if reading in parts else getattr(store, reading)()
        if reading != "check":
            assert [one.name for one in found] == ["b", "a", "c"]
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as connection:
        plans = {s: str(connection.execute(f"EXPLAIN QUERY PLAN {s}").fetchall()) for s in statements}
    assert sum(" front" in statement for statement in plans) == 3
    assert not [s for s, plan in plans.items() if " front" in s and "TEMP B-TREE" in plan]


def test_a_row_that_is_listed_and_cannot_be_reached_is_damage(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start() as run:
        run.add([row("a", 0), row("b", 1)])
    with Store.read(tmp_path / "run" / "run.sqlite") as store:
        reach = store._selected
        monkeypatch.setattr(store, "_selected", lambda name: None if name == "b" else reach(name))
        with pytest.raises(DamagedError, match="'b' is listed and not there"):
            list(store.rows())
