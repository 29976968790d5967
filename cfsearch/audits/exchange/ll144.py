"""An audit by group in the form of New York's Local Law 144: selection rates and impact ratios, with what was left out."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, final

from cfsearch.audits.reading import AuditDocument, GroupFigures, GroupRow, Model
from cfsearch.audits.reading_parts import Estimate
from cfsearch.audits.shares import LEAST
from cfsearch.datasets.tables import is_unknown_group
from cfsearch.numerics.intervals import share_ratio
from cfsearch.numerics.percent import percent
from cfsearch.runs.export import neutral

from .subjects import digest_of, limits

FORMAT: Final = "cfsearch-ll144/1"
SMALL: Final = 0.02
"""Categories with a smaller share of the inputs may be left out of impact ratios (6 RCNY 5-301)."""


@final
@dataclass(frozen=True, slots=True)
class Category:
    """One category of a column, or of the intersection of columns.

    Args:
        model: id of the model.
        column: "sex", or "race*sex".
        category: its name.
        inputs: how many.
        selected: how many of them the model puts into the favourable class; None where that may not be shown.
        rate: the selection rate, with its 95 % Wilson interval.
        ratio: that divided by the highest rate of the column's categories that are not left out, with a 95 % interval (``share_ratio``).
        left_out: why it has no impact ratio; empty where it has one.
    """

    model: str
    column: str
    category: str
    inputs: int
    selected: int | None
    rate: Estimate | None
    ratio: Estimate | None
    left_out: str


@final
@dataclass(frozen=True, slots=True)
class ImpactRatios:
    """All categories of an audit.

    Args:
        document: the content of ``audit.json``.
        favourable: for each model the class that counts as selected.
        categories: in the order of the document.
        unknown: for each model and column how many inputs have no known category.
    """

    document: AuditDocument
    favourable: dict[str, str]
    categories: tuple[Category, ...]
    unknown: dict[tuple[str, str], int]


def impact_ratios(document: AuditDocument) -> ImpactRatios:
    """Selection rates and impact ratios of every group of an audit.

    The favourable class is the target of the audit, or the last class where none was given.

    Args:
        document: the content of ``audit.json``.

    References:
        NYC Local Law 144 of 2021; Rules of the City of New York, title 6, sections 5-300 to 5-304.
    """
    models = {model.id: model for model in document.models}
    favourable = {name: _favourable(model, document) for name, model in models.items()}
    categories: list[Category] = []
    unknown: dict[tuple[str, str], int] = {}
    for row in document.groups:
        counts = next((c for c in document.counts if c.model == row.model), None)
        known = [(name, part) for name, part in _parts(row) if not is_unknown_group(name)]
        sizes = sum(part.instances for _, part in _parts(row))
        total = sizes if counts is None else counts.instances - counts.failed
        impact = row.impact  # of audits that measured rates of the favourable class themselves
        if impact is None:
            turned = (
                len(models[row.model].labels) == 2 and favourable[row.model] == models[row.model].labels[0]
            )
            unknown[row.model, row.attribute] = max(0, total - sum(part.instances for _, part in known))
            rates = [(name, part.instances, _rate(part, turned=turned)) for name, part in known]
        else:
            favourable[row.model] = impact.label or favourable[row.model]
            rates = [(one.name, one.n, one.rate) for one in impact.groups if not is_unknown_group(one.name)]
            unknown[row.model, row.attribute] = max(0, total - sum(n for _, n, _ in rates))
        categories += _column(row, rates, total=total)
    return ImpactRatios(document, favourable, tuple(categories), unknown)


def _favourable(model: Model, document: AuditDocument) -> str:
    target = document.search.target
    return target if len(model.labels) == 2 and target in model.labels else model.labels[-1]


def _parts(row: GroupRow) -> list[tuple[str, GroupFigures]]:
    if row.inside is not None and row.outside is not None:
        return [("yes", row.inside), ("no", row.outside)]
    return [(group.name, group) for group in row.groups]


def _column(
    row: GroupRow, parts: Sequence[tuple[str, int, Estimate | None]], *, total: int
) -> list[Category]:
    """The categories of one column, each with its name, its inputs and its selection rate."""
    left_out = {name: _few(n) if rate is None else _small(n, total=total) for name, n, rate in parts}
    counted = {name: (rate, n) for name, n, rate in parts if rate is not None and not left_out[name]}
    best = max(counted, key=lambda name: counted[name][0].value, default=None)
    found = []
    for name, n, rate in parts:
        ratio, why = None, left_out[name]
        if best is not None and rate is not None and not why:
            ratio = _ratio(rate, n, *counted[best], same=name == best)
            why = "" if ratio is not None else "no input of any category is selected"
        selected = None if rate is None else round(rate.value * n)
        found.append(Category(row.model, row.attribute, name, n, selected, rate, ratio, why))
    return found


def _rate(part: GroupFigures, *, turned: bool) -> Estimate | None:
    if part.decided is None or not turned:
        return part.decided
    return Estimate(value=1 - part.decided.value, low=1 - part.decided.high, high=1 - part.decided.low)


def _few(n: int) -> str:
    if n >= LEAST:
        return "its rate was not measured: rows were chosen by what the model decides"
    return f"fewer than {LEAST} inputs: a rate would say more of chance, and of persons, than of the model"


def _small(n: int, *, total: int) -> str:
    return (
        f"{percent(n / total, digits=1)} of the inputs, fewer than {percent(SMALL)}"
        if total and n < SMALL * total
        else ""
    )


def _ratio(rate: Estimate, n: int, best: Estimate, best_n: int, *, same: bool) -> Estimate | None:
    """The ratio of two shares with Katz' interval on the logarithm; the best by itself is 1."""
    count, best_count = round(rate.value * n), round(best.value * best_n)
    if best_count == 0:
        return None
    if same:
        return Estimate(value=1.0, low=1.0, high=1.0)
    ratio = share_ratio(count, n, best_count, best_n)
    if ratio is None:
        return None
    return Estimate(value=round(ratio.value, 6), low=round(ratio.low, 6), high=round(ratio.high, 6))


def ll144_json(found: ImpactRatios) -> dict[str, Any]:
    """All categories with unknowns, exclusions and limits as JSON.

    Args:
        found: by ``impact_ratios``.
    """
    document = found.document
    return {
        "format": FORMAT,
        "run": document.run_id,
        "date": document.finished or document.created,
        "data": {"source": document.about.data_source, "date": document.about.data_date},
        "models": [
            {
                "id": model.id,
                "name": model.name,
                "digest": digest_of(model),
                "favourable": found.favourable[model.id],
            }
            for model in document.models
        ],
        "categories": [
            {
                **asdict(one),
                "rate": None if one.rate is None else one.rate.model_dump(),
                "ratio": None if one.ratio is None else one.ratio.model_dump(),
            }
            for one in found.categories
        ],
        "unknown": [
            {"model": model, "column": column, "inputs": count}
            for (model, column), count in found.unknown.items()
        ],
        "limits": _limits(found),
    }


_COLUMNS: Final = (
    *("model", "column", "category", "inputs", "selected", "selection_rate", "rate_low", "rate_high"),
    *("impact_ratio", "ratio_low", "ratio_high", "left_out"),
)


def ll144_csv(found: ImpactRatios) -> str:
    """One line a category, and one a column for the inputs of unknown category.

    Names that begin like a formula stand behind an apostrophe, as in ``cfsearch.runs.export.to_csv``.

    Args:
        found: by ``impact_ratios``.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in found.categories:
        names = (neutral(text) for text in (one.model, one.column, one.category))
        writer.writerow(
            [*names, one.inputs, one.selected, *_cells(one.rate), *_cells(one.ratio), one.left_out]
        )
    for (model, column), count in found.unknown.items():
        writer.writerow(
            [neutral(model), neutral(column), "unknown", count, *[None] * 7, "the category is not known"]
        )
    return text.getvalue()


def _cells(estimate: Estimate | None) -> list[float | None]:
    return [None] * 3 if estimate is None else [estimate.value, estimate.low, estimate.high]


def ll144_markdown(found: ImpactRatios) -> str:
    """A table a column, as a summary to publish is laid out, with what was left out and why.

    Args:
        found: by ``impact_ratios``.
    """
    from .card import plain

    document = found.document
    lines = [
        "# Selection rates and impact ratios",
        "",
        f"Audit {document.run_id}, {document.finished or document.created}. "
        f"Source of the data: {plain(document.about.data_source) or 'not stated'}; "
        f"date of the data: {plain(document.about.data_date) or 'not stated'}.",
        "",
    ]
    for model in document.models:
        lines += [f"## {plain(model.name)}", "", f"Selected: {plain(found.favourable[model.id])}.", ""]
        for (owner, column), count in found.unknown.items():
            if owner != model.id:
                continue
            lines += [
                f"### {plain(column)}",
                "",
                "| category | inputs | selected | selection rate | 95 % interval | impact ratio | 95 % interval |",
                "| --- | ---: | ---: | ---: | --- | ---: | --- |",
            ]
            own = [one for one in found.categories if (one.model, one.column) == (model.id, column)]
            lines += [_line(one, plain(one.category)) for one in own]
            lines += ["", f"Inputs of unknown category: {count}."]
            lines += [f"Left out: {plain(one.category)}, {one.left_out}." for one in own if one.left_out]
            lines += [""]
    return "\n".join(
        [*lines, "## What this does not say", "", *(f"- {plain(text)}" for text in _limits(found)), ""]
    )


def _line(one: Category, name: str) -> str:
    rate, ratio = (
        ("", "") if part is None else (form(part.value), f"{form(part.low)} to {form(part.high)}")
        for part, form in ((one.rate, _to_a_tenth), (one.ratio, "{:.2f}".format))
    )
    selected = "" if one.selected is None else str(one.selected)
    return f"| {name} | {one.inputs} | {selected} | {rate[0]} | {rate[1]} | {ratio[0]} | {ratio[1]} |"


def _to_a_tenth(share: float) -> str:
    return percent(share, digits=1)


def _limits(found: ImpactRatios) -> list[str]:
    columns = {column for _, column in found.unknown}
    missing = (
        []
        if any("*" in column for column in columns)
        else [
            "No intersection of two columns was audited; the rule asks for that of sex and race or ethnicity."
        ]
    )
    return [
        "It supports evidence for a bias audit by an independent auditor; it is none, and no statement of conformity.",
        "Rates are of the inputs of this audit, which need not be the applicants of any year.",
        *missing,
        *(row.note for row in found.document.groups if row.note),
        *limits(found.document),
    ]
