"""The table of which class became which, for models of more than two classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True, slots=True)
class Becoming:
    """Counts of one model's flips, by class before (rows) and after (columns).

    Args:
        model: name of the model.
        after: classes that anything became, in the order of the labels.
        rows: a class that was left, with one count for each of ``after``.
    """

    model: str
    after: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


def becoming(document: Mapping[str, Any]) -> tuple[Becoming, ...]:
    """One table a model; none of models with two classes, where it says nothing.

    Args:
        document: the content of ``audit.json``; those of before transitions were counted have none.
    """
    found = []
    for model in document["models"]:
        counts = {
            (entry["from"], entry["to"]): entry["count"]
            for entry in document.get("transitions", ())
            if entry["model"] == model["id"]
        }
        if len(model["labels"]) <= 2 or not counts:
            continue
        after = tuple(label for label in model["labels"] if any(to == label for _, to in counts))
        left = [label for label in model["labels"] if any(source == label for source, _ in counts)]
        rows = tuple((label, tuple(counts.get((label, to), 0) for to in after)) for label in left)
        found.append(Becoming(model["name"], after, rows))
    return tuple(found)
