"""What ``show`` lists of a run: every figure in its column."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console

from cfsearch.cli import show


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "name": "face.png",
        "status": "found",
        "reason": "budget",
        "message": "",
        "source": "dark",
        "members": 12,
        "verified": 7,
    } | changes


def printed(*entries: dict[str, Any], finished: bool = True, noun: str = "image") -> list[str]:
    file = io.StringIO()
    document = {"instances": list(entries), "finished": finished}
    show._list(Console(file=file, width=110, color_system=None), document, noun=noun)
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_each_figure_stands_in_its_column() -> None:
    lines = printed(entry())
    assert lines[0] == "image class status members verified why"
    assert lines[2:] == ["face.png dark found 12 7"]
    assert printed(entry(), noun="row")[0].startswith("row class")


def test_a_predicted_number_stands_before_its_class() -> None:
    lines = printed(
        entry(source="below 250000", predicted=218108.4), entry(source="below -1", predicted=-2.5)
    )
    assert lines[2:] == ["face.png 218,108 (below 250000) found 12 7", "face.png -2.5 (below -1) found 12 7"]


def test_why_nothing_was_found() -> None:
    lines = printed(
        entry(status="not_found", reason="stalled", verified=0),
        entry(name="b\n.png", status="failed", source=None, members=0, verified=0, message="cannot be read."),
        finished=False,
    )
    assert lines[2:] == [
        "face.png dark not found 12 0 stalled",
        "b\\u000a.png failed 0 0 cannot be read.",
        "This run has not ended.",
    ]


@pytest.mark.parametrize("front", [True, False])
def test_an_entry_counts_members(front: bool) -> None:
    members = SimpleNamespace(
        labels=("dark", "bright"),
        source=1,
        original_scores=torch.tensor([0.0, 1.0]),
        verified=torch.tensor([True, False, True]),
        picks=lambda: {"knee": 2},
        __len__=lambda _: 3,
    )
    made = type("Front", (SimpleNamespace,), {"__len__": lambda self: 3})(**vars(members)) if front else None
    row = SimpleNamespace(name="x", status="found", code="budget", message="why", front=made)
    assert show._entry(cast("Any", row)) == {
        "name": "x",
        "status": "found",
        "reason": "budget",
        "message": "why",
        "source": "bright" if front else None,
        "members": 3 if front else 0,
        "verified": 2 if front else 0,
        "picks": {"knee": 2} if front else {},
    }
