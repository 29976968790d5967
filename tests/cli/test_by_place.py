"""An option that names what the command takes by its place is answered with the line to write."""

import click
import pytest

from cfsearch.cli._errors import Fault
from cfsearch.cli._group import COMMANDS, main
from cfsearch.cli._settings import model_first


def run(line: str) -> str:
    context = main.make_context("cfsearch", line.split())
    with context, pytest.raises(click.ClickException) as caught:
        main.invoke(context)
    return Fault.of(caught.value).message


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("doctor --model m.onnx", "cfsearch doctor m.onnx"),
        ("doctor --model=m.onnx --size 64", "cfsearch doctor m.onnx ..."),
        ("show --run R", "cfsearch show R"),
        ("show --front a.front", "cfsearch show a.front"),
        ("check --folder R", "cfsearch check R"),
        ("export --run", "cfsearch export RUN"),
        ("diff --run A", "cfsearch diff A RUN_B"),
        ("audit --config c.toml", "cfsearch audit c.toml"),
        ("schema --data t.csv", "cfsearch schema [NAME] t.csv"),
        ("search --image f.png", "cfsearch search f.png"),
        ("bench solvers --images f.png", "cfsearch bench solvers f.png"),
    ],
)
def test_the_right_form_is_written_out(line: str, right: str) -> None:
    message = run(line)
    option = next(word for word in line.split() if word.startswith("--")).partition("=")[0]
    assert message.startswith(f"No such option '{option}': ")
    assert message.endswith(f"by its place, without an option. Write: {right}")


def required_arguments() -> list[tuple[str, click.Argument]]:
    found = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        params = [] if command is None or isinstance(command, click.Group) else command.params
        found += [(name, param) for param in params if isinstance(param, click.Argument) and param.required]
    return found


@pytest.mark.parametrize(("command", "argument"), required_arguments(), ids=lambda p: getattr(p, "name", p))
def test_every_command_knows_the_name_of_what_it_needs(command: str, argument: click.Argument) -> None:
    shown = str(argument.metavar).split("|")[0].split(".")[0].lower()
    message = run(f"{command} --{shown} given")
    assert f"Write: cfsearch {command} " in message
    assert " given" in message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("doctor --imags f", "No such option '--imags'. Did you mean '--images'?"),
        ("doctor --image f", "No such option '--image'. Did you mean '--images'?"),
        ("audit --run R", "No such option '--run'. See `cfsearch audit --help`."),
        ("init --out a", "No such option '--out'. See `cfsearch init --help`."),
    ],
)
def test_only_what_is_alike_is_offered(line: str, says: str) -> None:
    assert run(line) == says


@pytest.mark.parametrize(
    "name", ["w.ckpt", "w.bin", "w.PT", "model.safetensors.index.json", "m.tflite", "m.onnx"]
)
def test_a_first_argument_that_ends_like_a_model_is_the_model(name: str) -> None:
    assert model_first([name, "a.png"], {}) == (("a.png",), {"model": name})
    assert model_first(["a.png", name], {}) == (("a.png", name), {})
