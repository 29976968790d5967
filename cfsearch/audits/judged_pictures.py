"""Pairs of pictures that another tool made: put to the model again and measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.contracts.scores import lead
from cfsearch.datasets.images import ImageRef, find_images, read_image
from cfsearch.errors import DataError
from cfsearch.fronts.front import ParetoFront
from cfsearch.metrics.ssim import ssim
from cfsearch.numerics.similarity import WINDOW

_VISIBLE: Final = 2.5 / 255
"""A channel that changes by less is not counted as a changed pixel: it is rounding."""
_ORIGINAL: Final = "-original"
_RECONSTRUCTION: Final = "reconstruction"


@final
@dataclass(frozen=True, slots=True)
class Pairs:
    """One original with its counterfactuals."""

    original: ImageRef
    counterfactuals: tuple[ImageRef, ...]


def read_pairs(folder: str | Path, *, originals: str | Path | None = None) -> list[Pairs]:
    """Originals with their counterfactuals, by the names of the files.

    ``face.png`` belongs to ``face.cf.png``, ``face.cf1.png``, ``face.cf_b.png``; and ``face-original.png`` to every other
    ``face-NAME.png``, as ``cfsearch export --format pictures`` names them, but for ``face-reconstruction.png``, which is no
    counterfactual. With a folder of originals of its own, the
    other folder's files belong to the original of the same name, or that their name begins with, followed by ``.cf``, ``_cf``, ``-cf`` or
    a number after ``_`` or ``-``.

    Args:
        folder: of the counterfactuals, and of the originals where these have no folder of their own.
        originals: the folder of the originals.

    Raises:
        DataError: a counterfactual has no original, or there is none.
    """
    found = {Path(ref.name).stem: ref for ref in find_images(folder)}
    if originals is None:
        named = {stem: found.pop(stem) for stem in tuple(found) if stem.endswith(_ORIGINAL)}
        if named:
            return _exported(named, found)
        first = {stem: ref for stem, ref in found.items() if re.search(r"\.cf\w*$", stem) is None}
        rest = {stem: ref for stem, ref in found.items() if stem not in first}
    else:
        first, rest = {Path(ref.name).stem: ref for ref in find_images(originals)}, found
    groups: dict[str, list[ImageRef]] = {}
    for stem, ref in sorted(rest.items()):
        bare = re.sub(r"\.cf\w*$", "", stem)
        if originals is not None and bare not in first:
            bare = re.sub(r"[_-](?:cf)?[_-]?\d*$", "", bare)
        if bare not in first:
            raise DataError(
                f"judge: the counterfactual {ref.name!r} has no original {bare + Path(ref.name).suffix!r}. "
                "Name pairs NAME.png and NAME.cf1.png, or give the folder of the originals with --images."
            )
        groups.setdefault(bare, []).append(ref)
    if not groups:
        raise DataError(
            f"judge: {str(folder)!r} holds no counterfactuals. Name pairs NAME.png and NAME.cf1.png, or give the "
            "folder of the originals with --images."
        )
    return [Pairs(first[stem], tuple(refs)) for stem, refs in groups.items()]


def _exported(named: Mapping[str, ImageRef], others: Mapping[str, ImageRef]) -> list[Pairs]:
    """The pairs of a folder whose originals are called so, each with what begins with its name."""
    groups: dict[str, list[ImageRef]] = {stem.removesuffix(_ORIGINAL[1:]): [] for stem in named}
    for stem, ref in sorted(others.items()):
        owner = max((start for start in groups if stem.startswith(start)), key=len, default=None)
        if owner is None:
            raise DataError(
                f"judge: {ref.name!r} belongs to no original: the folder's originals end in {_ORIGINAL!r}, and no other "
                "part of their names begins its own. Name pairs NAME-original.png and NAME-1.png, or NAME.png and NAME.cf1.png."
            )
        if stem.removeprefix(owner) != _RECONSTRUCTION:
            groups[owner].append(ref)
    pairs = [Pairs(named[start + _ORIGINAL[1:]], tuple(refs)) for start, refs in groups.items() if refs]
    if not pairs:
        raise DataError(
            f"judge: no original of {len(named)} has a counterfactual, such as "
            f"{next(iter(groups)) + '1.png'!r}. Put them into the same folder."
        )
    return pairs


def judge_pictures(
    model: Provider,
    pairs: Sequence[Pairs],
    *,
    size: int | None,
    target: str | None,
    fronts: Mapping[str, ParetoFront],
) -> tuple[list[dict[str, Any]], list[list[Tensor]]]:
    """What becomes of each original: theirs, ours, and the nearest other original that the model decides otherwise.

    Args:
        model: the audited model.
        pairs: the pictures.
        size: that the model takes; None for their own.
        target: the wanted class; None for any other than the present one.
        fronts: our own, by SHA-256 of the original.

    Returns:
        One entry an original, as of ``judge_rows``; and its pictures, the original first, then theirs, then our sparsest.
    """
    goal = None if target is None else model.labels.index(target)
    records = [read_image(pair.original, size=size) for pair in pairs]
    originals = [record.x for record in records]
    scores = [_scores(model, x) for x in originals]
    classes = [model.labels[int(score.argmax())] for score in scores]
    entries, pictures = [], []
    for i, (pair, x) in enumerate(zip(pairs, originals, strict=True)):
        source = int(scores[i].argmax())
        members, shown = [], [x]
        for ref in pair.counterfactuals:
            y = read_image(ref, size=size).x
            if y.shape != x.shape:
                members.append(_unreadable(f"{ref.name}: it has another size than its original"))
            else:
                members.append(_member(model, x, y, source=source, goal=goal))
            shown.append(y)
        ours = None
        front = fronts.get(records[i].sha256)
        if front is not None and front.images is not None:
            base = x if front.images.shape[1:] == x.shape else None
            kept = [] if base is None else front.valid.nonzero().flatten().tolist()
            ours = [_member(model, x, front.images[k].float() / 255, source=source, goal=goal) for k in kept]
            best = front.pick("sparsest")
            if best is not None:
                shown.append(front.images[best].float() / 255)
        others = [
            j
            for j in range(len(originals))
            if originals[j].shape == x.shape and _wanted(int(scores[j].argmax()), source=source, goal=goal)
        ]
        entries.append(
            {
                "name": pair.original.name,
                "source": model.labels[source],
                "original": {},
                "theirs": members,
                "ours": ours,
                "nearest": _nearest(
                    x, originals, others, names=[pair.original.name for pair in pairs], reached=classes
                ),
                "diversity": {"theirs": None, "ours": None},
            }
        )
        pictures.append(shown)
    return entries, pictures


def _scores(model: Provider, x: Float[Tensor, "c h w"]) -> Float[Tensor, " k"]:
    with torch.no_grad():
        return model.predict(x[None])[0].cpu()


def _wanted(reached: int, *, source: int, goal: int | None) -> bool:
    return reached == goal if goal is not None else reached != source


def _unreadable(because: str) -> dict[str, Any]:
    return {"readable": False, "because": because, "valid": False, "broken": [because.split(": ", 1)[-1]]}


def _member(model: Provider, x: Tensor, y: Tensor, *, source: int, goal: int | None) -> dict[str, Any]:
    score = _scores(model, y)
    reached = int(score.argmax())
    margin = lead(
        torch.softmax(score.double(), -1)[None, None],
        source=torch.tensor([source]),
        target=torch.tensor([-1 if goal is None else goal]),
    )
    return {
        "readable": True,
        "because": "",
        "valid": _wanted(reached, source=source, goal=goal),
        "reached": model.labels[reached],
        "lead": round(float(margin.flatten()[0]), 6),
        "changes": [],
        "broken": [],
        **_distance(x, y),
        "dominated": None,
    }


def _distance(x: Float[Tensor, "c h w"], y: Float[Tensor, "c h w"]) -> dict[str, float | None]:
    change = (x - y).abs()
    alike = float(ssim(x[None], y[None])[0]) if min(x.shape[1:]) >= WINDOW else None
    return {
        "pixels": round(float((change.amax(0) > _VISIBLE).double().mean()), 6),
        "l1": round(float(change.mean()), 6),
        "ssim": None if alike is None else round(alike, 6),
    }


def _nearest(
    x: Tensor,
    originals: Sequence[Tensor],
    others: Sequence[int],
    *,
    names: Sequence[str],
    reached: Sequence[str],
) -> dict[str, Any] | None:
    """The nearest of some originals, each with its name and the class that the model gives it."""
    if not others:
        return None
    best = min(others, key=lambda j: float((x - originals[j]).abs().mean()))
    return {"name": names[best], "reached": reached[best], **_distance(x, originals[best])}
