"""Figures of an audit that follow from its stored fronts alone, as they stand in ``audit.json``.

They are counted row by row, so that an audit of many inputs takes no more memory than one of few: what grows is
the list of instances, some hundred bytes each.
"""

import copy
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self, final

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.predicted import predicted_of
from cfsearch.numerics.intervals import wilson
from cfsearch.runs.directory import InstanceRow

from .agreement import AgreementTally
from .changes import ChangeTally
from .groups import GroupTally
from .robust_flips import RobustnessTally
from .transitions import TransitionTally, true_class

_STATUSES = ("found", "not_found", "already_target", "failed")


@final
class Figures:
    """The figures of one model, counted one instance after the other.

    Args:
        model: id of the model.
        groups: what is counted by group; None where no groups are compared.
    """

    def __init__(self, model: str, *, groups: GroupTally | None = None) -> None:
        self.model: str = model
        self.grouped: GroupTally | None = groups
        self.instances: list[dict[str, Any]] = []
        self.variables: tuple[str, ...] = ()
        self.status: Counter[str] = Counter()
        self.constant: int = 0
        self.broken: int = 0
        self.fronts: int = 0
        self._changes, self._transitions, self._robust = ChangeTally(), TransitionTally(), RobustnessTally()
        self._agreement = AgreementTally()
        self._queries: int | None = 0
        self._seeding = 0

    @classmethod
    def of(cls, model: str, rows: Iterable[InstanceRow], *, groups: GroupTally | None = None) -> Self:
        """The figures of all rows.

        Args:
            model: id of the model.
            rows: its instances, in the order of the input.
            groups: as above.
        """
        figures = cls(model, groups=groups)
        for row in rows:
            figures.add(row)
        return figures

    def add(self, row: InstanceRow) -> None:
        """Count one instance.

        Args:
            row: of the run; nothing of its front is kept.
        """
        self.status[row.status] += 1
        self.constant += row.code == Reason.CONSTANT.code
        sparsest = None
        if row.front is not None:
            sparsest = row.front.pick("sparsest")
            self._front(row.front, sparsest)
        self.instances.append(_instance(self.model, row, sparsest))
        if self.grouped is not None:
            self.grouped.add(row, sparsest)

    def _front(self, front: ParetoFront, sparsest: int | None) -> None:
        if not self.fronts:
            self.variables = tuple(front.variables)
        self.fronts += 1
        self.broken += bool(len(front)) and front.reconstruction_flips
        self._changes.add(front, sparsest)
        self._transitions.add(front, sparsest)
        self._robust.add(front, sparsest)
        self._agreement.add(front)
        self._seeding += front.seeding
        if self._queries is not None:
            self._queries = None if front.queries is None else self._queries + front.queries

    def named(self, model: str) -> Self:
        """The same figures under another id of the model.

        Args:
            model: the id.
        """
        other = copy.copy(self)
        other.model = model
        other.instances = [{**one, "key": f"{model}/{one['name']}", "model": model} for one in self.instances]
        return other

    @property
    def searched(self) -> int:
        """Instances that were searched to the end."""
        return self.status["found"] + self.status["not_found"]

    def counts(self) -> dict[str, Any]:
        """How many inputs there were, how many were searched, and what became of them."""
        rate = wilson(self.status["found"], self.searched)
        queries = None if self._queries is None else {"all": self._queries, "seeding": self._seeding}
        return {
            "model": self.model,
            "instances": len(self.instances),
            "searched": self.searched,
            **{status: self.status[status] for status in _STATUSES},
            "found_rate": None if rate is None else rate.to_dict(),
            "questions": queries,
        }

    def changes(self) -> list[dict[str, Any]]:
        """What the sparsest flips change and how often, the most frequent first."""
        return [
            {
                "model": self.model,
                "variable": change.variable,
                "direction": change.direction,
                "count": change.count,
                "n": change.n,
                "rate": change.rate.to_dict(),
            }
            for change in self._changes.changes()
        ]

    def transitions(self) -> list[dict[str, Any]]:
        """From which class to which the sparsest flips go, and how often."""
        return self._transitions.rows(self.model)

    def robustness(self) -> list[dict[str, Any]]:
        """How well the sparsest flips stand small changes; nothing where none were tried."""
        return self._robust.rows(self.model)

    def agreement(self) -> list[dict[str, Any]]:
        """How far two generators agree on what is genuine; nothing where there is one only."""
        return self._agreement.rows(self.model)


def _instance(model: str, row: InstanceRow, sparsest: int | None) -> dict[str, Any]:
    source = "" if row.front is None else row.front.labels[row.front.source]
    truth = None if row.front is None else true_class(row.name, row.front.labels)
    return {
        "key": f"{model}/{row.name}",
        "model": model,
        "name": row.name,
        "status": sys.intern(row.status),
        "reason": sys.intern(row.code),
        "reason_text": sys.intern(row.message),
        "message": row.message if row.status == "failed" else "",
        "source": sys.intern(source),
        **({} if row.front is None else _predicted(row.front, sparsest)),
        **({} if truth is None else {"truth": truth}),
        "sha256": row.sha256,
        "notes": [*map(sys.intern, (*row.notes, *(() if row.front is None else row.front.note)))],
    }


def _predicted(front: ParetoFront, sparsest: int | None) -> dict[str, Any]:
    """Of a model that predicts a number: of the original, and of its sparsest flip (None where there is none)."""
    numbers = predicted_of(front)
    if numbers is None:
        return {}
    return {"predicted": {"before": numbers[0], "after": None if sparsest is None else numbers[1 + sparsest]}}
