"""Every figure of an audit that a condition can be put on, with its interval."""

from collections.abc import Iterator
from typing import Final

from cfsearch.datasets.tables import is_unknown_group
from cfsearch.numerics.intervals import wilson

from .correction import LEAST_STRENGTH
from .measurements import Measurement, few_in_group, few_with_changes, figure_of, number_of, share_of, size_of
from .reading import AttainmentRow, AuditDocument, Difference, EffectRow, GroupFigures, GroupRow
from .reading_columns import ColumnEffect, ColumnRow
from .reading_contributions import ContributionsRow
from .reading_parts import AgreementRow, Estimate
from .reading_shared import SharedRow
from .shares import LEAST
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
COMPARED: Final = (
    *(
        "effect",
        "abs_effect",
        "probability",
        "abs_probability",
        "p",
        "through",
        "abs_through",
        "proxy",
        "abs_proxy",
    ),
    *(
        "decided_gap",
        "impact_ratio",
        "found_gap",
        "effect_gap",
        "attainment_gap",
        "hypervolume_gap",
        "cost_gap",
    ),
    *("attainment_p", "hypervolume_p", "shared_gap", "shared_p"),
)
"""Figures between groups, or of one against others; a condition without a group is on each comparison."""


def catalogue(document: AuditDocument) -> list[Measurement]:
    """Every figure of an audit that a condition can be put on.

    Args:
        document: the content of ``audit.json``.
    """
    return [
        *_counts(document),
        *(found for effect in document.effects for found in _effects(effect)),
        *_changes(document),
        *(
            found
            for group in document.groups
            for found in _groups(group, chosen=document.search.decided is not None)
        ),
        *(found for row in document.attainment for found in _attainment(row)),
        *(
            found
            for column in document.columns
            for found in column_figures(
                column, searched=any(one.members is not None for one in document.columns)
            )
        ),
        *(found for shared in document.shared for found in _shared(shared)),
        *(found for row in document.contributions for found in _contributions(row)),
        *(figure_of("robustness", row.model, row.mean, n=row.n) for row in document.robustness),
        *(_agreement(row) for row in document.agreement),
        *_genuine(document),
    ]


def column_figures(row: ColumnRow, *, searched: bool = False) -> Iterator[Measurement]:
    """Every figure of one protected column of a table.

    Args:
        row: as it stands in ``audit.json``.
        searched: whether counterfactuals say anything of any column.
    """
    of, model = row.column, row.model
    several = len(row.comparisons) > 1
    if (
        not row.comparisons and not row.guessed
    ):  # named, and of too few groups: no gate passes for want of figures
        itself = ["effect", "abs_effect", "probability", "abs_probability", "p", "flip_rate"]
        if searched and row.members is None:
            itself += ["necessity", "sufficiency"]
        others = ("through", "abs_through", "proxy", "abs_proxy", "cost_gap")
        for metric in (*(itself if row.taken else ()), *others):
            yield Measurement(metric, model, of, because=row.because or row.through.because)
    for c in row.comparisons:
        group = c.name if several else ""
        alone, through = c.effect, c.through
        if alone is not None:
            because = _graded(alone)
            for metric, estimate in (("effect", alone.logits), ("probability", alone.probability)):
                yield figure_of(metric, model, estimate, subject=of, group=group, n=alone.n, because=because)
                yield size_of(
                    f"abs_{metric}", model, estimate, subject=of, group=group, n=alone.n, because=because
                )
            yield number_of("p", model, alone.p, subject=of, group=group, n=alone.n, because=alone.because)
        for metric, make in (("through", figure_of), ("abs_through", size_of)):
            because, n = _graded(through), through.n
            yield make(metric, model, through.logits, subject=of, group=group, n=n, because=because)
        for proxy in c.proxies:
            where = f"{group}:{proxy.column}" if group else proxy.column
            for metric, make in (("proxy", figure_of), ("abs_proxy", size_of)):
                yield make(metric, model, proxy.logits, subject=of, group=where, n=proxy.n)
    if row.flips_alone is not None:
        count, n = row.flips_alone.count, row.flips_alone.n
        rate, few = (row.flips_alone.rate, "") if n >= LEAST else (None, f"fewer than {LEAST} rows")
        yield share_of("flip_rate", model, rate, subject=of, count=count, n=n, because=few)
    if row.members is not None:
        for metric, share in (("necessity", row.members.necessary), ("sufficiency", row.members.sufficient)):
            yield figure_of(metric, model, share.rate, subject=of, n=share.n, because=_few_rows(share.rate))
    for gap in () if row.cost is None else row.cost.comparisons:
        yield size_of(
            "cost_gap",
            model,
            gap.difference,
            subject=of,
            group=gap.name if several else "",
            because=few_in_group(gap.difference),
        )


def _graded(effect: ColumnEffect) -> str:
    return effect.because if effect.logits is None else ""


def _few_rows(estimate: Estimate | None) -> str:
    return "fewer than 10 rows have such a counterfactual" if estimate is None else ""


def _counts(document: AuditDocument) -> Iterator[Measurement]:
    for c in document.counts:
        yield share_of("found_rate", c.model, c.found_rate, count=c.found, n=c.searched)
        failed = wilson(c.failed, c.instances)
        ends = None if failed is None else Estimate.model_validate(failed.to_dict())
        yield share_of("failed_rate", c.model, ends, count=c.failed, n=c.instances)


def _effects(effect: EffectRow) -> Iterator[Measurement]:
    because = untold(effect)
    of, n = effect.variable, effect.n
    for metric, estimate in (("effect", effect.estimate), ("probability", effect.probability)):
        yield figure_of(metric, effect.model, estimate, subject=of, n=n, because=because)
        yield size_of(f"abs_{metric}", effect.model, estimate, subject=of, n=n, because=because)
    alone = effect.flips_alone
    if alone is not None:
        yield share_of(
            "flip_rate", effect.model, alone.rate, subject=of, count=alone.count, n=alone.n, because=because
        )
    yield number_of("p", effect.model, effect.p, subject=of, n=n, because=because)
    yield number_of("edit_success", effect.model, effect.edit_success, subject=of, n=n)


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
        yield share_of(
            "change_rate", c.model, c.rate, subject=f"{c.direction}{c.variable}", count=c.count, n=c.n
        )


def change_in_no_flip(document: AuditDocument, change: str, *, model: str) -> list[Measurement]:
    """Of each model the share of flips with a change that none of them holds: 0 of n, as such changes have no entry.

    Args:
        document: the content of ``audit.json``.
        change: with its direction, "+Hat"; there is no share of a variable that the generator lacks, nor of a direction
            that it cannot have: a category, "~Hat", goes neither up nor down.
        model: id of a model; empty for all.
    """
    way, variable = change[:1], change[1:]
    ways = {c.direction for c in document.changes if c.variable == variable}  # of texts their words
    if document.inputs != "rows":
        ways.add("~" if document.inputs == "texts" else "+")
    if way not in ("+", "-", "~") or any((way == "~") != (held == "~") for held in ways):
        return []
    if variable not in (*document.generator.variables, *(c.variable for c in document.changes)):
        return []
    found = []
    for name in (one.id for one in document.models if model in ("", one.id)):
        held = [c for c in document.changes if c.model == name]
        if not held:
            none = "no input has a counterfactual with a change"
            found.append(Measurement("change_rate", name, change, because=none))
        elif all((c.direction, c.variable) != (way, variable) for c in held):
            n = held[0].n
            found.append(share_of("change_rate", name, _none_of(n), subject=change, count=0, n=n))
    return found


def _none_of(n: int) -> Estimate | None:
    none = wilson(0, n)
    return None if none is None else Estimate.model_validate(none.to_dict())


def _groups(row: GroupRow, *, chosen: bool) -> Iterator[Measurement]:
    """Figures by group; ``chosen`` where rows were chosen by what the model decides, of which no share says anything."""
    parts: list[tuple[str, GroupFigures]] = [(group.name, group) for group in row.groups]
    if row.inside is not None and row.outside is not None:
        parts = [("with", row.inside), ("without", row.outside)]
    for name, part in parts:
        group, of, n = f"{row.attribute}:{name}", part.decided, part.instances
        yield share_of("decided", row.model, of, group=group, n=n, because=_undecided(of, chosen=chosen))
        yield share_of("found_rate", row.model, part.found_rate, group=group, n=part.searched, few=True)
    most = "" if row.impact is None else row.impact.most_selected or ""
    unknown_most = is_unknown_group(most) if most else False  # as audits once compared with it
    for one in () if row.impact is None else row.impact.groups:
        if is_unknown_group(one.name) or one.name == most:
            continue
        because = "a group has fewer than 10 inputs" if one.n < LEAST else "no input of any group is selected"
        if unknown_most and one.ratio is not None:
            because = f"it is measured against the group {most!r}, which says nothing; audit again"
        yield figure_of(
            "impact_ratio",
            row.model,
            one.ratio,
            group=f"{row.attribute}:{one.name}",
            n=one.n,
            because=because if one.ratio is None or unknown_most else "",
        )
    if row.difference is not None:
        yield from _gaps(row.model, row.attribute, row.difference, chosen=chosen)
    for c in row.comparisons:
        yield from _gaps(row.model, f"{row.attribute}:{c.name}", c.difference, chosen=chosen)
    for effect in row.effects:
        gap = effect.difference
        yield size_of(
            "effect_gap",
            row.model,
            gap,
            subject=effect.variable,
            group=row.attribute,
            because=few_in_group(gap),
        )


def _gaps(model: str, group: str, difference: Difference, *, chosen: bool) -> Iterator[Measurement]:
    decided, found = difference.decided, difference.found_rate
    yield size_of("decided_gap", model, decided, group=group, because=_undecided(decided, chosen=chosen))
    yield size_of("found_gap", model, found, group=group, because=few_in_group(found))


def _undecided(estimate: Estimate | None, *, chosen: bool) -> str:
    return few_in_group(estimate) if not chosen else "rows were chosen by what the model decides"


def _attainment(row: AttainmentRow) -> Iterator[Measurement]:
    """Of images the column alone is the group, of rows the column with the group; the subject is the class."""
    group = row.attribute if row.name == "with" else f"{row.attribute}:{row.name}"
    difference = row.hypervolume_difference
    yield figure_of("attainment_gap", row.model, row.gap, subject=row.source, group=group)
    yield size_of("hypervolume_gap", row.model, difference, subject=row.source, group=group)
    for metric, p in (("attainment_p", row.p.attainment), ("hypervolume_p", row.p.hypervolume)):
        yield Measurement(metric, row.model, row.source, group, p, p, p)


def _shared(row: SharedRow) -> Iterator[Measurement]:
    """Coverage of the changes chosen for all inputs of a class, on the half that had no part in choosing them."""
    whole = row.sets[0]
    if not whole.changes:  # nothing flips any, and so nothing of the other half
        yield share_of("shared_rate", row.model, _none_of(whole.n), subject=row.source, count=0, n=whole.n)
        return
    for group, coverage in (
        ("", whole.changes[-1].together),
        *((f"{one.attribute}:{one.name}", one) for one in row.groups),
    ):
        yield share_of(
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
        gap = c.difference
        yield size_of(
            "shared_gap", row.model, gap, subject=row.source, group=group, because=few_in_group(gap)
        )
        few = few_in_group(gap) if c.p is None else ""
        yield Measurement("shared_p", row.model, row.source, group, c.p, c.p, c.p, because=few)


def _contributions(row: ContributionsRow) -> Iterator[Measurement]:
    """What changes contribute to the counterfactuals, by variable."""
    for one in row.variables:
        share = one.shapley.share
        yield figure_of(
            "contribution",
            row.model,
            share,
            subject=one.variable,
            n=one.shapley.n,
            because=few_with_changes(share),
        )
        for metric, counted in (
            ("contribution_necessity", one.necessary),
            ("contribution_sufficiency", one.sufficient),
        ):
            yield share_of(
                metric,
                row.model,
                counted.rate,
                subject=one.variable,
                count=counted.count,
                n=counted.n,
                because=few_with_changes(counted.rate),
            )


def _agreement(row: AgreementRow) -> Measurement:
    none = "" if row.n else "by the first generator nothing is genuine"
    return share_of("agreement", row.model, row.rate, count=row.count, n=row.n, because=none)


def _genuine(document: AuditDocument) -> Iterator[Measurement]:
    for entry in document.genuine:
        rate = entry.get("rate")
        ends = None if rate is None else Estimate.model_validate(rate)
        yield share_of(
            "genuine_rate", str(entry["model"]), ends, count=int(entry["count"]), n=int(entry["n"])
        )
