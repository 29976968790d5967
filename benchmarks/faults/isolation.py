"""What it costs to keep the model in a process of its own; beside it what checksums and the ledger cost.

    python benchmarks/faults/isolation.py [--inputs 2] [--generations 20] [--rounds 7] [--threads 1] [--only table]

The same search with isolation on and off, turn about, on rendered faces (shipped generator and
classifier) and on rows of a table (a logistic regression as a function of data frames, the dearest
kind: an answer takes microseconds). Printed: seconds of the CPU, of both processes together, with it
on as a ratio of those with it off, the median of the turns and their ends, as a machine may be faster in one minute
than in the next; the same of the wall clock, which other work on the machine disturbs; what the calls of the model alone cost more with it on, as a share of the search, which
shows a per cent where the ratio of whole searches is lost in the noise of a machine; milliseconds of the CPU for a call of
100 inputs; what starting the process takes, once; and whether the fronts
are the same bytes. Below it the same of whole audits with and without the checksums of a run, and with and
without the ledger of a served model (``bookkeeping.py``), with the share of the CPU's seconds inside them.
"""

import argparse
import statistics
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
from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.isolated.provider import IsolatedProvider, IsolatedTabularProvider

_CALLS = 6
"""Times that each batch is sent."""
_PROCESS = 2
"""With the number of another process, Linux's name of the clock of what it has computed; finer than its ticks."""
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
    return own + time.clock_gettime(~made.model.host.pid << 3 | _PROCESS)


def searched(made: Assembly, x: Tensor, names: Sequence[str]) -> tuple[float, float, list[bytes]]:
    """Seconds of the CPU and of the wall clock that a search takes, and its fronts."""
    begin, cpu = time.perf_counter(), cpu_seconds(made)
    results = made.search.run(x, names=names)
    wall, cpu = time.perf_counter() - begin, cpu_seconds(made) - cpu
    return cpu, wall, [one.to_bytes() for one in results if isinstance(one, ParetoFront)]


def calls(made: Assembly, x: Tensor) -> float:
    """Seconds of the CPU that a query of the model takes, in batches of 100 of which each is another: the median of 12 turns."""
    draw, each = torch.Generator().manual_seed(0), []
    batches = [x[torch.randint(len(x), (100,), generator=draw)] for _ in range(8)]
    for _ in range(12):
        cpu = cpu_seconds(made)
        for batch in batches * _CALLS:
            made.search.provider.predict(batch)
        each.append((cpu_seconds(made) - cpu) / (100 * len(batches) * _CALLS))
    return statistics.median(each[1:])


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
            seconds, took, fronts[isolate] = searched(made[isolate], inputs, names)
            cpu[isolate].append(seconds)
            wall[isolate].append(took)
    evaluated = sum(ParetoFront.from_bytes(one).queries or 0 for one in fronts[False])
    on, off = calls(made[True], inputs), calls(made[False], inputs)
    more = on - off
    share = more * evaluated / statistics.median(cpu[False])
    same = "same" if fronts[True] == fronts[False] else "DIFFER"
    ratios = sorted(on / off for on, off in zip(cpu[True], cpu[False], strict=True))
    passed = statistics.median(on / off for on, off in zip(wall[True], wall[False], strict=True))
    spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
    print(
        f"{what:<10}{statistics.median(ratios):>12.3f}{spread:>18}{passed:>12.3f}"
        f"{share:>12.2%}{1e5 * off:>14.2f}{1e5 * on:>12.2f}{min(wall[False]):>12.2f}{opening[True] - opening[False]:>12.2f}{same:>10}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=2)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--only",
        choices=["isolation", "faces", "table", "books"],
        help="isolation, of one of the two, or checksums and ledger",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as the command line does
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
                f"{'':<10}{'cpu on/off':>12}{'of turns':>18}{'wall on/off':>12}{'by calls':>12}{'call off, ms':>14}{'on, ms':>12}{'off, s':>12}{'start, s':>12}{'fronts':>10}"
            )
            x = torch.from_numpy(images).float() / 255.0
            if arguments.only != "table":
                compare("faces", pictured, x=x, rounds=arguments.rounds)
            if arguments.only != "faces":
                compare("table", tabled, x=None, rounds=arguments.rounds)
        if arguments.only in (None, "books"):
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
