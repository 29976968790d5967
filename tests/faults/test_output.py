"""Where results go: full disks, closed streams, readers that leave; and files nested beyond all sense."""

import subprocess
import sys
from pathlib import Path

import pytest

START = "from cfsearch.cli import main; main()"
DEEP = 90_000


def run(*words: str, stdout: str = "", stderr: str = "") -> "subprocess.CompletedProcess[str]":
    """``cfsearch`` in a shell, with its streams redirected."""
    redirected = " ".join(part for part in (stdout, stderr) if part)
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {" ".join(words)} {redirected}', sys.executable, START],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_full_disk_behind_stdout_is_one_line_and_exit_code_2() -> None:
    done = run("schema", "config", stdout=">/dev/full")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("words", [("show", "none"), ("show", "none", "--json")])
@pytest.mark.parametrize("streams", [(">/dev/full", ""), ("", "2>/dev/full"), (">/dev/full", "2>/dev/full")])
def test_an_error_that_cannot_be_written_keeps_its_exit_code(
    words: tuple[str, ...], streams: tuple[str, str]
) -> None:
    done = run(*words, stdout=streams[0], stderr=streams[1])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    done = run("schema", "config", stdout=closed)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("{") == (">&-" not in closed.replace("2>&-", ""))


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" schema audit | head -c 1', sys.executable, START],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


@pytest.mark.parametrize(
    "text",
    [
        "[model]\npath = " + "[" * DEEP + "]" * DEEP,
        '[model]\npath = "m"\n[data]\nimages = ' + "{a=" * DEEP + "1" + "}" * DEEP,
        "[model]\npath = " + "[" * DEEP,
        "[" + ".".join("a" * (DEEP // 6)) + "]\nb = 1",  # its reader takes time with the square of the depth
    ],
    ids=["arrays", "tables", "open", "dotted"],
)
def test_a_configuration_nested_without_end_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "deep.toml").write_text(text)
    done = run("audit", str(tmp_path / "deep.toml"), "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
