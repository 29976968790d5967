"""Rows of the training table with the classes that the audited model gives them, and what follows from them."""

from collections.abc import Sequence
from typing import Final

import torch

from cfsearch.config import PluginConfig
from cfsearch.contracts.provider import Provider, answers_of
from cfsearch.contracts.records import UNTARGETED
from cfsearch.datasets.tables import Table
from cfsearch.explainers.seeding import NEAREST

MOST_ROWS: Final = 2000
"""Rows that a model is queried about at first, and rows of one class whose nearness counts."""

_FEW: Final = 50
"""Where a class has fewer rows, the model is queried about the whole table."""

_K: Final = 5
"""Rows that the objective ``neighbours`` looks at."""
_MOST_TOGETHER: Final = 10_000
"""Rows about which a model is queried once, where it answers all of them in one call."""


def decided_rows(reference: Table, model: Provider) -> Table:
    """Reference rows with the classes that the model gives them, in their order.

    The model is queried about 2,000 rows spread over the table (10,000 where it answers them in one call), and about
    all where it gives a class to fewer than 50 of these; of each class at most 2,000 rows are kept.

    Args:
        reference: the training table.
        model: the audited model.
    """
    rows = reference.spread(_MOST_TOGETHER if model.batch_invariant else MOST_ROWS)
    decided = _classes(rows, model)
    counts = torch.bincount(decided, minlength=len(model.labels))
    if len(rows) < len(reference) and int(counts.min()) < _FEW:
        rows, decided = reference, _classes(reference, model)
    kept: list[int] = []
    for k in range(len(model.labels)):
        of_class = (decided == k).nonzero().flatten()
        if len(of_class) > MOST_ROWS:
            of_class = of_class[torch.linspace(0, len(of_class) - 1, MOST_ROWS).round().long()]
        kept += of_class.tolist()
    kept.sort()
    return rows.take(kept).labelled(decided[kept])


def _classes(rows: Table, model: Provider) -> torch.Tensor:
    with torch.no_grad():
        return answers_of(model, rows.x).argmax(-1).cpu()


def has_neighbours(decided: Table | None, *, classes: int, target: int) -> bool:
    """Whether there are enough rows of the target class to say how near they are.

    Args:
        decided: reference rows with classes, None for none.
        classes: how many the model has.
        target: the target class, ``UNTARGETED`` for any other than the present one.
    """
    if decided is None or decided.target is None:
        return False
    counts = torch.bincount(decided.target, minlength=classes)
    fewest = int(counts[target]) if target != UNTARGETED else int(counts.sum() - counts.max())
    return fewest >= _K


def first_points(seed_with: Sequence[PluginConfig] | None, *, known: bool) -> list[PluginConfig]:
    """What the first population holds: as declared, or the nearest rows where there are any.

    Args:
        seed_with: as declared; None for nothing declared.
        known: whether there are reference rows to begin at.
    """
    if seed_with is not None:
        return list(seed_with)
    return [PluginConfig(name=NEAREST)] if known else []
