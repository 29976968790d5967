"""What it costs to keep the model in a process of its own; beside it what checksums and the ledger cost.

    python benchmarks/faults/isolation.py [--inputs 2] [--generations 20] [--rounds 3] [--threads 1] [--only books]

The same search with isolation on and off, turn about, on rendered faces (shipped generator and
classifier) and on rows of a table (a logistic regression as a function of data frames, the dearest
kind: an answer takes microseconds). Printed: seconds of the CPU, of both processes together, with it
on as a ratio of those with it off, the least of all rounds each; the same of the wall clock, which
other work on the machine disturbs; what starting the process takes, once; and whether the fronts
are the same bytes. Below it the same of whole audits with and without the checksums of a run, and with and
without the ledger of a served model (``bookkeeping.py``), with the share of the CPU's seconds inside them.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bookkeeping import print_costs
from PIL import Image
from torch import Tensor

from cfsearch.assembly.search import Assembly, assemble
from cfsearch.config import Config
from cfsearch.datasets import faces
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.isolated.provider import IsolatedProvider, IsolatedTabularProvider

MODEL = """
import numpy as np
def predict(frame):
    p = 1 / (1 + np.exp(-(frame["age"] - 45) / 8 + (frame["job"] == "clerk") - frame["hours"] / 60))
    return np.stack([1 - p, p], 1)
"""


def cpu_seconds(made: Assembly) -> float:
    """What this process and the model's have computed so far."""
    own = time.process_time()
    if not isinstance(made.model, IsolatedProvider | IsolatedTabularProvider):
        return own
    fields = Path(f"/proc/{made.model.host.pid}/stat").read_text().rpartition(")")[2].split()
    return own + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def searched(made: Assembly, x: Tensor, names: Sequence[str]) -> tuple[float, float, list[bytes]]:
    """Seconds of the CPU and of the wall clock that a search takes, and its fronts."""
    begin, cpu = time.perf_counter(), cpu_seconds(made)
    results = made.search.run(x, names=names)
    wall, cpu = time.perf_counter() - begin, cpu_seconds(made) - cpu
    return cpu, wall, [one.to_bytes() for one in results if isinstance(one, ParetoFront)]


def compare(what: str, values: dict[str, Any], *, x: Tensor | None, rounds: int) -> None:
    """Print one line of the table."""
    made: dict[bool, Assembly] = {}
    opening: dict[bool, float] = {}
    for isolate in (False, True):
        run = {**values.get("run", {}), "isolate": isolate}
        begin = time.perf_counter()
        made[isolate] = assemble(Config.check({**values, "run": run}))
        opening[isolate] = time.perf_counter() - begin
    records = made[False].records
    inputs = torch.stack([record.x for record in records or ()]) if x is None else x
    names = [f"input {i}" for i in range(len(inputs))]
    cpu: dict[bool, list[float]] = {False: [], True: []}
    wall: dict[bool, list[float]] = {False: [], True: []}
    fronts: dict[bool, list[bytes]] = {}
    for isolate in (False, True):
        searched(made[isolate], inputs[:1], names[:1])  # warm
    for turn in range(rounds):
        for isolate in (False, True) if turn % 2 else (True, False):
            seconds, passed, fronts[isolate] = searched(made[isolate], inputs, names)
            cpu[isolate].append(seconds)
            wall[isolate].append(passed)
    same = "same" if fronts[True] == fronts[False] else "DIFFER"
    print(
        f"{what:<10}{min(cpu[True]) / min(cpu[False]):>12.3f}{min(wall[True]) / min(wall[False]):>12.3f}"
        f"{min(wall[False]):>12.2f}{opening[True] - opening[False]:>12.2f}{same:>10}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=2)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["isolation", "books"], help="isolation, or checksums and ledger")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    search = {"population": 100, "evaluations": 100 * arguments.generations, "seed": 1}
    images = faces.faces(arguments.inputs, seed=99).images
    with (
        tempfile.TemporaryDirectory() as place,
        as_file(files("cfsearch.models").joinpath("gender_natural.onnx")) as model,
    ):
        folder = Path(place)
        sys.path.insert(0, place)
        pictured = {
            "model": {"path": str(model)},
            "generator": {"source": "faces64"},
            "data": {"images": str(_written(images, folder / "faces"))},
            "search": {**search, "objectives": ["adversarial", "plausibility", "intensity"]},
            "run": {"threads": arguments.threads},
        }
        tabled = {
            "model": {"path": "isolation_rows:predict"},
            "data": {"table": str(_table(folder)), "limit": arguments.inputs},
            "search": search,
        }
        if arguments.only != "books":
            print(
                f"{'':<10}{'cpu on/off':>12}{'wall on/off':>12}{'off, s':>12}{'start, s':>12}{'fronts':>10}"
            )
            x = torch.from_numpy(images).float() / 255.0
            compare("faces", pictured, x=x, rounds=arguments.rounds)
            compare("table", tabled, x=None, rounds=arguments.rounds)
        if arguments.only != "isolation":
            print_costs(pictured, tabled, rounds=arguments.rounds, folder=folder)


def _written(images: Any, folder: Path) -> Path:
    """The folder with pictures in it."""
    folder.mkdir()
    for i, pixels in enumerate(images):
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(folder / f"{i}.png")
    return folder


def _table(folder: Path) -> Path:
    """A table of 200 rows, and beside it the model of it."""
    (folder / "isolation_rows.py").write_text(MODEL)
    rng, table = np.random.default_rng(1), folder / "rows.csv"
    cells = zip(rng.integers(20, 70, 200), rng.integers(10, 60, 200), rng.integers(0, 2, 200), strict=True)
    lines = [f"{age},{hours},{'clerk' if job else 'cook'}" for age, hours, job in cells]
    table.write_text("age,hours,job\n" + "\n".join(lines) + "\n")
    return table


if __name__ == "__main__":
    main()
