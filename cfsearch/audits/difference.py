"""Two audits of the same inputs compared, pair by pair: what has changed, has not, or is undecided."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from cfsearch.errors import RunError, listed
from cfsearch.numerics.intervals import Interval, holm, mcnemar, paired_mean, paired_share_difference
from cfsearch.runs.directory import InstanceRow

from .agreement import has_agreed, has_genuine, rule_of
from .family import signed_rank
from .measured import EFFECTS, Measured, load_effects
from .pages import open_run
from .paired_effects import corrected_difference
from .reading import AuditDocument

FORMAT: Final = "cfsearch-diff/1"
CHANGED: Final = "changed"
SAME: Final = "not changed"
UNSURE: Final = "cannot tell"
PRACTICAL_SHARE: Final = 0.05
"""Difference of shares from which it matters, where the user sets none."""
_SURE: Final = 0.05


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One figure of two audits, on the inputs that both have.

    Args:
        figure: which: "decided", "found", "genuine", "agreement", "flips_alone", "effect".
        subject: of an effect the attribute; empty otherwise.
        unit: "share" or "logit".
        first: the figure in the first audit.
        second: the figure in the second.
        difference: second less first, with its paired 95 % interval; None where there are no pairs.
        only_first: of a share, inputs of which it holds in the first audit only.
        only_second: the same of the second.
        n: pairs.
        p: McNemar's exact of shares; of effects the signed-rank test, or where it is larger the normal test with the generator's
            error; after Holm over all rows.
        reading: "changed", "not changed" (by more than the practical size) or "cannot tell".
        because: why one cannot tell.
    """

    figure: str
    subject: str
    unit: str
    first: float | None
    second: float | None
    difference: Interval | None
    only_first: int | None
    only_second: int | None
    n: int
    p: float | None = None
    reading: str = UNSURE
    because: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the output of ``cfsearch diff --json``."""
        return {
            "figure": self.figure,
            "subject": self.subject,
            "unit": self.unit,
            "first": None if self.first is None else round(self.first, 6),
            "second": None if self.second is None else round(self.second, 6),
            "difference": None if self.difference is None else self.difference.to_dict(),
            "only_first": self.only_first,
            "only_second": self.only_second,
            "n": self.n,
            "p": self.p,
            "reading": self.reading,
            "because": self.because,
        }


@final
@dataclass(frozen=True, slots=True)
class Side:
    """One of the two audits.

    Args:
        path: its run directory.
        document: its ``audit.json``.
        rows: its inputs, by SHA-256; their fronts hold no pictures.
        measured: its effects input by input; None where none were kept.
    """

    path: Path
    document: AuditDocument
    rows: Mapping[str, InstanceRow]
    measured: Measured | None

    @classmethod
    def read(cls, directory: str | Path) -> "Side":
        """The audit of one model.

        Args:
            directory: its run directory.

        Raises:
            RunError: none, of several models, or it has not ended.
        """
        path = Path(directory)
        with open_run(path) as run:
            rows = {row.sha256: row for row in run.figures() if row.sha256}
        return cls(path, AuditDocument.read(path), rows, load_effects(path / EFFECTS))

    @property
    def name(self) -> str:
        """The audited model by name."""
        return self.document.models[0].name

    @property
    def second_generator(self) -> str:
        """Fingerprint of the generator that had to agree; "none" without one."""
        second = self.document.second_generator
        return "none" if second is None else second.fingerprint

    @property
    def rule(self) -> str:
        """By which rule its members are genuine; "none" where that was not measured."""
        return rule_of(row.front for row in self.rows.values() if row.front is not None) or "none"

    def about(self) -> dict[str, Any]:
        """What a reader must know of it."""
        model = self.document.models[0]
        return {
            "run": str(self.path),
            "run_id": self.document.run_id,
            "title": self.document.title,
            "model": model.name,
            "fingerprint": model.fingerprint,
            "created": self.document.created,
        }


def compare(
    first: Side, second: Side, *, practical: float, practical_share: float = PRACTICAL_SHARE
) -> dict[str, Any]:
    """The document of ``cfsearch diff --json``.

    Inputs are matched by SHA-256. Shares are compared by McNemar's exact test and Newcombe's paired interval. Effects are less the
    generator's error where both audits measured it (``corrected_difference``), and as they are through the generator elsewhere,
    compared by the signed-rank test and a bootstrap over pairs. All p-values are corrected together (Holm).

    Args:
        first: the audit before.
        second: the audit after.
        practical: size in logits from which a difference of effects matters.
        practical_share: difference of shares from which it matters.

    Raises:
        RunError: the two share no inputs, or their models have other labels.
    """
    if first.document.models[0].labels != second.document.models[0].labels:
        raise RunError(
            f"diff: {str(first.path)!r} is of the classes {listed(first.document.models[0].labels)}, "
            f"{str(second.path)!r} of {listed(second.document.models[0].labels)}; give two audits of the same classes."
        )
    shared = [key for key in first.rows if key in second.rows]
    if not shared:
        raise RunError(
            f"diff: {str(first.path)!r} and {str(second.path)!r} share no input (they are matched by SHA-256 of what was "
            "searched); audit both models on the same inputs, in the same size."
        )
    notes = _notes(first, second, shared)
    rows = [*_shares(first, second, shared), *_effects(first, second)]
    read = _read(rows, practical=practical, practical_share=practical_share)
    return {
        "format": FORMAT,
        "first": first.about(),
        "second": second.about(),
        "shared": len(shared),
        "only_first": len(first.rows) - len(shared),
        "only_second": len(second.rows) - len(shared),
        "label": first.document.models[0].labels[-1],
        "practical": practical,
        "practical_share": practical_share,
        "corrected": _corrects(first, second),
        "notes": notes,
        "rows": [row.to_dict() for row in read],
    }


def _notes(first: Side, second: Side, shared: Sequence[str]) -> list[str]:
    """What weakens the comparison."""
    found = []
    for what, one, other in (
        ("generators", first.document.generator.fingerprint, second.document.generator.fingerprint),
        ("second generators", first.second_generator, second.second_generator),
        ("rules of what is genuine", first.rule, second.rule),
        ("solvers", first.document.search.solver, second.document.search.solver),
        ("budgets", first.document.search.evaluations, second.document.search.evaluations),
        ("targets", first.document.search.target, second.document.search.target),
        (
            "fixed attributes",
            sorted(first.document.search.immutable),
            sorted(second.document.search.immutable),
        ),
        ("seeds", first.document.search.seed, second.document.search.seed),
    ):
        if one != other:
            found.append(
                f"The two audits have other {what} ({one} and {other}), so that not only the models differ."
            )
    if first.document.models[0].fingerprint == second.document.models[0].fingerprint:
        found.append("Both audits are of the same model.")
    if first.measured is None or second.measured is None:
        found.append("Effects are not compared: one of the audits did not keep them input by input.")
    elif not _corrects(first, second):
        found.append(
            "Effects are compared as they are through the generator: its own error was not measured in both audits."
        )
    if len(shared) < 30:
        found.append(f"Few shared inputs ({len(shared)}): the intervals are wide.")
    return found


def _corrects(first: Side, second: Side) -> bool:
    """Whether both audits measured the generator's error on their models."""
    return all(side.measured is not None and side.measured.error is not None for side in (first, second))


def _shares(first: Side, second: Side, shared: Sequence[str]) -> list[Row]:
    pairs = [(first.rows[key], second.rows[key]) for key in shared]
    answered = [(a.front, b.front) for a, b in pairs if a.front is not None and b.front is not None]
    decided = [(a.source == len(a.labels) - 1, b.source == len(b.labels) - 1) for a, b in answered]
    searched = ("found", "not_found")
    found = [
        (a.status == "found", b.status == "found")
        for a, b in pairs
        if a.status in searched and b.status in searched
    ]
    rows = [_share("decided", "", decided), _share("found", "", found)]
    for figure, of in (("genuine", has_genuine), ("agreement", has_agreed)):
        held = [(of(a), of(b)) for a, b in answered]
        known = [(one, other) for one, other in held if one is not None and other is not None]
        if known:
            rows.append(_share(figure, "", known))
    return rows


def _share(figure: str, subject: str, pairs: Sequence[tuple[bool, bool]]) -> Row:
    n = len(pairs)
    both = sum(a and b for a, b in pairs)
    one, other = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    difference = paired_share_difference(both, one, other, n)
    before = (both + one) / n if n else None
    after = (both + other) / n if n else None
    p = mcnemar(one, other) if n else None
    return Row(figure, subject, "share", before, after, difference, one, other, n, p)


def _effects(first: Side, second: Side) -> list[Row]:
    one, other = first.measured, second.measured
    if one is None or other is None:
        return []
    where = {key: i for i, key in enumerate(other.sha256)}
    places = [(i, where[key]) for i, key in enumerate(one.sha256) if key in where]
    if not places:
        return []
    a, b = [i for i, _ in places], [j for _, j in places]
    rows = []
    for name in one.effects.names:
        if name not in other.effects.names:
            continue
        j, k = one.effects.names.index(name), other.effects.names.index(name)
        because = _untold(first, second, name)
        rows.append(_effect(name, (one, a), (other, b), because=because))
        kept = one.effects.kept[a] & other.effects.kept[b]
        flips = one.effects.flips[a, j][kept], other.effects.flips[b, k][kept]
        rows.append(_alone(name, *flips, because=because))
    return rows


def _effect(
    name: str,
    first: tuple[Measured, Sequence[int]],
    second: tuple[Measured, Sequence[int]],
    *,
    because: str,
) -> Row:
    """The effects of one attribute on the inputs that both audits have."""
    n, edits = len(first[1]), [measured.edited(name, places) for measured, places in (first, second)]
    if edits[0] is not None and edits[1] is not None:
        found = corrected_difference(edits[0], edits[1])
        ends, gap, p = (found.first, found.second), found.difference, found.p
        return Row("effect", name, "logit", *ends, gap, None, None, n, p, because=because)
    before, after = (
        measured.effects.by_variable[name][list(places)].double() for measured, places in (first, second)
    )
    means = float(before.mean()), float(after.mean())
    change = after - before
    return Row(
        "effect",
        name,
        "logit",
        *means,
        paired_mean(change),
        None,
        None,
        n,
        signed_rank(change),
        because=because,
    )


def _alone(name: str, before: Bool[Tensor, " n"], after: Bool[Tensor, " n"], *, because: str) -> Row:
    pairs = [(bool(x), bool(y)) for x, y in zip(before.tolist(), after.tolist(), strict=True)]
    return dataclasses.replace(_share("flips_alone", name, pairs), because=because)


def _untold(first: Side, second: Side, name: str) -> str:
    from .metrics import untold

    for side in (first, second):
        for effect in side.document.effects:
            if effect.variable == name and untold(effect):
                return untold(effect)
    return ""


def _read(rows: Sequence[Row], *, practical: float, practical_share: float) -> list[Row]:
    """The rows with p after Holm over all of them, and what each lets one say."""
    tested = [row.p for row in rows if row.p is not None]
    after = iter(holm(np.array(tested, dtype=float)))
    found = []
    for row in rows:
        p = None if row.p is None else round(float(next(after)), 6)
        size = practical if row.unit == "logit" else practical_share
        reading, because = _reading(row, p=p, size=size)
        found.append(dataclasses.replace(row, p=p, reading=reading, because=because))
    return found


def _reading(row: Row, *, p: float | None, size: float) -> tuple[str, str]:
    if row.difference is None:
        return UNSURE, "there are no pairs"
    if row.because:
        return UNSURE, row.because
    low, high = row.difference.low, row.difference.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNSURE, "the interval is none"
    unit = "logits" if row.unit == "logit" else "of the inputs"
    if max(abs(low), abs(high)) < size:
        return SAME, ""
    if (low > 0 or high < 0) and p is not None and p < _SURE:
        return CHANGED, ""
    return (
        UNSURE,
        f"the interval, or p after Holm, leaves open whether it differs by more than {size:g} {unit}",
    )
