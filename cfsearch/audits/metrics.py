"""Every figure of an audit that a condition can be put on, with its interval."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from .correction import LEAST_STRENGTH
from .reading import AttainmentRow, AuditDocument, EffectRow, GroupFigures, GroupRow
from .reading_columns import ColumnEffect, ColumnRow
from .reading_contributions import ContributionsRow
from .reading_parts import AgreementRow, Estimate
from .reading_shared import SharedRow
from .verdict import ERROR_UNMEASURED, LEAST_EDITED, hardly_edited, weakly_edited

METRICS: Final = {
    "found_rate": "share of searched inputs with a verified counterfactual; by group too",
    "failed_rate": "share of inputs that failed",
    "effect": "what an attribute alone does, in logits of the last class, signed",
    "abs_effect": "its size, whatever its sign",
    "probability": "the same in probability of the last class, signed",
    "abs_probability": "its size, whatever its sign",
    "flip_rate": "share of inputs whose verdict an attribute changes alone",
    "p": "p of an effect, after Holm over all attributes",
    "edit_success": "share of the generator's edits of an attribute that were seen",
    "change_rate": "share of the sparsest flips that hold a change, such as +Blond_Hair",
    "decided": "share of a group that the model puts into its last class",
    "decided_gap": "difference of that between two groups, its size",
    "impact_ratio": "selection rate of a group over that of the most selected group of its column",
    "found_gap": "difference of the found_rate between two groups, its size",
    "effect_gap": "difference of an effect between two groups, its size",
    "attainment_gap": "largest difference of the shares of two groups that can flip at no more than some cost",
    "hypervolume_gap": "difference of the mean hypervolumes of two groups' fronts, its size",
    "attainment_p": "p of two groups' fronts being alike, by attainment, after Holm",
    "hypervolume_p": "the same by hypervolume",
    "through": "what the other columns together do for a protected column's group, in logits, signed",
    "abs_through": "its size, whatever its sign",
    "proxy": "what one other column does alone for it, in logits, signed; the group is that column",
    "abs_proxy": "its size, whatever its sign",
    "necessity": "share of the counterfactuals with a change of a protected column that need it",
    "sufficiency": "share of them in which that change is enough",
    "cost_gap": "difference of the nearest flip's distance between two groups of a protected column, its size",
    "genuine_rate": "share of the sparsest flips that survive a true re-render",
    "shared_rate": "share of the inputs of a class that the few changes shared by all of them flip; by group too",
    "shared_gap": "difference of that between two groups, its size",
    "shared_p": "p of that difference, after Holm",
    "contribution": "mean Shapley share of a change of what its counterfactual does, where that changes it",
    "contribution_necessity": "share of the inputs whose counterfactual with a change is lost without it",
    "contribution_sufficiency": "share of them that the change flips alone",
    "robustness": "mean share of small changes under which the sparsest flips still flip",
    "agreement": "share of inputs with a counterfactual that is genuine by the first generator that have one by both",
}
"""What each metric is."""
BY_CLASS: Final = (
    *("attainment_gap", "hypervolume_gap", "attainment_p", "hypervolume_p"),
    *("shared_rate", "shared_gap", "shared_p"),
)
"""Figures of the inputs of one class, which is their subject; a condition without a subject is on each class."""


@final
@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of an audit.

    Args:
        metric: its name, one of ``METRICS``.
        model: id of the model.
        subject: of an effect the attribute, of a change the change, of a difference the column; else empty.
        group: which group, as ``COLUMN:GROUP``; empty where it is of all inputs.
        value: the figure; None where it may not be shown, or there is none.
        low: the lower end of its 95 % interval.
        high: the upper end.
        count: of a share, how many; None of other figures.
        n: of how many inputs.
        because: why it does not let one tell anything; empty where it does.
    """

    metric: str
    model: str
    subject: str = ""
    group: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int = 0
    because: str = ""

    @property
    def name(self) -> str:
        """How a condition names it: ``metric:subject@group``."""
        return f"{self.metric}{f':{self.subject}' if self.subject else ''}{f'@{self.group}' if self.group else ''}"


def catalogue(document: AuditDocument) -> list[Measurement]:
    """Every figure of an audit that a condition can be put on.

    Args:
        document: the content of ``audit.json``.
    """
    return [
        *_counts(document),
        *(found for effect in document.effects for found in _effects(effect)),
        *_changes(document),
        *(found for group in document.groups for found in _groups(group)),
        *(found for row in document.attainment for found in _attainment(row)),
        *(found for column in document.columns for found in column_figures(column)),
        *(found for shared in document.shared for found in _shared(shared)),
        *(found for row in document.contributions for found in _contributions(row)),
        *(_of("robustness", row.model, row.mean, n=row.n) for row in document.robustness),
        *(_agreement(row) for row in document.agreement),
        *_genuine(document),
    ]


def column_figures(row: ColumnRow) -> Iterator[Measurement]:
    """Every figure of one protected column of a table.

    Args:
        row: as it stands in ``audit.json``.
    """
    of, model = row.column, row.model
    several = len(row.comparisons) > 1
    for c in row.comparisons:
        group = c.name if several else ""
        alone, through = c.effect, c.through
        if alone is not None:
            because = _graded(alone)
            for metric, estimate in (("effect", alone.logits), ("probability", alone.probability)):
                yield _of(metric, model, estimate, subject=of, group=group, n=alone.n, because=because)
                size = _size(estimate)
                yield _of(f"abs_{metric}", model, size, subject=of, group=group, n=alone.n, because=because)
            yield _exact("p", model, alone.p, subject=of, group=group, n=alone.n)
        for metric, figure in (("through", through.logits), ("abs_through", _size(through.logits))):
            yield _of(metric, model, figure, subject=of, group=group, n=through.n, because=_graded(through))
        for proxy in c.proxies:
            where = f"{group}:{proxy.column}" if group else proxy.column
            for metric, figure in (("proxy", proxy.logits), ("abs_proxy", _size(proxy.logits))):
                yield _of(metric, model, figure, subject=of, group=where, n=proxy.n)
    if row.flips_alone is not None:
        alone_rate = row.flips_alone
        yield _share(
            "flip_rate", model, alone_rate.rate, subject=of, count=alone_rate.count, n=alone_rate.n, few=True
        )
    if row.members is not None:
        for metric, share in (("necessity", row.members.necessary), ("sufficiency", row.members.sufficient)):
            yield _of(metric, model, share.rate, subject=of, n=share.n, because=_few_rows(share.rate))
    for gap in () if row.cost is None else row.cost.comparisons:
        yield _of(
            "cost_gap",
            model,
            _size(gap.difference),
            subject=of,
            group=gap.name if several else "",
            because=_few(gap.difference),
        )


def _graded(effect: ColumnEffect) -> str:
    return effect.because if effect.logits is None else ""


def _few_rows(estimate: Estimate | None) -> str:
    return "fewer than 10 rows have such a counterfactual" if estimate is None else ""


def _counts(document: AuditDocument) -> Iterator[Measurement]:
    from cfsearch.numerics.intervals import wilson

    for c in document.counts:
        yield _share("found_rate", c.model, c.found_rate, count=c.found, n=c.searched)
        failed = wilson(c.failed, c.instances)
        ends = None if failed is None else Estimate.model_validate(failed.to_dict())
        yield _share("failed_rate", c.model, ends, count=c.failed, n=c.instances)


def _effects(effect: EffectRow) -> Iterator[Measurement]:
    because = untold(effect)
    of, n = effect.variable, effect.n
    for metric, estimate in (("effect", effect.estimate), ("probability", effect.probability)):
        yield _of(metric, effect.model, estimate, subject=of, n=n, because=because)
        yield _of(f"abs_{metric}", effect.model, _size(estimate), subject=of, n=n, because=because)
    alone = effect.flips_alone
    if alone is not None:
        yield _share(
            "flip_rate", effect.model, alone.rate, subject=of, count=alone.count, n=alone.n, because=because
        )
    yield _exact("p", effect.model, effect.p, subject=of, n=n)
    yield _exact("edit_success", effect.model, effect.edit_success, subject=of, n=n)


def untold(effect: EffectRow) -> str:
    """Why an effect lets one say nothing of its attribute, whatever its size; empty where it does.

    Args:
        effect: as it stands in ``audit.json``.
    """
    if effect.estimate is None:
        return "it was not measured"
    if effect.edit_success is None and effect.truth is None:
        return "edits were never measured"
    if effect.edit_success is not None and effect.edit_success < LEAST_EDITED:
        return hardly_edited(effect.edit_success)
    if effect.edit_strength is not None and effect.edit_strength < LEAST_STRENGTH:
        return weakly_edited(effect.edit_strength)
    if "correction" in effect.model_fields_set and effect.correction is None and effect.truth is None:
        return ERROR_UNMEASURED
    return effect.because if "contradict" in effect.because else ""


def _changes(document: AuditDocument) -> Iterator[Measurement]:
    for c in document.changes:
        yield _share(
            "change_rate", c.model, c.rate, subject=f"{c.direction}{c.variable}", count=c.count, n=c.n
        )


def _groups(row: GroupRow) -> Iterator[Measurement]:
    parts: list[tuple[str, GroupFigures]] = [(group.name, group) for group in row.groups]
    if row.inside is not None and row.outside is not None:
        parts = [("with", row.inside), ("without", row.outside)]
    for name, part in parts:
        group = f"{row.attribute}:{name}"
        yield _share("decided", row.model, part.decided, group=group, n=part.instances, few=True)
        yield _share("found_rate", row.model, part.found_rate, group=group, n=part.searched, few=True)
    for one in () if row.impact is None else row.impact.groups:
        if one.name != (row.impact.most_selected if row.impact else None):
            few = "a group has fewer than 10 inputs" if one.ratio is None else ""
            yield _of(
                "impact_ratio",
                row.model,
                one.ratio,
                group=f"{row.attribute}:{one.name}",
                n=one.n,
                because=few,
            )
    if row.difference is not None:
        yield from _gaps(row.model, row.attribute, "", row.difference.decided, row.difference.found_rate)
    for c in row.comparisons:
        yield from _gaps(row.model, row.attribute, c.name, c.difference.decided, c.difference.found_rate)
    for effect in row.effects:
        gap = _size(effect.difference)
        yield _of(
            "effect_gap", row.model, gap, subject=effect.variable, group=row.attribute, because=_few(gap)
        )


def _gaps(
    model: str, column: str, name: str, decided: Estimate | None, found: Estimate | None
) -> Iterator[Measurement]:
    group = f"{column}:{name}" if name else column
    for metric, difference in (("decided_gap", decided), ("found_gap", found)):
        yield _of(metric, model, _size(difference), group=group, because=_few(difference))


def _attainment(row: AttainmentRow) -> Iterator[Measurement]:
    """Of images the column alone is the group, of rows the column with the group; the subject is the class."""
    group = row.attribute if row.name == "with" else f"{row.attribute}:{row.name}"
    for metric, estimate in (
        ("attainment_gap", row.gap),
        ("hypervolume_gap", _size(row.hypervolume_difference)),
    ):
        yield _of(metric, row.model, estimate, subject=row.source, group=group)
    for metric, p in (("attainment_p", row.p.attainment), ("hypervolume_p", row.p.hypervolume)):
        yield Measurement(metric, row.model, row.source, group, p, p, p)


def _shared(row: SharedRow) -> Iterator[Measurement]:
    """Coverage of the changes chosen for all inputs of a class, on the half that had no part in choosing them."""
    from cfsearch.numerics.intervals import wilson

    whole = row.sets[0]
    if not whole.changes:  # nothing flips any, and so nothing of the other half
        none = wilson(0, whole.n)
        ends = None if none is None else Estimate.model_validate(none.to_dict())
        yield _share("shared_rate", row.model, ends, subject=row.source, count=0, n=whole.n)
        return
    for group, coverage in (
        ("", whole.changes[-1].together),
        *((f"{one.attribute}:{one.name}", one) for one in row.groups),
    ):
        yield _share(
            "shared_rate",
            row.model,
            coverage.rate,
            subject=row.source,
            group=group,
            count=coverage.count,
            n=coverage.n,
            few=True,
        )
    for c in row.comparisons:
        group = c.attribute if c.name == "with" else f"{c.attribute}:{c.name}"
        gap = _size(c.difference)
        yield _of("shared_gap", row.model, gap, subject=row.source, group=group, because=_few(gap))
        few = _few(gap) if c.p is None else ""
        yield Measurement("shared_p", row.model, row.source, group, c.p, c.p, c.p, because=few)


def _contributions(row: ContributionsRow) -> Iterator[Measurement]:
    """What changes contribute to the counterfactuals, by variable."""
    for one in row.variables:
        share = one.shapley.share
        yield _of(
            "contribution",
            row.model,
            share,
            subject=one.variable,
            n=one.shapley.n,
            because=_few_inputs(share),
        )
        for metric, counted in (
            ("contribution_necessity", one.necessary),
            ("contribution_sufficiency", one.sufficient),
        ):
            yield _share(
                metric,
                row.model,
                counted.rate,
                subject=one.variable,
                count=counted.count,
                n=counted.n,
                because=_few_inputs(counted.rate),
            )


def _agreement(row: AgreementRow) -> Measurement:
    none = "" if row.n else "by the first generator nothing is genuine"
    return _share("agreement", row.model, row.rate, count=row.count, n=row.n, because=none)


def _genuine(document: AuditDocument) -> Iterator[Measurement]:
    for entry in document.genuine:
        rate = entry.get("rate")
        ends = None if rate is None else Estimate.model_validate(rate)
        yield _share("genuine_rate", str(entry["model"]), ends, count=int(entry["count"]), n=int(entry["n"]))


def _few(estimate: Estimate | None) -> str:
    return "a group has fewer than 10 inputs" if estimate is None else ""


def _few_inputs(estimate: Estimate | None) -> str:
    return "fewer than 10 inputs have such a counterfactual" if estimate is None else ""


def _size(estimate: Estimate | None) -> Estimate | None:
    """The estimate without its sign; an interval across 0 begins at 0."""
    if estimate is None:
        return None
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    low = 0.0 if estimate.low <= 0 <= estimate.high else ends[0]
    return Estimate(value=abs(estimate.value), low=low, high=ends[1])


def _of(
    metric: str,
    model: str,
    estimate: Estimate | None,
    *,
    subject: str = "",
    group: str = "",
    n: int = 0,
    because: str = "",
) -> Measurement:
    if estimate is None:
        return Measurement(metric, model, subject, group, n=n, because=because)
    value, low, high = estimate.value, estimate.low, estimate.high
    return Measurement(metric, model, subject, group, value, low, high, n=n, because=because)


def _share(
    metric: str,
    model: str,
    rate: Estimate | None,
    *,
    subject: str = "",
    group: str = "",
    count: int | None = None,
    n: int,
    because: str = "",
    few: bool = False,
) -> Measurement:
    if rate is None:
        return Measurement(metric, model, subject, group, n=n, because=because or (_few(rate) if few else ""))
    counted = round(rate.value * n) if count is None else count
    return Measurement(
        metric, model, subject, group, rate.value, rate.low, rate.high, counted, n, because=because
    )


def _exact(
    metric: str, model: str, value: float | None, *, subject: str, n: int, group: str = ""
) -> Measurement:
    return Measurement(metric, model, subject, group, value, value, value, n=n)
