"""Progress on wide and narrow terminals and in pipes, and what ``-v`` adds."""

import io
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from cfsearch.cli import _progress
from cfsearch.cli._invocation import Invocation
from cfsearch.cli._progress import fitting, progress
from tests.nursery import Fork

from .conftest import START, Call, Flags

STATE = "3/12 images, 2 found, 40 s left, generation 5/50, 1,200 queries, 60/s"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (100, STATE),
        (60, "3/12 images, 2 found, 40 s left, generation 5/50"),
        (30, "3/12 images, 2 found"),
        (11, "3/12 images"),
        (5, "3/12 "),
        (0, ""),
        (-3, ""),
    ],
)
def test_the_parts_that_fit_are_the_first_ones(width: int, text: str) -> None:
    assert fitting(STATE, width) == text


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, 140])
def test_the_live_line_fits_and_says_how_far(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(_progress, "stderr", lambda: console)
    monkeypatch.setattr(Invocation, "current", staticmethod(lambda: Invocation(("audit",))))
    with progress("audit") as line:
        line.update(STATE, share=0.25)
        line.update(STATE, share=1.0)
    shown = [part for part in file.getvalue().replace("\r", "\n").split("\n") if "images" in part]
    assert shown
    for part in shown:
        text = "".join(part.split("\x1b[2K")).rstrip()
        assert "3/12 images, 2 found" in text
        assert "..." not in text
        assert "…" not in text
    assert ("━" in file.getvalue()) == (width >= 100)


def test_a_drawn_line_begins_with_its_title_alone() -> None:
    tasks: list[tuple[str, dict[str, Any]]] = []
    bar: Any = SimpleNamespace(add_task=lambda title, **more: tasks.append((title, more)))
    _progress._Live(bar, "audit", width=80)
    assert tasks == [("audit", {"total": 1.0, "state": ""})]


def test_a_pipe_gets_a_line_after_5_seconds_and_then_one_in_30(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("cfsearch.cli._progress.time.monotonic", lambda: now[0])
    line = _progress._Plain("audit")
    for later, text in ((4.5, "early"), (1.0, "first"), (29.0, "too soon"), (1.5, "second")):
        now[0] += later
        line.update(text, share=0.03)
    assert capsys.readouterr().err == "audit 3\u202f% first\naudit 3\u202f% second\n"


def test_each_line_names_its_command_and_how_far_it_is(
    call: Call,
    model: Path,
    face: Path,
    faces: Path,
    fast: Flags,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_progress, "_FIRST_S", 0.0)
    monkeypatch.setattr(_progress, "_EVERY_S", 0.0)
    run = tmp_path / "run"
    searching = ("--model", model, *fast)

    def lines(*words: object) -> list[str]:
        answer = call(*words)
        assert answer.code == 0, answer.err
        return [line for line in answer.err.splitlines() if not line.startswith("note: ")]

    assert lines("bench", face, *searching, "--solvers", "random,nsga2", "--seeds", 2) == [
        "bench 0\u202f% random, seed 7",
        "bench 25\u202f% random, seed 8",
        "bench 50\u202f% nsga2, seed 7",
        "bench 75\u202f% nsga2, seed 8",
    ]
    search = lines("search", face, *searching)
    assert search and all(line.startswith("search ") for line in search)
    audit = lines("audit", "--images", faces, *searching, "--out", run)
    assert audit[-1].startswith("audit 100\u202f% 4/4 images, 4 found")
    assert lines("verify", run, "--model", model) == [
        f"verify {25 * i}\u202f% {i}/4 images" for i in (1, 2, 3, 4)
    ]


def test_verbose_adds_to_audit_and_verify(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", run)
    audited = call(*words, "-v")
    assert "4/4 images done, 4 found\n" in audited.err
    assert "model model onnx:" in audited.err
    assert "SHA-256 of model: onnx:" in audited.err
    assert "face3.png: dark, found\n" in audited.err
    assert "face3.png" not in call(*words).err
    verified = call("verify", run, "--model", model, "-v")
    assert "face0.png: dark; its sparsest counterfactual still flips; " in verified.err
    assert "face0.png" not in call("verify", run, "--model", model).err


@pytest.mark.parametrize("width", [60, pytest.param(80, marks=pytest.mark.slow)])
def test_a_real_terminal_of_any_width_sees_whole_words(
    model: Path, faces: Path, fast: Flags, tmp_path: Path, width: int
) -> None:
    ours, theirs = pty.openpty()
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    start = Fork if sys.platform == "linux" else subprocess.Popen
    with start(
        [sys.executable, "-c", START, *map(str, words)],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": str(width), "TERM": "xterm", "OMP_NUM_THREADS": "1"},
    ) as process:
        os.close(theirs)
        text = read(ours)
        assert process.wait(60) == 0, text
    assert "4 of 4 searched images have a verified counterfactual" in " ".join(text.split())
    assert "a..." not in text


def read(descriptor: int) -> str:
    """All that comes until the other end is closed."""
    parts: list[bytes] = []
    while select.select([descriptor], [], [], 60.0)[0]:
        try:
            part = os.read(descriptor, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


def test_a_pipe_gets_lines_under_their_title_and_quiet_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("cfsearch.cli._progress.time.monotonic", lambda: now[0])
    for quiet in (False, True):
        monkeypatch.setattr(
            Invocation, "current", staticmethod(lambda quiet=quiet: Invocation(("verify",), quiet=quiet))
        )
        with progress("verify") as line:
            now[0] += 10.0
            line.update("1/4 images", share=0.25)
        assert capsys.readouterr().err == ("" if quiet else "verify 25\u202f% 1/4 images\n")
