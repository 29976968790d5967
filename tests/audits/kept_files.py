"""Small files of each kind that a run keeps beside its store, for tests of their readers and for `benchmarks/faults/fuzz.py`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from cfsearch.audits.columns.measuring import MeasuredColumn, Moves
from cfsearch.audits.columns.members import MemberFigures
from cfsearch.audits.columns.protection import Protected
from cfsearch.audits.columns.store import load_columns, save_columns
from cfsearch.audits.contributing import Contribution, MeasuredContributions, Tried
from cfsearch.audits.contributions_file import load_contributions, save_contributions
from cfsearch.audits.effects import Effects
from cfsearch.audits.measured import Measured, load_effects, load_groups, save_effects, save_groups
from cfsearch.audits.shared.candidates import Move, SharedChange
from cfsearch.audits.shared.measuring import MeasuredChanges, Trials
from cfsearch.audits.shared.store import load_shared, save_shared
from cfsearch.datasets.tables import RowGroups
from cfsearch.numerics.shapley import Shapley


def ones(*shape: int) -> Tensor:
    """A tensor of its own: files refuse those that share memory."""
    return torch.ones(shape)


def effects(path: Path) -> None:
    base, passed = torch.arange(6.0).reshape(3, 2), torch.tensor([True, False, True])
    found = Effects(("a", "b"), base, base + 1, base > 2, passed, base + 2, base + 3)
    save_effects(path, Measured(found, ("x", "y", "z"), ("1", "2", "3"), {"a": 0.5}, {"b": ones(3)}))


def groups(path: Path) -> None:
    columns = [RowGroups("sex", ("f", "m"), (1, 0, 1), "by value")]
    save_groups(path, labels=None, by=("Hat",), columns=columns, names=("x", "y", "z"))


def contributions(path: Path) -> None:
    shared = Shapley(torch.tensor([0.75, -0.25]), torch.tensor([0.0, 0.125]))
    one = Contribution({"a": Tried(True, False)}, ("a", "b"), shared, 9)
    save_contributions(path, MeasuredContributions(("a", "b"), {"x": one, "y": one}, left_out=0))


def columns(path: Path) -> None:
    of, own, classes = torch.tensor([0, 1, -1]), torch.tensor([1, 0, 1]), ones(3, 2).long()
    sex = Protected("sex", "sex", True, True, ("f", "m"), of, None, 0, (), "", "")
    moves = Moves(
        ("hours",),
        torch.tensor([0, 1]),
        ones(1, 1, 2),
        ones(1, 1, 2),
        error=ones(1, 1),
        error_p=ones(1, 1),
    )
    linked = (("job",), ones(3, 2), ones(3, 2))
    one = MeasuredColumn(sex, ("a", "b", "c"), "yes", ones(3, 2), ones(3, 2), classes, own, *linked, moves)
    shares = (ones(1), ones(1), torch.tensor([math.nan]))
    save_columns(path, [one], {"sex": MemberFigures(("a",), ones(1), *shares)})


def shared(path: Path) -> None:
    change = SharedChange((Move(0, "hat", "+", "to", 1.0),), 3)
    first, second = (
        Trials(names, ones(1, 2).bool(), ones(1, 2), ones(1, 2).bool()) for names in (("x", "y"), ("u", "v"))
    )
    save_shared(
        path, [MeasuredChanges("no", None, (change,), ("hat on",), first, second, ones(1).bool(), 0, 4)]
    )


FILES: Final[dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]]] = {
    "effects": (effects, load_effects),
    "groups": (groups, load_groups),
    "contributions": (contributions, load_contributions),
    "columns": (columns, load_columns),
    "shared": (shared, load_shared),
}
"""How each kind is written and read."""
