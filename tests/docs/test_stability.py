"""What the page of stable names promises is there."""

import importlib
import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Final

import click
import pytest
from pydantic import BaseModel

import cfsearch
from cfsearch import errors
from cfsearch.cli import main
from cfsearch.config import Config

ROOT: Final = Path(__file__).parents[2]
pytestmark = pytest.mark.checkout


def _promised() -> str:
    page = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    return page.partition("## Promised")[2].partition("## Not promised")[0]


def _rows(header: str) -> dict[str, set[str]]:
    """The table below a header row: names by what stands in the first column."""
    lines = _promised().partition(f"{header}\n")[2].splitlines()[1:]
    found: dict[str, set[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, rest = [cell.strip() for cell in line.strip("|").split("|")]
        found[first.strip("`")] = set(re.findall(r"`([^`]+)`", rest))
    assert found and all(found.values())
    return found


def _paragraph(start: str) -> set[str]:
    text = _promised().partition(start)[2].partition("\n\n")[0]
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("module", _rows("| from | names |") if (ROOT / "docs").is_dir() else [])
def test_names_can_be_imported(module: str) -> None:
    names = _rows("| from | names |")[module]
    found = importlib.import_module(module)
    assert {name for name in names if not hasattr(found, name)} == set()


def test_every_name_of_the_package_itself_is_promised() -> None:
    assert _rows("| from | names |")["cfsearch"] == set(cfsearch.__all__)


def test_entry_points_commands_and_formats_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = _paragraph("**Entry points** of plug-ins: ")
    assert len(groups) == 8 and groups <= set(project["entry-points"])
    commands = _paragraph("`--help` names: ")
    assert len(commands) > 15 and commands <= set(main.list_commands(click.Context(main)))
    formats = _paragraph("would err):\n")
    schemas = " ".join(p.read_text() for p in files("cfsearch").joinpath("schemas_data").iterdir())
    assert len(formats) > 10
    assert {name for name in formats if json.dumps(name) not in schemas} == set()


def test_keys_of_the_settings_are_read() -> None:
    for table, keys in _rows("| table | keys |").items():
        section = Config.model_fields[table].annotation
        assert isinstance(section, type) and issubclass(section, BaseModel)
        known = {field.alias or name for name, field in section.model_fields.items()}
        assert keys <= known, table


def test_codes_of_errors_have_their_exit_codes() -> None:
    classes = [
        c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.CfsearchError)
    ]
    found: dict[str, set[str]] = {}
    for one in classes:
        if one is not errors.CfsearchError:
            found.setdefault(str(one.exit_code), set()).add(one.code)
    assert _rows("| exit | codes |") == found
