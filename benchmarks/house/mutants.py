"""Changes one place of the code at a time, and counts how often the tests notice.

    uv run --group mutation python benchmarks/house/mutants.py --number 300 --seed 1 --log mutants.jsonl

Mutants are drawn at random, weighted by lines (``mutants_draw.py`` says from which folders, by which operators, and
what is left out by rule). Each is written into a scratch copy of the tree, and test files run there until one test
fails, the nearest first: those of the same name, of the same room, those that import the file, their neighbours, the
command line; at most ``--files`` of them. A failure counts when the same test passes without the change.

With ``--coverage`` (``mutants_coverage.py`` says how it is made) only the tests that run the changed line are tried:
those of its name first, then of its room, then the others, each kind by what it costs, until the deadline.

By the clock: a run of tests ends at its deadline in CPU seconds. Without a failure until then the mutant counts as
survived, unless the one test that was running had taken half of the deadline, or ten times the deadline had passed by
the clock: that test is then run alone. If it fails, or has no end again while it takes less than a quarter of the
deadline without the change, the mutant counts as killed. A process of tests that ends without an answer (a crash)
judges nothing; its mutant is left out of the score.

Prints a line a mutant, then the survivors, and the score with its 95 % Wilson interval. Takes up again where it was
stopped when given the same log; ``--again`` tries its survivors once more, with the tests as they are now.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import accumulate, islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from mutants_coverage import Covering
from mutants_draw import Mutant, drawn, files
from mutants_log import Log, digest
from mutants_tests import CRASHED, NO_START, RAN_AWAY, Choice, first_failure

ROOT: Final = Path(__file__).resolve().parents[2]
_SHOWN: Final = 200  # letters of a mutant in a line on the terminal; the log has all
COPIED: Final = ("benchmarks", "cfsearch", "docs", "examples", "generators", "models", "objectives", "tests")


def scratch(folder: Path, root: Path) -> Path:
    """A copy of the working tree, without what is built or stored.

    Args:
        folder: where the copy is put.
        root: the root of the tree.
    """
    tree = folder / "tree"
    tree.mkdir()
    for name in COPIED:
        if (root / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(root / name, tree / name, symlinks=True, ignore=ignored)
    for file in root.iterdir():
        if file.is_file() and file.suffix in {".cff", ".md", ".toml", ".txt"}:
            shutil.copy2(file, tree)
    return tree


SLOWED: Final = 4  # what coverage and a busy machine may have added to the seconds of a test
Selection = dict[str, set[str] | None]


class Trial:
    """Tries mutants in one scratch copy.

    Args:
        tree: the copy.
        choice: which tests to run.
        most: CPU seconds that a run of the tests may take.
        files: how many files of tests run at most.
        covering: which tests run which lines, where that is known.
    """

    def __init__(
        self, tree: Path, choice: Choice, most: int, files: int, covering: Covering | None = None
    ) -> None:
        self.covering = covering
        self.tree = tree
        self.choice = choice
        self.most = most
        self.files = files
        self.alone: dict[str, float] = {}

    def _counts(self, killer: str) -> bool:
        """Whether a test fails because of the change: it passes without it, and soon where its time is the failure."""
        test = killer
        for ending in (RAN_AWAY, NO_START, "(import)"):
            test = test.removesuffix(f" {ending}")
        if test not in self.alone:
            failed, seconds = first_failure(self.tree, {test: None}, self.most)
            self.alone[test] = float("inf") if failed else seconds
        return self.alone[test] < (self.most / 4 if killer.endswith(RAN_AWAY) else float("inf"))

    def selection(self, mutant: Mutant, original: str) -> Selection:
        """The files of tests to run against a mutant, in order, with the names of the tests; None for all of a file.

        Args:
            mutant: the change.
            original: the source before it.
        """
        nearest = dict.fromkeys(self.choice.of(mutant.file)[: self.files])
        found = self.covering.of(mutant.file, mutant.line, original) if self.covering else {}
        if self.covering is None or not found:
            return nearest
        costs = {test: self.covering.cost(test, names) for test, names in found.items()}
        kin = {test: self.choice.kinship(mutant.file, test) for test in found}
        ranked = sorted(found, key=lambda test: (not kin[test][0], not kin[test][1], costs[test], test))
        before = accumulate((costs[test] for test in ranked), initial=0.0)
        return {
            test: found[test]
            for test, spent in zip(ranked, before, strict=False)
            if spent < SLOWED * self.most
        }

    def _changed(self, path: Path, original: str, code: str, tests: Selection) -> tuple[str | None, float]:
        """What ``first_failure`` says with another text in a file, which is put back."""
        self.write(path, code)
        try:
            return first_failure(self.tree, tests, self.most)
        finally:
            self.write(path, original)

    def __call__(self, mutant: Mutant) -> dict[str, Any]:
        """What became of a mutant, as a line of the log.

        Args:
            mutant: the change to try.
        """
        path = self.tree / mutant.file
        original = path.read_text(encoding="utf-8")
        tests = self.selection(mutant, original)
        seconds, ran = 0.0, len(tests)
        while True:
            killer, used = self._changed(path, original, mutant.code, tests)
            seconds += used
            if killer is not None and killer.endswith(RAN_AWAY):
                # nothing failed until the deadline; the long test has to fail, or to have no end, alone too
                alone = killer.removesuffix(f" {RAN_AWAY}")
                killer, used = self._changed(path, original, mutant.code, {alone: None})
                seconds += used
                killer = killer if killer is not None and self._counts(killer) else None
                break
            if killer is None or killer == CRASHED or self._counts(killer):
                break
            broken = killer.partition("::")[0].partition(" (")[0]
            tests = {test: names for test, names in tests.items() if test != broken}
            if not tests:
                killer = CRASHED  # no test passes without the change: nothing is left to judge by
                break
        return {"mutant": mutant.key, "killed_by": killer, "seconds": round(seconds, 1), "files": ran}

    @staticmethod
    def write(path: Path, text: str) -> None:
        """Write a source file so that no compiled form of another text is taken for it."""
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(text, encoding="utf-8")


def tried(mutants: Iterator[Mutant], trials: list[Trial]) -> Iterator[dict[str, Any]]:
    """What became of each mutant, as soon as it is known, as many at a time as there are copies.

    Args:
        mutants: what to try; taken one by one.
        trials: one for each that runs at a time.
    """
    free: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        free.put(trial)

    def run(mutant: Mutant) -> dict[str, Any]:
        trial = free.get()
        try:
            return trial(mutant)
        finally:
            free.put(trial)

    with ThreadPoolExecutor(len(trials)) as pool:
        running: set[Future[dict[str, Any]]] = {
            pool.submit(run, mutant) for mutant in islice(mutants, len(trials))
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(run, mutant) for mutant in islice(mutants, len(done))}
            for future in done:
                yield future.result()


def main() -> int:
    """Draw, try, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=300, help="how many mutants (300)")
    parser.add_argument("--seed", type=int, help="seed of the draw (that of the log, or a new one; printed)")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"), help="one JSON line a mutant")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (1)")
    parser.add_argument("--deadline", type=int, default=120, help="CPU seconds of tests for one mutant (120)")
    parser.add_argument("--files", type=int, default=25, help="files of tests for one mutant, at most (25)")
    parser.add_argument("--coverage", type=Path, help="only tests that run the line: the file of coverage")
    parser.add_argument("--seconds", type=Path, help="pytest's JUnit file of the same run")
    parser.add_argument("--of", action="append", default=[], help="only files that begin so; may be repeated")
    parser.add_argument("--again", action="store_true", help="try the survivors of the log once more")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to try (the one of this file)")
    args = parser.parse_args()
    root = args.root.resolve()
    known = Log.seed_of(args.log) if args.seed is None else args.seed
    seed = random.SystemRandom().randrange(10**8) if known is None else known
    try:
        log = Log.opened(args.log, seed=seed, of=args.of, source=digest(root, files(root)))
    except ValueError as error:
        parser.error(str(error))
    print(f"seed {seed}, {len(log.lines)} done before", flush=True)
    again = {*log.survivors, *log.unjudged} if args.again else set()
    todo = (
        mutant
        for mutant in drawn(root, args.number, seed, args.of)
        if mutant.key in again or mutant.key not in log.lines
    )
    if (args.coverage is None) != (args.seconds is None):
        parser.error("--coverage and --seconds belong together: give both or neither")
    covering = Covering(args.coverage, args.seconds, root) if args.coverage else None
    choice = Choice(root)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(i) for i in range(args.jobs)]
        for copy in copies:
            copy.mkdir()
        trials = [Trial(scratch(copy, root), choice, args.deadline, args.files, covering) for copy in copies]
        for line in tried(todo, trials):
            log.add(line)
            print(
                f"{line['mutant'][:_SHOWN]}: {line['killed_by'] or 'SURVIVED'} ({line['seconds']} s)",
                flush=True,
            )
    print(f"\n{log.report()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
