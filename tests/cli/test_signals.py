"""A signal ends work within a time that is known, and the last words are printed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cfsearch.cli._signals import stoppable
from cfsearch.errors import ConfigError

from .conftest import Call, Toys

HUNG = """
import os, signal, time
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


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
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
