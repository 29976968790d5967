"""Memory and time of audits of few and of many inputs, and of what reads them afterwards.

    python benchmarks/speed/scale.py [--rows 100 1000 10000] [--evaluations 60] [--workers 1] [--forest]
    python benchmarks/speed/scale.py --rows --pictures 50 200     # pictures alone


Rows of a table that is made here, a logistic regression (or a forest of 30 trees) of scikit-learn in a skops file.
Each command of a run (``audit``, ``report``, ``show``, ``export``) is a process of its own; its CPU time and the peak
of its memory are the system's own account of it (``wait4``), workers included in time, not in the peak. ``--evaluations
5000 --population 100`` is the default setting of an audit; the smaller budget of this command makes 10,000 rows
bearable, and changes neither bookkeeping nor, for the most part, the size of fronts.

``--pictures``: rendered faces of 64 x 64 through ``pixels``. ``store, copied`` are the rows of that run ten times over in
one store, which ``show`` lists and ``export`` writes: what reads a run must not grow with it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

import numpy as np

MB = 1e6
_LAUNCHER = """
import os, sys, time
begin = time.monotonic()
nowhere = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)])
_, status, used = os.wait4(pid, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, time.monotonic() - begin)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@final
@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took.

    Args:
        cpu_s: user and system time, with that of its children that have ended.
        peak_mb: its largest resident size.
        wall_s: from start to end.
    """

    cpu_s: float
    peak_mb: float
    wall_s: float


def table(path: Path, rows: int) -> None:
    """Write rows of applicants, the same for the same number."""
    rng = np.random.default_rng(0)
    columns = (
        rng.integers(18, 80, rows),
        rng.integers(5, 80, rows),
        rng.integers(8, 120, rows) * 1000,
        rng.gamma(2, 3000, rows).round().astype(int),
        rng.choice(["school", "college", "bachelor", "master"], rows),
        rng.choice(["clerk", "cook", "driver", "engineer", "nurse"], rows),
        rng.choice(["yes", "no"], rows),
        rng.choice(list("NESW"), rows),
    )
    lines = (",".join(map(str, cells)) for cells in zip(*columns, strict=True))
    path.write_text("age,hours,income,debt,education,job,married,region\n" + "\n".join(lines) + "\n")


def model(path: Path, data: Path, *, forest: bool) -> None:
    """Fit a pipeline to the rows and a made rule with noise, and keep it."""
    import pandas as pd
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.read_csv(data)
    lead = (frame["age"] - 45) / 12 + (frame["income"] - 60_000) / 20_000 - (frame["debt"] - 6000) / 5000
    lead += (frame["job"] == "engineer") - 0.7 * (frame["education"] == "school")
    lead += np.random.default_rng(1).normal(0, 0.7, len(frame))
    columns = make_column_transformer(
        (StandardScaler(), ["age", "hours", "income", "debt"]),
        (OneHotEncoder(handle_unknown="ignore"), ["education", "job", "married", "region"]),
    )
    estimator = (
        RandomForestClassifier(30, max_depth=8, random_state=0, n_jobs=1)
        if forest
        else LogisticRegression(max_iter=1000)
    )
    skops.io.dump(make_pipeline(columns, estimator).fit(frame, np.where(lead > 0, "yes", "no")), path)


def cost(*words: object) -> Cost:
    """What a command of cfsearch takes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cfsearch", *map(str, words), "-q"]
    # a small process in between: the peak of a process begins at that of the one that started it
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"failed: {' '.join(command)}: {done.stderr}")
    cpu_s, peak_kb, wall_s = map(float, done.stdout.split()[-3:])
    return Cost(cpu_s, peak_kb * 1024 / MB, wall_s)


def measured(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    """Print the lines of one number of rows."""
    data, estimator, run = folder / f"{rows}.csv", folder / "model.skops", folder / f"run{rows}"
    table(data, rows)
    if not estimator.exists():
        sample = folder / "train.csv"
        table(sample, 5000)
        model(estimator, sample, forest=chosen.forest)
    trust = ("--trust", "sklearn.tree._tree.Tree") if chosen.forest else ()
    audit = cost(
        *("audit", "--data", data, "--model", estimator, *trust, "--out", run, "--no-isolation"),
        *("--evaluations", chosen.evaluations, "--population", chosen.population, "--threads", 1),
        *("--workers", chosen.workers, "--batch-size", chosen.batch_size),
    )
    if chosen.only_audit:
        line("audit", rows, audit, run / "run.sqlite")
        return
    line("audit", rows, audit, run / "run.sqlite")
    line("report", rows, cost("report", run, "--unchecked"), run / "report.html")
    line("show", rows, cost("show", run), run / "audit.json")
    line("check", rows, cost("check", run), run / "audit.json")
    for kind in ("jsonl", "csv", "parquet"):
        out = folder / f"{rows}.{kind}"
        line(f"export {kind}", rows, cost("export", run, "--unchecked", "--format", kind, "--out", out), out)
        out.unlink()


def pictures(folder: Path, count: int, chosen: argparse.Namespace) -> None:
    """Print the lines of one number of pictures."""
    from PIL import Image

    from cfsearch.datasets import faces

    images, run = folder / f"faces{count}", folder / f"faces{count}.run"
    images.mkdir()
    for i, face in enumerate(faces.faces(count, seed=99).images):
        Image.fromarray(face.transpose(1, 2, 0)).save(images / f"face{i:05}.png")
    network = Path(str(files("cfsearch.models").joinpath("gender_natural.onnx")))
    audit = cost(
        *(
            "audit",
            "--images",
            images,
            "--model",
            network,
            "--generator",
            "pixels",
            "--out",
            run,
            "--no-isolation",
        ),
        *("--evaluations", chosen.evaluations, "--population", chosen.population, "--threads", 1),
    )
    line("audit", count, audit, run / "run.sqlite")
    line("report", count, cost("report", run, "--unchecked"), run / "report.html")
    reading(folder, run, count)
    line("check", count, cost("check", run), run / "audit.json")
    many = folder / f"faces{count}.copied"
    copied(run, many, times=10)
    reading(folder, many, 10 * count)


def reading(folder: Path, run: Path, count: int) -> None:
    """Print the lines of what reads a run front by front."""
    line("show", count, cost("show", run), run / "run.sqlite")
    out = folder / "fronts.jsonl"
    line("export jsonl", count, cost("export", run, "--unchecked", "--format", "jsonl", "--out", out), out)
    out.unlink()


def copied(run: Path, to: Path, *, times: int) -> None:
    """Write a run with the rows of another several times over, under names of their own."""
    from cfsearch.runs.record import sealed
    from cfsearch.runs.store import STORE, Store

    to.mkdir()
    with Store.read(run / STORE) as source, Store.write(to / STORE) as target:
        target.set_meta({k: v for k, v in source.meta().items() if k not in ("schema", "tally")})
        for turn in range(times):
            for at, row in enumerate(source.raw()):
                name, _, status, code, message, sha256, notes, front = row[:8]
                assert front is None or isinstance(front, bytes)
                texts = (str(status), str(code), str(message), str(sha256), str(notes))
                target.add([sealed((f"{turn}-{name}", 10**6 * turn + at, *texts, front))])
        target.checkpoint()
    (to / "audit.json").write_bytes((run / "audit.json").read_bytes())


def line(what: str, rows: int, used: Cost, file: Path) -> None:
    """Print one line."""
    each = 1000 * used.cpu_s / rows
    print(
        f"{rows:>7,} {what:<15} {used.cpu_s:>8.1f} {each:>8.1f} {used.wall_s:>8.1f} {used.peak_mb:>8.0f} "
        f"{file.stat().st_size / MB:>8.2f} {file.name}",
        flush=True,
    )


def main(words: list[str] | None = None) -> int:
    """Measure, and print a line a command.

    Args:
        words: the command line; that of the process when left out.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--pictures", type=int, nargs="*", default=[])
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--population", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--forest", action="store_true", help="a forest of 30 trees instead")
    parser.add_argument("--only-audit", action="store_true", help="without what reads the run afterwards")
    chosen = parser.parse_args(words)
    kind = "forest of 30 trees" if chosen.forest else "logistic regression"
    print(f"{kind}, {chosen.evaluations} candidates an input, {chosen.workers} worker(s)")
    print(" inputs command           CPU s ms/input   wall s  peak MB  MB of file")
    with tempfile.TemporaryDirectory(prefix="scale-") as place:
        for rows in chosen.rows:
            measured(Path(place), rows, chosen)
        for count in chosen.pictures:
            pictures(Path(place), count, chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
