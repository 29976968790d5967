"""Differences of groups' attainment functions, as a table and as pictures on the page of an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from . import wording

_SURE: Final = 0.05
_SIZE: Final = 240.0
"""Width and height of a picture, in units of its drawing."""
_TICKS: Final = 4
_NAMES: Final = {
    "gower": "Gower distance",
    "changed": "changes",
    "neighbours": "distance to known rows",
    "sparsity": "share changed",
    "perceptual": "visible difference",
}
"""Objectives in plain words."""


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """One goal of the picture; ``strength`` is the size of the difference, ``kind`` which group is ahead."""

    x: float
    y: float
    kind: str
    strength: float


@final
@dataclass(frozen=True, slots=True)
class Label:
    """A number beside an axis, and where it stands."""

    at: float
    text: str


@final
@dataclass(frozen=True, slots=True)
class Picture:
    """The difference of two attainment functions over two objectives; lines and columns are equally wide."""

    x: str
    y: str
    width: float
    height: float
    cells: tuple[Cell, ...]
    across: tuple[Label, ...]
    down: tuple[Label, ...]
    alt: str


@final
@dataclass(frozen=True, slots=True)
class FrontPair:
    """One comparison of the fronts of two groups, in words.

    Args:
        name: of the comparison: attribute, groups and class.
        goal: the costs at which the shares differ most.
        shares: of the two groups there.
        gap: size of that difference, with its interval.
        volume: difference of the mean hypervolumes, likewise.
        p: after Holm, of attainment and of hypervolume.
        reading: what both tests let one say.
    """

    name: str
    first: str
    second: str
    n: tuple[int, int]
    goal: str
    shares: tuple[str, str]
    gap: tuple[str, str]
    volume: tuple[str, str]
    p: tuple[str, str]
    reading: str
    picture: Picture | None


def front_pairs(document: Mapping[str, Any]) -> tuple[FrontPair, ...]:
    """The comparisons of whole fronts that a document holds.

    Args:
        document: the content of ``audit.json``.
    """
    models = {m["id"]: m["name"] for m in document["models"]}
    return tuple(
        _pair(entry, model=models[entry["model"]] if len(models) > 1 else "")
        for entry in document.get("attainment", ())
    )


def _pair(entry: Mapping[str, Any], *, model: str) -> FrontPair:
    title = wording.human(entry["attribute"])
    first, second = entry["name"], entry["against"]
    if (first, second) == ("with", "without"):
        first, second = f"{title}: yes", f"{title}: no"
    goal = " and ".join(
        f"{_words(o['name'])} {_number(value)}"
        for o, value in zip(entry["objectives"], entry["goal"], strict=True)
    )
    volume, p = entry["hypervolume_difference"], entry["p"]
    sure = [what for what in ("attainment", "hypervolume") if p[what] is not None and p[what] < _SURE]
    cheaper = first if volume["value"] > 0 else second
    reading = "cannot tell"
    if sure == ["attainment"]:
        reading = "the fronts differ"
    elif sure:
        reading = f"{cheaper}: larger fronts"
    return FrontPair(
        name=f"{title}, away from {entry['from']}" + (f" ({model})" if model else ""),
        first=first,
        second=second,
        n=(entry["n"]["first"], entry["n"]["second"]),
        goal=goal,
        shares=(wording.percent(entry["attained"]["first"]), wording.percent(entry["attained"]["second"])),
        gap=(wording.percent(entry["gap"]["value"]), wording.span(entry["gap"])),
        volume=(
            wording.number(volume["value"], signed=True),
            wording.span(volume, form="logit"),
        ),
        p=(_p(p["attainment"]), _p(p["hypervolume"])),
        reading=reading,
        picture=None if entry["map"] is None else _picture(entry["map"], first=first, second=second),
    )


def _p(value: float | None) -> str:
    return wording.MISSING if value is None else wording.small(value)


def _words(objective: str) -> str:
    return _NAMES.get(objective, objective.replace("_", " "))


def _number(value: float) -> str:
    return f"{value:g}" if float(value).is_integer() and abs(value) < 1e4 else wording.number(value)


def _picture(drawn: Mapping[str, Any], *, first: str, second: str) -> Picture:
    xs, ys = drawn["levels"]["x"], drawn["levels"]["y"]
    width, height = _SIZE / len(xs), _SIZE / len(ys)
    cells = []
    for i in range(len(xs)):
        for j in range(len(ys)):
            gap = drawn["first"][i][j] - drawn["second"][i][j]
            if abs(gap) >= 0.01:
                kind = "ahead" if gap > 0 else "behind"
                # small costs stand at the left and below
                cells.append(
                    Cell(round(i * width, 2), round(_SIZE - (j + 1) * height, 2), kind, round(abs(gap), 3))
                )
    x, y = _words(drawn["x"]), _words(drawn["y"])
    ahead = max((c.strength for c in cells if c.kind == "ahead"), default=0.0)
    behind = max((c.strength for c in cells if c.kind == "behind"), default=0.0)
    return Picture(
        x=x,
        y=y,
        width=round(width, 2),
        height=round(height, 2),
        cells=tuple(cells),
        across=_labels(xs, step=width),
        down=tuple(Label(round(_SIZE - label.at, 2), label.text) for label in _labels(ys, step=height)),
        alt=(
            f"At no more than each {x} and {y}: {first} is ahead by up to {wording.percent(ahead)} of its inputs, "
            f"{second} by up to {wording.percent(behind)}."
        ),
    )


def _labels(levels: Sequence[float], *, step: float) -> tuple[Label, ...]:
    places = sorted({round(k * (len(levels) - 1) / (_TICKS - 1)) for k in range(_TICKS)})
    return tuple(Label(round((i + 0.5) * step, 2), _number(levels[i])) for i in places)
