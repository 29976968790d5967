"""Freed memory is kept by commands and workers, so that it is not fetched anew page by page."""

import platform
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cfsearch.audits.workers import searcher
from cfsearch.audits.workers.pool import Task
from cfsearch.cli import _group
from cfsearch.config import Config

FAULTS = """
import resource
from cfsearch.engine.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        blocks = [b"x" * (28 << 20) for _ in range(3)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), keep_freed_memory(), faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_blocks_that_were_freed_cost_no_page_faults_again() -> None:
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, done, _, after = run.stdout.split()
    assert done == "True"
    assert int(before) > 10_000
    assert int(after) < 100


def test_every_command_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(_group, "keep_freed_memory", lambda: called.append(True))
    CliRunner().invoke(_group.main, [])
    assert called == [True]


def test_every_worker_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class KeptError(Exception):
        pass

    def kept() -> bool:
        raise KeptError

    monkeypatch.setattr(searcher, "keep_freed_memory", kept)
    with pytest.raises(KeptError):
        searcher.Searcher(Task(Config.check({"data": {"texts": ["a dull film"]}}), {}, None))
