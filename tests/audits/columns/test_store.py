"""What was measured of protected columns comes back field by field."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.audits.columns.measuring import MeasuredColumn, Moves
from cfsearch.audits.columns.members import MemberFigures
from cfsearch.audits.columns.protection import Protected
from cfsearch.audits.columns.store import load_columns, save_columns
from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.errors import DamagedError


def alike(one: Any, other: Any) -> bool:
    """Whether two values hold the same, tensors element by element."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            alike(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    return bool(one == other)


def block(*shape: int, start: float) -> torch.Tensor:
    n = int(torch.tensor(shape).prod())
    return (torch.arange(n, dtype=torch.float64) + start).reshape(*shape)


def measured() -> list[MeasuredColumn]:
    of = torch.tensor([0, 1, -1])
    full = Protected("sex", "sex", True, False, ("f", "m"), of, None, 4, ("x", "y"), "why", "how")
    moves = Moves(
        ("hours", "job"), torch.tensor([0, 1]), block(1, 2, 2, start=50), block(1, 2, 2, start=60),
        block(1, 2, start=70), block(1, 2, start=80),
    )  # fmt: skip
    whole = MeasuredColumn(
        full, ("a", "b", "c"), "yes", block(3, 2, start=10), block(3, 2, start=20), block(3, 2, start=30).long(),
        torch.tensor([1, 0, 1]), ("title",), block(3, 2, start=40), block(3, 2, start=45), moves, False, True, (2,), (70, 12),
    )  # fmt: skip
    single = Protected(
        "age", "", False, True, ("all",), torch.zeros(2).long(), None, 0, (), "only one group", ""
    )
    empty = torch.zeros(2, 0)
    bare = MeasuredColumn(
        single, ("a", "b"), "yes", empty, empty, empty.long(), torch.tensor([0, 1]), (), empty, empty
    )
    return [whole, bare]


def test_every_field_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "columns.safetensors"
    assert load_columns(path) is None
    figures = MemberFigures(("a", "c"), *(block(2, start=90 + 2 * i) for i in range(4)))
    assert save_columns(path, measured(), {"sex": figures}) == path
    found = load_columns(path)
    assert found is not None
    columns, members = found
    for one, other in zip(columns, measured(), strict=True):
        assert alike(one, other)
    assert list(members) == ["sex"] and alike(members["sex"], figures)
    file = read_tensors(path, kind="cfsearch-columns/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    assert meta["columns"] == [
        {
            "column": "sex", "kind": "sex", "guessed": True, "taken": False, "names": ["f", "m"], "unknown": 4,
            "small": ["x", "y"], "because": "why", "note": "how", "rows": ["a", "b", "c"], "label": "yes", "linked": ["title"],
            "graded": False, "clipped": True, "added": [2], "counts": [70, 12], "moves": ["hours", "job"], "members": ["a", "c"],
        },
        {
            "column": "age", "kind": "", "guessed": False, "taken": True, "names": ["all"], "unknown": 0, "small": [],
            "because": "only one group", "note": "", "rows": ["a", "b"], "label": "yes", "linked": [], "graded": True,
            "clipped": False, "added": [], "counts": [], "moves": None, "members": None,
        },
    ]  # fmt: skip
    parts = ("odds", "p", "classes", "own", "linked_odds", "linked_p", "of")
    assert set(tensors) == {
        *(f"{i} {part}" for i in range(2) for part in parts),
        *(f"0 moves {part}" for part in ("rows", "logits", "probability", "error", "error_p")),
        *(f"0 members {part}" for part in ("cost", "changed", "necessary", "sufficient")),
    }


@pytest.mark.parametrize(("column", "part", "size"), [("0", "of", 2), ("0", "odds", 2), ("1", "of", 3)])
def test_tensors_that_do_not_fit_their_names_are_damaged(
    tmp_path: Path, column: str, part: str, size: int
) -> None:
    path = tmp_path / "columns.safetensors"
    save_columns(path, measured(), {})
    file = read_tensors(path, kind="cfsearch-columns/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    tensors[f"{column} {part}"] = torch.zeros(size, dtype=torch.int64)
    write_tensors(path, dict(tensors), meta)
    with pytest.raises(
        DamagedError,
        match=rf"the tensor '{column} {part}' must be .* its shape is \({size},\): it is damaged",
    ):
        load_columns(path)
