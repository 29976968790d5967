"""The help of every command: grouped, with defaults that are true and examples that run."""

import json
import re
import shlex
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cfsearch.cli import main
from cfsearch.cli._group import COMMANDS
from cfsearch.cli._help import Command
from cfsearch.config import Config, ModelConfig, RunConfig, SearchConfig

from .conftest import Call, Toys

ELSEWHERE = ("demo", "train", "measure", "distill", "explore")
"""Commands whose examples are parsed only: they train, or open a browser. Each has tests of its own."""


def commands() -> Iterator[tuple[str, Command]]:
    """Every command with options of its own, by the words that call it."""
    context = click.Context(main)
    for name in COMMANDS:
        found = main.get_command(context, name)
        inside = found.commands.items() if isinstance(found, click.Group) else [("", found)]
        for word, command in inside:
            assert isinstance(command, Command), name
            yield f"{name} {word}".strip(), command


ALL = dict(commands())
EXAMPLES = [line for command in ALL.values() for line in command.examples]


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_examples_and_every_option_a_help(name: str) -> None:
    assert ALL[name].examples
    for param in ALL[name].params:
        if isinstance(param, click.Option):
            assert param.help, param.name


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_can_be_parsed(line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "cfsearch"
    name = next(name for name in (" ".join(words[1:3]), words[1]) if name in ALL)
    ALL[name].make_context(name, words[1 + len(name.split()) :])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: models, pictures, a table, a run, a front."""
    import pandas as pd
    import skops.io
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("examples")
    toys = Toys(folder)
    toys.model()
    toys.model("new.onnx")
    for i in range(2):
        toys.picture(f"photos/face{i}.png", seed=i)
    toys.picture()
    rows = [
        (30 + i % 8, ("female", "male")[i % 2], 2500 + 90 * i, "approve" if i > 11 else "refuse")
        for i in range(24)
    ]
    table = pd.DataFrame(rows, columns=["age", "sex", "income", "decision"])
    table.to_csv(folder / "applicants.csv", index=False)
    fitted = LogisticRegression().fit(table[["age", "income"]], table["decision"])
    skops.io.dump(fitted, folder / "credit.skops")
    (folder / "theirs.csv").write_text("original,age,income\n0,31,4000\n1,31,2600\n")
    dice = {"feature_names": ["age", "income"], "test_data": [[[30, 2500, 0]]], "cfs_list": [[[30, 4000, 1]]]}
    (folder / "theirs.json").write_text(json.dumps(dice))
    for name, seed in (("a.png", 0), ("a.cf.png", 1)):
        toys.picture(f"pairs/{name}", seed=seed)
    write_settings(folder)
    with wave.open(str(folder / "seven.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(i * i % 251 for i in range(8000)))
    (folder / "runs").mkdir()
    return folder


def write_settings(folder: Path) -> None:
    (folder / "cfsearch.toml").write_text(
        '[model]\npath = "model.onnx"\n[data]\nimages = "photos"\n[generator]\nsource = "pixels"\nsettings = {grid = 2}\n'
    )


def answers(folder: Path) -> None:
    """One answer each of two methods, to the faces that the examples write."""
    for method in ("ours", "theirs"):
        (folder / method / "gender_balanced").mkdir(parents=True, exist_ok=True)
    drawn = folder / "tasks" / "originals" / "face-0000.png"
    for name in ("ours", "theirs"):
        shutil.copy(drawn, folder / name / "gender_balanced")


FAST = shlex.split("--evaluations 40 --population 20 --threads 1")


@pytest.mark.parametrize(
    "line", [line for line in EXAMPLES if line.split()[1] not in (*ELSEWHERE, "explain")]
)
def test_examples_run(workplace: Path, call: Call, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    words = shlex.split(line)[1:]
    if words[0] in ("show", "report", "export", "verify") and not (workplace / "face.front").exists():
        search = ("--model", "model.onnx", "--generator", "pixels:grid=2", *FAST, "--evaluations", "400")
        # another example may have begun this run with other settings
        shutil.rmtree(workplace / "runs" / "one", ignore_errors=True)
        assert call("audit", "--images", "photos", *search, "--out", "runs/one").code == 0
        assert call("search", "face.png", *search, "--save", "face.front").code == 0
    if words[0] == "diff":  # two runs on the same pictures, whatever other examples left there
        for name, seed in (("one", "0"), ("two", "1")):
            shutil.rmtree(workplace / "runs" / name, ignore_errors=True)
            audit = ("--images", "photos", "--model", "model.onnx", "--generator", "pixels:grid=2", *FAST)
            assert call("audit", *audit, "--seed", seed, "--out", f"runs/{name}").code == 0
    if "runs/digits" in words and not (workplace / "runs" / "digits").exists():
        assert call("audit", "--sounds", "seven.wav", *FAST, "--out", "runs/digits").code == 0
    if "runs/people" in words and not (workplace / "runs" / "people").exists():
        rows = ("--data", "applicants.csv", "--model", "credit.skops", "--by", "sex", *FAST)
        assert call("audit", *rows, "--out", "runs/people").code == 0
    if "one.intoto.json" in words:  # what is stated now, of the run that stands there now
        assert call("export", "runs/one", "--format", "in-toto", "--out", "one.intoto.json").code == 0
    if words[:2] == ["bench", "originals"]:
        shutil.rmtree(workplace / words[2], ignore_errors=True)
    if words[:2] == ["bench", "audit"]:
        if not (workplace / "tasks").exists():
            assert call("bench", "originals", "tasks").code == 0
        answers(workplace)
    if words[0] in ("search", "audit", "plan") or words[:2] == ["bench", "solvers"]:
        words += FAST
    if words[0] == "init":
        (workplace / "cfsearch.toml").unlink(missing_ok=True)
    if "cfsearch.toml" in words and not (workplace / "cfsearch.toml").exists():
        write_settings(workplace)
    answer = call(*words)
    assert answer.code == 0, answer.err


def test_defaults_in_the_help_are_those_of_the_settings() -> None:
    model = ModelConfig(path="model.onnx")
    search = SearchConfig()
    helps = {p.name: str(p.help) for p in ALL["audit"].params if isinstance(p, click.Option)}
    for name, value in (
        ("votes", model.votes),
        ("sigma", model.sigma),
        ("evaluations", search.evaluations),
        ("population", search.population),
        ("capacity", search.capacity),
        ("patience", search.patience),
        ("answers", search.answers),
        ("robustness", search.robustness),
        ("seed", search.seed),
        ("device", RunConfig().device),
    ):
        assert re.search(rf"default {value}\b", helps[name]), name
    rows = Config.check({"model": {"path": "m"}, "data": {"table": "t"}}).search
    for name, value in (
        ("evaluations", rows.evaluations),
        ("population", rows.population),
        ("patience", rows.patience),
    ):
        assert re.search(rf"of a row {value}[.,]", helps[name]), name
    for what, given, names in (
        ("with a reference table", {"data": {"table": "t", "reference": "r"}}, ("evaluations",)),
        ("of bayesian", {"search": {"solver": "bayesian"}}, ("evaluations", "population")),
    ):
        found = Config.check({"model": {"path": "m"}, "data": {"images": "i"}, **given}).search
        for name in names:
            assert re.search(rf"{what} {getattr(found, name)}[.,]", helps[name]), name
    config = Config.check({"model": {"path": "m"}, "data": {"images": "i"}})
    assert f"default {config.generator.source}," in helps["generator"]
    assert f"{search.solver.name} (default)" in helps["solver"]


def test_options_stand_under_headings(call: Call) -> None:
    text = call("audit", "--help").out
    headings = [
        "Examples:",
        "Model:",
        "Inputs:",
        "Counterfactuals:",
        "Search:",
        "Output:",
        "Running:",
        "General:",
    ]
    places = [text.index(f"\n{heading}\n") for heading in headings]
    assert places == sorted(places)
    section = text.partition("\nSearch:\n")[2].partition("\n\n")[0]
    assert "--solver" in section
    assert "--model" not in section
    assert "\nOptions:\n" not in text
    assert "\nOptions:\n" in call("show", "--help").out


@pytest.mark.parametrize("name", ALL)
def test_no_option_is_without_a_heading_where_there_are_headings(name: str, call: Call) -> None:
    text = call(*name.split(), "--help").out
    assert not ("\nOptions:\n" in text and "\nGeneral:\n" in text)


def test_a_group_alone_shows_its_help(call: Call) -> None:
    answer = call("train")
    assert answer.code == 0
    assert answer.err == ""
    assert "Commands:\n  critic " in answer.out


def test_a_long_example_is_broken_between_options() -> None:
    context = click.Context(ALL["explain"], info_name="cfsearch explain", terminal_width=60)
    text = ALL["explain"].get_help(context)
    assert '  cfsearch explain --text "a moving, funny film" \\\n      --out words.html\n' in text
