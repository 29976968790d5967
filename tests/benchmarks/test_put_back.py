"""The cases of ``put_back.py`` fit the code and the tests of today, and it says what became of each."""

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.checkout


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("mutmut", reason="the group `mutation` is not installed")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "house"))
    return importlib.import_module("put_back")


def names_of(file: str) -> Iterator[str]:
    """The tests of a file, those of a class with its name before them."""
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef))


def test_the_code_of_every_case_is_there_once_and_its_tests_exist(command: ModuleType) -> None:
    cases = command.CASES
    assert len(cases) > 90
    assert len({case.line for case in cases}) == len(cases)
    for case in cases:
        count = (ROOT / case.file).read_text(encoding="utf-8").count(case.before)
        assert count == 1, f"{case.line}: `{case.before}` occurs {count} times in {case.file}"
        assert case.before != case.after, case.line
        assert case.tests, case.line
        for test in case.tests:
            file, _, name = test.partition("::")
            assert not name or name.partition("[")[0] in set(names_of(file)), test


CODE = "limit = 3\n"


@pytest.mark.parametrize(
    ("before", "failed", "words"),
    [
        ("limit = 3", "tests/test_x.py::test_limit", "held by tests/test_x.py::test_limit"),
        ("limit = 3", None, "NOT HELD"),
        ("limit = 3", "not judged: the process of the tests ended without an answer", "NOT HELD: not judged"),
        ("limit = 4", "tests/test_x.py::test_limit", "GONE: `limit = 4` occurs 0 times in code.py"),
    ],
)
def test_what_became_of_a_fault(
    command: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
    failed: str | None,
    words: str,
) -> None:
    (tmp_path / "code.py").write_text(CODE, encoding="utf-8")
    seen: list[str] = []

    def first_failure(tree: Path, tests: Mapping[str, object], _: int) -> tuple[str | None, float]:
        assert list(tests) == ["tests/test_x.py"]
        seen.append((tree / "code.py").read_text(encoding="utf-8"))
        return failed, 1.5

    monkeypatch.setattr(command, "first_failure", first_failure)
    case = command.Case("a limit", "code.py", before, "limit = 0", ("tests/test_x.py",))
    assert command.verdict(tmp_path, case, 60)[0].startswith(words)
    assert seen == ([] if words.startswith("GONE") else ["limit = 0\n"])
    assert (tmp_path / "code.py").read_text(encoding="utf-8") == CODE


def test_a_test_that_fails_without_any_fault_ends_the_command(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "scratch", lambda *_: tmp_path)
    monkeypatch.setattr(command, "first_failure", lambda *_: ("tests/test_x.py::test_y", 1.0))
    monkeypatch.setattr("sys.argv", ["put_back.py", "--of", "max_batch"])
    assert command.main() == 1


def test_a_browsers_test_is_not_tried_without_one(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "scratch", lambda *_: tmp_path)
    monkeypatch.setattr(command, "first_failure", lambda *_: (None, 1.0))
    monkeypatch.setattr(command.shutil, "which", lambda _: None)
    monkeypatch.setattr("sys.argv", ["put_back.py", "--of", "pictures of the page can be enlarged"])
    assert command.main() == 0
    assert "0 of 1 faults held, 1 not tried" in capsys.readouterr().out
