"""Whether anything is lost when workers and drivers of an audit are killed at random moments.

    python benchmarks/faults/kills.py [--inputs 100] [--workers 50] [--drivers 50] [--processes 2] [--seed 1]

An audit of rows of a table runs once undisturbed, in one process. Then it runs again while one of its workers
(``--processes 2``; without, its model's process) or itself (the driver) gets a SIGKILL, in a random order at random moments of a seed; a
driver that was killed is started again by the same command. After each kill of a driver the store is
read: what was acknowledged before must still be there, the same bytes. At the end the fronts must be those
of the undisturbed run. Exits with 1 where one of it does not hold. ``--slow`` makes each call of the model last longer while it
is disturbed, so that the audit does not end before all kills have hit.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cfsearch.errors import RunError
from cfsearch.runs.directory import RunDirectory

MODEL = """
import os, time
import numpy as np
def predict(frame):
    time.sleep(float(os.environ.get("KILLS_SLOW", "0")))  # so that the audit outlasts the kills
    p = 1 / (1 + np.exp(-(frame["age"] - 45) / 8 + (frame["job"] == "clerk") - frame["hours"] / 60))
    return np.stack([1 - p, p], 1)
"""


def stored(run: Path) -> dict[str, tuple[str, bytes]]:
    """Status and front of each input that a run has acknowledged."""
    try:
        with RunDirectory.read(run) as found:
            return {
                row.name: (row.status, b"" if row.front is None else row.front.to_bytes())
                for row in found.rows()
            }
    except RunError:
        return {}  # it was killed before it had a store


def workers_of(driver: int) -> list[int]:
    """The model's processes of a driver."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == driver and b"isolated.boot" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except (OSError, ValueError, IndexError):
            continue
    return found


def started(
    folder: Path, run: Path, *, evaluations: int, processes: int = 0, slow_s: float = 0.0
) -> "subprocess.Popen[bytes]":
    """The audit, new or going on."""
    words = ["audit", "--data", str(folder / "rows.csv"), "--model", "kills_model:predict", "--out", str(run)]
    words += ["--evaluations", str(evaluations), "--population", "40", "--seed", "7", "--batch-size", "1"]
    words += ["--workers", str(processes), "--no-isolation"] if processes else []
    return subprocess.Popen(
        [sys.executable, "-m", "cfsearch", *words, "--threads", "1"],
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
            "KILLS_SLOW": str(slow_s),
        },
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr.txt").open("ab"),
    )


def ended_well(driver: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Whether an audit that ended by itself ended as it should; prints its last words where not."""
    if driver.returncode == 0:
        return True
    lines = (folder / "stderr.txt").read_text(errors="backslashreplace").splitlines()
    print(f"the audit ended with exit code {driver.returncode}: {lines[-1] if lines else 'without a word'}")
    return False


def disturbed(
    folder: Path,
    run: Path,
    *,
    workers: int,
    drivers: int,
    seed: int,
    evaluations: int,
    span_s: float,
    processes: int = 0,
    slow_s: float = 0.0,
) -> tuple[int, int, int]:
    """Kill and go on until the audit has ended.

    Returns:
        Kills of workers and of drivers that hit, and acknowledged results that were lost or changed.
    """
    rng = random.Random(seed)
    victims = ["worker"] * workers + ["driver"] * drivers
    rng.shuffle(victims)
    hits, lost = {"worker": 0, "driver": 0}, 0
    driver = started(folder, run, evaluations=evaluations, processes=processes, slow_s=slow_s)
    for victim in victims:
        end = time.monotonic() + rng.uniform(0.0, span_s)
        while driver.poll() is None and (time.monotonic() < end or not workers_of(driver.pid)):
            time.sleep(0.02)  # between looks at another process, which tells nobody when it is ready
        if driver.poll() is not None:
            break
        if victim == "driver":
            driver.kill()
            driver.wait()
            before = stored(run)
            hits["driver"] += 1
            driver = started(folder, run, evaluations=evaluations, processes=processes, slow_s=slow_s)
            time.sleep(0.1)  # likewise
            now = stored(run)
            lost += sum(now.get(name) != kept for name, kept in before.items())
            continue
        alive = workers_of(driver.pid)
        if not alive:
            continue
        try:
            os.kill(rng.choice(alive), signal.SIGKILL)
        except ProcessLookupError:
            continue
        hits["worker"] += 1
    before = stored(run)
    while driver.wait() == -signal.SIGKILL:
        driver = started(folder, run, evaluations=evaluations, processes=processes, slow_s=slow_s)
    ended_well(driver, folder)
    after = stored(run)
    return (
        hits["worker"],
        hits["driver"],
        lost + sum(after.get(name) != kept for name, kept in before.items()),
    )


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("inputs", 100),
        ("workers", 50),
        ("drivers", 50),
        ("seed", 1),
        ("evaluations", 400),
        ("processes", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--span", type=float, default=6.0, help="most seconds between two kills")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds more of each call of the model")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder, rng = Path(place), random.Random(0)
        (folder / "kills_model.py").write_text(MODEL)
        rows = [
            f"{rng.randint(20, 70)},{rng.randint(10, 60)},{rng.choice(('clerk', 'cook'))}"
            for _ in range(chosen.inputs)
        ]
        (folder / "rows.csv").write_text("age,hours,job\n" + "\n".join(rows) + "\n")
        whole_run = started(folder, folder / "whole", evaluations=chosen.evaluations)
        whole_run.wait()
        if not ended_well(whole_run, folder):
            return 1
        workers, drivers, lost = disturbed(
            folder,
            folder / "run",
            workers=chosen.workers,
            drivers=chosen.drivers,
            seed=chosen.seed,
            evaluations=chosen.evaluations,
            span_s=chosen.span,
            processes=chosen.processes,
            slow_s=chosen.slow,
        )
        whole, run = stored(folder / "whole"), stored(folder / "run")
        differ = sum(run.get(name) != kept for name, kept in whole.items())
    print(
        f"{workers} SIGKILLs of workers and {drivers} of drivers over {chosen.inputs} inputs: {lost} acknowledged "
        f"results lost or changed, {differ} of {len(whole)} fronts other than in the undisturbed run"
    )
    return int(bool(lost or differ or len(run) != len(whole)))


if __name__ == "__main__":
    sys.exit(main())
