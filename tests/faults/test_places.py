"""Places that cannot be written, of every command and before it has done anything (F64); and inputs as places."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cfsearch.assembly.table import read_rows, schema_beside
from cfsearch.audits.exchange.commitment import new_key
from cfsearch.cli import main
from cfsearch.cli._places import Place
from cfsearch.config import Config
from cfsearch.errors import RunError
from cfsearch.files import write_atomically
from cfsearch.places import check_place, is_file
from cfsearch.providers.sidecar import sidecar_of
from tests.cli.conftest import Toys
from tests.cli.test_help import commands
from tests.rights import nobody

WRITTEN = {"out", "outs", "save", "strip", "folder", "path"}
"""Names of parameters that say where something goes."""
PLACES = {
    (name, str(param.name)): param.type
    for name, command in commands()
    for param in command.params
    if isinstance(param.type, Place)
}
FILES = [key for key, kind in PLACES.items() if not kind.folder]
FOLDERS = [key for key, kind in PLACES.items() if kind.folder]


def test_every_place_of_every_command_is_checked() -> None:
    named = {
        (name, str(param.name))
        for name, command in commands()
        for param in command.params
        if param.name in WRITTEN and isinstance(param.type, click.Path)
    }
    assert set(PLACES) == named
    assert {name for name, _ in PLACES} >= {
        *(
            "search",
            "explain",
            "judge",
            "distill",
            "train generator",
            "train critic",
            "export",
            "diff",
            "gate",
        ),
        *("schema", "init", "audit", "demo", "bench originals"),
    }


def words_with(name: str, place: str, value: str) -> list[str]:
    """A call of a command with all that it demands, and a place."""
    command = dict(commands())[name]
    words = name.split()
    for param in command.params:
        if param.name == place:
            words += [value] if isinstance(param, click.Argument) else [param.opts[0], value]
        elif param.required:
            given = (
                next(iter(param.type.choices))
                if isinstance(param.type, click.Choice)
                else "given.safetensors"
            )
            words += [given] if isinstance(param, click.Argument) else [param.opts[0], str(given)]
    return words


def refusal(name: str, place: str, value: str) -> str:
    result = CliRunner().invoke(main, words_with(name, place, value))
    assert result.exit_code == 2, result.output
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling.safetensors").symlink_to("gone")
    (tmp_path / "loop.safetensors").symlink_to("loop.safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    return tmp_path


SAYS = {
    "file/x.safetensors": "'file' is no folder. Name a place in one.",
    "/dev/full": "it is a ",  # a device where a file goes, no folder where one goes
    "dangling.safetensors": "it is a link to 'gone', which is not there. Remove the link, or name another place.",
    "loop.safetensors": "it is a link that leads back to itself.",
    f"{'n' * 256}.safetensors": "the name is too long for its file system. Give a shorter one.",
}


@pytest.mark.parametrize(("name", "place"), PLACES)
@pytest.mark.parametrize("value", SAYS, ids=lambda value: repr(value[:20]))
def test_what_is_no_place_is_refused_first(name: str, place: str, value: str, here: Path) -> None:
    before = sorted(path.name for path in here.iterdir())
    line = refusal(name, place, value)
    assert f"cannot write {value!r}: {SAYS[value]}" in line
    assert sorted(path.name for path in here.iterdir()) == before


@pytest.mark.parametrize(("name", "place"), FILES)
def test_a_file_needs_its_folder(name: str, place: str, here: Path) -> None:
    line = refusal(name, place, "none/x.safetensors")
    assert "there is no folder 'none'. Make it first, or name another place." in line
    if PLACES[name, place].folder is False:
        assert "it is a folder. Name a file in it." in refusal(name, place, str(here))
        assert "names a folder. Name a file in it." in refusal(name, place, "new/")
        assert "pipe, socket or device" in refusal(name, place, "pipe.safetensors")


@pytest.mark.parametrize(("name", "place"), FOLDERS)
def test_a_folder_is_no_file(name: str, place: str, here: Path) -> None:
    assert "cannot write 'file': it is a file. Name a folder." in refusal(name, place, "file")
    assert (here / "file").read_text() == "kept"


MOUNTED = """
set -e
mount -t tmpfs -o size=64k,nr_inodes=99 tmpfs "$1"
cd "$1"
dd if=/dev/zero of=filler bs=1k count=64 2>/dev/null
export PYTHONDONTWRITEBYTECODE=1
"$0" -c "$2" full
mount -o remount,ro "$1"
"$0" -c "$2" "read-only"
"""
TRIED = """
import json, sys
from cfsearch.errors import RunError
from cfsearch.places import check_place
from cfsearch.files import write_atomically
from cfsearch.runs.reservation import Reservation
from pathlib import Path
for attempt in (
    lambda: check_place("x"),
    lambda: check_place("new/below", folder=True),
    lambda: write_atomically(Path("x"), "x" * 9000),
    lambda: Reservation.of("new/run"),
):
    try:
        attempt()
    except RunError as error:
        print(json.dumps([sys.argv[1], str(error)]))
"""


def test_full_and_read_only_file_systems_are_distinguished(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    words = [unshare, "-rm", "sh", "-c", MOUNTED, sys.executable, str(tmp_path), TRIED]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [what for what, _ in found] == ["full"] * 4 + ["read-only"] * 4
    for what, text in found:
        says = {
            "full": "No space left on device. Make room, or name another place.",
            "read-only": "its file system is read-only. Name another place.",
        }
        assert text.startswith("cannot write '"), text
        assert text.endswith(says[what]), text


def test_rights_are_tried_and_protected_files_stay(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(os.path.realpath("/tmp")) / f"cfsearch-rights-{os.getpid()}"
    (folder / "closed").mkdir(parents=True)
    (folder / "open").mkdir()
    (folder / "open" / "kept").write_text("kept")
    try:
        folder.chmod(0o755)
        (folder / "closed").chmod(0o555)
        (folder / "open").chmod(0o777)
        (folder / "open" / "kept").chmod(0o444)
        with nobody():
            check_place(folder / "open" / "new")
            with pytest.raises(
                RunError, match=r"the folder '.*closed' may not be written to. Name a place in another"
            ):
                check_place(folder / "closed" / "x")
            with pytest.raises(RunError, match=r"the folder '.*closed' may not be written to"):
                check_place(folder / "closed" / "new" / "run", folder=True)
            with pytest.raises(RunError, match=r"the file there may not be written to. Remove it"):
                write_atomically(folder / "open" / "kept", "lost")
        assert (folder / "open" / "kept").read_text() == "kept"
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)


def test_nothing_stays_of_an_attempt(tmp_path: Path) -> None:
    for folder in (False, True, None):
        check_place(tmp_path / "x", folder=folder)
    check_place(tmp_path, folder=True)
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_rights_that_the_umask_leaves_and_keys_never_more(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "page.html", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o640
    before = os.umask(0)
    try:
        new_key(tmp_path / "a.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


ROWS = "age,income\n1,2\n3,4\n"


@pytest.mark.parametrize(
    "words",
    [
        ["search", "--data", "rows.csv", "--model", "m.onnx", "--row", "0", "--save", "rows.csv"],
        ["search", "--data", "rows.csv", "--model", "rows.csv", "--row", "0", "--save", "./rows.csv"],
        ["search", "rows.csv", "--save", "../{here}/rows.csv"],
        ["search", "--config", "run.toml", "--row", "0", "--save", "rows.csv"],
        ["search", "--config", "run.toml", "--row", "0", "--save", "run.toml"],
        ["search", "--config", "run.toml", "--row", "0", "--save", "link.csv"],
        ["judge", "rows.csv", "--model", "m.onnx", "--out", "rows.csv"],
        ["gate", "run", "--gates", "rows.csv", "--out", "rows.csv", "--format", "json"],
        ["train", "critic", "--generator", "rows.csv", "--out", "rows.csv"],
    ],
    ids=" ".join,
)
def test_an_input_is_not_overwritten(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(ROWS)
    settings = '[model]\npath = "m.onnx"\n[data]\ntable = "rows.csv"\n'
    (tmp_path / "run.toml").write_text(settings)
    (tmp_path / "link.csv").symlink_to("rows.csv")
    result = CliRunner().invoke(main, [word.replace("{here}", tmp_path.name) for word in words])
    assert result.exit_code == 2
    assert (
        "is an input of this command and would be overwritten. Name another place. [config]" in result.stderr
    )
    assert (tmp_path / "rows.csv").read_text() == ROWS
    assert (tmp_path / "run.toml").read_text() == settings


@pytest.mark.parametrize(
    "file", ["audit.json", "report.html", "run.sqlite", "run.sqlite-wal", "effects.safetensors"]
)
def test_a_result_takes_no_place_of_a_run(file: str, tmp_path: Path) -> None:
    (tmp_path / "run.sqlite").write_text("x")
    result = CliRunner().invoke(main, ["diff", "a", "b", "--out", str(tmp_path / file)])
    assert result.exit_code == 2
    assert f"is a file of the run {str(tmp_path)!r}, which would be damaged" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.sqlite"]
    beside = CliRunner().invoke(main, ["diff", "a", "b", "--out", str(tmp_path / "diff.html")])
    assert "would be damaged" not in beside.stderr


def test_two_results_take_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["gate", "run", "--format", "json", "--format", "junit", "--out", "a.txt", "--out", "./a.txt"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--out: 'a.txt' was named for two results. Name another place." in result.stderr


@pytest.mark.parametrize("file", ["audit.json", "report.html", "groups.json"])
@pytest.mark.parametrize("models", [1, 2])
def test_what_is_in_the_way_at_the_end_of_an_audit_is_found_before_it(
    file: str, models: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / file).mkdir(parents=True)
    if models == 1:
        (tmp_path / "run" / "run.sqlite").write_bytes(b"")
    settings = ["search.evaluations = 40", "search.population = 20", 'data.texts = ["a dull film"]']
    named = "" if models == 1 else "model.path = ['plugin:a', 'plugin:b']\n"
    (tmp_path / "a.toml").write_text(named + "\n".join(settings))
    result = CliRunner().invoke(main, ["audit", "a.toml", "--out", "run", "--no-isolation"])
    assert result.exit_code == 2
    assert f"cannot write 'run/{file}': it is a folder. Name a file in it. [run]" in result.stderr


def test_a_link_to_a_file_leads_there_and_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "page.html").write_text("old")
    (tmp_path / "link.html").symlink_to("kept/page.html")
    check_place(tmp_path / "link.html")
    write_atomically(tmp_path / "link.html", "new")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "kept" / "page.html").read_text() == "new"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["page.html"]


@pytest.mark.parametrize("known", ["run.sqlite", "audit.json", "config.resolved.toml", "m1/run.sqlite", None])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_a_run_is_replaced_and_leads_nowhere_else(
    tmp_path: Path, known: str | None, there: bool
) -> None:
    if there:
        (tmp_path / "mine").write_text("mine")
    (tmp_path / "run" / "m1").mkdir(parents=True)
    if known is not None:
        (tmp_path / "run" / known).write_text("x")
    page = tmp_path / "run" / "report.html"
    page.symlink_to("../mine")
    if known is not None:
        check_place(page)
    write_atomically(page, "new", follow=known is not None)
    assert not page.is_symlink()
    assert page.read_text() == "new"
    assert (tmp_path / "mine").exists() == there
    assert not there or (tmp_path / "mine").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_link_in_a_run_is_tried_in_the_folder_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "closed").mkdir()
    (tmp_path / "run" / "audit.json").write_text("{}")
    (tmp_path / "closed" / "page.html").write_text("mine")
    (tmp_path / "run" / "report.html").symlink_to("../closed/page.html")
    (tmp_path / "closed").chmod(0o500)
    check_place(tmp_path / "run" / "report.html")
    write_atomically(tmp_path / "run" / "report.html", "new")
    assert (tmp_path / "closed" / "page.html").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["export", "run", "--format", "csv", "--out", "new/"],
        ["export", "run", "--format", "model-card", "--out", "new/"],
        ["search", "face.png", "--model", "model.onnx", "--generator", "pixels:grid=2", "--save", "new/"],
        ["search", "face.png", "--model", "model.onnx", "--generator", "pixels:grid=2", "--strip", "new/"],
    ],
    ids=" ".join,
)
def test_a_file_takes_no_place_that_is_written_as_a_folder(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toys = Toys(tmp_path)
    toys.model()
    toys.picture()
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "'new/' names a folder, and one file is written. Name a file in it. [config]" in result.stderr
    assert not (tmp_path / "new").exists()
    shutil.copy(tmp_path / "face.png", tmp_path / "two.png")
    if words[0] == "search":
        more = ["--evaluations", "40", "--population", "20", "--threads", "1", "--no-isolation"]
        done = CliRunner().invoke(main, [words[0], "two.png", *words[1:], *more])
        assert done.exit_code == 0, done.stderr
        assert len(list((tmp_path / "new").iterdir())) == 2


def test_the_longest_names_leave_room_for_what_is_looked_for_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table, model = Path(f"{'t' * 251}.csv"), Path(f"{'m' * 252}.pt")
    table.write_text(ROWS)
    assert schema_beside(table).name.startswith("ttt") and not is_file(schema_beside(table))
    assert sidecar_of(model, given=None) == sidecar_of(Path("none.onnx"), given=None)
    done = CliRunner().invoke(main, ["schema", "table", str(table)])
    assert done.exit_code == 0, done.output
    assert "Add --out NAME.toml" in done.output and "--schema" in done.output
    (tmp_path / "net.py").write_text("def predict(x):\n    return [[0.5, 0.5] for _ in x]\n")
    config = Config.check({"model": {"path": "net:predict"}, "data": {"table": str(table), "rows": [0]}})
    assert len(read_rows(config)) == 1
