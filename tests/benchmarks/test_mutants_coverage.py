"""Which tests are tried against a changed line, from a file of coverage with a context for each test."""

import ast
import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "house"
pytestmark = pytest.mark.checkout
CODE = """\
A = 1


def first(
    x,
    y=A,
):
    if (
        x
    ):
        return sum(
            [x, y]
        )
    try:
        y += 1
    except ValueError:
        y = 2
    match y:
        case 1:
            y = 3
    return y
"""
FILE = "objectives/one.py"


@pytest.fixture
def covered(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("coverage", reason="the group `mutation` is not installed")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("mutants_coverage")


@pytest.fixture
def covering(covered: ModuleType, tmp_path: Path) -> object:
    data = covered.CoverageData(str(tmp_path / "data"))
    contexts = {
        "": [1, 4],
        "tests/objectives/test_one.py::test_sum[a|b]|run": [8, 9, 11, 12],
        "tests/objectives/test_one.py::TestAll::test_rest|run": [8, 9, 14, 15, 18, 21],
        "tests/cli/test_far.py::test_case|setup": [8, 14, 15, 18, 19, 20, 21],
        "tests/cli/test_far.py::test_case|run": [11],
    }
    for context, lines in contexts.items():
        data.set_context(context)
        data.add_lines({str(tmp_path / FILE): lines})
    data.write()
    (tmp_path / "seconds.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.objectives.test_one" name="test_sum[a|b]" time="2.5"/>'
        '<testcase classname="tests.objectives.test_one.TestAll" name="test_rest" time="0.5"/>'
        '<testcase classname="tests.cli.test_far" name="test_case" time="4"/>'
        '<testcase classname="tests.cli.test_far" name="test_other" time="3"/></testsuite></testsuites>',
        encoding="utf-8",
    )
    return covered.Covering(tmp_path / "data", tmp_path / "seconds.xml", tmp_path)


SPANS = [
    (1, None),  # runs when the module is imported
    (6, range(8, 22)),  # a default: whatever runs the function
    (9, range(8, 11)),  # a condition, without what it guards
    (12, range(11, 14)),
    (15, range(15, 16)),
    (16, range(16, 17)),
    (17, range(17, 18)),
    (19, range(19, 20)),
    (20, range(20, 21)),
]


@pytest.mark.parametrize(("line", "lines"), SPANS)
def test_a_line_stands_for_its_statement(covered: ModuleType, line: int, lines: range | None) -> None:
    assert covered.span(ast.parse(CODE), line) == lines


def test_only_tests_that_run_the_statement_are_tried(covering: SimpleNamespace) -> None:
    one = "tests/objectives/test_one.py"
    assert covering.of(FILE, 13, CODE) == {
        one: {f"{one}::test_sum[a|b]"},
        "tests/cli/test_far.py": {"tests/cli/test_far.py::test_case"},
    }
    assert covering.of(FILE, 17, CODE) == {}
    assert covering.of("objectives/two.py", 13, CODE) == {}


def test_what_ran_in_a_fixture_concerns_the_whole_file(covering: SimpleNamespace) -> None:
    one = "tests/objectives/test_one.py"
    assert covering.of(FILE, 15, CODE) == {one: {f"{one}::TestAll::test_rest"}, "tests/cli/test_far.py": None}
    everything = {f"{one}::test_sum[a|b]", f"{one}::TestAll::test_rest"}
    assert covering.of(FILE, 1, CODE) == {one: everything, "tests/cli/test_far.py": None}


def test_the_cost_is_that_of_the_tests_to_run(covering: SimpleNamespace) -> None:
    one = "tests/objectives/test_one.py"
    assert covering.cost(one, {f"{one}::test_sum[a|b]"}) == 2.5
    assert covering.cost(one, {f"{one}::TestAll::test_rest"}) == 0.5
    assert covering.cost("tests/cli/test_far.py", None) == 7.0


def test_the_named_file_comes_first_and_the_others_by_cost_up_to_the_deadline(
    covering: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("mutmut", reason="the group `mutation` is not installed")
    mutants = importlib.import_module("mutants")
    monkeypatch.setattr(mutants, "SLOWED", 1)
    choice = SimpleNamespace(of=lambda file: ["tests/a.py"], kinship=mutants.Choice.kinship)
    mutant = SimpleNamespace(file=FILE, line=13)
    one, far = "tests/objectives/test_one.py", "tests/cli/test_far.py"
    trial = mutants.Trial(tmp_path, choice, 3, 9, covering)
    assert list(trial.selection(mutant, CODE)) == [one, far]
    trial.most = 2
    assert list(trial.selection(mutant, CODE)) == [one]
    mutant.line = 17  # no test runs it: the nearest files are tried
    assert trial.selection(mutant, CODE) == {"tests/a.py": None}
