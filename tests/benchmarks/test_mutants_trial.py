"""What a run of tests says of a mutant: killed, survived, without end, not judged; and the log that keeps it."""

import importlib
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "house"
pytestmark = pytest.mark.checkout
CODE = "def less(n):\n    while n > 0:\n        n -= 1\n    return n\n"
TESTS = {
    "a": "def test_alone():\n    assert True\n",
    "b": "from cfsearch.objectives.one import less\n\ndef test_none_is_left():\n    assert less(3) == 0\n",
    "broken": "def test_never():\n    assert False\n",
}
MUTANTS = {
    "killed": CODE.replace("n > 0", "n > 1"),
    "survived": CODE.replace("n > 0", "n >= 1"),
    "endless": CODE.replace("n -= 1", "n -= 0"),
    "crashed": CODE.replace("return n", "__import__('os')._exit(3)"),
    "unreadable": CODE.replace("return n", "return n n"),
}
B = "tests/objectives/test_b.py::test_none_is_left"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    pytest.importorskip("mutmut", reason="the group `mutation` is not installed")
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {"mutants": "mutants", "draw": "mutants_draw", "log": "mutants_log", "tests": "mutants_tests"}
    found = SimpleNamespace(**{name: importlib.import_module(module) for name, module in names.items()})
    monkeypatch.setattr(found.tests, "WARM", ())
    monkeypatch.setattr(found.tests, "PATIENCE", 60)
    return found


def tree_of(root: Path, tests: tuple[str, ...] = ("a", "b")) -> Path:
    for folder in ("cfsearch/objectives", "tests/objectives"):
        (root / folder).mkdir(parents=True)
    (root / "cfsearch" / "__init__.py").touch()
    (root / "cfsearch" / "objectives" / "__init__.py").touch()
    for plugin in entry_points(group="pytest11"):  # what pytest loads of ours, wherever it runs
        if plugin.module.startswith("cfsearch."):
            module = root / f"{plugin.module.replace('.', '/')}.py"
            module.parent.mkdir(exist_ok=True)
            (module.parent / "__init__.py").touch()
            module.touch()
    (root / "cfsearch" / "objectives" / "one.py").write_text(CODE, encoding="utf-8")
    for name in tests:
        (root / f"tests/objectives/test_{name}.py").write_text(TESTS[name], encoding="utf-8")
    return root


def trial_of(tools: SimpleNamespace, tree: Path, *names: str) -> Any:  # Any: a Trial
    choice = SimpleNamespace(of=lambda file: [f"tests/objectives/test_{name}.py" for name in names])
    return tools.mutants.Trial(tree, choice, 4, 9)


def mutant_of(draw: ModuleType, name: str) -> object:
    return draw.Mutant("cfsearch/objectives/one.py", 2, name, name, MUTANTS[name])


@pytest.mark.slow
def test_each_kind_of_end_is_distinguished(tools: SimpleNamespace, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree")
    trial = trial_of(tools, tree, "a", "b")
    ends = {name: trial(mutant_of(tools.draw, name))["killed_by"] for name in MUTANTS}
    assert ends == {
        "killed": B,
        "survived": None,
        "endless": f"{B} {tools.tests.RAN_AWAY}",
        "crashed": tools.tests.CRASHED,
        "unreadable": "tests/objectives/test_b.py (import)",
    }
    assert (tree / "cfsearch/objectives/one.py").read_text(encoding="utf-8") == CODE


@pytest.mark.slow
def test_a_long_test_that_meets_the_deadline_kills_nothing(tools: SimpleNamespace, tmp_path: Path) -> None:
    trial = trial_of(tools, tree_of(tmp_path / "tree"), "b")
    trial.alone[B] = 1.5  # of a deadline of 4 s
    assert trial(mutant_of(tools.draw, "endless"))["killed_by"] is None


@pytest.mark.slow
def test_a_test_that_fails_without_the_change_kills_nothing(tools: SimpleNamespace, tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", ("broken", "b"))
    trial = trial_of(tools, tree, "broken", "b")
    ends = [trial(mutant_of(tools.draw, name))["killed_by"] for name in ("survived", "killed")]
    assert ends == [None, B]


@pytest.mark.slow
def test_two_at_a_time_try_each_mutant_once_in_their_own_copies(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    trials = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        trials.append(trial_of(tools, tree_of(tmp_path / name / "tree"), "b"))
    names = ["killed", "survived", "unreadable", "killed", "survived"]
    lines = list(tools.mutants.tried((mutant_of(tools.draw, name) for name in names), trials))
    assert sorted(line["mutant"].rpartition(" ")[2] for line in lines) == sorted(names)
    assert {line["mutant"].rpartition(" ")[2] for line in lines if line["killed_by"] is None} == {"survived"}


def test_a_log_is_taken_up_again_without_the_line_that_was_cut_short(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    log = tools.log.Log.opened(path, seed=5, of=[], source="x")
    log.add({"mutant": "a", "killed_by": None, "seconds": 1.0})
    log.add({"mutant": "b", "killed_by": "t", "seconds": 1.0})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"mutant": "c", "kil')
    again = tools.log.Log.opened(path, seed=5, of=[], source="x")
    assert list(again.lines) == ["a", "b"]
    again.add({"mutant": "a", "killed_by": "t", "seconds": 1.0})  # tried again: the last word counts
    assert tools.log.Log.opened(path, seed=5, of=[], source="x").survivors == []
    assert [json.loads(line)["mutant"] for line in path.read_text().splitlines()[1:]] == ["a", "b", "a"]
    assert tools.log.Log.seed_of(path) == 5
    assert tools.log.Log.seed_of(tmp_path / "none") is None


@pytest.mark.parametrize("other", [{"seed": 6}, {"of": ["objectives"]}, {"source": "y"}])
def test_a_log_of_another_draw_is_refused(
    tools: SimpleNamespace, tmp_path: Path, other: dict[str, object]
) -> None:
    given = {"seed": 5, "of": [], "source": "x"}
    tools.log.Log.opened(tmp_path / "log.jsonl", **given)
    with pytest.raises(ValueError, match=r"holds another draw: .* Name another --log\."):
        tools.log.Log.opened(tmp_path / "log.jsonl", **(given | other))


def test_what_was_not_judged_is_no_part_of_the_score(tools: SimpleNamespace, tmp_path: Path) -> None:
    log = tools.log.Log.opened(tmp_path / "log.jsonl", seed=5, of=[], source="x")
    assert log.report() == "seed 5: no mutant was judged"
    for key, end in {"a": "t", "b": "u (no end)", "c": None, "d": tools.tests.CRASHED}.items():
        log.add({"mutant": key, "killed_by": end, "seconds": 2.0})
    words = log.report().splitlines()
    assert words[:2] == [
        "seed 5, 3 mutants judged, 2.0 CPU s a mutant",
        "killed 2 (of these because a test had no end 1), survived 1",
    ]
    assert words[2].startswith("score 66.7% [")
    assert words[3].endswith("crashed: d")
    assert words[-1] == "  c"


def test_the_sources_of_a_draw_have_one_digest(tools: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1", encoding="utf-8")
    before = tools.log.digest(tmp_path, ["a"])
    assert before == tools.log.digest(tmp_path, ["a"])
    (tmp_path / "a").write_text("2", encoding="utf-8")
    assert before != tools.log.digest(tmp_path, ["a"])
    assert str(FOLDER) in sys.path
