"""What an audit measured of protected columns, row by row, kept in its run directory: ``columns.safetensors``.

So that every figure can be computed again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from cfsearch.audits.tensor_file import KeptTensors, read_tensors, write_tensors
from cfsearch.runs.guard import guarded

from .measuring import MeasuredColumn, Moves
from .members import MemberFigures
from .protection import Protected, pairs

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
                "added": list(one.added),
                "counts": list(one.counts),
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
        kept = read_tensors(path, kind=_FORMAT)
        measured, members = [], {}
        for i, entry in enumerate(kept.meta["columns"]):
            measured.append(_measured(kept, i, entry))
            if entry["members"] is not None:
                rows = kept.names("members", entry, distinct=False)
                members[str(entry["column"])] = MemberFigures(rows, *_members(kept, i, len(rows)))
        return measured, members


def _members(kept: KeptTensors, i: int, n: int) -> list[Tensor]:
    """Shares are NaN where no member changes the column."""
    return [
        kept.taken(
            f"{i} members {part}",
            shape=(n,),
            kind="finite numbers" if part == "cost" else "numbers or NaN",
        )
        for part in _MEMBERS
    ]


def _measured(kept: KeptTensors, i: int, entry: Mapping[str, Any]) -> MeasuredColumn:
    names, rows, linked = (kept.names(key, entry, distinct=False) for key in ("names", "rows", "linked"))
    n, k = len(rows), len(names) if len(names) > 1 else 0
    # older runs have neither
    added, counts = (tuple(int(i) for i in entry.get(key, ())) for key in ("added", "counts"))
    if not all(0 <= i < n for i in added) or (counts and (len(counts) != k or min(counts) < 1)):
        raise ValueError("the rows that were added, or the sizes of groups, are not those of the column")
    protected = Protected(
        entry["column"],
        entry["kind"],
        entry["guessed"],
        entry["taken"],
        names,
        kept.taken(f"{i} of", shape=(n,), kind="whole numbers"),
        None,
        entry["unknown"],
        kept.names("small", entry, distinct=False),
        entry["because"],
        entry["note"],
    )
    shapes: dict[str, tuple[int, ...]] = {"own": (n,)}
    for name in ("linked_odds", "linked_p"):
        shapes[name] = (n, k) if linked else (len(kept.tensors[f"{i} {name}"]), 0)
    part = {
        name: kept.taken(
            f"{i} {name}",
            shape=shapes.get(name, (n, k)),
            kind="whole numbers" if name in ("classes", "own") else "finite numbers",
        )
        for name in _PARTS
    }
    return MeasuredColumn(
        protected,
        rows,
        entry["label"],
        part["odds"],
        part["p"],
        part["classes"],
        part["own"],
        linked,
        part["linked_odds"],
        part["linked_p"],
        _moved(kept, i, entry),
        entry["graded"],
        entry["clipped"],
        added,
        counts,
    )


def _moved(kept: KeptTensors, i: int, entry: Mapping[str, Any]) -> Moves | None:
    if entry["moves"] is None:
        return None
    columns = kept.names("moves", entry, distinct=False)
    c, d = len(pairs(entry["names"])), len(columns)
    m = len(kept.tensors[f"{i} moves rows"])
    shapes = {"rows": (m,), "error": (c, d), "error_p": (c, d)}
    return Moves(
        columns,
        *(
            kept.taken(
                f"{i} moves {name}",
                shape=shapes.get(name, (c, d, m)),
                kind="whole numbers" if name == "rows" else "finite numbers",
            )
            for name in _MOVES
        ),
    )
