"""Puts faults back that were mended once, one at a time, and shows which test notices each.

    uv run python benchmarks/house/put_back.py

The cases (``put_back_cases.py``, ``put_back_users.py``) name for each the code that mends it, the text that puts it back
and the tests. All are written into a scratch copy of the tree. There the tests of all cases run first, as the code is, and
must pass; then those of each case with its fault, and one must fail. Prints a line a case; exit code 1 where a fault is not
noticed, where tests fail without it, or where the code to change is gone. Tests that need a browser are not tried where
there is none.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mutants import ROOT, Trial, scratch
from mutants_tests import CRASHED, first_failure
from put_back_cases import PLUGINS, SURVIVORS, Case
from put_back_users import USERS

CASES: Final = (*PLUGINS, *USERS, *SURVIVORS)
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_BROWSER: Final = "tests/report/test_browser.py"
HELD, NOT_HELD, NOT_TRIED, GONE = "held by", "NOT HELD", "not tried", "GONE"


def _failing(tree: Path, tests: Sequence[str], most: int) -> tuple[str | None, float]:
    return first_failure(tree, dict.fromkeys(tests), most)


def verdict(tree: Path, case: Case, most: int) -> tuple[str, float]:
    """What became of a fault that was put back, and the CPU seconds that this took.

    Args:
        tree: the scratch copy.
        case: the fault.
        most: CPU seconds of its tests.
    """
    path = tree / case.file
    original = path.read_text(encoding="utf-8")
    count = original.count(case.before)
    if count != 1:
        return f"{GONE}: `{case.before.strip()}` occurs {count} times in {case.file}", 0.0
    Trial.write(path, original.replace(case.before, case.after))
    try:
        failed, seconds = _failing(tree, case.tests, most)
    finally:
        Trial.write(path, original)
    if failed is None:
        return NOT_HELD, seconds
    return (f"{NOT_HELD}: {failed}" if failed == CRASHED else f"{HELD} {failed}"), seconds


def without_fault(tree: Path, cases: Sequence[Case], most: int) -> str | None:
    """The first test of all cases that fails as the code is; None where all pass.

    Args:
        tree: the scratch copy.
        cases: whose tests.
        most: CPU seconds that they may take.
    """
    return _failing(tree, list(dict.fromkeys(test for case in cases for test in case.tests)), most)[0]


def tried(cases: Sequence[Case], *, most: int, browser: bool, show: Callable[[str], None]) -> Counter[str]:
    """How many faults are held, not held, not tried or gone.

    Args:
        cases: the faults.
        most: CPU seconds of the tests of one.
        browser: whether tests that need a browser can run.
        show: prints a line.
    """
    counts: Counter[str] = Counter()
    runnable = [case for case in cases if browser or not case.tests[0].startswith(_BROWSER)]
    with tempfile.TemporaryDirectory() as folder:
        tree = scratch(Path(folder), ROOT)
        failed = without_fault(tree, runnable, 10 * most)
        if failed is not None:
            show(f"a test fails without any fault: {failed}")
            return Counter({NOT_HELD: len(runnable)})
        for case in cases:
            found, seconds = (
                verdict(tree, case, most) if case in runnable else (f"{NOT_TRIED}: no browser", 0.0)
            )
            counts[next(word for word in (HELD, NOT_HELD, NOT_TRIED, GONE) if found.startswith(word))] += 1
            show(f"{case.line}: {found} ({seconds:.1f} s)")
    return counts


def main() -> int:
    """Try each, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", default="", help="only cases whose line holds this")
    parser.add_argument("--most", type=int, default=60, help="CPU seconds of tests for one fault (60)")
    args = parser.parse_args()
    cases = [case for case in CASES if args.of in case.line]
    if not cases:
        parser.error(f"no case has {args.of!r} in its line")
    browser = any(shutil.which(name) for name in _BROWSERS)
    counts = tried(cases, most=args.most, browser=browser, show=lambda line: print(line, flush=True))
    print(f"{counts[HELD]} of {len(cases)} faults held, {counts[NOT_TRIED]} not tried")
    return int(counts[NOT_HELD] + counts[GONE] > 0)


if __name__ == "__main__":
    sys.exit(main())
