"""Transition table: counts of the sparsest verified flips by class before and after."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cfsearch.fronts.front import ParetoFront


def transitions(model: str, fronts: Sequence[ParetoFront]) -> list[dict[str, Any]]:
    """Rows of the document: from which class to which, and how often, in the order of the labels.

    One flip an instance, its sparsest verified one. Instances whose reconstruction flips before
    anything is changed are left out, as in the changes.

    Args:
        model: id of the model.
        fronts: one an instance.
    """
    labels = next((front.labels for front in fronts), ())
    picked = [(front, front.pick("sparsest")) for front in fronts if not front.reconstruction_flips]
    count = Counter((front.source, int(front.scores[i].argmax())) for front, i in picked if i is not None)
    return [
        {"model": model, "from": labels[source], "to": labels[target], "count": n}
        for (source, target), n in sorted(count.items())
    ]


def true_class(name: str, labels: Sequence[str]) -> str | None:
    """The class that an image's folder is named after: "4" of "test/4/017.png"; None where it is of no class.

    Args:
        name: the image's name, with the folders it lies in.
        labels: the classes of the model.
    """
    folder = name.rsplit("/", 2)[-2] if "/" in name else ""
    return folder if folder in labels else None
