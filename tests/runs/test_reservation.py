"""A run directory is held before anything is paid for, and left as it was where nothing came of it."""

import os
import shutil
from pathlib import Path

import pytest

from cfsearch.errors import RunError
from cfsearch.files import make_sole
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.reservation import Reservation


def test_a_new_folder_goes_where_no_run_took_it(tmp_path: Path) -> None:
    with Reservation.of(tmp_path / "a" / "b") as held:
        assert (held.path / "run.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with Reservation.of(tmp_path / "a" / "b"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert list((tmp_path / "a").iterdir()) == []


def test_a_run_takes_what_is_held_and_keeps_it(tmp_path: Path) -> None:
    with Reservation.of(tmp_path / "run") as held:
        run = RunDirectory.start(tmp_path / "run", config={"a": 1}, hashes={}, held=held)
        with run, pytest.raises(RunError, match=f"in use by process {os.getpid()} on"):
            Reservation.of(tmp_path / "run")
        Reservation.of(tmp_path / "run").release()
    assert (tmp_path / "run" / "run.sqlite").exists()


def test_other_settings_are_refused_before_the_model_is_known(tmp_path: Path) -> None:
    with RunDirectory.start(tmp_path / "run", config={"search": {"seed": 7, "goals": (1, 2)}}, hashes={}):
        pass
    with Reservation.of(tmp_path / "run") as held:
        held.check_settings({"search": {"seed": 7, "goals": (1, 2)}})
        with pytest.raises(RunError, match="search.seed was 7, now 8"):
            held.check_settings({"search": {"seed": 8, "goals": (1, 2)}})


def test_inputs_that_a_killed_call_laid_aside_are_put_back_by_whoever_holds_the_run_next(
    tmp_path: Path,
) -> None:
    for name, text in (("inputs.before", "old"), ("inputs", "refused")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.csv").write_text(text)
    Reservation.of(tmp_path).release()
    assert [path.name for path in tmp_path.glob("inputs*")] == ["inputs"]
    assert (tmp_path / "inputs" / "table.csv").read_text() == "old"


def test_inputs_in_use_stay_as_they_are(tmp_path: Path) -> None:
    with Reservation.of(tmp_path):
        (tmp_path / "inputs.before").mkdir()
        with pytest.raises(RunError, match="in use"):
            Reservation.of(tmp_path)
        assert (tmp_path / "inputs.before").is_dir()


def test_a_damaged_store_is_left_to_whoever_mends_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.sqlite").write_bytes(b"not a database")
    with Reservation.of(tmp_path / "run") as held:
        held.check_settings({"search": {}})
    assert (tmp_path / "run" / "run.sqlite").read_bytes() == b"not a database"


@pytest.mark.parametrize("place", ["file", "file/below", "full"])
def test_what_cannot_be_a_run_directory_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    if place == "full":
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="is a file|is no folder|holds other files"):
        Reservation.of(tmp_path / place)
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("name", ["run.lock", "events.jsonl", "run.sqlite", "run.sqlite-wal"])
def test_what_a_link_in_a_strangers_run_leads_to_is_not_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").write_text("mine")
    RunDirectory.start(tmp_path / "run", config={}, hashes={}).close()
    (tmp_path / "run" / name).unlink(missing_ok=True)
    (tmp_path / "run" / name).symlink_to("../mine")
    with pytest.raises(RunError, match=f"cannot write .*{name}.*it is a link.* remove the link"):
        RunDirectory.start(tmp_path / "run", config={}, hashes={})
    assert (tmp_path / "mine").read_text() == "mine"


def test_an_event_is_not_appended_to_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with RunDirectory.start(tmp_path / "run", config={}, hashes={}) as run:
        (tmp_path / "run" / "events.jsonl").unlink(missing_ok=True)
        (tmp_path / "run" / "events.jsonl").symlink_to("../mine")
        with pytest.raises(RunError, match="it is a link, which is not followed in a run"):
            run.event("finished")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_snapshot_of_a_run_by_hard_links_stays_as_it_was(tmp_path: Path) -> None:
    """As ``cp -al`` and ``rsync --link-dest`` make it: going on with one of the two does not write into the other."""
    with RunDirectory.start(tmp_path / "run", config={"a": 1}, hashes={}) as run:
        run.event("begun")
    shutil.copytree(tmp_path / "run", tmp_path / "kept", copy_function=os.link)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert {"run.sqlite", "run.lock", "events.jsonl"} <= kept.keys()
    with RunDirectory.start(tmp_path / "run", config={"a": 1}, hashes={}) as again:
        again.event("resumed")
        with RunDirectory.start(
            tmp_path / "kept", config={"a": 1}, hashes={}
        ):  # two runs, each with its own lock
            pass
    for name in ("run.sqlite", "events.jsonl"):
        assert (tmp_path / "kept" / name).read_bytes() == kept[name], name
    assert "resumed" in (tmp_path / "run" / "events.jsonl").read_text()


def test_a_file_of_several_names_gets_a_copy_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    assert not make_sole(tmp_path / "a")
    assert not make_sole(tmp_path / "nowhere")
    (tmp_path / "a").chmod(0o640)
    os.link(tmp_path / "a", tmp_path / "b")
    assert make_sole(tmp_path / "b")
    (tmp_path / "b").write_text("other")
    assert (tmp_path / "a").read_text() == "text"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640
