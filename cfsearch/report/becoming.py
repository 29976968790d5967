"""The table of which class became which, for models of more than two classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final

_MOST: Final = 30
"""Classes with a row or a column of their own; a thousand of each would be a page of a million cells."""


@final
@dataclass(frozen=True, slots=True)
class Becoming:
    """Counts of one model's flips, by class before (rows) and after (columns).

    Args:
        model: name of the model.
        after: classes that anything became, in the order of the labels; of many the 30 most frequent, then the others as one.
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
        left, after = (_heads(counts, model["labels"], end=end) for end in (0, 1))
        cells: Counter[tuple[str, str]] = Counter()
        for (source, to), count in counts.items():
            if source in left and to in after:
                cells[left[source], after[to]] += count
        columns = tuple(dict.fromkeys(after.values()))
        rows = tuple((row, tuple(cells[row, to] for to in columns)) for row in dict.fromkeys(left.values()))
        found.append(Becoming(model["name"], columns, rows))
    return tuple(found)


def _heads(
    counts: Mapping[tuple[str, str], int], labels: Sequence[str], *, end: Literal[0, 1]
) -> dict[str, str]:
    """Each class that was left (``end`` 0) or reached (1), in the order of the labels, to the head that it stands under."""
    total: Counter[str] = Counter()
    for pair, count in counts.items():
        total[pair[end]] += count
    places = {label: place for place, label in enumerate(labels)}
    among = sorted((label for label in total if label in places), key=places.__getitem__)
    if len(among) <= _MOST + 1:
        return {label: label for label in among}
    first = {label for label, _ in sorted(total.items(), key=lambda one: (-one[1], places[one[0]]))[:_MOST]}
    rest = f"{len(among) - _MOST} others"
    return {label: label for label in among if label in first} | {
        label: rest for label in among if label not in first
    }
