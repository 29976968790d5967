"""What an audit measured of protected columns, row by row, kept in its run directory: ``columns.safetensors``.

So that every figure can be computed again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.runs.guard import guarded

from .measuring import MeasuredColumn, Moves
from .members import MemberFigures
from .protection import Protected

COLUMNS: Final = "columns.safetensors"
_FORMAT: Final = "cfsearch-columns/1"
_PARTS: Final = ("odds", "p", "classes", "own", "linked_odds", "linked_p")
_MOVES: Final = ("rows", "logits", "probability", "error", "error_p")
_MEMBERS: Final = ("cost", "changed", "necessary", "sufficient")


def save_columns(
    path: Path, measured: Sequence[MeasuredColumn], members: Mapping[str, MemberFigures]
) -> Path:
    """Write what was measured.

    Args:
        path: the file.
        measured: the columns.
        members: what verified counterfactuals say of each.

    Raises:
        RunError: it cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    entries = []
    for i, one in enumerate(measured):
        own = members.get(one.protected.column)
        tensors |= {f"{i} {part}": getattr(one, part).contiguous() for part in _PARTS}
        tensors[f"{i} of"] = one.protected.of.contiguous()
        if one.moves is not None:
            tensors |= {f"{i} moves {part}": getattr(one.moves, part).contiguous() for part in _MOVES}
        if own is not None:
            tensors |= {f"{i} members {part}": getattr(own, part).contiguous() for part in _MEMBERS}
        p = one.protected
        entries.append(
            {
                "column": p.column,
                "kind": p.kind,
                "guessed": p.guessed,
                "taken": p.taken,
                "names": list(p.names),
                "unknown": p.unknown,
                "small": list(p.small),
                "because": p.because,
                "note": p.note,
                "rows": list(one.rows),
                "label": one.label,
                "linked": list(one.linked),
                "graded": one.graded,
                "clipped": one.clipped,
                "moves": None if one.moves is None else list(one.moves.columns),
                "members": None if own is None else list(own.rows),
            }
        )
    return write_tensors(path, tensors, {"format": _FORMAT, "columns": entries})


def load_columns(path: Path) -> tuple[list[MeasuredColumn], dict[str, MemberFigures]] | None:
    """What was measured; None where nothing was kept.

    Args:
        path: the file.

    Raises:
        DamagedError: it is not what was written.
    """
    if not path.exists():
        return None
    with guarded(repr(str(path))):
        meta, tensors = read_tensors(path, kind=_FORMAT)
        measured, members = [], {}
        for i, entry in enumerate(meta["columns"]):
            measured.append(_measured(tensors, i, entry))
            if entry["members"] is not None:
                parts = [tensors[f"{i} members {part}"] for part in _MEMBERS]
                members[str(entry["column"])] = MemberFigures(tuple(entry["members"]), *parts)
        return measured, members


def _measured(tensors: Mapping[str, Tensor], i: int, entry: Mapping[str, Any]) -> MeasuredColumn:
    protected = Protected(
        entry["column"],
        entry["kind"],
        entry["guessed"],
        entry["taken"],
        tuple(entry["names"]),
        tensors[f"{i} of"],
        None,
        entry["unknown"],
        tuple(entry["small"]),
        entry["because"],
        entry["note"],
    )
    part = {name: tensors[f"{i} {name}"] for name in _PARTS}
    rows = tuple(entry["rows"])
    k = len(protected.names) if len(protected.names) > 1 else 0
    if len(protected.of) != len(rows) or part["odds"].shape != torch.Size((len(rows), k)):
        raise ValueError("its tensors do not fit its names")
    moves = None
    if entry["moves"] is not None:
        moves = Moves(tuple(entry["moves"]), *(tensors[f"{i} moves {name}"] for name in _MOVES))
    return MeasuredColumn(
        protected,
        rows,
        entry["label"],
        part["odds"],
        part["p"],
        part["classes"],
        part["own"],
        tuple(entry["linked"]),
        part["linked_odds"],
        part["linked_p"],
        moves,
        entry["graded"],
        entry["clipped"],
    )
