"""Trials of shared changes, kept in the run directory: ``shared.safetensors``, so that every figure can be computed again."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from torch import Tensor

from cfsearch.audits.tensor_file import KeptTensors, read_tensors, write_tensors
from cfsearch.runs.guard import guarded

from .candidates import Move, SharedChange
from .measuring import MeasuredChanges, Trials

SHARED: Final = "shared.safetensors"
_FORMAT: Final = "cfsearch-shared/1"
_PARTS: Final = ("flips", "cost", "held")
_SIDES: Final = ("first", "second")


def save_shared(path: Path, measured: Sequence[MeasuredChanges]) -> Path:
    """Write the trials.

    Args:
        path: the file.
        measured: of each class.

    Raises:
        RunError: it cannot be written.
    """
    tensors, entries = {}, []
    for i, one in enumerate(measured):
        tensors[f"{i} tried"] = one.tried.contiguous()
        for side in _SIDES:
            trials: Trials = getattr(one, side)
            tensors |= {f"{i} {side} {part}": getattr(trials, part).contiguous() for part in _PARTS}
        entries.append(
            {
                "source": one.source,
                "target": one.target,
                "changes": [asdict(change) for change in one.changes],
                "words": list(one.words),
                "first": list(one.first.inputs),
                "second": list(one.second.inputs),
                "left_out": one.left_out,
                "queries": one.queries,
            }
        )
    return write_tensors(path, tensors, {"format": _FORMAT, "classes": entries})


def load_shared(path: Path) -> list[MeasuredChanges] | None:
    """The trials; None where none were kept.

    Args:
        path: the file.

    Raises:
        DamagedError: it is not what was written.
    """
    if not path.exists():
        return None
    with guarded(repr(str(path))):
        kept = read_tensors(path, kind=_FORMAT)
        found = []
        for i, entry in enumerate(kept.meta["classes"]):
            count, words = len(entry["changes"]), kept.names("words", entry, distinct=False)
            sides = []
            for side in _SIDES:
                inputs = kept.names(side, entry, distinct=False)
                sides.append(Trials(inputs, *_trials(kept, f"{i} {side}", (count, len(inputs)))))
            changes = tuple(
                SharedChange(tuple(Move(**move) for move in change["moves"]), change["support"])
                for change in entry["changes"]
            )
            first, second = sides
            found.append(
                MeasuredChanges(
                    source=entry["source"],
                    target=entry["target"],
                    changes=changes,
                    words=words,
                    first=first,
                    second=second,
                    tried=kept.taken(f"{i} tried", shape=(count,), kind="booleans"),
                    left_out=entry["left_out"],
                    queries=entry["queries"],
                )
            )
        return found


def _trials(kept: KeptTensors, side: str, shape: tuple[int, int]) -> list[Tensor]:
    return [
        kept.taken(f"{side} {part}", shape=shape, kind="finite numbers" if part == "cost" else "booleans")
        for part in _PARTS
    ]
