"""Tests of two groups being alike, and their p-values corrected for all that an audit compares.

One family is every comparison of groups that an audit makes of one model: each column or attribute,
each figure, each change or effect. Another is every effect of one model, over all attributes. So the chance that any difference of theirs is called one where
none is stays below 5 % (Holm), however many columns are compared by.

References:
    Fisher 1935, The logic of inductive inference; Welch 1947, The generalization of "Student's"
    problem when several different population variances are involved; Holm 1979, A simple
    sequentially rejective multiple test procedure.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cfsearch.numerics.intervals import holm

_P = "p"
"""Under this name a p-value stands in an entry, or several of them by figure."""


def fisher(count: int, n: int, other: int, m: int) -> float | None:
    """Two-sided p of the shares ``count / n`` and ``other / m`` being equal; None where one is of nothing."""
    from scipy.stats import fisher_exact

    if not n or not m:
        return None
    return float(fisher_exact([[count, n - count], [other, m - other]])[1])


def welch(values: Float[Tensor, " n"], others: Float[Tensor, " m"]) -> float | None:
    """Two-sided p of two means being equal; None with fewer than two values, or where none of them vary.

    Args:
        values: of the first group.
        others: of the second group.
    """
    from scipy.stats import ttest_ind_from_stats

    a, b = values.double().cpu().numpy(), others.double().cpu().numpy()
    if min(len(a), len(b)) < 2:
        return None
    spread = a.std(ddof=1), b.std(ddof=1)
    if not any(spread):
        return None
    # by the figures of each group: on the values scipy warns where one group does not vary
    found = ttest_ind_from_stats(a.mean(), spread[0], len(a), b.mean(), spread[1], len(b), equal_var=False)
    return float(found.pvalue)


def signed_rank(values: Float[Tensor, " n"]) -> float | None:
    """Two-sided p of paired differences being symmetric about 0, by Wilcoxon's signed-rank test.

    None without a value; 1 where all of them are 0.

    Args:
        values: one difference a pair.

    References:
        Wilcoxon 1945, Individual comparisons by ranking methods.
    """
    from scipy.stats import wilcoxon

    differences = values.double().cpu().numpy()
    if len(differences) == 0:
        return None
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)


def corrected(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of one model with their p-values corrected together, and how many those are.

    Args:
        entries: as they stand in ``audit.json``, one a column or attribute, with bare p-values.

    Returns:
        New entries; ``family`` of each says how many tests there were. A p-value that is None is no test.
    """
    bare: list[float | None] = []

    def kept(p: float | None) -> float | None:
        bare.append(p)
        return p

    for entry in entries:
        _replaced(entry, kept)
    after = iter(_holm(bare))
    size = sum(p is not None for p in bare)
    return [{**_replaced(entry, lambda _: next(after)), "family": size} for entry in entries]


def _replaced(value: Any, replace: Callable[[float | None], float | None]) -> Any:  # Any: plain JSON
    """The entry with each p-value replaced by ``replace``, always in one order."""
    if isinstance(value, dict):
        return {
            name: _each(part, replace) if name == _P else _replaced(part, replace)
            for name, part in value.items()
        }
    return [_replaced(part, replace) for part in value] if isinstance(value, list) else value


def _each(p: Any, replace: Callable[[float | None], float | None]) -> Any:  # Any: as above
    return {figure: replace(one) for figure, one in p.items()} if isinstance(p, dict) else replace(p)


def _holm(values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected (``holm``); those that are None are no tests."""
    found = iter(holm(np.array([p for p in values if p is not None], dtype=float)))
    return [None if p is None else round(float(next(found)), 6) for p in values]
