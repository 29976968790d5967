"""An audit that ends when the verdict of its conditions is known.

Inputs are searched in random order. After each batch every condition is judged by an interval that holds at every number
of inputs at once (``cfsearch.numerics.sequences``); the audit ends when one condition has failed, or all have passed. Each
condition keeps its own confidence, shared out over all figures that are judged, so that the chance of any false judgement
stays below the largest of them. Mean effects are less the generator's own error, as far as edits alone tell, and half of their
chance goes to what of that error stays open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy as np

from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import Assembly
from cfsearch.config import Config
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import ConfigError
from cfsearch.runs.directory import InstanceRow

from .conditions import Condition, fail_if, named, read_conditions
from .correction import GeneratorError
from .effects import Effects, estimate_effects, known_attributes, originals
from .gate import FAIL, PASS, UNSURE
from .genuineness import FEWEST_PHOTOGRAPHS
from .measured import Measured, Membership
from .streams import OF_EFFECTS, Observation, Watch
from .verdict import unusable
from .watching import watches

Measure = Callable[[InstanceRow], Effects | None]
"""Effects of the attributes on one input."""


def conditions_of(config: Config) -> list[Condition]:
    """The conditions that an audit may end on; none where it is not to end early.

    Args:
        config: all settings.

    Raises:
        ConfigError: a condition is none; there are none; they are given without ``until_decided``.
    """
    audit = config.audit
    if not audit.until_decided:
        if audit.fail_if or audit.gates:
            raise ConfigError(
                "audit: conditions are given without --until-decided. Give it as well, or judge the audit by `cfsearch gate` "
                "when it has ended."
            )
        return []
    if config.further_models:
        raise ConfigError("until-decided: ends the audit of one model; give one.")
    found = [fail_if(text) for text in audit.fail_if]
    if audit.gates is not None:
        found += read_conditions(Path(audit.gates))
    return list(named(found))


@final
class Stopping:
    """The conditions of an audit, and how they stand.

    Args:
        figures: each condition with its figure.
        names: of all inputs, as they are listed.
        seed: decides the order.
        measure: called where a condition needs the effects of an input.
    """

    def __init__(
        self, figures: Sequence[Watch], *, names: Sequence[str], seed: int, measure: Measure | None = None
    ) -> None:
        self._watches, self._names, self._measure = list(figures), list(names), measure
        self.order: list[int] = np.random.default_rng([seed, len(names)]).permutation(len(names)).tolist()
        self._waiting: dict[str, Observation] = {}
        self._taken = 0
        self.effects: dict[str, Effects] = {}
        self._error: GeneratorError | None = None
        self._strength: Mapping[str, float] = {}
        self._corrects = False
        self._needs = any(w.condition.metric in OF_EFFECTS for w in figures)

    @property
    def on_effects(self) -> bool:
        """Whether a condition is on what attributes do."""
        return self._needs

    def correct(
        self, error: GeneratorError | None, *, success: Mapping[str, float], strength: Mapping[str, float]
    ) -> None:
        """Before the first instance: take effects less the generator's error, and decide nothing by those that say nothing.

        Args:
            error: of the generator on this model; None where it was not measured.
            success: how often each edit was seen, by attribute.
            strength: how strong each was seen to be.
        """
        self._error, self._strength, self._corrects = error, dict(strength), True
        corrected(self._watches, measured=error is not None, success=success, strength=strength)

    def take(self, rows: Iterable[InstanceRow]) -> None:
        """Judge by further instances; those before whose turn others are missing wait for them.

        Args:
            rows: instances that were searched, in any order.
        """
        for row in rows:
            effects = None
            if self._needs and self._measure is not None and row.front is not None:
                effects = self._measure(row)
            if effects is not None:
                self.effects[row.name] = effects
            self._waiting[row.name] = Observation.of(row, effects, error=self._error, strength=self._strength)
        while self._taken < len(self.order):
            name = self._names[self.order[self._taken]]
            if name not in self._waiting:
                break
            self._taken += 1
            seen = self._waiting.pop(name)
            for watch in self._watches:
                watch.add(name, seen, inputs=self._taken)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Each condition with its figure."""
        return tuple(self._watches)

    @property
    def result(self) -> str:
        """Verdict of all conditions: "fail" where one fails, "pass" where all pass, else "cannot tell"."""
        results = [watch.result for watch in self._watches]
        if FAIL in results:
            return FAIL
        return PASS if all(result == PASS for result in results) else UNSURE

    @property
    def decided(self) -> bool:
        """Whether the audit can end."""
        return self.result != UNSURE

    def document(self) -> dict[str, Any]:
        """As it stands in ``audit.json``, under ``stopping``."""
        return {
            "stopped": self.decided and self._taken < len(self._names),
            "judged": self._taken,
            "of": len(self._names),
            "result": self.result,
            **({"corrected": self._error is not None} if self._corrects and self._needs else {}),
            "judgements": [watch.to_dict() for watch in self._watches],
            "order": [self._names[i] for i in self.order[: self._taken]],
        }


def begun(
    config: Config,
    assembly: Assembly,
    *,
    photographs: LabelledPhotographs,
    columns: Sequence[RowGroups],
    refs: Sequence[ImageRef | InputRecord],
) -> Stopping | None:
    """The conditions of an audit on its inputs; None where it is not to end early.

    Args:
        config: all settings.
        assembly: the search.
        photographs: images with their attributes.
        columns: of rows, which row is in which group.
        refs: all inputs.

    Raises:
        ConfigError: a condition is none, or on a figure that the audit cannot stop on.
    """
    conditions = conditions_of(config)
    if not conditions:
        return None
    generator, by = assembly.search.generator, tuple(config.data.by or ())
    attributes = (
        generator.attribute_names if isinstance(generator, AttributeEstimator | AttributeTaker) else ()
    )
    names = assembly.names
    grouped = (photographs.table is not None and by) or columns
    members = Membership(photographs.table if by else None, by, tuple(columns), names) if grouped else None

    def measure(row: InstanceRow) -> Effects | None:
        if row.front is None or row.front.original is None:
            return None
        known = known_attributes(assembly, photographs, [row.position])
        return estimate_effects(assembly, originals([row.front.original]), attributes=known)

    figures = watches(conditions, attributes=attributes, protected=config.audit.protected, members=members)
    if attributes:
        corrected(
            figures,
            measured=len(refs) >= FEWEST_PHOTOGRAPHS,  # those that can be read may be fewer
            success=generator.edit_success,
            strength=generator.edit_strength,
        )
    return Stopping(figures, names=[ref.name for ref in refs], seed=config.search.seed, measure=measure)


def corrected(
    figures: Sequence[Watch], *, measured: bool, success: Mapping[str, float], strength: Mapping[str, float]
) -> None:
    """Before the first input: say of each figure whether its effects tell anything, and keep room for the generator's error.

    Args:
        figures: each condition with its figure.
        measured: whether the generator's error on the model is measured.
        success: how often each edit was seen, by attribute.
        strength: how strong each was seen to be.
    """
    for watch in figures:
        of = watch.subject
        watch.correct(unusable(success=success.get(of), strength=strength.get(of), measured=measured))


def ended_early(document: Mapping[str, Any] | None, *, noun: str) -> list[str]:
    """A warning where an audit ended before all inputs were searched.

    Args:
        document: ``stopping`` of ``audit.json``; None where the audit could not end early.
        noun: what one input is called.
    """
    if document is None or not document["stopped"]:
        return []
    return [
        f"The audit ended after {document['judged']} of {document['of']} {noun}s, as soon as its conditions were decided. "
        "The intervals of the conditions allow for that; all other intervals are those of a number that was fixed "
        "before, and after such an end a little too narrow."
    ]


def judged_again(
    document: Mapping[str, Any],
    rows: Iterable[InstanceRow],
    *,
    members: Membership | None,
    measured: Measured | None,
) -> dict[str, Any]:
    """What a document says of its conditions, computed again from the instances in their order.

    Args:
        document: ``stopping`` of ``audit.json``.
        rows: all instances.
        members: which input is in which group.
        measured: the effects of attributes; None where none were.
    """
    every = [
        Condition(
            row["metric"],
            row["op"],
            row["bound"],
            subject=row["subject"],
            group=row["group"],
            confidence=row["confidence"],
            name=row["condition"],
        )
        for row in document["judgements"]
    ]
    attributes = () if measured is None else measured.effects.names
    figures = watches(every, attributes=attributes, protected=(), members=members)
    effects = {} if measured is None else measured.by_input
    error, strength = None, MappingProxyType[str, float]({})
    if measured is not None and "corrected" in document:  # older versions went by effects as they are
        error, strength = measured.error, MappingProxyType(dict(measured.edit_strength))
        corrected(
            figures,
            measured=error is not None,
            success=measured.edit_success,
            strength=measured.edit_strength,
        )
    by_name = {row.name: row for row in rows}
    for i, name in enumerate(document["order"], start=1):
        seen = Observation.of(by_name[name], effects.get(name), error=error, strength=strength)
        for watch in figures:
            watch.add(name, seen, inputs=i)
    results = [watch.result for watch in figures]
    result = FAIL if FAIL in results else PASS if all(r == PASS for r in results) else UNSURE
    again = [
        {**watch.to_dict(), "condition": row["condition"], "requires": row["requires"]}
        for watch, row in zip(figures, document["judgements"], strict=True)
    ]
    return {
        **document,
        "stopped": result != UNSURE and len(document["order"]) < document["of"],
        "judged": len(document["order"]),
        "result": result,
        **({"corrected": error is not None} if "corrected" in document else {}),
        "judgements": again,
    }
