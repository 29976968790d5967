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
from collections.abc import Collection, Mapping
from contextlib import suppress
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
RAN_AWAY: Final = "(no end)"
NO_START: Final = "(no start)"
CRASHED: Final = "not judged: the process of the tests ended without an answer"
PATIENCE: Final = 10  # seconds of the clock that a second of the deadline may take, on a busy machine


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


def _words(file: Path) -> set[str]:
    """The strings of a test file that are one word: the commands that it calls are among them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {text for text in found if text.isidentifier()}


def _room(file: str) -> list[str]:
    """The folders of a source file below the package."""
    return [part for part in Path(file).parts[:-1] if part != "cfsearch"]


class Choice:
    """The test files of a tree, in the order in which they are worth running against a change of a file.

    Args:
        root: the root of the tree.
    """

    def __init__(self, root: Path) -> None:
        sys.path.insert(0, str(root))
        self.graph = grimp.build_graph("cfsearch", cache_dir=None)
        files = {str(f.relative_to(root)): f for f in sorted((root / "tests").rglob("test_*.py"))}
        self.tests = {name: _imports(file) for name, file in files.items()}
        self.words = {name: _words(file) for name, file in files.items() if name.startswith("tests/cli/")}

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
        """Files of tests, the nearest first: of its name, of its command, of its room, that import it, neighbours.

        Args:
            file: the path of the changed file from the root.
        """
        module = module_of(file)
        distances = self._distances(module)
        stem = Path(file).stem.strip("_")
        ranked = []
        for test, imports in self.tests.items():
            parts = Path(test).parts[1:-1]
            near = min((distances[name] for name in imports if name in distances), default=EVERYWHERE)
            named, same = self.kinship(file, test)
            if named or same or near < EVERYWHERE or parts[:1] == ("cli",):
                called = _room(file) == ["cli"] and stem in self.words.get(test, ())
                ranked.append((not named, not called, near - 2 * same, parts[:1] == ("cli",), test))
        return [test for *_, test in sorted(ranked)]

    @staticmethod
    def kinship(file: str, test: str) -> tuple[bool, bool]:
        """Whether a file of tests has the name of a source file, and whether it stands in its room.

        Args:
            file: the path of the source file from the root.
            test: the path of the file of tests from the root.
        """
        room, parts = _room(file), Path(test).parts[1:-1]
        same = bool(room) and parts[:1] == tuple(room[:1])
        return same and Path(test).stem == f"test_{Path(file).stem.strip('_')}", same


def running_of(out: Path) -> Path:
    """The file that names the test which is running.

    Args:
        out: the file of the answer.
    """
    return out.with_suffix(".running")


class _First:
    """Remembers the first test that fails, and the one that is running.

    Args:
        most: CPU seconds that all tests may take.
        out: where the answer is written.
        tests: the names of the tests to run of each file; None for all of them.
    """

    def __init__(self, most: int, out: str, tests: Mapping[str, Collection[str] | None]) -> None:
        self.tests = tests
        self.failed: str | None = None
        self.most = most
        self.out = Path(out)
        self.running = ""
        self.since = 0.0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that are not to run.

        Args:
            items: all tests of the files; what is left out is taken from the list.
        """
        kept = []
        for item in items:
            names = self.tests.get(item.nodeid.partition("::")[0])
            if names is None or item.nodeid in names:
                kept.append(item)
        items[:] = kept

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Keep which test runs, and since when; also for the parent, which may have to end the process.

        Args:
            nodeid: the name of the test.
        """
        self.running, self.since = nodeid, time.process_time()
        running_of(self.out).write_text(nodeid, encoding="utf-8")

    def stop(self, *_: object) -> None:
        """At the deadline: one test that took half of it has no end, many that took all of it did not fail."""
        if time.process_time() - self.since > self.most / 2:
            self.failed = self.failed or f"{self.running} {RAN_AWAY}"
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


def _child(tree: str, tests: Mapping[str, Collection[str] | None], most: int, out: str) -> None:
    """Run tests in a tree, and write the first that fails."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    os.chdir(tree)
    sys.dont_write_bytecode = False  # the tree is compiled once, not for every mutant
    sys.path.insert(0, tree)
    os.environ["PYTHONPATH"] = tree
    sink = os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    import cfsearch  # only now does the name stand for the tree

    if not str(cfsearch.__file__).startswith(tree):
        raise SystemExit(f"{cfsearch.__file__} is not of {tree}")
    first = _First(most, out, tests)
    signal.signal(signal.SIGXCPU, first.stop)
    warm = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis is there before pytest
    settings = (
        "-o",
        "addopts=",
        "-o",
        "timeout=0",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        "--tb=no",
    )
    ended = pytest.main(["-x", "-q", "-n", "0", *settings, "-W", warm, *tests], plugins=[first])
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}:
        first.failed = first.failed or f"{next(iter(tests))} {NO_START}"
    first.write()


def first_failure(
    tree: Path, tests: Mapping[str, Collection[str] | None], most: int
) -> tuple[str | None, float]:
    """The test that fails first, None where all pass, and the CPU seconds that this took.

    Args:
        tree: the root of the scratch copy.
        tests: files or names of tests, in order, each with the names to run of it, None for all; none of them is no
            failure.
        most: CPU seconds after which the run is ended; ``PATIENCE`` times as many of the clock end it too.
    """
    if not tests:
        return None, 0.0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mutants_tests", *WARM])
    out = tree.parent / "first.json"
    for file in (out, running_of(out)):
        file.unlink(missing_ok=True)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(str(tree), dict(tests), most, str(out), writer))
    process.start()
    writer.close()
    seconds, ended = 0.0, False
    try:
        child = int(reader.recv())
        ended = reader.poll(PATIENCE * most)
        if not ended:
            os.killpg(child, signal.SIGKILL)
        seconds = float(reader.recv())
    except EOFError:
        ended = True
    process.join()
    if out.exists():
        failed = json.loads(out.read_text(encoding="utf-8"))["failed"]
        return (None if failed is None else str(failed)), seconds
    running = running_of(out)
    if running.exists() and (not ended or seconds >= 0.9 * most):
        return f"{running.read_text(encoding='utf-8')} {RAN_AWAY}", seconds
    return CRASHED, seconds


def _timed(
    tree: str, tests: Mapping[str, Collection[str] | None], most: int, out: str, writer: object
) -> None:
    """Fork once more, so that the CPU seconds of the child and of all that it starts are known."""
    pid = os.fork()
    if pid == 0:
        try:
            _child(tree, tests, most, out)
        except Exception:  # noqa: BLE001 - whatever it is, it is printed, and the process ends
            traceback.print_exc()
        os._exit(1)
    with suppress(OSError):  # both do it, whichever comes first
        os.setpgid(pid, pid)
    writer.send(pid)  # type: ignore[attr-defined] # a Connection, private in typeshed
    _, status, used = os.wait4(pid, 0)
    with suppress(OSError):  # what the tests started and left
        os.killpg(pid, signal.SIGKILL)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        print(Path(f"{out}.log").read_text(encoding="utf-8"), file=sys.stderr)
    writer.send(used.ru_utime + used.ru_stime)  # type: ignore[attr-defined] # a Connection, private in typeshed
