"""CPU seconds a row of a table, by the command line at its defaults, of this checkout and of another revision.

    python benchmarks/speed/rows.py [--revision main] [--data ../shared/data] [--tables adult] [--models logistic]
        [--rows 33] [--repeats 3] [--isolation]

The line is ``cfsearch search MODEL.skops --data rows.csv --row ... --target ... --immutable ... --reference train.csv
--label ...``, as in ``benchmarks/papers/peers.py``. Each figure is the CPU time of the whole process and of those that it
started, of all rows less that of one row, over the rows between; the two revisions take turns, so that what else the
machine does falls on both. Printed are medians, their ratio, and how many fronts hold the same changes and objectives to
the last bit. With ``--isolation`` the model has a process of its own, as it has by default; starting it takes seconds
that vary more than a search does.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import torch

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "papers"))

from peers_setting import TABLES, Case, prepared  # noqa: E402  # it lies in another folder

from cfsearch.fronts.front import ParetoFront  # noqa: E402  # likewise


def line(case: Case, *, rows: int, out: Path, isolation: bool) -> list[str]:
    """The words of a search of the first rows."""
    from skops.io import get_untrusted_types

    trust = [w for t in get_untrusted_types(file=case.folder / "model.skops") for w in ("--trust", t)]
    return [
        *("search", str(case.folder / "model.skops"), "--data", str(case.folder / "rows.csv")),
        *(w for i in range(rows) for w in ("--row", str(i))),
        *("--target", case.data.target, "--immutable", ",".join(case.data.immutable)),
        *("--reference", str(case.folder / "train.csv"), "--label", case.data.label),
        *("--save", str(out if rows > 1 else out / "row 0.front"), "--threads", "1", "--quiet"),
        *(() if isolation else ("--no-isolation",)),
        *trust,
    ]


def cpu(words: list[str], *, source: Path) -> float:
    """CPU seconds of a command line with the code of one checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = f"import sys; sys.path.insert(0, {str(source / 'src')!r}); from cfsearch.cli import main; main(sys.argv[1:])"
    subprocess.run([sys.executable, "-c", script, *words], check=True, stdout=subprocess.DEVNULL, cwd=source)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def same(one: Path, other: Path) -> tuple[int, int]:
    """How many fronts of two folders hold the same members, and how many there are."""
    names = sorted(path.name for path in one.glob("*.front"))
    pairs = [(ParetoFront.load(one / name), ParetoFront.load(other / name)) for name in names]
    return sum(torch.equal(a.z, b.z) and torch.equal(a.f, b.f) for a, b in pairs), len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--revision", default="main")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", default="adult")
    parser.add_argument("--models", default="logistic")
    parser.add_argument("--rows", type=int, default=33)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--isolation", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "other"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(tree), chosen.revision], check=True)
        try:
            for table in chosen.tables.split(","):
                for kind in chosen.models.split(","):
                    folder = Path(scratch) / f"{table}-{kind}"
                    case = prepared(TABLES[table](chosen.data), kind, rows=chosen.rows, folder=folder)
                    compared(case, {"here": ROOT, chosen.revision: tree}, chosen)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def compared(case: Case, sources: dict[str, Path], chosen: argparse.Namespace) -> None:
    """Print the figures of one model."""
    count, spent = len(case.rows), {name: list[float]() for name in sources}
    folders: dict[str, Path] = {}
    for repeat in range(chosen.repeats):
        for name, source in sources.items():
            out = folders[name] = case.folder / f"fronts-{repeat}-{len(folders)}-{name.replace('/', '_')}"
            out.mkdir()
            took = [
                cpu(line(case, rows=n, out=out, isolation=chosen.isolation), source=source)
                for n in (1, count)
            ]
            spent[name].append((took[1] - took[0]) / (count - 1))
    print(f"{case.data.name}, {case.kind}: {count} rows, {chosen.repeats} repeats")
    for name, each in spent.items():
        print(f"  {name:<12}{median(each):.4f} CPU s a row ({', '.join(f'{v:.4f}' for v in each)})")
    here, other = (median(each) for each in spent.values())
    equal, total = same(*folders.values())
    print(f"  {other / here:.2f} times; {equal} of {total} fronts equal to the last bit", flush=True)


if __name__ == "__main__":
    main()
