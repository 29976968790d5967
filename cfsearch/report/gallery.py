"""Gallery of the report: each original with a strip of counterfactuals for each model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.contracts.target_range import TargetRange
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.picks import least_change
from cfsearch.fronts.predicted import number_text, predicted_numbers
from cfsearch.fronts.reading import by_generator, robust

from . import wording
from .cells import Cells, build_cells
from .pictures import Codec, data_uri, difference, heat_png, heat_top
from .plan import Plan

_WORDS = 3


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One front with what is known of it, ready to be drawn."""

    key: str
    model: str
    front: ParetoFront
    genuine: tuple[bool | None, ...] | None
    rerenders: Tensor | None
    about: Mapping[str, Any]
    p: NDArray[np.float64]
    picks: Mapping[str, int]
    shown: tuple[int, ...]
    explored: tuple[int, ...]

    @property
    def wanted(self) -> int:
        """The class whose probability is shown."""
        front = self.front
        if front.target is not None:
            return front.target
        return 1 - front.source if len(front.labels) == 2 else front.source

    def is_genuine(self, i: int) -> bool | None:
        """Whether member ``i`` flips on its re-render too; None where nobody knows."""
        return None if self.genuine is None else self.genuine[i]


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: as it was, and what stands there now; both are the same where nothing changed."""

    before: str
    after: str


@final
@dataclass(frozen=True, slots=True)
class Tile:
    """One counterfactual of a strip."""

    index: int
    image: str | None
    heat: str | None
    rerender: str | None
    p: str
    bar: float | None
    now: str
    status: str
    picks: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]
    smaller: int
    origin: str
    text: "tuple[Piece, ...]" = ()
    robust: str = ""
    genuineness: str = ""

    @property
    def alt(self) -> str:
        """The picture in words, for those who do not see it."""
        return f"Counterfactual {self.index}: {self.words}"

    @property
    def words(self) -> str:
        """All that it changes, in one phrase."""
        more = [f"{self.smaller} smaller"] if self.smaller else []
        return ", ".join([w for w, _ in self.changes] + more) or "nothing changed"


@final
@dataclass(frozen=True, slots=True)
class Strip:
    """Counterfactuals of one picture for one model."""

    number: int
    key: str
    model: str
    wanted: str
    source: str
    before: str
    bar: float | None
    reconstruction: str
    reconstruction_flips: bool
    status: str
    reason: str
    tiles: tuple[Tile, ...]
    members: int
    best: Tile | None
    genuine: str | None
    cells: Cells | None = None
    several: bool = False
    predicts: bool = False

    @property
    def became(self) -> str:
        """The class that the best member became; empty where only one other is possible."""
        return self.best.now if self.several and self.best is not None else ""


@final
@dataclass(frozen=True, slots=True)
class Article:
    """One picture."""

    number: int
    name: str
    original: str | None
    reconstruction: str | None
    tiny: bool
    strips: tuple[Strip, ...]
    text: str | None = None
    truth: str = ""


@final
@dataclass(frozen=True, slots=True)
class Gallery:
    """All pictures, and the end of the scale of their difference maps (levels of 255)."""

    articles: tuple[Article, ...]
    top: int
    small_changes: str = ""

    @property
    def first(self) -> int:
        """The article that is open when the page is: of rows and texts the first that shows anything."""
        showing = (a.number for a in self.articles if any((s.cells or a.text) and s.tiles for s in a.strips))
        return next(showing, 0)


@final
@dataclass
class Group:
    """Fronts of the same picture."""

    name: str
    entries: list[Entry] = field(default_factory=list)


def probabilities(scores: Tensor) -> NDArray[np.float64]:
    """Softmax over the last axis, of a few numbers."""
    values = scores.detach().cpu().double().numpy()
    powers = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def grouped(entries: Sequence[Entry]) -> list[Group]:
    """Entries of the same picture together, one of each model, in the order given."""
    groups: dict[tuple[str, str, int], Group] = {}
    for entry in entries:
        name, digest = str(entry.about["name"]), str(entry.about["sha256"])
        turn = 0
        while (group := groups.get((name, digest, turn))) and any(
            e.model == entry.model for e in group.entries
        ):
            turn += 1
        groups.setdefault((name, digest, turn), Group(name)).entries.append(entry)
    return list(groups.values())


def build_gallery(groups: Sequence[Group], *, plan: Plan, models: Mapping[str, str]) -> Gallery:
    """Everything that the gallery draws.

    Args:
        groups: pictures with their fronts.
        plan: how much of each front is drawn.
        models: names of the models, by id.
    """
    gaps = _differences(groups) if plan.heat else {}
    top = heat_top(list(gaps.values()))
    number = 0
    articles = []
    for g, group in enumerate(groups):
        strips = []
        for entry in group.entries:
            name = models.get(entry.model, entry.model)
            strips.append(_strip(entry, number, plan=plan, name=name, gaps=gaps, top=top))
            number += 1
        front = group.entries[0].front
        codec, original = plan.codec, front.picture
        articles.append(
            Article(
                number=g,
                name=wording.mark(group.name),
                original=None if original is None else codec.uri(original),
                reconstruction=None if front.reconstruction is None else codec.uri(front.reconstruction),
                tiny=original is not None and max(original.shape[-2:]) < 48,
                strips=tuple(strips),
                text=None if front.original_text is None else wording.mark(front.original_text),
                truth=str(group.entries[0].about.get("truth", "")),
            )
        )
    tried = [
        entry.front.extra["robustness"]["what"]
        for group in groups
        for entry in group.entries
        if entry.front.robustness is not None
    ]
    return Gallery(articles=tuple(articles), top=top, small_changes=wording.mark(tried[0]) if tried else "")


def changes_of(front: ParetoFront, i: int) -> list[tuple[str, str]]:
    """What member ``i`` changes enough to be named, strongest first: words and numbers.

    Where the generator describes its changes, these are its words, without numbers.
    """
    if front.described:
        return [(wording.mark(words).replace(" -> ", " → "), "") for words in front.described[i]]
    z, before, after = front.z[i].tolist(), front.origin_values.tolist(), front.values[i].tolist()
    named = (
        j
        for j in range(len(z))
        if abs(z[j]) > least_change(front.z) and wording.nameable(before[j], after[j])
    )
    return [
        (
            wording.mark(wording.change(front.variables[j], before[j], after[j])),
            wording.mark(wording.values(front.variables[j], before[j], after[j])),
        )
        for j in sorted(named, key=lambda j: -abs(z[j]))
    ]


def _differences(groups: Sequence[Group]) -> dict[tuple[str, int], NDArray[np.float32]]:
    gaps = {}
    for group in groups:
        for entry in group.entries:
            front = entry.front
            every, original, modality = front.stored_members, front.stored_original, front.modality
            if modality.pictured and every is not None and original is not None:
                for i in entry.shown:
                    gaps[entry.key, i] = difference(modality.levels(every[i]), modality.levels(original))
    return gaps


def status_of(entry: Entry, i: int) -> str:
    """``genuine`` or ``artefact`` by a re-render, ``doubtful`` by an estimate, else ``verified`` or ``unverified``."""
    if not bool(entry.front.verified[i]):
        return "unverified"
    genuine = entry.is_genuine(i)
    if genuine is None:
        return "verified" if bool(entry.front.valid[i]) else "doubtful"
    return "genuine" if genuine else "artefact"


def _strip(
    entry: Entry,
    number: int,
    *,
    plan: Plan,
    name: str,
    gaps: Mapping[tuple[str, int], NDArray[np.float32]],
    top: int,
) -> Strip:
    front, wanted = entry.front, entry.wanted
    again = probabilities(front.reconstruction_scores)
    tiles = tuple(_tile(entry, i, plan=plan, gaps=gaps, top=top) for i in entry.shown)
    sparsest = next((t for t in tiles if "sparsest" in t.picks), None)
    known = [entry.is_genuine(i) for i in range(len(front)) if bool(front.verified[i])]
    judged = [k for k in known if k is not None]
    winner = int(again.argmax())
    flips = winner == front.target if front.target is not None else winner != front.source
    return Strip(
        number=number,
        key=wording.mark(entry.key),
        model=name,
        wanted=wording.mark(front.labels[wanted]),
        source=wording.mark(front.labels[front.source]),
        before=answer(front, front.original_scores, wanted=wanted),
        bar=_bar(front, front.original_scores, wanted=wanted),
        reconstruction=answer(front, front.reconstruction_scores, wanted=wanted),
        reconstruction_flips=flips and entry.about["status"] != "already_target",
        status=str(entry.about["status"]),
        reason=str(entry.about["reason_text"]),
        tiles=tiles,
        members=len(front),
        best=sparsest or (tiles[-1] if tiles else None),
        genuine=f"{sum(judged)} of {len(judged)}" if judged else None,
        cells=build_cells(front, entry.shown, most=plan.changes),
        several=len(front.labels) > 2,
        predicts=TargetRange.of_labels(front.labels) is not None,
    )


def _tile(
    entry: Entry,
    i: int,
    *,
    plan: Plan,
    gaps: Mapping[tuple[str, int], NDArray[np.float32]],
    top: int,
) -> Tile:
    front, codec = entry.front, plan.codec
    p, picture = entry.p[i], front.picture_of(i)
    changes = changes_of(front, i)
    gap = gaps.get((entry.key, i))
    again = entry.rerenders if plan.rerenders else None
    return Tile(
        index=i,
        image=None if picture is None else codec.uri(picture),
        heat=None if gap is None else data_uri(heat_png(gap, top=top), "png"),
        rerender=None if again is None else codec.uri(again[i]),
        p=answer(front, front.scores[i], wanted=entry.wanted),
        bar=_bar(front, front.scores[i], wanted=entry.wanted),
        now=wording.mark(front.labels[int(p.argmax())]),
        status=status_of(entry, i),
        picks=tuple(way for way, index in entry.picks.items() if index == i),
        changes=tuple(changes[:_WORDS]),
        smaller=(len(changes) if front.described else int(front.changed[i].sum()))
        - min(_WORDS, len(changes)),
        origin=wording.mark(front.origins[i]),
        text=_pieces(front, i),
        robust=robust(front, i),
        genuineness=by_generator(front, i).replace("-", wording.MINUS),
    )


def _pieces(front: ParetoFront, i: int) -> tuple[Piece, ...]:
    """The text of member ``i`` in stretches that changed or did not; empty where inputs are no texts."""
    if front.text is None or front.texts is None:
        return ()
    found: list[Piece] = []
    for old, new in zip(front.text, front.texts[i], strict=True):
        before, after = wording.mark(old), wording.mark(new)
        if old == new and found and found[-1].before == found[-1].after:
            found[-1] = Piece(found[-1].before + before, found[-1].after + after)
        elif old == new:
            found.append(Piece(before, after))
        else:
            space = old[: len(old) - len(old.lstrip())]
            found += [*([Piece(space, space)] if space else []), Piece(before.strip(), after.strip())]
    return tuple(found)


def answer(front: ParetoFront, scores: Tensor, *, wanted: int) -> str:
    """What the model says of one input: the probability of a class, or the number that it predicts.

    Args:
        front: of the model.
        scores: of the input.
        wanted: the class.
    """
    numbers = predicted_numbers(front.labels, scores[None])
    if numbers is None:
        return wording.probability(float(probabilities(scores)[wanted]))
    return number_text(numbers[0]).replace("-", wording.MINUS)


def _bar(front: ParetoFront, scores: Tensor, *, wanted: int) -> float | None:
    """Per cent of a bar; None of a predicted number, which has none."""
    if TargetRange.of_labels(front.labels) is not None:
        return None
    p = float(probabilities(scores)[wanted])
    return 0.0 if math.isnan(p) else round(100 * min(1.0, max(0.0, p)), 1)


def explorer_picture(entry: Entry, i: int, *, codec: Codec) -> str | None:
    """The bytes of a member that is not in the strip, in base64 without the header."""
    picture = entry.front.picture_of(i)
    return None if picture is None else codec.uri(picture).split(",", 1)[1]
