"""Which tests run a line of the code: from one run of the suite under coverage, with a context for each test.

    uv run pytest --cov=cfsearch --cov=generators --cov=objectives --cov-context=test --cov-report= \
        --junitxml=seconds.xml

leaves ``.coverage`` and the seconds of each test; ``mutants.py --coverage .coverage --seconds seconds.xml`` takes both.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

from coverage import CoverageData

UNKNOWN = 1.0  # seconds of a test whose time is not in the file


def span(tree: ast.Module, line: int) -> range | None:
    """The lines of the smallest statement that a line belongs to, or of the body of the function that it begins.

    Args:
        tree: the module, parsed.
        line: the number of a line, from 1.

    Returns:
        The lines; None where the statement runs when the module is imported, which is the doing of no test.
    """
    found, inside = None, False
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, local = todo.pop()
        for child in ast.iter_child_nodes(node):
            within = local or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                end = getattr(child, "end_lineno", None) or _last(child)
                if _first(child) <= line <= end:
                    found, inside = child, within
                    todo.append((child, within))
    if found is None:
        return None
    if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
        return range(found.body[0].lineno, (found.end_lineno or found.lineno) + 1)
    if not inside:
        return None
    body = getattr(found, "body", None)
    last = _first(body[0]) - 1 if isinstance(body, list) and body else getattr(found, "end_lineno", line)
    return range(_first(found), max(last, _first(found)) + 1)


def _first(node: ast.AST) -> int:
    """The first line of a node; that of its pattern where it is a case."""
    return node.pattern.lineno if isinstance(node, ast.match_case) else int(getattr(node, "lineno", 0))


def _last(node: ast.AST) -> int:
    """The last line of a case, which has none of its own."""
    return max(int(getattr(n, "end_lineno", 0) or 0) for n in ast.walk(node))


class Covering:
    """Tests by the lines that they run.

    Args:
        data: the file of coverage, with contexts of pytest-cov.
        seconds: pytest's JUnit file of the same run.
        root: the root of the tree that was measured.
    """

    def __init__(self, data: Path, seconds: Path, root: Path) -> None:
        self.root = root.resolve()
        self.data = CoverageData(str(data))
        self.data.read()
        measured = {Path(file) for file in self.data.measured_files()}
        self.measured = {self._relative(file): str(file) for file in measured}
        self.seconds = _seconds(seconds)
        self.lines = cache(self._lines)

    def _relative(self, file: Path) -> str:
        """The path from the root, also of a file of a tree that has been moved."""
        parts = file.parts
        tops = [i for i, part in enumerate(parts) if part in {"cfsearch", "generators", "objectives"}]
        if file.is_relative_to(self.root):
            return str(file.relative_to(self.root))
        return "/".join(parts[tops[0] :]) if tops else str(file)

    def _lines(self, file: str) -> dict[int, list[str]]:
        """The contexts of each line of a file."""
        name = self.measured.get(file)
        return self.data.contexts_by_lineno(name) if name else {}

    def of(self, file: str, line: int, text: str) -> dict[str, set[str] | None]:
        """The files of tests that run a line, each with the tests that do; None where the whole file has to run.

        A line that first ran while a fixture was made may concern every test that shares the fixture.

        Args:
            file: the path of the source file from the root.
            line: the number of the line, from 1.
            text: the source before the change.
        """
        lines = self.lines(file)
        within = span(ast.parse(text), line)
        numbers: Iterable[int] = lines if within is None else within
        found: dict[str, set[str] | None] = defaultdict(set)
        for number in numbers:
            for context in lines.get(number, []):
                name, _, phase = context.rpartition("|")
                tests = found[name.partition("::")[0]] if name else None
                if name and phase != "run":
                    found[name.partition("::")[0]] = None
                elif tests is not None:
                    tests.add(name)
        return dict(found)

    def cost(self, file: str, tests: set[str] | None) -> float:
        """Seconds that tests of a file took.

        Args:
            file: the file of the tests.
            tests: their names; None for all of them.
        """
        known = self.seconds.get(file, {})
        if tests is None:
            return sum(known.values()) or UNKNOWN
        return sum(known.get(name.rpartition("::")[2], UNKNOWN) for name in tests)


def _seconds(junit: Path) -> dict[str, dict[str, float]]:
    """Seconds of each test by file and last part of its name."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for case in ET.parse(junit).iter("testcase"):
        parts = case.get("classname", "").split(".")
        while parts and not parts[-1].startswith("test_"):
            parts.pop()
        found["/".join(parts) + ".py"][case.get("name", "")] = float(case.get("time", "0"))
    return dict(found)
