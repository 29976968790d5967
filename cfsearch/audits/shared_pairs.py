"""The inputs that two audits share, one pair at a time, for the page that shows both side by side."""

import dataclasses

from jaxtyping import UInt8
from torch import Tensor

from cfsearch.report.diff_page import Pair
from cfsearch.runs.directory import InstanceRow, RunDirectory

from .difference import Side
from .pages import open_run


def pairs_of(first: Side, second: Side) -> list[Pair]:
    """The shared inputs, for the page; whole fronts are read one pair at a time.

    Args:
        first: the audit before.
        second: the audit after.
    """
    shared = [(row, second.rows[key]) for key, row in first.rows.items() if key in second.rows]
    with open_run(first.path) as before, open_run(second.path) as after:
        return [_pair(_whole(before, one), _whole(after, other)) for one, other in shared]


def _whole(run: RunDirectory, row: InstanceRow) -> InstanceRow:
    return row if row.front is None else dataclasses.replace(row, front=run.front(row.name))


def _pair(one: InstanceRow, other: InstanceRow) -> Pair:
    sides = (_words(one), _words(other))
    differs = _outcome(one) != _outcome(other)
    original = None if one.front is None else one.front.picture
    if original is None:
        return Pair(one.name, sides, differs)
    return Pair(one.name, sides, differs, original, (_changed(one), _changed(other)))


def _outcome(row: InstanceRow) -> tuple[str, int]:
    return row.status, -1 if row.front is None else row.front.source


def _words(row: InstanceRow) -> str:
    front = row.front
    if front is None:
        return f"failed: {row.message}"
    source, member = front.labels[front.source], front.pick("sparsest")
    if member is None:
        return f"{source}; {row.status.replace('_', ' ')}"
    becomes = front.labels[int(front.scores[member].argmax())]
    return f"{source}; becomes {becomes} by: {', '.join(front.words(member)) or 'nothing'}"


def _changed(row: InstanceRow) -> UInt8[Tensor, "c h w"] | None:
    member = None if row.front is None else row.front.pick("sparsest")
    return None if row.front is None or member is None else row.front.picture_of(member)
