"""Changes one place of the code at a time, and counts how often the tests notice.

    uv run --group mutation python benchmarks/house/mutants.py --number 300 --seed 1 --log mutants.jsonl

Mutants are drawn at random, weighted by lines (``mutants_draw.py`` says from which folders, by which operators, and
what is left out by rule). Each is written into a scratch copy of the tree, and test files run there until one test
fails, the nearest first: those of the same name, of the same room, those that import the file, their neighbours, the
command line. A run of the tests that meets its deadline in CPU seconds without a failure counts as survived, a single
test that takes half of it as killed. Prints a line a mutant, the survivors, and the score with its 95 % Wilson interval.
Takes up again where it was stopped when given the same log.
"""

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from mutants_draw import Mutant, drawn
from mutants_tests import CRASHED, RAN_AWAY, Choice, first_failure

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("benchmarks", "cfsearch", "docs", "examples", "generators", "models", "objectives", "tests")
Z: Final = 1.959963984540054


def scratch(folder: Path) -> Path:
    """A copy of the working tree, without what is built or stored.

    Args:
        folder: where the copy is put.
    """
    tree = folder / "tree"
    tree.mkdir()
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
    for file in ROOT.iterdir():
        if file.is_file() and file.suffix in {".cff", ".md", ".toml", ".txt"}:
            shutil.copy2(file, tree)
    return tree


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    Args:
        k: how many of them.
        n: out of how many, > 0.
    """
    share, z2 = k / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return middle - half, middle + half


class Trial:
    """Tries mutants in one scratch copy.

    Args:
        folder: an empty folder for the copy.
        choice: which tests to run.
        most: CPU seconds that a run of the tests may take.
        files: how many files of tests run at most.
    """

    def __init__(self, folder: Path, choice: Choice, most: int, files: int) -> None:
        self.tree = scratch(folder)
        self.choice = choice
        self.most = most
        self.files = files
        self.broken: set[str] = set()
        self.sound: set[str] = set()

    def _holds(self, test: str) -> bool:
        """Whether a test passes without a change; run once for each."""
        if test not in self.sound | self.broken:
            failed, _ = first_failure(self.tree, [test], self.most)
            (self.broken if failed else self.sound).add(test)
        return test in self.sound

    def __call__(self, mutant: Mutant) -> dict[str, Any]:
        """What became of a mutant, as a line of the log.

        Args:
            mutant: the change to try.
        """
        path = self.tree / mutant.file
        original = path.read_text(encoding="utf-8")
        tests = [test for test in self.choice.of(mutant.file)[: self.files] if test not in self.broken]
        seconds = 0.0
        while True:
            self._write(path, mutant.code)
            try:
                killer, used = first_failure(self.tree, tests, self.most)
            finally:
                self._write(path, original)
            seconds += used
            test = (killer or "").removesuffix(" (import)")
            if killer is None or killer in {RAN_AWAY, CRASHED} or "(ran away)" in killer or self._holds(test):
                break
            tests = [name for name in tests if name != test.partition("::")[0]]
        return {"mutant": mutant.key, "killed_by": killer, "seconds": round(seconds, 1), "files": len(tests)}

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Write a source file so that no compiled form of another text is taken for it."""
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(text, encoding="utf-8")


def report(lines: list[dict[str, Any]], seed: int) -> None:
    """Print the score and the survivors.

    Args:
        lines: the lines of the log.
        seed: the seed of the draw.
    """
    survivors = [line["mutant"] for line in lines if line["killed_by"] is None]
    slow = sum("ran away" in (line["killed_by"] or "") for line in lines)
    crashed = [line["mutant"] for line in lines if line["killed_by"] == CRASHED]
    n = len(lines) - len(crashed)
    if n == 0:
        print(f"\nseed {seed}: no mutant was judged")
        return
    low, high = wilson(n - len(survivors), n)
    print(f"\nseed {seed}, {n} mutants, {sum(line['seconds'] for line in lines) / n:.1f} CPU s a mutant")
    print(
        f"score {(n - len(survivors)) / n:.1%} [{low:.1%}, {high:.1%}], of these because a test ran away {slow}"
    )
    for name in crashed:
        print(f"not judged, the process of its tests crashed: {name}")
    print("survivors:" if survivors else "no survivors")
    for name in survivors:
        print(f"  {name}")


def main() -> int:
    """Draw, try, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=300, help="how many mutants (300)")
    parser.add_argument("--seed", type=int, help="seed of the draw (a new one, printed)")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"), help="one JSON line a mutant")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (1)")
    parser.add_argument("--deadline", type=int, default=120, help="CPU seconds of tests for one mutant (120)")
    parser.add_argument("--files", type=int, default=25, help="files of tests for one mutant, at most (25)")
    parser.add_argument("--of", action="append", default=[], help="only files that begin so; may be repeated")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(10**8) if args.seed is None else args.seed
    text = args.log.read_text(encoding="utf-8") if args.log.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    done = {line["mutant"] for line in lines}
    print(f"seed {seed}, {len(done)} done before", flush=True)
    choice = Choice(ROOT)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        free: SimpleQueue[Trial] = SimpleQueue()
        for i in range(args.jobs):
            (Path(folder) / str(i)).mkdir()
            free.put(Trial(Path(folder) / str(i), choice, args.deadline, args.files))

        def tried(mutant: Mutant) -> dict[str, Any]:
            trial = free.get()
            try:
                return trial(mutant)
            finally:
                free.put(trial)

        todo = (mutant for mutant in drawn(ROOT, args.number, seed, args.of) if mutant.key not in done)
        with args.log.open("a", encoding="utf-8") as log:
            for line in pool.map(tried, todo):
                lines.append(line)
                log.write(json.dumps(line) + "\n")
                log.flush()
                print(
                    f"{line['mutant']}: {line['killed_by'] or 'SURVIVED'} ({line['seconds']} s)", flush=True
                )
    if lines:
        report(lines, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
