"""No table in the terminal lets one name fill the screen."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

import cfsearch.cli
from cfsearch.cli._effects import show_effects
from cfsearch.cli._output import LONGEST, shortened
from cfsearch.cli._tables import ResultTable
from cfsearch.cli.gate import _table
from cfsearch.cli.show import _list

from .test_effects import document, effect

LONG = f"begin{'x' * 5000}end"


def printed(show: Any, width: int = 80) -> str:  # Any: prints to a console
    file = io.StringIO()
    show(Console(file=file, width=width, color_system=None, soft_wrap=False))
    return file.getvalue()


def test_a_long_text_keeps_both_ends() -> None:
    assert shortened("x" * LONGEST) == "x" * LONGEST
    text = shortened(LONG, most=20)
    assert text == "beginxxxxx … xxxxxxxend"
    assert shortened(LONG).startswith("begin") and shortened(LONG).endswith("end")
    assert len(shortened(LONG)) == LONGEST + 3


@pytest.mark.parametrize("cell", [LONG, Text(LONG, style="bold")], ids=["text", "styled"])
def test_cells_are_shortened_and_keep_their_style(cell: str | Text) -> None:
    table = ResultTable(longest=20)
    table.add_column("name", no_wrap=True)
    table.add_row(cell, style="dim")
    [column] = table.columns
    [shown] = column.cells
    assert str(shown) == "beginxxxxx … xxxxxxxend"
    if isinstance(cell, Text):
        assert isinstance(shown, Text)
        assert {str(span.style) for span in shown.spans} == {"bold"} or str(shown.style) == "bold"
    assert table.rows[0].style == "dim"


def test_short_cells_are_what_was_given() -> None:
    table = ResultTable()
    table.add_column("a")
    table.add_column("b")
    text = Text("yes", style="bold")
    table.add_row("no", text)
    assert [next(iter(column.cells)) for column in table.columns] == ["no", text]


@pytest.mark.parametrize("width", [80, 200])
def test_effects_of_attributes_with_very_long_names(width: int) -> None:
    names = [f"{LONG}{i}" for i in range(8)]
    made = document(*(effect(name, 1.0, because="the edits were never measured") for name in names))
    made["models"][0] |= {"labels": ["no", LONG], "name": LONG}
    text = printed(lambda console: show_effects(console, made), width)
    assert len(text) < 10_000
    squeezed = "".join(text.split())
    assert squeezed.count("begin") >= 8 and all(f"end{i}" in squeezed for i in range(8))


def test_figures_of_a_gate_with_very_long_names() -> None:
    from cfsearch.audits.measurements import Measurement

    figures = [Measurement("flip_rate", "m", f"{LONG}{i}", value=0.5, low=0.4, high=0.6) for i in range(5)]
    text = printed(lambda console: _table(console, figures))
    assert len(text) < 12_000 and "".join(text.split()).count("flip_rate:begin") == 5


def test_inputs_of_a_run_with_very_long_names() -> None:
    entry = {
        "name": LONG, "source": LONG, "status": "failed", "members": 0, "verified": 0, "reason": "", "reason_text": "",
        "message": "of 300 letters: " + "m" * 284,
    }  # fmt: skip
    text = printed(
        lambda console: _list(console, {"instances": [entry], "finished": True}, noun="row"), width=200
    )
    assert len(text) < 20_000


def test_every_table_is_such_a_one() -> None:
    folder = Path(cfsearch.cli.__file__).parent
    found = [path.name for path in folder.glob("*.py") if "rich.table" in path.read_text(encoding="utf-8")]
    assert found == ["_tables.py"]
