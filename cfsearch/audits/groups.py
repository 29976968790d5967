"""Group comparisons of an audit: figures by group of inputs, their differences and tests.

Images are with an attribute or without it. Rows of a table are grouped by the values of a column:
two groups are compared with each other, of more each with all others. Shares are tested by Fisher's
exact test and effects by Welch's, and all p-values of one model are corrected together
(``cfsearch.audits.family``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.numerics.intervals import Interval, mean_difference, paired_mean, share_difference, wilson
from cfsearch.runs.directory import InstanceRow

from .effects import Change, changes
from .family import corrected, fisher, welch

OTHERS: Final = "all others"
"""What a group is compared with where there are more than two."""
LEAST: Final = 10
"""Groups of fewer inputs have no figures: they would say more of chance, and of persons, than of the model."""
_MOST_CHANGES: Final = 12
"""Changes that are compared, the most frequent ones."""


@final
@dataclass(frozen=True, slots=True)
class _Share:
    """A count ``k`` of ``n`` with its share."""

    count: int
    n: int
    least: int = LEAST

    @property
    def reported(self) -> bool:
        """True if there are enough inputs to report a share."""
        return self.n >= self.least

    @property
    def rate(self) -> dict[str, float] | None:
        return _plain(wilson(self.count, self.n)) if self.reported else None

    def minus(self, other: Self) -> dict[str, float] | None:
        if not (self.reported and other.reported):
            return None
        return _plain(share_difference(self.count, self.n, other.count, other.n))

    def p(self, other: Self) -> float | None:
        """p-value of equal shares by Fisher's exact test; None where one is of nothing."""
        return fisher(self.count, self.n, other.count, other.n) if self.reported and other.reported else None


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """The figures of one group: what the model decides, and how many of those searched flip."""

    decided: _Share
    found: _Share

    @classmethod
    def of(cls, rows: Iterable[InstanceRow], least: int) -> Self:
        kept = [row for row in rows if row.front is not None]
        last = sum(r.front.source == len(r.front.labels) - 1 for r in kept if r.front is not None)
        searched = [row for row in kept if row.status in ("found", "not_found")]
        hits = sum(row.status == "found" for row in searched)
        return cls(_Share(last, len(kept), least), _Share(hits, len(searched), least))

    def figures(self) -> dict[str, Any]:
        return {
            "instances": self.decided.n,
            "decided": self.decided.rate,
            "searched": self.found.n,
            "found_rate": self.found.rate,
        }

    def minus(self, other: Self) -> dict[str, Any]:
        return {
            "decided": self.decided.minus(other.decided),
            "found_rate": self.found.minus(other.found),
        }

    def p(self, other: Self) -> dict[str, float | None]:
        return {"decided": self.decided.p(other.decided), "found_rate": self.found.p(other.found)}


def group_rows(
    model: str,
    rows: Sequence[InstanceRow],
    *,
    labels: AttributeTable,
    by: Sequence[str],
    effects: Mapping[str, Float[Tensor, " n"]],
    measured: Sequence[str],
    least: int = LEAST,
) -> list[dict[str, Any]]:
    """Figures of the inputs with and without each attribute of ``by``, and their difference.

    ``decided`` is the share that the model puts into its last class, ``found_rate`` the share of
    searched inputs with a verified counterfactual; ``effects`` are in logits, as in the document.
    P-values are corrected for all comparisons that are made here.

    Args:
        model: whose rows these are.
        rows: all instances; failed ones are in no figure.
        labels: one row an instance, by its name.
        by: attributes of ``labels``.
        effects: of each variable on each input of ``measured``.
        measured: names of the inputs whose effects were measured.
        least: groups of fewer inputs have no figures.
    """
    place = {file: i for i, file in enumerate(labels.files)}
    found = []
    for attribute, column in zip(by, labels.columns(by).T, strict=True):
        one, two = (
            _Part.of((row for row in rows if bool(column[place[row.name]]) is side), least)
            for side in (True, False)
        )
        has = torch.tensor([bool(column[place[name]]) for name in measured], dtype=torch.bool)
        enough = [int(side.sum()) >= least for side in (has, ~has)]
        found.append(
            {
                "model": model,
                "attribute": attribute,
                "with": one.figures(),
                "without": two.figures(),
                "difference": one.minus(two),
                "p": one.p(two),
                "effects": [
                    {
                        "variable": variable,
                        "with": _plain(paired_mean(values[has])) if enough[0] else None,
                        "without": _plain(paired_mean(values[~has])) if enough[1] else None,
                        "difference": _plain(mean_difference(values[has], values[~has]))
                        if all(enough)
                        else None,
                        "p": welch(values[has], values[~has]) if all(enough) else None,
                    }
                    for variable, values in effects.items()
                ],
            }
        )
    return corrected(found)


def column_groups(
    model: str,
    rows: Sequence[InstanceRow],
    *,
    groups: Sequence[RowGroups],
    names: Sequence[str],
    least: int = LEAST,
) -> list[dict[str, Any]]:
    """Figures of each group of rows by each column, and their differences.

    ``decided`` and ``found_rate`` are as for images; ``changes`` are the changes of the sparsest
    flips, by group. P-values are corrected for all comparisons that are made here, of all columns.

    Args:
        model: whose rows these are.
        rows: all instances; failed ones are in no figure.
        groups: which row is in which group, one entry a column.
        names: the rows that ``groups`` speak of, in their order.
        least: groups of fewer rows have no figures.
    """
    return corrected(
        [_by_column(model, rows, by, dict(zip(names, by.of, strict=True)), least) for by in groups]
    )


def _by_column(
    model: str, rows: Sequence[InstanceRow], by: RowGroups, group: Mapping[str, int], least: int
) -> dict[str, Any]:
    inside = [[row for row in rows if group[row.name] == i] for i in range(len(by.names))]
    pairs = _pairs(by.names)
    outside = [[row for row in rows if group[row.name] != i] for i, _ in pairs]
    parts = [_Part.of(part, least) for part in inside]
    rest = [_Part.of(part, least) for part in outside]
    return {
        "model": model,
        "attribute": by.column,
        "note": by.note,
        "groups": [{"name": n, **part.figures()} for n, part in zip(by.names, parts, strict=True)],
        "comparisons": [
            {
                "name": by.names[i],
                "against": against,
                "difference": parts[i].minus(other),
                "p": parts[i].p(other),
            }
            for (i, against), other in zip(pairs, rest, strict=True)
        ],
        "changes": _changes(rows, inside, outside, by.names, least),
    }


def _pairs(names: Sequence[str]) -> list[tuple[int, str]]:
    """Which group is compared with what: the first of two with the second, of more each with the others."""
    return [(0, names[1])] if len(names) == 2 else [(i, OTHERS) for i in range(len(names))]


def _changes(
    rows: Sequence[InstanceRow],
    inside: Sequence[Sequence[InstanceRow]],
    outside: Sequence[Sequence[InstanceRow]],
    names: Sequence[str],
    least: int,
) -> list[dict[str, Any]]:
    """How often the sparsest flips of each group hold a change, the most frequent changes first."""
    overall = _found(rows)[:_MOST_CHANGES]
    parts, others = [_found(part) for part in inside], [_found(part) for part in outside]
    pairs = _pairs(names)
    shares = [[_share(part, change, least) for part in parts] for change in overall]
    rest = [[_share(part, change, least) for part in others] for change in overall]
    return [
        {
            "variable": change.variable,
            "direction": change.direction,
            "groups": [
                {
                    "name": name,
                    "count": share.count if share.reported else 0,
                    "n": share.n,
                    "rate": share.rate,
                }
                for name, share in zip(names, shares[c], strict=True)
            ],
            "comparisons": [
                {
                    "name": names[i],
                    "against": against,
                    "difference": shares[c][i].minus(rest[c][j]),
                    "p": shares[c][i].p(rest[c][j]),
                }
                for j, (i, against) in enumerate(pairs)
            ],
        }
        for c, change in enumerate(overall)
    ]


def _found(rows: Sequence[InstanceRow]) -> list[Change]:
    return changes([row.front for row in rows if row.front is not None])


def _share(found: Sequence[Change], change: Change, least: int) -> _Share:
    n = found[0].n if found else 0
    same = (c.count for c in found if (c.variable, c.direction) == (change.variable, change.direction))
    return _Share(next(same, 0), n, least)


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()
