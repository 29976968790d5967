"""Group comparisons of an audit: figures by group of inputs, their differences and tests.

Images are with an attribute or without it. Rows of a table are grouped by the values of a column:
two groups are compared with each other, of more each with all others. Shares are tested by Fisher's
exact test and effects, less the generator's error (``cfsearch.audits.input_effects``), by Welch's, and all p-values of one model are corrected together
(``cfsearch.audits.family``).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

import torch

from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups, is_unknown_group
from cfsearch.errors import DamagedError
from cfsearch.numerics.intervals import share_ratio, wilson
from cfsearch.runs.directory import InstanceRow

from .changes import Change, ChangeTally
from .family import corrected
from .input_effects import InputEffects
from .shares import LEAST, Part, Share, plain

OTHERS: Final = "all others"
"""What a group is compared with where there are more than two."""
_MOST_CHANGES: Final = 12
"""Changes that are compared, the most frequent ones."""


class GroupTally(ABC):
    """What is counted of each group of an audit, row by row: no row is kept."""

    @abstractmethod
    def add(self, row: InstanceRow, sparsest: int | None) -> None:
        """Count one instance.

        Args:
            row: of the run.
            sparsest: its front's ``pick("sparsest")``; None where there is none.
        """

    @abstractmethod
    def rows(
        self, model: str, *, effects: Mapping[str, InputEffects], measured: Sequence[str]
    ) -> list[dict[str, Any]]:
        """The figures by group, their differences and tests, as they stand in the document.

        Args:
            model: id of the model.
            effects: of each variable on each input of ``measured``.
            measured: names of the inputs whose effects were measured.
        """


@final
class AttributeTally(GroupTally):
    """Images with an attribute, and without it.

    Args:
        labels: one row an instance, by its name.
        by: attributes of ``labels``.
        least: groups of fewer inputs have no figures.
    """

    def __init__(self, labels: AttributeTable, by: Sequence[str], *, least: int = LEAST) -> None:
        self._by, self._least = tuple(by), least
        self._columns = labels.columns(by).bool()
        self._place = {file: i for i, file in enumerate(labels.files)}
        self._parts = {(attribute, side): Part() for attribute in by for side in (True, False)}

    def add(self, row: InstanceRow, sparsest: int | None) -> None:
        """As ``GroupTally.add``."""
        sides = self._columns[_place_of(row, self._place)].tolist()
        for attribute, side in zip(self._by, sides, strict=True):
            self._parts[attribute, side].add(row, sparsest)

    def rows(
        self, model: str, *, effects: Mapping[str, InputEffects], measured: Sequence[str]
    ) -> list[dict[str, Any]]:
        """As ``GroupTally.rows``."""
        found, least = [], self._least
        for j, attribute in enumerate(self._by):
            one, two = (self._parts[attribute, side].shares(least) for side in (True, False))
            has = torch.tensor([bool(self._columns[self._place[name], j]) for name in measured]).bool()
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
                            "with": plain(effect.mean(has)) if enough[0] else None,
                            "without": plain(effect.mean(~has)) if enough[1] else None,
                            "difference": plain(effect.difference(has)) if all(enough) else None,
                            "p": effect.p(has) if all(enough) else None,
                        }
                        for variable, effect in effects.items()
                    ],
                }
            )
        return corrected(found)


@final
class ColumnTally(GroupTally):
    """Rows of a table by the values of columns.

    Args:
        groups: which row is in which group, one entry a column.
        names: the rows that ``groups`` speak of, in their order.
        selected: index of the class of which impact ratios are; None for no ratios.
        chosen: whether rows were chosen by the model's decision, of which there is nothing to compare then.
        least: groups of fewer rows have no figures.
    """

    def __init__(
        self,
        groups: Sequence[RowGroups],
        names: Sequence[str],
        *,
        selected: int | None = None,
        chosen: bool = False,
        least: int = LEAST,
    ) -> None:
        self._groups, self._least, self._selected, self._chosen = tuple(groups), least, selected, chosen
        self._labels: tuple[str, ...] = ()
        self._without = [0 for _ in groups]
        self._place = {name: i for i, name in enumerate(names)}
        self._parts = [[Part() for _ in by.names] for by in self._groups]

    def add(self, row: InstanceRow, sparsest: int | None) -> None:
        """As ``GroupTally.add``."""
        place = _place_of(row, self._place)
        if row.front is not None:
            self._labels = row.front.labels
        for k, (by, parts) in enumerate(zip(self._groups, self._parts, strict=True)):
            if by.of[place] >= 0:
                parts[by.of[place]].add(row, sparsest)
            else:
                self._without[k] += row.front is not None

    def rows(
        self, model: str, *, effects: Mapping[str, InputEffects], measured: Sequence[str]
    ) -> list[dict[str, Any]]:
        """As ``GroupTally.rows``; effects are of images alone."""
        del effects, measured
        found = []
        for by, counted, without in zip(self._groups, self._parts, self._without, strict=True):
            entry = _by_column(model, by, counted, self._least)
            if self._chosen:
                entry = without_decisions(entry)
            elif self._selected is not None:
                entry["impact"] = self._impact(by, counted, without, self._selected)
            found.append(entry)
        return corrected(found)

    def _impact(self, by: RowGroups, counted: Sequence[Part], without: int, selected: int) -> dict[str, Any]:
        """Selection rate of each group over that of the most selected one, and rows of no known group."""
        known = [g for g, name in enumerate(by.names) if not is_unknown_group(name)]
        large = [g for g in known if counted[g].kept >= self._least]
        hits, sizes = [part.classes[selected] for part in counted], [part.kept for part in counted]
        best = max(large, key=lambda g: hits[g] / sizes[g], default=None)
        return {
            "label": self._labels[selected] if self._labels else "",
            "most_selected": None if best is None else by.names[best],
            "unknown": without + sum(n for g, n in enumerate(sizes) if g not in known),
            "groups": [
                {
                    "name": name,
                    "n": sizes[g],
                    "rate": plain(wilson(hits[g], sizes[g])) if g in large else None,
                    "ratio": plain(share_ratio(hits[g], sizes[g], hits[best], sizes[best]))
                    if g in large and best is not None and g != best
                    else None,
                }
                for g, name in enumerate(by.names)
            ],
        }


def without_decisions(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what the model decides, which chose these rows.

    Args:
        entry: of one column.
    """
    return {
        **entry,
        "groups": [{**group, "decided": None} for group in entry["groups"]],
        "comparisons": [
            {
                **one,
                "difference": {**one["difference"], "decided": None},
                "p": {**one["p"], "decided": None},
            }
            for one in entry["comparisons"]
        ],
    }


def group_rows(
    model: str,
    rows: Iterable[InstanceRow],
    *,
    labels: AttributeTable,
    by: Sequence[str],
    effects: Mapping[str, InputEffects],
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
    tally = AttributeTally(labels, by, least=least)
    _add_all(tally, rows)
    return tally.rows(model, effects=effects, measured=measured)


def column_groups(
    model: str,
    rows: Iterable[InstanceRow],
    *,
    groups: Sequence[RowGroups],
    names: Sequence[str],
    selected: int | None = None,
    chosen: bool = False,
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
        selected: index of the class of which impact ratios are; None for no ratios.
        chosen: whether rows were chosen by the model's decision.
        least: groups of fewer rows have no figures.
    """
    tally = ColumnTally(groups, names, selected=selected, chosen=chosen, least=least)
    _add_all(tally, rows)
    return tally.rows(model, effects={}, measured=())


def _place_of(row: InstanceRow, places: Mapping[str, int]) -> int:
    if row.name not in places:
        raise DamagedError(f"groups: nothing says in which groups input {row.name!r} is.")
    return places[row.name]


def _add_all(tally: GroupTally, rows: Iterable[InstanceRow]) -> None:
    for row in rows:
        tally.add(row, None if row.front is None else row.front.pick("sparsest"))


def _by_column(model: str, by: RowGroups, counted: Sequence[Part], least: int) -> dict[str, Any]:
    pairs = _pairs(by.names)
    every = Part(
        sum(part.last for part in counted),
        sum(part.kept for part in counted),
        sum(part.hits for part in counted),
        sum(part.searched for part in counted),
        counted[0].changes.joined([part.changes for part in counted[1:]]),
    )
    others = [every.less(counted[i]) for i, _ in pairs]
    parts, rest = [one.shares(least) for one in counted], [one.shares(least) for one in others]
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
        "changes": _changes(
            every.changes,
            [one.changes for one in counted],
            [one.changes for one in others],
            by.names,
            least,
        ),
    }


def _pairs(names: Sequence[str]) -> list[tuple[int, str]]:
    """Which group is compared with what: the first of two with the second, of more each with the others."""
    return [(0, names[1])] if len(names) == 2 else [(i, OTHERS) for i in range(len(names))]


def _changes(
    every: ChangeTally,
    parts: Sequence[ChangeTally],
    others: Sequence[ChangeTally],
    names: Sequence[str],
    least: int,
) -> list[dict[str, Any]]:
    """How often the sparsest flips of each group hold a change, the most frequent changes first."""
    overall = every.changes()[:_MOST_CHANGES]
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


def _share(tally: ChangeTally, change: Change, least: int) -> Share:
    return Share(tally.counted()[change.variable, change.direction], tally.n, least)
