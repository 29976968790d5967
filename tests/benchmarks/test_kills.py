"""The benchmark of kills, at a size that a test can bear."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.checkout
def test_kills_of_workers_and_drivers_lose_nothing() -> None:
    command = Path(__file__).parents[2] / "benchmarks" / "faults" / "kills.py"
    words = ("--inputs", "12", "--workers", "2", "--drivers", "2", "--evaluations", "200")
    done = subprocess.run([sys.executable, str(command), *words], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 acknowledged results lost or changed, 0 of 12 fronts other" in done.stdout
