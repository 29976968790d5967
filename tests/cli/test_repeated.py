"""An option that stands more than once: lists are joined, a second file is refused, of the rest the last counts, and a note says so."""

import json
from pathlib import Path

import click
import pytest

from cfsearch.cli._group import COMMANDS, main
from cfsearch.cli._help import Family
from cfsearch.cli._places import Place

from .conftest import called

TABLE = "age,sex,job,paid\n" + "".join(
    f"{20 + i % 40},{'fm'[i % 2]},{'abc'[i % 3]},{i % 2}\n" for i in range(120)
)


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(main)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        family = command.commands if isinstance(command, Family) else {}
        found += [(f"{name} {one}", each) for one, each in family.items()] or [(name, command)]
    return found


def test_every_column_that_must_not_change_is_held(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    flags = ("--immutable", "age", "--immutable", "sex,job", "--ignore", "paid", "--json")
    answer = called("schema", "table", tmp_path / "t.csv", *flags)
    columns = json.loads(answer.out)["schema"]["columns"]
    assert {each["name"] for each in columns if each.get("immutable")} == {"age", "sex", "job"}


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda one: one if isinstance(one, str) else "")
def test_a_list_takes_each_of_its_parts_and_a_file_stands_once(name: str, command: click.Command) -> None:
    arguments = [param for param in command.params if isinstance(param, click.Argument) and param.required]
    needed = [param for param in command.params if isinstance(param, click.Option) and param.required]
    for option in command.params:
        if not isinstance(option, click.Option) or option.is_flag or option.count or option.is_eager:
            continue
        flag = option.opts[-1]
        if option.metavar == "A,B":
            first = ["x"] * len(arguments) + [
                w for one in needed if one is not option for w in (one.opts[-1], "x")
            ]
            with command.make_context(name, [*first, flag, "a", flag, "b, c"]) as context:
                assert context.params[option.name or ""] == "a,b, c"
        elif isinstance(option.type, click.Path) and not (option.multiple or isinstance(option.type, Place)):
            # the refusal comes before any value is looked at
            with pytest.raises(click.UsageError, match=rf"^{flag} stands there 3 times, and takes one file"):
                command.make_context(name, [flag, "1", flag, "2", flag, "1"])


def test_a_second_table_is_not_read_in_place_of_the_first(tmp_path: Path) -> None:
    answer = called(
        "audit", "--data", tmp_path / "a.csv", "--data", tmp_path / "b.csv", "--out", tmp_path / "run"
    )
    assert answer.code == 2
    assert answer.error.startswith("error: --data stands there 2 times, and takes one file. Write it once.")


def test_the_last_of_two_settings_counts_with_a_note() -> None:
    answer = called(
        "search",
        "--seed",
        "1",
        "--evaluations",
        "30",
        "--seed",
        "2",
        "--critic",
        "forest",
        "--critic",
        "trained",
    )
    assert answer.code == 2
    assert "note: --seed stands there 2 times; the last one counts." in answer.err
    assert "note: --critic stands there 2 times; the last one counts." in answer.err
    assert "--evaluations" not in answer.err


def test_a_quiet_command_has_no_note_and_help_comes_first() -> None:
    twice = ("search", "none.png", "--model", "m.onnx", "--seed", "1", "--seed", "2")
    assert "stands there" in called(*twice).err
    assert "stands there" not in called(*twice, "-q").err
    answer = called("explain", "--data", "t.csv", "--data", "t.csv", "--help")
    assert answer.code == 0 and "Usage: cfsearch explain" in answer.out and "stands there" not in answer.err
