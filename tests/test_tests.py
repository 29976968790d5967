"""The tests themselves: each can fail, none measures seconds, none is content with any exception."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CLOCKS = {"perf_counter", "process_time", "perf_counter_ns", "process_time_ns", "thread_time"}
CHECKS = {"raises", "warns", "fail", "deprecated_call"}
pytestmark = pytest.mark.checkout


def _called(node: ast.AST) -> set[str]:
    """The last names of all that is called in a part of a file."""
    calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
    names = {f.attr for f in calls if isinstance(f, ast.Attribute)}
    return names | {f.id for f in calls if isinstance(f, ast.Name)}


def _checks(node: ast.AST, known: set[str]) -> bool:
    """Whether a part of a file can fail by a check of its own or of a helper."""
    called = _called(node)
    says = any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(node))
    return says or bool(called & (CHECKS | known)) or any(name.startswith("assert_") for name in called)


def _checking_helpers() -> set[str]:
    """The names of functions of the tests that check something, directly or through another."""
    functions = [
        node
        for file in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("test_")
    ]
    known: set[str] = set()
    while more := {f.name for f in functions if f.name not in known and _checks(f, known)}:
        known |= more
    return known


def _tests(text: str) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def faults(text: str, known: set[str]) -> list[str]:
    """What is wrong with the tests of a file, a line each.

    Args:
        text: the source.
        known: helpers that check something.
    """
    found = []
    for test in _tests(text):
        if not _checks(test, known):
            found.append(f"{test.lineno} {test.name}: checks nothing")
        for node in ast.walk(test):
            if isinstance(node, ast.Assert) and isinstance(
                node.test, ast.Constant | ast.Tuple | ast.JoinedStr
            ):
                found.append(f"{node.lineno} {test.name}: `{ast.unparse(node)}` cannot fail")
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "raises"
            ):
                kinds = {ast.unparse(arg) for arg in node.args[:1]}
                if kinds & {"Exception", "BaseException"} and not node.keywords:
                    found.append(f"{node.lineno} {test.name}: any exception would do")
        if clocks := _called(test) & CLOCKS:
            found.append(f"{test.lineno} {test.name}: measures seconds ({', '.join(sorted(clocks))})")
    return found


def test_every_test_can_fail_and_none_measures_seconds() -> None:
    known = _checking_helpers()
    files = sorted(TESTS.rglob("test_*.py"))
    assert len(files) > 100
    found = [
        f"{file.relative_to(TESTS)}:{fault}"
        for file in files
        for fault in faults(file.read_text(encoding="utf-8"), known)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("f()", "checks nothing"),
        ("assert True", "cannot fail"),
        ("assert (x == 1, 'no')", "cannot fail"),
        ("with pytest.raises(Exception):\n        f()", "any exception would do"),
        ("t = time.perf_counter()\n    assert f() < t", "measures seconds"),
    ],
)
def test_a_test_that_cannot_fail_is_found(body: str, fault: str) -> None:
    [found] = faults(f"def test_x():\n    {body}\n", set())
    assert fault in found


@pytest.mark.parametrize(
    "body",
    [
        "assert f() == 1",
        "helper()",
        "assert_close(f(), 1)",
        "with pytest.raises(Exception, match='x'):\n        f()",
    ],
)
def test_a_test_that_can_fail_is_left_alone(body: str) -> None:
    assert faults(f"def test_x():\n    {body}\n", {"helper"}) == []
