"""Which mutants are drawn, which are left out by rule, and which tests are run against them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "house"
pytestmark = pytest.mark.checkout
TEXT = '''"""A docstring of 3 words."""
import os
from typing import cast
__slots__ = ("a",)
def f(x: int = 3, *, way: str = "up") -> str:
    """Another docstring."""
    if x < 0:
        raise ValueError(f"f: x must be >= 0, got {x + 1}.")
    logger.warning("x", x + 1)
    y = "two words"
    open(way, encoding="utf-8")
    return g(x, way=way)
'''


def _module(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec and spec.loader
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    pytest.importorskip("mutmut", reason="the group `mutation` is not installed")
    return _module("mutants_draw")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives" / "one.py").write_text(TEXT, encoding="utf-8")
    return tmp_path


def test_lines_left_out_by_rule_have_no_mutants(draw: ModuleType, tree: Path) -> None:
    source = draw.Source(tree, "objectives/one.py")
    assert sorted(source.by_line) == [5, 7, 11, 12]


def test_every_mutant_of_a_line_is_the_change_that_it_says(draw: ModuleType, tree: Path) -> None:
    found = {mutant.change for mutant in draw.Source(tree, "objectives/one.py").mutants(12)}
    assert {"g(x, way=way) -> g(x, )", "g(x, way=way) -> g(x, way=None)"} <= found
    [less] = [mutant for mutant in draw.Source(tree, "objectives/one.py").mutants(7) if "<=" in mutant.change]
    assert less.code == TEXT.replace("x < 0", "x <= 0")


def test_an_encoding_is_neither_changed_nor_dropped(draw: ModuleType, tree: Path) -> None:
    changed = [mutant.code for mutant in draw.Source(tree, "objectives/one.py").mutants(11)]
    assert changed
    assert all('encoding="utf-8"' in code for code in changed)


def test_one_seed_is_one_draw_and_no_line_comes_twice(draw: ModuleType, tree: Path) -> None:
    first, again = (list(draw.drawn(tree, 9, 5)) for _ in range(2))
    assert first == again
    assert sorted(mutant.line for mutant in first) == [5, 7, 11, 12]


def test_the_nearest_tests_come_first(draw: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    choice = _module("mutants_tests").Choice(ROOT)
    chosen = choice.of("objectives/gower.py")
    assert chosen[0] == "tests/objectives/test_gower.py"
    assert any(test.startswith("tests/cli/") for test in chosen)
    [first, *_] = choice.of("cfsearch/cli/bench.py")
    assert '"bench"' in (ROOT / first).read_text(encoding="utf-8")  # the tests that call the command


def test_the_wilson_interval_is_the_published_one(draw: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    low, high = _module("mutants_log").wilson(81, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
