"""A signal ends work within a time that is known, and the last words are printed."""

import json
import os
import signal as signals
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
import pytest

from cfsearch.cli._errors import Interrupted
from cfsearch.cli._invocation import Invocation
from cfsearch.cli._signals import interruptible, stoppable
from cfsearch.errors import ConfigError

from .conftest import Call, Toys

HUNG = """
import os, signal, time
signal.signal(signal.{signal}, signal.default_int_handler)  # it may be ignored where these tests run
from cfsearch.cli import _group
from cfsearch.cli._signals import stoppable
import click

@click.command()
def work():
    with stoppable("bye for now", grace_s=0.3):
        os.kill(os.getpid(), signal.{signal})
        time.sleep(300)  # work that hangs: it is to be ended long before

work(obj=_group.Invocation(()), standalone_mode=False)
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_work_that_does_not_end_itself_is_ended_after_its_time(signal: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUNG.format(signal=signal)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 130
    assert "bye for now" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["train", "distill"])
def test_training_has_a_minute_at_most_to_save_what_there_is(
    call: Call, toys: Toys, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    seen: list[float] = []

    @contextmanager
    def note(last_words: str, *, grace_s: float) -> Iterator[None]:
        seen.append(grace_s)
        assert "To go on: cfsearch" in last_words
        raise ConfigError("the border was reached.")
        yield

    assert callable(stoppable)
    monkeypatch.setattr(f"cfsearch.cli.{command}.stoppable", note)
    out = toys.folder / "x.safetensors"
    words = {
        "train": ("train", "generator", "--data", "faces", "--people", 4, "--out", out),
        "distill": (
            "distill",
            toys.model(),
            "--images",
            toys.pictures(count=2),
            "--out",
            out,
            "--threads",
            1,
        ),
    }
    assert "the border was reached" in call(*words[command]).err
    assert len(seen) == 1
    assert 5 <= seen[0] <= 60, "time for a checkpoint, and nobody waits for longer"


WHERE = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Killer(MetaPathFinder):
    sent = False

    def find_spec(self, name, path, target=None):
        if name == {module!r} and not Killer.sent:
            Killer.sent = True
            for one in {signals!r}:
                os.kill(os.getpid(), getattr(signal, one))
        return None

for one in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, one), signal.SIG_DFL if one != "SIGINT" else signal.default_int_handler)
for one in {ignored!r}:
    signal.signal(getattr(signal, one), signal.SIG_IGN)
sys.meta_path.insert(0, Killer())
from cfsearch.__main__ import main
main()
"""
EARLY = {
    "click": ("schema", "audit"),
    "cfsearch.cli._group": ("schema", "audit"),
    "cfsearch.cli.search": ("search", "a.png"),
    "cfsearch.audits.checking": ("report", "none"),
    "torch": ("search", "--text", "a dull film", "--no-isolation"),
    "cfsearch.runs.reservation": ("diff", "a", "b", "--out", "{out}.html"),
}
"""Modules that are imported when a signal comes, from the first moment on, and a command that imports them."""


def signalled(
    module: str, *words: str, sent: tuple[str, ...] = ("SIGTERM",), ignored: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    code = WHERE.format(module=module, signals=sent, ignored=ignored)
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("sent", [("SIGINT",), ("SIGTERM",), ("SIGHUP", "SIGINT", "SIGTERM")], ids=" ".join)
@pytest.mark.parametrize("module", EARLY)
def test_a_signal_while_libraries_are_imported_is_one_line(
    module: str, sent: tuple[str, ...], toys: Toys
) -> None:
    words = [word.format(out=toys.folder / "x") for word in EARLY[module]]
    done = signalled(module, *words, sent=sent)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "error: interrupted. [interrupted]\n"


@pytest.mark.parametrize("module", ["click", "cfsearch.cli.search", "torch"])
def test_with_json_it_is_one_document_from_the_first_moment(module: str) -> None:
    done = signalled(module, "search", "--text", "a dull film", "--no-isolation", "--json")
    entry = {"code": "interrupted", "message": "interrupted.", "exit_code": 130}
    assert (done.returncode, json.loads(done.stdout)) == (130, {"error": entry})


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_what_the_caller_ignores_stays_ignored(name: str) -> None:
    for module in ("click", "cfsearch.cli.schema"):
        done = signalled(module, "schema", "audit", sent=(name,), ignored=(name,))
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["title"]


def test_a_signal_after_the_result_does_not_change_the_exit_code() -> None:
    code = "import atexit, os, signal\n"
    code += "atexit.register(lambda: [os.kill(os.getpid(), s) for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)])\n"
    code += "from cfsearch.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "schema"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "audit" in done.stdout


def test_work_under_nohup_ends_by_the_other_signals_alone() -> None:
    before = signals.signal(signals.SIGHUP, signals.SIG_IGN)
    try:
        with interruptible_of_a_command():
            os.kill(os.getpid(), signals.SIGHUP)
        with pytest.raises(Interrupted, match="last words"), interruptible_of_a_command():
            os.kill(os.getpid(), signals.SIGTERM)
        assert signals.getsignal(signals.SIGHUP) is signals.SIG_IGN
    finally:
        signals.signal(signals.SIGHUP, before)


@contextmanager
def interruptible_of_a_command() -> Iterator[None]:
    with click.Context(click.Command("work"), obj=Invocation(())), interruptible("last words"):
        yield
