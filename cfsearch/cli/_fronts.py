"""Fronts in the terminal: words, probabilities, objectives, verified, picks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront

from ._output import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MOST_WORDS = 4
_NARROW = 70
"""Columns below which a table would be cut; members become lines instead."""
_WIDE = 120
"""Columns from which objectives stand under their names."""


def show_front(console: "Console", front: ParetoFront, *, most: int, only: int | None = None) -> None:
    """A heading, a table of at most ``most`` members (or of one), and what a reader must know."""
    from rich.text import Text

    console.print(Text(heading(front), style="bold"))
    if len(front):
        chosen = [only] if only is not None else _chosen(front, most=most)
        if console.width < max(_NARROW, _FIXED + _EACH * len(front.objectives)):
            console.print(Text("\n".join(_block(front, i) for i in chosen)))
        else:
            console.print(_table(front, chosen, width=console.width))
            if console.width < _WIDE:
                console.print(Text(_legend(front)))
        if only is None and len(chosen) < len(front):
            console.print(f"{len(chosen)} of {len(front)} members shown (--rows).")
    for line in remarks(front):
        console.print(Text(line))


def heading(front: ParetoFront) -> str:
    """Name, classes, how many members, how many of them verified."""
    source = plain(front.labels[front.source])
    goal = "any other class" if front.target is None else plain(front.labels[front.target])
    p = float(torch.softmax(front.original_scores.double(), -1)[front.source])
    count = f"{len(front)} member{'s' * (len(front) != 1)}, {int(front.verified.sum())} verified"
    tried = f"{front.evaluations} candidates"
    if front.questions is not None:
        before = f", {front.seeding} of them by explainers before" if front.seeding else ""
        tried += f" ({front.questions} questions to the model{before})"
    return f"{plain(front.name)}: {source} (p {p:.3f}) to {goal}: {count}, {tried}"


def remarks(front: ParetoFront) -> list[str]:
    """Why it stopped where nothing was found, the nearest miss, what to change, and the notes."""
    lines = []
    if not front.found:
        lines.append(f"Nothing found: {front.reason.value}.")
        if len(front) and front.reason is not Reason.ALREADY_TARGET:
            nearest = int(front.lead().argmax())
            lead = float(front.lead()[nearest])
            what = f"lacks {-lead:.3f} in probability" if lead <= 0 else _past(front)
            lines.append(f"The nearest miss is member {nearest}: it {what}.")
        advice = _ADVICE.get(front.reason)
        if advice:
            lines.append(advice)
    return [*lines, *(f"Note: {plain(text)}" for text in front.note)]


def _past(front: ParetoFront) -> str:
    """What is wrong with a member that flips and does not count."""
    if front.reason is Reason.INFEASIBLE:
        return "flips, but breaks a constraint"
    return "flips by less than counts as verified"


_FIXED, _EACH = 46, 11
"""Columns that a table needs besides its objectives, and for each of them."""

_ADVICE = {
    Reason.BUDGET: "Give more --evaluations, or free --immutable variables.",
    Reason.STALLED: "More candidates will hardly help; try another --solver, or free --immutable variables.",
    Reason.INFEASIBLE: "Relax or drop a --constraint.",
    Reason.CONSTANT: "Check the model's preprocessing with `cfsearch doctor`.",
}


def _chosen(front: ParetoFront, *, most: int) -> list[int]:
    """The picks, then members evenly spread, in the order of how far they flip."""
    lead = front.lead().tolist()
    picks = list(dict.fromkeys(front.picks().values()))[:most]
    rest = [i for i in front.along(most=most) if i not in picks]
    return sorted([*picks, *rest[: most - len(picks)]], key=lambda i: (lead[i], i))


def _table(front: ParetoFront, members: Sequence[int], *, width: int) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    column = front.source if front.target is None else front.target
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("strongest changes", overflow="fold", ratio=1, min_width=16)
    table.add_column(Text(f"p {plain(front.labels[column])}"), justify="right", min_width=6, overflow="fold")
    for j, name in enumerate(front.objectives):
        title = plain(name) if width >= _WIDE else f"f{j + 1}"
        table.add_column(Text(title), justify="right", min_width=8, overflow="fold")
    table.add_column("verified", overflow="fold", max_width=10)
    for i in members:
        table.add_row(
            str(i),
            Text(_changes(front, i)),
            f"{float(front.p[i, column]):.3f}",
            *(f"{value:.4g}" for value in front.f[i].tolist()),
            _verified(front, i),
        )
    return table


def _block(front: ParetoFront, i: int) -> str:
    column = front.source if front.target is None else front.target
    values = (f"{plain(n)} {v:.4g}" for n, v in zip(front.objectives, front.f[i].tolist(), strict=True))
    return "\n  ".join(
        (
            f"#{i} p {plain(front.labels[column])} {float(front.p[i, column]):.3f}, verified {_verified(front, i)}",
            ", ".join(values),
            _changes(front, i),
        )
    )


def _verified(front: ParetoFront, i: int) -> str:
    if not bool(front.verified[i]):
        return "no"
    ways = [way for way, index in front.picks().items() if index == i]
    return " ".join(["yes:", *ways]) if ways else "yes"


def _changes(front: ParetoFront, i: int) -> str:
    words = [plain(word) for word in front.words(i)]
    more = len(words) - _MOST_WORDS
    tail = [f"and {more} more"] if more > 0 else []
    return "; ".join([*words[:_MOST_WORDS], *tail]) or "nothing"


def _legend(front: ParetoFront) -> str:
    parts = (
        f"f{j + 1} {plain(n)} ({plain(u)})"
        for j, (n, u) in enumerate(zip(front.objectives, front.units, strict=True))
    )
    return "Objectives, smaller is better: " + ", ".join(parts)
