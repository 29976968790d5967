"""Scores of a method's counterfactual images on rendered faces, against what the faces would truly look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.contracts.provider import Provider, answers_of
from cfsearch.contracts.scores import verdict_scores
from cfsearch.datasets import faces
from cfsearch.metrics.typicality import Typicality
from cfsearch.numerics.intervals import Interval, paired_mean, wilson

from .bench_faces import SIZE, Answer, BenchFaces
from .rerenders import Rerenders

_KNOWN: Final = 200
_KNOWN_SEED: Final = 990_001


@final
@dataclass(frozen=True, slots=True)
class Scored:
    """What is true of one answer.

    Args:
        model: the classifier that it explains.
        face: which face it is of.
        file: its name.
        flips: whether the classifier decides it otherwise than the original.
        genuine: whether it decides the nearest true re-render otherwise as well.
        same_face: whether it is nearer to a re-render of its own face than to any other original.
        changes: what the nearest re-render changes.
        to_rerender: mean absolute difference to it, pixels in [0, 1].
        to_original: the same to the original.
        realism: typicality among rendered faces (``cfsearch.metrics.typicality``).
    """

    model: str
    face: int
    file: str
    flips: bool
    genuine: bool
    same_face: bool
    changes: tuple[str, ...]
    to_rerender: float
    to_original: float
    realism: float

    @property
    def true(self) -> bool:
        """A flip of this face that holds on the true picture."""
        return self.flips and self.genuine and self.same_face

    @property
    def false(self) -> bool:
        """A flip that does not happen on the true picture."""
        return self.flips and not self.genuine

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "model": self.model,
            "face": self.face,
            "file": self.file,
            "flips": self.flips,
            "genuine": self.genuine,
            "same_face": self.same_face,
            "changes": list(self.changes),
            "to_rerender": round(self.to_rerender, 6),
            "to_original": round(self.to_original, 6),
            "realism": round(self.realism, 6),
        }


@final
class FaceBench:
    """Scores methods on the same faces and classifiers; re-renders are kept from one method to the next.

    Args:
        tasks: the faces.
        models: the classifiers, by the names of the tasks.
    """

    def __init__(self, tasks: BenchFaces, models: Mapping[str, Provider]) -> None:
        self.tasks: BenchFaces = tasks
        self.models: Mapping[str, Provider] = models
        data = tasks.people
        self._rerenders = [Rerenders(data[i : i + 1]) for i in range(len(data))]
        self._sources = {name: _classes(model, data.images) for name, model in models.items()}
        known = faces.faces(_KNOWN, seed=_KNOWN_SEED, size=SIZE)
        self._typicality = Typicality.fit(torch.from_numpy(known.images).float() / 255.0)

    def scored(self, answers: Mapping[str, Sequence[Answer]]) -> list[Scored]:
        """What is true of each answer that can be read.

        Args:
            answers: of one method, by classifier.
        """
        return [
            one
            for name in self.models
            for one in self._of_model(name, [a for a in answers.get(name, ()) if a.picture is not None])
        ]

    def _of_model(self, name: str, answers: Sequence[Answer]) -> list[Scored]:
        if not answers:
            return []
        model, source, originals = self.models[name], self._sources[name], self.tasks.people.images
        pictures = np.stack([a.picture for a in answers if a.picture is not None])
        nearest = [self._rerenders[a.face].nearest(y) for a, y in zip(answers, pictures, strict=True)]
        reached, again = _classes(model, pictures), _classes(model, np.stack([r.image for r in nearest]))
        realism = self._typicality(torch.from_numpy(pictures).float() / 255.0).tolist()
        found = []
        for k, (answer, reading) in enumerate(zip(answers, nearest, strict=True)):
            gaps = np.abs(originals.astype(np.int16) - pictures[k].astype(np.int16)).mean((1, 2, 3)) / 255.0
            others = np.delete(gaps, answer.face)
            found.append(
                Scored(
                    name,
                    answer.face,
                    answer.file,
                    flips=bool(reached[k] != source[answer.face]),
                    genuine=bool(again[k] != source[answer.face]),
                    same_face=bool(reading.distance < others.min()),
                    changes=reading.changes,
                    to_rerender=reading.distance,
                    to_original=float(gaps[answer.face]),
                    realism=float(realism[k]),
                )
            )
        return found


def _classes(model: Provider, images: UInt8[np.ndarray, "n 3 s s"]) -> NDArray[np.int64]:
    x = torch.from_numpy(images).float() / 255.0
    with torch.no_grad():
        scores: Tensor = verdict_scores(answers_of(model, x), model)
    found: NDArray[np.int64] = scores.argmax(-1).cpu().numpy()
    return found


def figures(scored: Sequence[Scored], *, count: int, models: Sequence[str]) -> dict[str, Any]:
    """Figures of one method: shares with their 95 % Wilson intervals, means of the answers that are shown.

    The first answer to a task is the one that is shown; ``any_true`` counts them all.

    Args:
        scored: its answers.
        count: how many faces there are.
        models: the classifiers that were to be explained.
    """
    shown = _shown(scored)
    n, flips = count * len(models), [one for one in shown.values() if one.flips]
    true = sum(one.true for one in flips)
    anywhere = {(one.model, one.face) for one in scored if one.true}
    net = by_face(scored, count=count, models=models)
    return {
        "tasks": n,
        "answers": len(scored),
        "answered": _share(len(shown), n),
        "flips": _share(len(flips), n),
        "genuine": _share(sum(one.genuine for one in flips), len(flips)),
        "same_face": _share(sum(one.same_face for one in flips), len(flips)),
        "true": _share(true, n),
        "false": _share(sum(one.false for one in flips), n),
        "any_true": _share(len(anywhere), n),
        "net": _interval(paired_mean(net)),
        "to_rerender": _mean([one.to_rerender for one in flips]),
        "to_original": _mean([one.to_original for one in flips]),
        "changes": _mean([float(len(one.changes)) for one in flips]),
        "realism": round(median([one.realism for one in flips]), 6) if flips else None,
    }


def by_face(scored: Sequence[Scored], *, count: int, models: Sequence[str]) -> Tensor:
    """Of each face the share of its tasks with a true answer, less that with a false one.

    Args:
        scored: answers of one method.
        count: how many faces there are.
        models: the classifiers that were to be explained.

    Returns:
        ``(count,)``, in [-1, 1].
    """
    net = torch.zeros(count, dtype=torch.float64)
    for one in _shown(scored).values():
        net[one.face] += float(one.true) - float(one.false)
    return net / len(models)


def ranked(
    methods: Mapping[str, Sequence[Scored]], *, count: int, models: Sequence[str]
) -> list[dict[str, Any]]:
    """The methods, the best first: by true answers less false ones, then by how many of their flips are genuine.

    ``apart`` says whether a method is distinguished from the one above it: the 95 % bootstrap interval of their difference, face by face,
    leaves 0 out.

    Args:
        methods: answers by the name of the method.
        count: how many faces there are.
        models: the classifiers that were to be explained.
    """
    found = {name: figures(scored, count=count, models=models) for name, scored in methods.items()}
    order = sorted(found, key=lambda name: _place(found[name], name))
    rows: list[dict[str, Any]] = []
    for rank, name in enumerate(order, start=1):
        apart: bool | None = None
        if rank > 1:
            above, own = (
                by_face(methods[one], count=count, models=models) for one in (order[rank - 2], name)
            )
            gap = paired_mean(above - own)
            apart = gap is not None and not gap.low <= 0.0 <= gap.high
        by_model = {
            model: figures([one for one in methods[name] if one.model == model], count=count, models=[model])
            for model in models
        }
        rows.append({"rank": rank, "method": name, "apart": apart, **found[name], "by_model": by_model})
    return rows


def _place(row: Mapping[str, Any], name: str) -> tuple[float, float, float, str]:
    genuine, near = row["genuine"], row["to_rerender"]
    return (
        -float(row["net"]["value"]),
        -float(genuine["value"]) if genuine else 1.0,
        float("inf") if near is None else float(near),
        name,
    )


def _shown(scored: Sequence[Scored]) -> dict[tuple[str, int], Scored]:
    """The first answer to each task."""
    found: dict[tuple[str, int], Scored] = {}
    for one in scored:
        found.setdefault((one.model, one.face), one)
    return found


def _share(count: int, n: int) -> dict[str, Any] | None:
    interval = wilson(count, n)
    return None if interval is None else {"count": count, "n": n, **interval.to_dict()}


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval.to_dict()


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 6) if values else None
