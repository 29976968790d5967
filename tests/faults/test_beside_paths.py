"""What is no name of a file, wherever a file is expected."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import cfsearch
from cfsearch.cli import main
from cfsearch.cli._options import FILE
from cfsearch.errors import CfsearchError
from cfsearch.files import why_no_file
from cfsearch.places import is_file, is_folder, is_there
from tests.cli.test_help import commands
from tests.rights import nobody

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


LONG = "a" * 300
"""Longer than a file system takes for a name: ``pathlib`` raises where it is looked at."""


def grey(x: Any) -> Any:  # Any: arrays and frames
    mean = np.asarray(x, dtype=float).reshape(len(x), -1).mean(1)
    return np.stack([1.0 - mean, mean], 1)


ROWS = pd.DataFrame({"age": [31, 44, 52, 67], "hours": [20, 38, 40, 12]})


@pytest.mark.parametrize(
    "call",
    [
        *(partial(door, grey, x) for door in (cfsearch.search, cfsearch.explain) for x in (LONG, f"{LONG}.csv", f"{LONG}.png", [f"{LONG}.png"])),
        *(partial(cfsearch.search, model, ROWS) for model in (LONG, f"{LONG}.onnx", f"{LONG}.pt", f"{LONG}.skops", f"{LONG}:predict")),
        partial(cfsearch.search, grey, ROWS, reference=f"{LONG}.csv"),
        partial(cfsearch.search, grey, ROWS, schema=f"{LONG}.toml"),
        partial(cfsearch.search, grey, np.zeros((3, 8, 8), np.float32), generator=LONG),
        partial(cfsearch.search, grey, np.zeros((3, 8, 8), np.float32), generator=f"{LONG}.safetensors"),
        partial(cfsearch.audit, grey, ROWS, out=LONG),
        partial(cfsearch.open_audit, LONG),
    ],
)  # fmt: skip
def test_a_name_that_is_too_long_is_refused_by_an_error_of_ours(call: Callable[[], object]) -> None:
    with pytest.raises(CfsearchError):
        call()


def test_what_may_not_be_looked_at_is_neither_missed_nor_raised(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    file = tmp_path / "shut" / "rows.csv"
    file.write_text("age\n3\n")
    tmp_path.chmod(0o755)
    (tmp_path / "shut").chmod(0)
    try:
        with nobody():
            found = is_there(file), is_file(file), is_folder(file), why_no_file(file)
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert found == (True, False, False, "Permission denied")
    assert (is_there(file), is_file(file), is_folder(file), why_no_file(file)) == (True, True, False, "")
    assert not is_there("a\0b") and not is_file("a\0b") and not is_folder("a\0b")
