"""Every option of every command: its value reaches its place (the rows are in ``wiring``)."""

import inspect
import shlex
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click
import onnx
import pytest
from click.testing import CliRunner

from cfsearch.cli import main
from cfsearch.errors import ConfigError

from .conftest import Call, Flags, Toys
from .wiring import ROWS
from .wiring_elsewhere import ELSEWHERE
from .wiring_row import Row

EVERYWHERE = ("--json", "-q", "-v", "--debug")
"""What each command has; see ``ELSEWHERE``."""


def commands(
    command: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command by its words, groups left out."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from commands(inner, (*path, name))


def options() -> list[tuple[str, str]]:
    """Every option of every command, by its first long name."""
    found = {("", "--version")}
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                long = next((text for text in option.opts if text.startswith("--")), option.opts[0])
                known = set(EVERYWHERE) & set(option.opts)
                found.add(("*", known.pop()) if known else (name, long))
    return sorted(found)


def test_every_option_has_a_wiring_test() -> None:
    known = {*ROWS, *ELSEWHERE}
    missing = [
        f"cfsearch {command} {option}" for command, option in options() if (command, option) not in known
    ]
    assert not missing, (
        "options without a wiring test:\n  "
        + "\n  ".join(missing)
        + "\nAdd a row to ROWS in tests/cli/wiring.py (what is written, what the command then calls, what must "
        "arrive there), or to ELSEWHERE (wiring_elsewhere.py) the test that follows the option to the end."
    )


def test_no_row_is_of_an_option_that_is_gone() -> None:
    assert sorted({*ROWS, *ELSEWHERE} - set(options())) == []


@pytest.mark.parametrize("key", ELSEWHERE, ids=" ".join)
def test_a_test_that_is_named_elsewhere_is_there_and_uses_the_option(key: tuple[str, str]) -> None:
    file, _, name = ELSEWHERE[key].partition("::")
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    start = text.index(f"def {name}(")
    end = text.find("\ndef ", start)
    part = text[start : end if end > 0 else len(text)]
    assert f'"{key[1]}"' in part or f'"--no-{key[1][2:]}"' in part


def bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name; by position where a function of C does not say its names."""
    try:
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    except ValueError:
        return {str(i): value for i, value in enumerate(args)} | kwargs


def watch(monkeypatch: pytest.MonkeyPatch, border: str) -> list[dict[str, Any]]:
    """The arguments of each call of a function, which then ends the command."""
    place, _, name = border.rpartition(".")
    owner = resolve_name(place)
    function = getattr(owner, name)
    calls: list[dict[str, Any]] = []

    def reached(*args: Any, **kwargs: Any) -> None:
        calls.append(bound(function, args, kwargs))
        raise ConfigError("the border was reached.")

    monkeypatch.setattr(owner, name, reached)
    return calls


@pytest.fixture(scope="module")
def stored_front(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A front of a search of a moment."""
    folder = tmp_path_factory.mktemp("front")
    toys = Toys(folder)
    words = [
        "search",
        toys.picture(),
        "--model",
        toys.model(),
        "--generator",
        "pixels:grid=2",
        "--threads",
        1,
    ]
    words += ["--evaluations", 60, "--population", 20, "--save", folder / "x.front"]
    assert CliRunner().invoke(main, [str(word) for word in words]).exit_code == 0
    return (folder / "x.front").read_bytes()


def of_any_size(path: Path) -> Path:
    """The same model, which takes images of any size."""
    model = onnx.load(path)
    for side in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = "side"
    onnx.save(model, path)
    return path


@pytest.fixture
def places(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored_front: bytes
) -> dict[str, str]:
    """What stands for the names in braces; made in a folder of its own, where the command is started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(
        '[model]\npath = "m.onnx"\n[data]\nimages = "faces"\n[search]\nevaluations = 55\n'
    )
    (tmp_path / "x.front").write_bytes(stored_front)
    return {
        "face": str(toys.picture()),
        "faces": str(toys.pictures()),
        "model": str(toys.model()),
        "here": str(tmp_path),
        "config": "c.toml",
        "front": "x.front",
        "anysize": str(of_any_size(toys.model("any.onnx"))),
        "weights": str(files("cfsearch.models").joinpath("attgan_faces64.safetensors")),
    }


@pytest.mark.parametrize(("key", "row"), ROWS.items(), ids=[" ".join(key) for key in ROWS])
def test_the_value_of_an_option_reaches_its_place(
    call: Call, monkeypatch: pytest.MonkeyPatch, places: dict[str, str], key: tuple[str, str], row: Row
) -> None:
    words = [word.format(**places) for word in shlex.split(row.words)]
    calls = watch(monkeypatch, row.border)
    answer = call(*words)
    assert calls, f"{row.border} was not called; {answer.err}"
    assert row.read(calls[0]) == row.value


@pytest.mark.parametrize("command", ["search", "audit", "bench"])
def test_so_many_inputs_are_searched_together(
    call: Call, monkeypatch: pytest.MonkeyPatch, places: dict[str, str], fast: Flags, command: str
) -> None:
    pictures = sorted(str(path) for path in Path(places["faces"]).iterdir())
    inputs = ("--images", places["faces"], "--out", "run") if command == "audit" else pictures
    calls = watch(monkeypatch, "cfsearch.engine.search.Search.run")
    own = () if command == "bench" else ("--no-isolation",)
    call(command, *inputs, "--model", places["model"], *fast, "--batch-size", 3, *own)
    assert [len(one["x"]) for one in calls] == [3]


@pytest.mark.parametrize(
    "words",
    [
        "search {face} --model m",
        "audit --images {faces} --model m --out r",
        "plan --images {faces} --model m",
        "bench audit {faces} --originals {faces}",
    ],
)
def test_threads_are_those_of_the_command(
    call: Call, monkeypatch: pytest.MonkeyPatch, places: dict[str, str], words: str
) -> None:
    calls = watch(monkeypatch, "torch.set_num_threads")
    call(*words.format(**places).split(), "--threads", 3)
    assert [list(one.values()) for one in calls] == [[3]]  # its name is another one in each Python
