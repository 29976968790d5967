"""Fronts in the terminal: the answer in words first, then the counterfactuals, best first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.picks import OUTLYING
from cfsearch.fronts.predicted import predicted_words
from cfsearch.fronts.reading import by_generator, robust

from ._output import plain, shortened

if TYPE_CHECKING:
    from rich.console import Console

    from ._tables import ResultTable

_MOST_WORDS: Final = 4
_LONGEST: Final = 200
"""Letters of a change."""
_CHANGES: Final = 34
"""Columns that changes need beside the others; where they are fewer, members become lines."""
_FIXED, _EACH, _NAMED = 38, 10, 14
"""Columns of a table without changes and objectives, and of one objective, by number or by name."""
_ROBUST: Final = 9
"""Columns of the number of small changes."""
_TWO: Final = 15
"""Columns of the genuineness by two generators."""
_WIDE: Final = 120
"""Columns from which objectives stand under their names."""
_ORDER: Final = ("sparsest", "closest", "knee", "crossing")
"""Picks in the order in which a reader wants them."""


def show_front(console: "Console", front: ParetoFront, *, most: int, only: int | None = None) -> None:
    """Print the answer, at most ``most`` members (or one), and what a reader must know.

    Args:
        console: where.
        front: what is shown.
        most: members shown at most.
        only: the one member to show instead.
    """
    from rich.text import Text

    width = console.width
    console.print(Text(headline(front, only=only), style="bold"))
    answer = front.pick("sparsest") if only is None else None
    if answer is not None:
        console.print(Text(_joined(_changes(front, answer), width=width, indent=2)))
    console.print(Text(counts(front)))
    if len(front):
        chosen = [only] if only is not None else ranked(front, most=most)
        each = _NAMED if width >= _WIDE else _EACH
        fixed = _FIXED + (0 if front.robustness is None else _ROBUST)
        fixed += 0 if front.genuineness_each is None else _TWO
        if width < fixed + _CHANGES + each * len(front.objectives):
            console.print(Text(_blocks(front, chosen, width=width)))
        else:
            console.print(_table(front, chosen, width=width))
            if width < _WIDE:
                console.print(Text(_legend(front)))
        if front.robustness is not None:
            console.print(
                Text(
                    f"robust: of so many small changes, how many still flip: {front.extra['robustness']['what']}."
                )
            )
        if front.genuineness_each is not None:
            console.print(Text(_two_generators(front)))
        if only is None and len(chosen) < len(front):
            console.print(Text(_left_out(front, chosen)))
    for line in remarks(front):
        console.print(Text(line))


def headline(front: ParetoFront, *, only: int | None = None) -> str:
    """The answer in a sentence: which class it was, which it becomes, with how many changes.

    Args:
        front: whose answer.
        only: the member to speak of; the sparsest counterfactual when left out.
    """
    source = plain(front.labels[front.source])
    p = float(torch.softmax(front.original_scores.double(), -1)[front.source])
    start = f"{plain(front.name)}: {plain(predicted_words(front.labels, front.original_scores)) or f'{source} (p {p:.3f})'}"
    member = front.pick("sparsest") if only is None else only
    if member is None:
        if front.reason is Reason.ALREADY_TARGET:
            return f"{start}, the wanted class already"
        goal = "any other class" if front.target is None else plain(front.labels[front.target])
        return f"{start}, no counterfactual for {goal}"
    number = len(front.words(member))
    verb = "becomes" if bool(front.verified[member]) else "stays no counterfactual,"
    return f"{start} {verb} {becomes(front, member)} with {number} change{'s' * (number != 1)}"


def counts(front: ParetoFront) -> str:
    """How many members are counterfactuals, how many are not, and what the search took."""
    valid, verified = int(front.valid.sum()), int(front.verified.sum())
    parts = [f"{valid} verified counterfactual{'s' * (valid != 1)}"]
    if verified > valid:
        parts.append(_counted(verified - valid, "flip that is not genuine", "flips that are not genuine"))
    if len(front) > verified:
        parts.append(
            _counted(
                len(front) - verified,
                "member that does not flip the model",
                "members that do not flip the model",
            )
        )
    tried = _counted(front.evaluations, "candidate", "candidates")
    if front.queries is not None:
        before = f", {front.seeding:,} of them by explainers before" if front.seeding else ""
        tried += f" ({_counted(front.queries, 'query', 'queries')} to the model{before})"
    return f"{', '.join(parts)}; {tried}."


def _counted(n: int, one: str, several: str) -> str:
    return f"{n:,} {one if n == 1 else several}"


def becomes(front: ParetoFront, i: int) -> str:
    """The most probable class of a member, with its probability."""
    top = int(front.p[i].argmax())
    number = plain(predicted_words(front.labels, front.scores[i]))
    if number:
        return number
    return f"{plain(front.labels[top])} (p {float(front.p[i, top]):.3f})"


def remarks(front: ParetoFront) -> list[str]:
    """Why it stopped where nothing was found, the nearest miss, what to change, and the notes."""
    lines = []
    if not front.found:
        lines.append(f"Nothing found: {front.reason.value}.")
        if len(front) and front.reason not in (Reason.ALREADY_TARGET, Reason.FIXED):
            nearest = int(front.lead().argmax())
            lead = float(front.lead()[nearest])
            number = predicted_words(front.labels, front.scores[nearest])
            lacks = f"comes to {number}" if number else f"lacks {-lead:.3f} in probability"
            lines.append(
                f"The nearest miss is member {nearest}: it {plain(lacks) if lead <= 0 else _past(front)}."
            )
        advice = _ADVICE.get(front.reason)
        if advice:
            lines.append(advice)
    return [*lines, *(f"Note: {plain(text)}" for text in front.note)]


def ranked(front: ParetoFront, *, most: int) -> list[int]:
    """Members in the order of the table: answers, picks, other counterfactuals (fewest changes first), the rest.

    Of many counterfactuals those besides answers and picks are spread along the front; members that do not
    flip come last, the nearest to a flip first.

    Args:
        front: whose members.
        most: how many.
    """
    found = front.picks()
    picks = list(dict.fromkeys([*front.answers(), *(found[way] for way in _ORDER if way in found)]))
    valid, sizes = front.valid, front.sizes
    number = front.changed.sum(1)
    along = [i for i in front.along(most=len(front)) if bool(valid[i]) and i not in picks]
    room = min(max(most - len(picks), 0), len(along))
    spread = [along[k * len(along) // room] for k in range(room)]
    spread.sort(key=lambda i: (int(number[i]), float(sizes[i])))
    lead = front.lead()
    rest = sorted((i for i in range(len(front)) if not bool(valid[i])), key=lambda i: -float(lead[i]))
    return [*picks, *spread, *rest][:most]


def _past(front: ParetoFront) -> str:
    """What is wrong with a member that flips and does not count."""
    if front.reason is Reason.INFEASIBLE:
        return "flips, but breaks a constraint"
    return "flips by less than counts as verified"


_ADVICE = {
    Reason.BUDGET: "Give more --evaluations, or free --immutable variables.",
    Reason.STALLED: "More candidates will hardly help; try another --solver, or free --immutable variables.",
    Reason.INFEASIBLE: "Relax or drop a --constraint.",
    Reason.CONSTANT: "Check the model's preprocessing with `cfsearch doctor`.",
    Reason.FIXED: "Let more of it change (--immutable, ranges, settings of the generator), or leave it out.",
}


def _table(front: ParetoFront, members: Sequence[int], *, width: int) -> "ResultTable":
    from rich.text import Text

    from ._tables import ResultTable

    table = ResultTable(longest=(1 + _MOST_WORDS) * _LONGEST)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("picked as", overflow="fold", min_width=10)
    table.add_column("changes", overflow="fold", ratio=1, min_width=16)
    table.add_column("becomes", overflow="fold", min_width=14)
    if front.robustness is not None:
        table.add_column("robust", justify="right", no_wrap=True)
    if front.genuineness_each is not None:
        table.add_column("z, both", justify="right", no_wrap=True)
    for j, name in enumerate(front.objectives):
        title = shortened(plain(name)) if width >= _WIDE else f"f{j + 1}"
        table.add_column(Text(title), justify="right", min_width=8, overflow="fold")
    roles = _roles(front)
    for i in members:
        table.add_row(
            str(i),
            roles[i],
            Text("; ".join(_changes(front, i))),
            Text(becomes(front, i)),
            *([] if front.robustness is None else [robust(front, i)]),
            *([] if front.genuineness_each is None else [by_generator(front, i)]),
            *(f"{value:.4g}" for value in front.f[i].tolist()),
            style="" if bool(front.valid[i]) else "dim",
        )
    return table


def _two_generators(front: ParetoFront) -> str:
    return (
        "z: genuineness by the first and by the second generator, in standard errors; a counterfactual takes "
        f"{float(front.extra['genuineness']['threshold']):g} of each."
    )


def _blocks(front: ParetoFront, members: Sequence[int], *, width: int) -> str:
    roles = _roles(front)
    return "\n".join(_block(front, i, role=roles[i], width=width) for i in members)


def _block(front: ParetoFront, i: int, *, role: str, width: int) -> str:
    values = [f"{plain(n)} {v:.4g}" for n, v in zip(front.objectives, front.f[i].tolist(), strict=True)]
    values += [f"robust {share}"] if (share := robust(front, i)) else []
    values += [f"z {both}"] if (both := by_generator(front, i)) else []
    return "\n".join(
        (
            _joined(
                [f"#{i} {role}{':' if role else ''}".rstrip(), becomes(front, i)],
                width=width,
                indent=0,
                mark="",
            ),
            _joined(_changes(front, i), width=width, indent=2),
            _joined(values, width=width, indent=2, mark=","),
        )
    )


def _roles(front: ParetoFront) -> list[str]:
    """Which answer and which picks each member is, or why it is no counterfactual."""
    answers, picks, valid = front.answers(), front.picks(), front.valid.tolist()
    factors = [1.0] * len(valid) if front.outlierness is None else front.outlierness.tolist()
    roles = []
    for i, verified in enumerate(front.verified.tolist()):
        place = [f"answer {answers.index(i) + 1}"] if i in answers else []
        apart = [f"unlike known ones (outlier factor {factors[i]:.1f})"] if factors[i] > OUTLYING else []
        shown = ", ".join(
            [*place, *(way for way in _ORDER if picks.get(way) == i), *(apart if place else ())]
        )
        roles.append(shown if valid[i] else "not genuine" if verified else "no flip")
    return roles


def _joined(parts: Sequence[str], *, width: int, indent: int, mark: str = ";") -> str:
    """Parts one after another, broken between them where the terminal ends."""
    lines = [""]
    for k, part in enumerate(parts):
        text = part + (mark if k < len(parts) - 1 else "")
        if lines[-1] and indent + len(lines[-1]) + 1 + len(text) > width:
            lines.append(text)
        else:
            lines[-1] = f"{lines[-1]} {text}".strip()
    return "\n".join(" " * indent + line for line in lines)


def _changes(front: ParetoFront, i: int) -> list[str]:
    words = [shortened(plain(word), most=_LONGEST) for word in front.words(i)]
    more = len(words) - _MOST_WORDS
    return [*words[:_MOST_WORDS], *([f"and {more} more"] if more > 0 else [])] or ["nothing"]


def _left_out(front: ParetoFront, shown: Sequence[int]) -> str:
    """How many members are not shown, and of which kind."""
    flips = int(front.valid.sum()) - sum(bool(front.valid[i]) for i in shown)
    others = len(front) - len(shown) - flips
    kinds = [f"{flips} counterfactual{'s' * (flips != 1)}"] if flips else []
    kinds += [f"{others} that do not count"] if others else []
    return f"Left out: {' and '.join(kinds)} (--rows {len(front)} shows all)."


def _legend(front: ParetoFront) -> str:
    parts = (
        f"f{j + 1} {plain(n)} ({plain(u)})"
        for j, (n, u) in enumerate(zip(front.objectives, front.units, strict=True))
    )
    return "Objectives, smaller is better: " + ", ".join(parts)
