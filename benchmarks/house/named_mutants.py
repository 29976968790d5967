"""Changes that the tests once let through, each with the tests that must fail on it now.

    uv run python benchmarks/house/named_mutants.py

Each is written into a scratch copy of the tree and its tests run there, after they passed without the change. Prints a
line a mutant; exit code 1 where one survives, where its tests fail without it, or where the code to change is gone.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutants import ROOT, Trial, scratch
from mutants_tests import CRASHED, first_failure

_MOST: Final = 120


@dataclass(frozen=True, slots=True)
class Named:
    """A change by hand.

    Args:
        name: what goes wrong.
        file: where.
        before: the code that is changed; it occurs there once.
        after: what it becomes.
        tests: what must notice it.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTANTS: Final = (
    Named(
        "a chart with its axis mirrored", "cfsearch/report/charts.py",
        "3 + 94 * min(1.0, max(0.0, share))", "97 - 94 * min(1.0, max(0.0, share))",
        ("tests/report/test_effects.py",),
    ),
    Named(
        "`verified` without its margin", "cfsearch/engine/verification.py",
        "leads(scores, problem, i) >= self.margin", "leads(scores, problem, i) >= 0.0",
        ("tests/engine/test_verification.py", "tests/engine/test_search.py"),
    ),
    Named(
        "a search that ignores `pruning`", "cfsearch/engine/search.py",
        "pruning=self.pruning)", "pruning=0.0)",
        ("tests/engine/test_search.py",),
    ),
    Named(
        "`--capacity` ignored", "cfsearch/assembly/search.py",
        "capacity=config.search.capacity,", "capacity=100,",
        ("tests/assembly/test_search.py::test_a_setting_reaches_the_search[search.capacity]",),
    ),
    Named(
        "effects without `repair`", "cfsearch/audits/effects.py",
        "space.repair(ends)", "ends",
        ("tests/audits/test_effects.py",),
    ),
    Named(
        "changes counted where the reconstruction flips", "cfsearch/audits/effects.py",
        " for front in fronts if not front.reconstruction_flips]", " for front in fronts]",
        ("tests/audits/test_effects.py",),
    ),
    Named(
        "classes counted where the reconstruction flips", "cfsearch/audits/transitions.py",
        " for front in fronts if not front.reconstruction_flips]", " for front in fronts]",
        ("tests/audits/test_transitions.py",),
    ),
    Named(
        "resizing without antialiasing", "cfsearch/providers/preprocessing.py",
        "antialias=True", "antialias=False",
        ("tests/providers/test_preprocessing.py",),
    ),
    Named(
        "the lower bound of `pixels` halved", "generators/pixels.py",
        "lower=-bound,", "lower=-bound / 2,",
        ("tests/generators/test_pixels.py",),
    ),
    Named(
        "`AttGAN.to` that loses its range of attributes", "generators/attgan/generator.py",
        "content, attribute_range=self.attribute_range, dead_zone=", "content, dead_zone=",
        ("tests/generators/attgan/test_generator.py",),
    ),
    Named(
        "the dead zone on whole numbers", "cfsearch/contracts/space.py",
        "(z.abs() < self.dead_zone) & ~whole", "(z.abs() < self.dead_zone)",
        ("tests/contracts/test_space.py",),
    ),
)  # fmt: skip


def verdict(tree: Path, mutant: Named) -> str:
    """What became of a mutant, in words that begin with ``killed`` where a test noticed.

    Args:
        tree: the scratch copy.
        mutant: the change.
    """
    path = tree / mutant.file
    original = path.read_text(encoding="utf-8")
    if original.count(mutant.before) != 1:
        return f"GONE: `{mutant.before}` occurs {original.count(mutant.before)} times in {mutant.file}"
    before, _ = first_failure(tree, dict.fromkeys(mutant.tests), _MOST)
    if before is not None:
        return f"BROKEN: fails without the change: {before}"
    Trial.write(path, original.replace(mutant.before, mutant.after))
    try:
        killer, _ = first_failure(tree, dict.fromkeys(mutant.tests), _MOST)
    finally:
        Trial.write(path, original)
    return "SURVIVED" if killer is None else killer if killer == CRASHED else f"killed by {killer}"


def main() -> int:
    """Try each, and report."""
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = scratch(Path(folder), ROOT)
        for mutant in MUTANTS:
            found = verdict(tree, mutant)
            survived += not found.startswith("killed")
            print(f"{mutant.name}: {found}", flush=True)
    print(f"{len(MUTANTS) - survived} of {len(MUTANTS)} killed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
