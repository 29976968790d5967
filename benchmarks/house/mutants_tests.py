"""Which tests run against a mutant, and the run of them in a process of its own."""

import ast
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Final

import grimp
import pytest

WARM: Final = (
    "bs4",
    "click",
    "hypothesis",
    "jaxtyping",
    "jinja2",
    "moocore",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pydantic",
    "pymoo.algorithms.moo.nsga2",
    "rich",
    "scipy.stats",
    "skimage.segmentation",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "torch",
    "torchvision.transforms.functional",
)
EVERYWHERE: Final = 99
RAN_AWAY: Final = "a process that ran away"
CRASHED: Final = "not judged: the process of the tests ended without an answer"


def module_of(file: str) -> str:
    """The name that a source file is imported by.

    Args:
        file: its path from the root of the repository.
    """
    parts = list(Path(file).with_suffix("").parts)
    parts = parts if parts[0] == "cfsearch" else ["cfsearch", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(file: Path) -> set[str]:
    """The names of ``cfsearch`` that a test file imports, modules and what is taken from them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.partition(".")[0] == "cfsearch"}


class Choice:
    """The test files of a tree, in the order in which they are worth running against a change of a file.

    Args:
        root: the root of the tree.
    """

    def __init__(self, root: Path) -> None:
        sys.path.insert(0, str(root))
        self.graph = grimp.build_graph("cfsearch", cache_dir=None)
        self.tests = {
            str(file.relative_to(root)): _imports(file)
            for file in sorted((root / "tests").rglob("test_*.py"))
        }

    def _distances(self, module: str) -> dict[str, int]:
        """How many imports lie between each module and this one; what does not reach it is missing."""
        found, queue = {module: 0}, deque([module])
        while queue:
            at = queue.popleft()
            for importer in self.graph.find_modules_that_directly_import(at):
                if importer not in found:
                    found[importer] = found[at] + 1
                    queue.append(importer)
        return found

    def of(self, file: str) -> list[str]:
        """Files of tests, the nearest first: those named like it, of its room, that import it, neighbours, commands.

        Args:
            file: the path of the changed file from the root.
        """
        module = module_of(file)
        distances = self._distances(module)
        stem = Path(file).stem.strip("_")
        room = [part for part in Path(file).parts[:-1] if part != "cfsearch"]
        ranked = []
        for test, imports in self.tests.items():
            parts = Path(test).parts[1:-1]
            near = min((distances[name] for name in imports if name in distances), default=EVERYWHERE)
            named = Path(test).stem == f"test_{stem}" and parts[:1] == tuple(room[:1])
            same = bool(room) and parts[:1] == tuple(room[:1])
            if named or same or near < EVERYWHERE or parts[:1] == ("cli",):
                ranked.append((not named, near - 2 * same, parts[:1] == ("cli",), test))
        return [test for *_, test in sorted(ranked)]


class _First:
    """Remembers the first test that fails, and the one that is running.

    Args:
        most: CPU seconds that all tests may take.
        out: where the answer is written.
    """

    def __init__(self, most: int, out: str) -> None:
        self.failed: str | None = None
        self.most = most
        self.out = Path(out)
        self.running = ""
        self.since = 0.0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Keep which test runs, and since when.

        Args:
            nodeid: the name of the test.
        """
        self.running, self.since = nodeid, time.process_time()

    def stop(self, *_: object) -> None:
        """At the deadline: one test that took half of it ran away, many that took all of it did not fail."""
        if time.process_time() - self.since > self.most / 2:
            self.failed = self.failed or f"{self.running} (ran away)"
        self.write()

    def write(self) -> None:
        """Write the answer and end the process."""
        self.out.write_text(json.dumps({"failed": self.failed}), encoding="utf-8")
        os._exit(0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the name of a test that failed.

        Args:
            report: what pytest says of one phase of one test.
        """
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep the name of a file that cannot be imported.

        Args:
            report: what pytest says of one file.
        """
        if report.failed and self.failed is None:
            self.failed = f"{report.nodeid} (import)"


def _child(tree: str, tests: list[str], most: int, out: str) -> None:
    """Run tests in a tree, and write the first that fails."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    os.chdir(tree)
    sys.path.insert(0, tree)
    os.environ["PYTHONPATH"] = tree
    sink = os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    import cfsearch  # only now does the name stand for the tree

    if not str(cfsearch.__file__).startswith(tree):
        raise SystemExit(f"{cfsearch.__file__} is not of {tree}")
    first = _First(most, out)
    signal.signal(signal.SIGXCPU, first.stop)
    warm = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis is there before pytest
    options = [
        "-x",
        "-q",
        "-n",
        "0",
        "-o",
        "addopts=",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "-W",
        warm,
    ]
    ended = pytest.main([*options, *tests], plugins=[first])
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}:
        first.failed = first.failed or f"pytest ended with {ended!r}"
    first.write()


def first_failure(tree: Path, tests: list[str], most: int) -> tuple[str | None, float]:
    """The test that fails first, None where all pass, and the CPU seconds that this took.

    Args:
        tree: the root of the scratch copy.
        tests: files or names of tests, in order.
        most: CPU seconds after which the run counts as ended by its deadline.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mutants_tests", *WARM])
    out = tree.parent / "first.json"
    out.unlink(missing_ok=True)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(str(tree), tests, most, str(out), writer))
    process.start()
    writer.close()
    seconds = float(most)
    if reader.poll(20 * most + 120):
        seconds = float(reader.recv())
    process.join(10)
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    if not out.exists():
        return (RAN_AWAY if seconds >= 0.9 * most else CRASHED), seconds
    failed = json.loads(out.read_text(encoding="utf-8"))["failed"]
    return (None if failed is None else str(failed)), seconds


def _timed(tree: str, tests: list[str], most: int, out: str, writer: object) -> None:
    """Fork once more, so that the CPU seconds of the child and of all that it starts are known."""
    pid = os.fork()
    if pid == 0:
        try:
            _child(tree, tests, most, out)
        except Exception:  # noqa: BLE001 - whatever it is, it is printed, and the process ends
            traceback.print_exc()
        os._exit(1)
    _, status, used = os.wait4(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        print(Path(f"{out}.log").read_text(encoding="utf-8"), file=sys.stderr)
    writer.send(used.ru_utime + used.ru_stime)  # type: ignore[attr-defined] # a Connection, private in typeshed
