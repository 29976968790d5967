"""What an audit of one million pictures costs on 1, 8 and 64 GPUs, and what breaks first, by a model.

    python benchmarks/speed/scaling_model.py [--pictures 1000000] [--share 0.2] [--measured scale.log]

Three kinds of figures go in, and the lines say which is which: *measured now*, by this command on this machine (what
the process that leads does with a picture's row: unpack a message, compare checksums, write, count); *measured before*
(docs/scaling.md: the networks' work a candidate, what a generation costs besides, the size of a front); *assumed* (a GPU's
peak, and the share of it that is reached: no GPU was there). ``--measured`` takes what ``scale.py`` printed at three
sizes or more: the model (a fixed part and a part a row) is fitted to all but the largest, which it then predicts.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

import torch

from cfsearch.audits.figures import Figures
from cfsearch.audits.workers.processes import from_json
from cfsearch.audits.workers.searcher import to_json
from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.runs.record import stored

CANDIDATES: Final = 5000
"""Candidates a picture at the defaults."""
GENERATIONS: Final = 50
MFLOP: Final = 113.7
"""Decoder and critic, a candidate at 64 pixels; counted by torch."""
HOST_MS: Final = 2.25
"""A generation and query outside the networks, 64 queries together; measured on one CPU core."""
PEAK_TFLOPS: Final = 67.0
"""float32 of one H200, as its maker says."""
SIDE: Final = 64
MEMBERS: Final = 100


@final
@dataclasses.dataclass(frozen=True, slots=True)
class Leading:
    """What the process that leads does with one picture, in ms, and what it keeps.

    Args:
        message_ms: to take a row out of a worker's message.
        write_ms: to compare its checksums and write it, sixteen at a time.
        count_ms: to read it again and count it, when all is done.
        kept_kb: memory that it keeps of it.
        stored_mb: bytes on disk.
    """

    message_ms: float
    write_ms: float
    count_ms: float
    kept_kb: float
    stored_mb: float


def front(i: int) -> ParetoFront:
    """A front of the size of a face's, of noise; its members differ from one to the next as those of a face do when compressed."""
    rng = torch.Generator().manual_seed(i)
    d = 13
    first = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=rng, dtype=torch.uint8)
    pictures = first + torch.randint(0, 2, (MEMBERS, 3, SIDE, SIDE), generator=rng, dtype=torch.int8).to(
        torch.uint8
    )
    return ParetoFront(
        name=f"{i:07d}.png",
        labels=("no", "yes"),
        source=0,
        target=None,
        variables=tuple(f"attribute {j}" for j in range(d)),
        objectives=("adversarial", "plausibility", "intensity"),
        units=("nat", "", ""),
        z=torch.randn(MEMBERS, d, generator=rng),
        f=torch.rand(MEMBERS, 3, generator=rng),
        origin_values=torch.zeros(d),
        scores=torch.randn(MEMBERS, 2, generator=rng),
        original_scores=torch.tensor([2.0, 0.0]),
        reconstruction_scores=torch.tensor([2.0, 0.0]),
        verified=torch.rand(MEMBERS, generator=rng) < 0.7,
        images=pictures,
        original=pictures[0].clone(),
        reconstruction=pictures[1].clone(),
        origins=("nsga2",) * MEMBERS,
        reason=Reason.BUDGET,
        evaluations=CANDIDATES,
        reference_point=torch.ones(3),
    )


def leading(pictures: int) -> Leading:
    """Measure what the process that leads does, on so many pictures."""
    rows = [
        InstanceRow(
            f"{i:07d}.png", i, "found", "budget_exhausted", Reason.BUDGET.value, f"{i:064x}", (), front(i)
        )
        for i in range(pictures)
    ]
    kept = [stored(row) for row in rows]
    messages = [to_json(row) for row in kept]
    came: list[object] = []
    message_ms = _ms(lambda: came.extend(from_json(message) for message in messages), pictures)
    with tempfile.TemporaryDirectory(prefix="leading-") as place:
        run = RunDirectory.start(Path(place) / "run", config={}, hashes={})

        def write() -> None:
            for begin in range(0, pictures, 16):
                run.add_stored(kept[begin : begin + 16])

        write_ms = _ms(write, pictures)
        size = sum(path.stat().st_size for path in (Path(place) / "run").glob("run.sqlite*"))
        figures = Figures("model")

        def count() -> None:
            for row in run.figures():
                figures.add(row)

        count_ms = _ms(count, pictures)
        run.close()
    tracemalloc.start()
    again = Figures("model")
    for row in rows:
        again.add(row)
    kept_kb = tracemalloc.get_traced_memory()[0] / pictures / 1000
    tracemalloc.stop()
    return Leading(message_ms, write_ms, count_ms, kept_kb, size / pictures / 1e6)


def _ms(work: Callable[[], object], n: int) -> float:
    begin = time.process_time()
    work()
    return 1000 * (time.process_time() - begin) / n


def table(pictures: int, share: float, one: Leading) -> list[str]:
    """The lines of the table: hours of each part on 1, 8 and 64 GPUs."""
    networks_s = CANDIDATES * MFLOP * 1e6 / (PEAK_TFLOPS * 1e12 * share)
    host_s = GENERATIONS * HOST_MS / 1000
    lead_s = (one.message_ms + one.write_ms) / 1000
    lines = [
        f"a picture: networks {networks_s:.3f} s of a GPU (assumed: {100 * share:.0f} % of {PEAK_TFLOPS:.0f} TFLOP/s), beside them "
        f"{host_s:.3f} s of a worker's core (measured before), leading {lead_s:.4f} s (measured now)",
        " GPUs  networks h  host h  together h  leading h  counting h  bound by",
    ]
    for gpus in (1, 8, 64):
        hours = [pictures * seconds / gpus / 3600 for seconds in (networks_s, host_s)]
        lead_h, count_h = pictures * lead_s / 3600, pictures * one.count_ms / 1000 / 3600
        together = sum(hours)
        bound = (
            "the process that leads"
            if lead_h > together
            else "the host's part of a search"
            if hours[1] > hours[0]
            else "the networks"
        )
        lines.append(
            f"{gpus:>5} {hours[0]:>11.2f} {hours[1]:>7.2f} {max(together, lead_h):>11.2f} {lead_h:>10.2f} {count_h:>11.2f}  {bound}"
        )
    most = 1.0 / lead_s / (1.0 / (networks_s + host_s))
    return [
        *lines,
        f"the process that leads keeps up with {most:.0f} GPUs",
        f"store: {one.stored_mb * pictures / 1e6:.2f} TB; audit.json about {0.0004 * pictures:.0f} MB; memory that grows: "
        f"{one.kept_kb * pictures / 1e6:.2f} GB",
    ]


def fitted(text: str) -> list[str]:
    """What the model says of the largest size of ``scale.py``, from the smaller ones, beside what was measured."""
    found: dict[str, list[tuple[int, float, float, float]]] = {}
    for line in text.splitlines():
        parts = line.replace("export ", "export-").split()
        if len(parts) >= 7 and parts[0].replace(",", "").isdigit():
            rows, cpu, peak, size = int(parts[0].replace(",", "")), *(float(parts[i]) for i in (2, 5, 6))
            found.setdefault(parts[1], []).append((rows, cpu, peak, size))
    lines = [
        "command          rows   CPU s predicted, measured   peak MB predicted, measured   MB of file predicted, measured"
    ]
    for command, points in found.items():
        if len(points) < 3:
            continue
        *before, last = sorted(points)
        x = torch.tensor([[1.0, p[0]] for p in before], dtype=torch.float64)
        y = torch.tensor([p[1:] for p in before], dtype=torch.float64)
        line = torch.linalg.lstsq(x, y).solution
        foreseen = torch.tensor([1.0, last[0]], dtype=torch.float64) @ line
        pairs = [f"{float(foreseen[i]):>10.1f} {last[i + 1]:>10.1f}" for i in range(3)]
        lines.append(f"{command:<14} {last[0]:>6,} {'        '.join(pairs)}")
    return lines


def main(words: list[str] | None = None) -> int:
    """Print the model's tables.

    Args:
        words: the command line; that of the process when left out.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument(
        "--share", type=float, default=0.2, help="share of a GPU's peak that the networks reach"
    )
    parser.add_argument(
        "--sample", type=int, default=64, help="pictures that the leading process is timed on"
    )
    parser.add_argument("--measured", type=Path, help="what scale.py printed")
    chosen = parser.parse_args(words)
    one = leading(chosen.sample)
    print(
        f"measured now, a picture of {one.stored_mb:.2f} MB: message {one.message_ms:.2f} ms, write {one.write_ms:.2f} ms, "
        f"count {one.count_ms:.2f} ms of CPU; {one.kept_kb:.2f} kB kept"
    )
    print("\n".join(table(chosen.pictures, chosen.share, one)))
    if chosen.measured is not None:
        print("\n".join(fitted(chosen.measured.read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
