"""Damaged runs: what is not what was written is found when it is read, and it alone is lost."""

import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cfsearch.errors import DamagedError, RunError
from cfsearch.runs import checksums
from cfsearch.runs.compact import compacted
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.runs.record import Stored

from .test_directory import CONFIG, HASHES, front, row

NAMES = ("a", "b", "c", "d")
FRONTS = {name: front(name).to_bytes() for name in NAMES}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    with RunDirectory.start(path, config=CONFIG, hashes=HASHES) as run:
        run.write("manifest.json", {"run_id": run.run_id, "created": run.created})
        run.event("started")
        run.add([row(name, i) for i, name in enumerate(NAMES)])
        run.event("finished")
        run.seal()
    return path


def flip(path: Path, place: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def altered(path: Path, statement: str) -> None:
    store = sqlite3.connect(path / "run.sqlite")
    with store:
        store.execute(statement)
    store.close()


def read(path: Path) -> dict[str, bytes]:
    with RunDirectory.read(path) as run:
        return {r.name: r.front.to_bytes() for r in run.rows() if r.front is not None}


def looked_at(path: Path) -> None:
    with RunDirectory.read(path) as run:
        assert len(list(run.rows())) == 4
        assert run.config == CONFIG


def resumed(path: Path) -> tuple[set[str], tuple[str, ...]]:
    with RunDirectory.start(path, config=CONFIG, hashes=HASHES) as run:
        return run.done(), run.damaged


def test_one_bit_anywhere_in_the_store_is_found_or_changes_no_result(finished: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    size = (finished / "run.sqlite").stat().st_size
    found = 0
    for number in range(150):
        copy = shutil.copytree(finished, tmp_path / "copy")
        place, bit = rng.randrange(size), rng.randrange(8)
        flip(copy / "run.sqlite", place, bit)
        try:
            assert read(copy) == FRONTS, (number, place, bit)
        except RunError:
            found += 1
        assert checksums.changed_files(copy) == ["run.sqlite"]
        shutil.rmtree(copy)
    assert found > 10


def test_a_bit_of_a_front_costs_that_input_alone(finished: Path) -> None:
    content = (finished / "run.sqlite").read_bytes()
    place = content.index(compacted(FRONTS["b"])[:200]) + 150
    flip(finished / "run.sqlite", place)
    with RunDirectory.read(finished) as run:
        assert run.front("a").to_bytes() == FRONTS["a"]
        with pytest.raises(
            DamagedError, match="the result of 'b' is damaged: its front has another checksum"
        ):
            run.front("b")
        with pytest.raises(DamagedError, match="the result of 'b' is damaged"):
            list(run.rows())
    done, damaged = resumed(finished)
    assert done == {"a", "c", "d"}
    assert damaged == ("run.sqlite, of which 3 results are as they were",)
    assert (finished / "run.sqlite.damaged").exists()
    with RunDirectory.start(finished, config=CONFIG, hashes=HASHES) as run:
        run.add([row("b", 1)])
    assert read(finished) == FRONTS
    events = [event["event"] for event in checksums.events(finished)]
    assert events == ["started", "finished", "damaged"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE instances SET status = 'not_found' WHERE name = 'c'", "'c' is damaged: its record"),
        ("UPDATE instances SET position = 9 WHERE name = 'c'", "'c' is damaged: its record"),
        ("UPDATE instances SET front = NULL WHERE name = 'c'", "'c' is damaged: its record"),
        ("UPDATE instances SET front = 'x' WHERE name = 'c'", "'c' is damaged: its front"),
        ("UPDATE instances SET front_sha256 = '' WHERE name = 'c'", "'c' is damaged: its front"),
        ("DELETE FROM instances WHERE name = 'c'", "4 results were written, and 3 of them can be read"),
        ("DELETE FROM instances", "4 results were written, and 0 of them can be read"),
        ("UPDATE meta SET value = '{}' WHERE key = 'tally'", "its settings are damaged"),
        ("UPDATE meta SET value = 'x' WHERE key = 'config'", "its settings are damaged"),
        ("DELETE FROM meta WHERE key = 'meta_sha256'", "its settings are damaged"),
        ("DROP TABLE meta", "its settings cannot be read"),
        ("DROP TABLE instances", "its results cannot be read"),
    ],
)
def test_what_is_not_what_was_written_is_named_and_made_good(
    finished: Path, statement: str, message: str
) -> None:
    altered(finished, statement)
    with pytest.raises(DamagedError, match=message) as caught:
        looked_at(finished)
    assert caught.value.exit_code == 5
    done, _ = resumed(finished)
    assert {"a", "b", "d"} >= done or done == set(NAMES)
    with RunDirectory.start(finished, config=CONFIG, hashes=HASHES) as run:
        run.add([row(name, i) for i, name in enumerate(NAMES) if name not in done])
    assert read(finished) == FRONTS


def test_a_store_that_is_destroyed_begins_anew_where_the_manifest_names_these_settings(
    finished: Path,
) -> None:
    (finished / "run.sqlite").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(DamagedError, match="fits other settings"):
        RunDirectory.start(finished, config={"search": {"seed": 8}}, hashes=HASHES)
    assert resumed(finished) == (set(), ("run.sqlite, of which 0 results are as they were",))


def test_the_last_event_and_the_order_of_events_are_covered(finished: Path) -> None:
    path = finished / "events.jsonl"
    first, last = path.read_text().splitlines(keepends=True)
    path.write_text(first + last.replace("finished", "canceled"))
    assert checksums.changed_files(finished) == ["events.jsonl"]
    assert len(checksums.events(finished)) == 2
    for broken in (last + first, last, first.replace("started", "stopped") + last, "no JSON\n"):
        path.write_text(broken)
        with pytest.raises(DamagedError, match=r"chain of events is broken|cannot be read"):
            checksums.events(finished)


def test_the_checksums_have_one_of_their_own(finished: Path) -> None:
    path = finished / "checksums.json"
    document = json.loads(path.read_text())
    document["files"]["manifest.json"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(DamagedError, match="its own checksum is another"):
        checksums.changed_files(finished)
    path.write_text('{"format": NaN}')
    with pytest.raises(DamagedError, match="cannot be read"):
        checksums.changed_files(finished)


def test_one_file_is_sealed_again_without_the_others(finished: Path) -> None:
    (finished / "manifest.json").write_text("{}")
    (finished / "report.html").write_text("page")
    checksums.reseal(finished, "report.html")
    assert checksums.changed_files(finished) == ["manifest.json"]
    (finished / "report.html").unlink()
    assert checksums.changed_files(finished) == ["manifest.json", "report.html"]


def test_a_run_that_goes_on_has_no_checksums_until_it_ends(finished: Path) -> None:
    with RunDirectory.start(finished, config=CONFIG, hashes=HASHES) as run:
        assert checksums.sums(finished) is None
        checksums.reseal(finished, "events.jsonl")
        assert checksums.sums(finished) is None
        run.seal()
    assert checksums.changed_files(finished) == []


def test_a_store_without_checksums_is_read_and_migrated_with_a_backup(finished: Path) -> None:
    old = finished / "run.sqlite"
    store = sqlite3.connect(old)
    kept = store.execute(
        "SELECT name, position, status, code, message, sha256, notes, front FROM instances"
    ).fetchall()
    meta = store.execute(
        "SELECT key, value FROM meta WHERE key IN ('config', 'hashes', 'run_id', 'created')"
    ).fetchall()
    store.close()
    old.unlink()
    store = sqlite3.connect(old)
    store.executescript(
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
        "CREATE TABLE instances (name TEXT PRIMARY KEY, position INTEGER NOT NULL, status TEXT NOT NULL, "
        "code TEXT NOT NULL, message TEXT NOT NULL, sha256 TEXT NOT NULL, notes TEXT NOT NULL, front BLOB) "
        "WITHOUT ROWID; PRAGMA user_version = 1;"
    )
    with store:
        store.executemany("INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
        store.executemany("INSERT INTO meta VALUES (?, ?)", meta)
    store.close()
    before = old.read_bytes()
    assert read(finished) == FRONTS
    with RunDirectory.read(finished) as run:
        assert not run.checksummed
    assert old.read_bytes() == before
    (finished / "checksums.json").unlink()
    assert resumed(finished) == (set(NAMES), ())
    assert (finished / "run.sqlite.schema-1").read_bytes() == before
    with RunDirectory.read(finished) as run:
        assert run.checksummed
        assert run.config == CONFIG
    assert read(finished) == FRONTS


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("notes", "no JSON"),
        ("notes", "{}"),
        ("status", "lost"),
        ("position", "x"),
        ("front", b"no front"),
        ("code", b"\xff"),
    ],
)
def test_what_an_old_store_holds_gives_no_foreign_error(finished: Path, column: str, value: object) -> None:
    """Its rows are sealed as they are, as those of a store without checksums would be."""
    store = sqlite3.connect(finished / "run.sqlite")
    with store:
        store.execute(f"UPDATE instances SET {column} = ? WHERE name = 'b'", (value,))
        store.execute("PRAGMA user_version = 1")
    store.close()
    with (
        pytest.raises(DamagedError, match="the result of 'b' cannot be read|results cannot be read"),
        RunDirectory.read(finished) as run,
    ):
        list(run.rows())


@pytest.mark.parametrize(
    "statement", ["PRAGMA user_version = 2", "UPDATE instances SET front = x'00' WHERE name = 'b'"]
)
def test_a_run_that_is_refused_stays_as_it_is(finished: Path, statement: str) -> None:
    """Of an older schema, or damaged: it is mended for the settings that it was started with, and for no others."""
    altered(finished, statement)
    before = {entry.name: entry.read_bytes() for entry in finished.iterdir()}
    for config, hashes, what in (
        (CONFIG, {**HASHES, "model": "onnx:2"}, "model changed"),
        ({**CONFIG, "search": {}}, HASHES, "other settings"),
    ):
        with pytest.raises(RunError, match=what):
            RunDirectory.start(finished, config=config, hashes=hashes)
        assert {entry.name: entry.read_bytes() for entry in finished.iterdir()} == before
    assert resumed(finished)[0] >= set(NAMES) - {"b"}


def test_forgotten_results_leave_the_tally_right(finished: Path) -> None:
    with RunDirectory.start(finished, config=CONFIG, hashes=HASHES) as run:
        assert run.forget(["a", "nobody", "c"]) == 2
        run.add([InstanceRow("e", 7, "failed", "provider", "away", "", (), None)])
        assert run.forget_failures(["provider"]) == 1
        assert [r.name for r in run.rows()] == ["b", "d"]


def test_columns_are_in_the_order_of_a_stored_row(finished: Path) -> None:
    store = sqlite3.connect(finished / "run.sqlite")
    columns = [entry[1] for entry in store.execute("PRAGMA table_info(instances)")]
    store.close()
    assert set(columns) == set(Stored._fields)
    assert columns[-1] == "front"  # what is short is read without passing over what is long


def test_a_finished_run_is_read_where_nothing_can_be_written(finished: Path) -> None:
    """The store is complete in itself: no journal beside it is made or needed."""
    entries = sorted(path.name for path in finished.iterdir())
    with RunDirectory.read(finished) as run:
        assert len(list(run.rows())) == 4
        assert sorted(path.name for path in finished.iterdir()) == entries
    assert "run.sqlite-wal" not in entries


def test_a_start_that_was_killed_before_its_store_held_anything_is_begun_again(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "run.sqlite")) as made:
        made.execute("PRAGMA journal_mode = WAL")
    assert (tmp_path / "run.sqlite").stat().st_size > 0
    run = RunDirectory.start(tmp_path, config={"seed": 1}, hashes={"model": "0f"})
    assert (run.config, run.damaged) == ({"seed": 1}, ())
    run.close()


FILLED = """
import sys
from cfsearch.errors import RunError
from cfsearch.runs.directory import RunDirectory
try:
    RunDirectory.start("run", config={"seed": 1}, hashes={"model": "0f"}).close()
    print("begun")
except RunError as error:
    print(error.exit_code, error)
"""


def test_a_start_on_a_full_disk_leaves_nothing_that_is_taken_for_damage(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    script = """set -e
mount -t tmpfs -o size=16k tmpfs "$1"; cd "$1"
for size in 16k 40k 64k 20m; do mount -o remount,size=$size "$1"; "$0" -B -c "$2"; done"""
    words = [unshare, "-rm", "sh", "-c", script, sys.executable, str(tmp_path), FILLED]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 ")
    assert not any(line.startswith("5 ") for line in lines), lines
    assert lines[-1] == "begun"
