"""What a shell completes: values of options, without importing anything heavy."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cfsearch import registry
from cfsearch.cli import main

from .conftest import START, Toys
from .test_manners import HEAVY

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash is offered for the last word of a line, in a folder with a model and two tables."""
    Toys(tmp_path).model()
    (tmp_path / "applicants.csv").write_text("\ufeffage,sex,income,decision\n30,male,2500,refuse\n")
    (tmp_path / "photos.csv").write_text("file,Male,Smiling\na.png,1,0\n")
    monkeypatch.chdir(tmp_path)

    def offered(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        result = CliRunner().invoke(main, [], env={"_CFSEARCH_COMPLETE": "bash_complete", **words})
        assert result.exit_code == 0, result.output
        return [each.partition(",")[2] for each in result.stdout.splitlines() if each]

    return offered


def test_names_of_plug_ins_are_completed(complete: Complete) -> None:
    assert complete("cfsearch search --solver ") == list(registry.installed("solvers"))
    assert complete("cfsearch audit --solver nsga2") == ["nsga2"]
    assert complete("cfsearch plan --objective pl") == ["plausibility"]
    assert complete("cfsearch bench --constraint max") == ["max_changed"]
    assert complete("cfsearch explain --method grad") == ["gradient", "gradual"]
    assert complete("cfsearch distill --network len") == ["lenet5"]
    assert complete("cfsearch train generator --family a") == ["attgan"]


def test_generators_are_plug_ins_checkpoints_or_files(complete: Complete) -> None:
    assert {"pixels", "attgan", "faces64"} <= set(complete("cfsearch search --generator "))
    assert complete("cfsearch search --generator fac") == ["faces64"]
    assert complete("cfsearch search --generator ./mi") == ["./mi"]


def test_lists_complete_their_last_name_and_leave_out_those_that_stand_there(complete: Complete) -> None:
    assert complete("cfsearch bench --solvers nsga2,rando") == ["nsga2,random"]
    assert complete("cfsearch search --seed-with gradient,grad") == ["gradient,gradual"]
    start = "cfsearch search --data applicants.csv --immutable "
    assert complete(start + "age,") == ["age,sex", "age,income", "age,decision"]


def test_columns_of_the_table_are_completed(complete: Complete) -> None:
    table = "cfsearch audit --data applicants.csv"
    assert complete(f"{table} --immutable ") == ["age", "sex", "income", "decision"]
    assert complete(f"{table} --by s") == ["sex"]
    assert complete(f"{table} --label d") == ["decision"]
    assert complete(f"{table} --where in") == ["income="]
    assert complete("cfsearch schema table applicants.csv --ignore i") == ["income"]
    assert complete("cfsearch audit --attributes photos.csv --by M") == ["Male"]
    assert complete("cfsearch train generator --attributes photos.csv --names S") == ["Smiling"]


def test_classes_of_the_model_are_completed(complete: Complete) -> None:
    assert complete("cfsearch audit --model model.onnx --target b") == ["bright"]
    assert complete("cfsearch search model.onnx --target d") == ["dark"]
    assert complete("cfsearch audit --sidecar model.toml --target ") == ["dark", "bright"]


@pytest.mark.parametrize(
    "line",
    [
        "cfsearch audit --data nowhere.csv --by ",
        "cfsearch audit --by ",
        "cfsearch audit --target ",
        "cfsearch audit --model nowhere.onnx --target ",
        "cfsearch audit --data model.onnx --by ",
    ],
)
def test_what_cannot_be_read_completes_to_nothing(complete: Complete, line: str) -> None:
    assert complete(line) == []


def test_choices_and_commands_are_completed(complete: Complete) -> None:
    assert complete("cfsearch ex") == ["explain", "explore", "export"]
    assert complete("cfsearch export --format ") == [
        "jsonl",
        "csv",
        "parquet",
        "pictures",
        "sounds",
        "in-toto",
        "svr",
        "cyclonedx",
        "aiverify",
        "aiverify-plugin",
        "model-card",
        "ll144",
        "annex-iv",
    ]
    assert complete("cfsearch schema mani") == ["manifest"]


def test_completion_imports_nothing_heavy(complete: Complete) -> None:
    check = (
        f"import atexit, sys; atexit.register(lambda: print([n for n in {HEAVY!r} if n in sys.modules])); "
    )
    done = subprocess.run(
        [sys.executable, "-c", check + START],
        env={
            **os.environ,
            "_CFSEARCH_COMPLETE": "bash_complete",
            "COMP_WORDS": "cfsearch audit --data applicants.csv --by ",
            "COMP_CWORD": "5",
        },
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["plain,age", "plain,sex", "plain,income", "plain,decision", "[]"], (
        done.stderr
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    done = CliRunner().invoke(main, [], env={"_CFSEARCH_COMPLETE": f"{shell}_source"})
    assert done.exit_code == 0
    assert "_CFSEARCH_COMPLETE" in done.stdout
