"""What is no name of a file, wherever a file is expected."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cfsearch.cli import main
from cfsearch.cli._options import FILE
from tests.cli.test_help import commands

PATHS = [
    (name, param)
    for name, command in commands()
    for param in command.params
    if isinstance(param.type, click.Path)
]


def test_every_path_of_every_command_is_looked_at() -> None:
    assert len(PATHS) > 40
    assert [(name, param.name) for name, param in PATHS if not isinstance(param.type, type(FILE))] == []


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "expected a path, got an empty text. Is a variable of the shell empty?"),
        ("  ", "expected a path, got an empty text"),
        ("a\0b", "a NUL is no part of a path. Name another one."),
        ("-", "'-' is no file: nothing is read from or written to a pipe. Give a path."),
        ("https://host/rows.csv", "'https://host/rows.csv' is an address"),
    ],
)
@pytest.mark.parametrize("words", [["audit", "--images", "."], ["search"], ["export", "run"]])
def test_it_is_refused_before_anything_is_written(
    words: list[str], value: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    option = "--data" if words == ["search"] else "--out"
    result = CliRunner().invoke(main, [*words, option, value])
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["doctor", ""], ["explain", "--model", "", "a.png", "--target", "b"]])
def test_a_model_without_a_name_is_no_folder(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "empty text" in result.stderr and "folder" not in result.stderr
