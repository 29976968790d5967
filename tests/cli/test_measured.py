"""What the terminal says of a measured generator, cell by cell and line by line."""

import io
from typing import Any

from rich.console import Console

from cfsearch.cli._measured import held_out, show_measured


def test_each_figure_stands_in_its_place() -> None:
    part: dict[str, Any] = {"n": 40, "kept": 0.93, "strength": 0.876, "moved": {}}
    moved = {"Young": -0.25, "Male": 0.19, "Bald": 0.2, "Bangs": 0.9}
    figures = {
        "attributes": {
            "Bangs": {**part, "success": {"value": 0.95, "low": 0.83, "high": 0.99}},
            "Hat": {**part, "moved": moved, "success": {"value": 0.499, "low": 0.3, "high": 0.7}},
            "Beard": {**part, "success": {"value": 0.5, "low": 0.3, "high": 0.7}},
            "Bald": {"n": 3, "kept": None, "strength": None, "moved": {}, "success": None},
        },
        "images": 120, "composition": {"1": 0.01234, "3": 0.02}, "effectiveness": 0.914, "minimality": 0.456,
        "realism": {"photographs": 0.5, "reconstructions": 1.25, "edits": 2.0},
    }  # fmt: skip
    file = io.StringIO()
    show_measured(Console(file=file, width=140), figures)
    lines = file.getvalue().splitlines()
    cells = [line.split() for line in lines]
    assert cells[0] == [
        "attribute",
        "edits",
        "seen",
        "95",
        "%",
        "images",
        "others",
        "kept",
        "strength",
        "moves",
        "too",
    ]
    assert cells[1] == ["Bangs", "95", "%", "83", "%", "to", "99", "%", "40", "93", "%", "0.88"]
    assert cells[2] == [
        "Hat",
        "50",
        "%",
        "30",
        "%",
        "to",
        "70",
        "%",
        "40",
        "93",
        "%",
        "0.88",
        "Young",
        "-0.25,",
        "Bald",
        "+0.20",
    ]
    assert cells[4] == ["Bald", "cannot", "tell", "3"]
    assert lines[5:] == [
        "120 held-out images, judged by a classifier that was trained on others and never met an edit.",
        "Composition (mean absolute error of edits to the values that are there, on [0, 1]): 0.012 after 1, 0.020 after 3.",
        "Effectiveness 91\u202f%; minimality 0.46 (smaller is better).",
        "Realism (Frechet distance in the judge's features): photographs to photographs 0.50, reconstructions 1.25, edits 2.00.",
        "Hardly edited, an audit will say so: Hat.",
        "Cannot tell (too few images on one side, or the judge itself errs): Bald. An audit says of these that edits "
        "were never measured.",
    ]
    file = io.StringIO()
    show_measured(Console(file=file, width=140), {**figures, "attributes": {}, "effectiveness": None})
    assert "Effectiveness" not in file.getvalue() and "Hardly" not in file.getvalue()
    assert "Cannot tell" not in file.getvalue()


def test_a_tenth_of_300_images_or_more_is_held_out() -> None:
    assert [held_out(n) for n in (299, 300, 1_000, 10_000, 50_000)] == [0, 30, 100, 1000, 1000]
