"""Transition table: counts of the sparsest verified flips by class before and after."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, final

from cfsearch.fronts.front import ParetoFront


@final
class TransitionTally:
    """Counts of the sparsest verified flips by class before and after, one front after the other.

    One flip an instance. Instances whose reconstruction flips before anything is changed are left out, as in the
    changes.
    """

    def __init__(self) -> None:
        self._labels: Sequence[str] = ()
        self._count: Counter[tuple[int, int]] = Counter()

    def add(self, front: ParetoFront, sparsest: int | None) -> None:
        """Count one front.

        Args:
            front: of one input.
            sparsest: its ``pick("sparsest")``.
        """
        self._labels = self._labels or front.labels
        if sparsest is not None and not front.reconstruction_flips:
            self._count[front.source, int(front.scores[sparsest].argmax())] += 1

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Rows of the document, in the order of the labels.

        Args:
            model: id of the model.
        """
        return [
            {"model": model, "from": self._labels[source], "to": self._labels[target], "count": n}
            for (source, target), n in sorted(self._count.items())
        ]


def transitions(model: str, fronts: Iterable[ParetoFront]) -> list[dict[str, Any]]:
    """Rows of the document: from which class to which, and how often; see ``TransitionTally``.

    Args:
        model: id of the model.
        fronts: one an instance.
    """
    tally = TransitionTally()
    for front in fronts:
        tally.add(front, front.pick("sparsest"))
    return tally.rows(model)


def true_class(name: str, labels: Sequence[str]) -> str | None:
    """The class that an image's folder is named after: "4" of "test/4/017.png"; None where it is of no class.

    Args:
        name: the image's name, with the folders it lies in.
        labels: the classes of the model.
    """
    folder = name.rsplit("/", 2)[-2] if "/" in name else ""
    return folder if folder in labels else None
