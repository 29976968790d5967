"""The page of an audit: one HTML file that needs nothing else."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from jaxtyping import UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from torch import Tensor

from cfsearch.contracts.modality import PICTURES, ROWS, modality_named
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.files import json_digest
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.attainment import PERMUTATIONS

from . import wording
from .agreement import found_in
from .attainment import front_pairs
from .becoming import becoming
from .charts import count_chart, effect_chart
from .columns import protected_columns
from .contributions import contribution_tables
from .failures import MOST_ROWS, build_failures
from .gallery import Entry, build_gallery, grouped, probabilities
from .groups import groupings
from .maker import page_maker
from .payload import build_payload, script_json
from .pictures import CIVIDIS
from .plan import MOST_FRONTS, MOST_LINES, MOST_LISTED, MOST_SAMPLED, Plan, ceiling, fitting, thinned
from .shared import shared_classes
from .stopping import standing
from .story import tell

FORMAT = "cfsearch-audit/1"
_HERE = Path(__file__).parent
_STYLES = ("base.css", "charts.css", "gallery.css", "explorer.css", "large.css", "print.css")
_SCRIPTS = ("data.js", "plot.js", "explorer.js", "large.js", "gallery.js")


@final
@dataclass(frozen=True, slots=True, eq=False)
class ReportInstance:
    """One front as the page shows it.

    Args:
        key: unique name of this input and model.
        model: id of the audited model.
        front: the counterfactuals.
        genuine: for each member, whether the model flips on the true re-render as well; None
            where nobody knows.
        rerenders: the true picture of each member's change, None where there is none.

    Shapes:
        rerenders ``(n, c, h, w)`` uint8, ``n`` members.

    Raises:
        ShapeError: ``genuine`` or ``rerenders`` do not have one entry a member.
    """

    key: str
    model: str
    front: ParetoFront
    genuine: tuple[bool | None, ...] | None = None
    rerenders: UInt8[Tensor, "n c h w"] | None = None

    def __post_init__(self) -> None:
        n = len(self.front)
        for what, part in (("genuine", self.genuine), ("rerenders", self.rerenders)):
            if part is not None and len(part) != n:
                raise ShapeError(
                    f"report instance {self.key!r}: expected {n} entries of {what}, one a member, "
                    f"got {len(part)}."
                )


def build_page(document: Mapping[str, Any], instances: Sequence[ReportInstance], *, left_out: int = 0) -> str:
    """The page as one HTML text.

    Args:
        document: the content of ``audit.json`` (format ``cfsearch-audit/1``).
        instances: the fronts, in the order in which they are shown.
        left_out: further fronts of the run, which were not read for the page.

    Raises:
        ConfigError: the document has another format.
        DataError: two instances share a key, or one names a model that the document lacks.
    """
    if document.get("format") != FORMAT:
        raise ConfigError(
            f"report: expected a document of format {FORMAT!r}, got {document.get('format')!r}. "
            "Write the page with the version of cfsearch that made the run."
        )
    _check(document, instances)
    audit = json_digest(document)
    reproduce = wording.mark_all(document["reproduce"], keep="\n")
    document = {**wording.mark_all(document), "reproduce": reproduce}
    drawn = list(instances)[:MOST_FRONTS]
    left_out += len(instances) - len(drawn)
    page = ""
    for plan in _plans(document, drawn):
        page = _render(document, drawn, plan, left_out=left_out, audit=audit)
        if len(page.encode()) <= ceiling(len(drawn)):
            break
    return page


def _plans(document: Mapping[str, Any], drawn: Sequence[ReportInstance]) -> tuple[Plan, ...]:
    """The plans worth rendering: the first that fits by a page of a sample of the fronts, and those after it."""
    plans = fitting([i.front for i in drawn], rerenders=any(i.rerenders is not None for i in drawn))
    if len(drawn) <= MOST_SAMPLED:
        return plans
    sample = [drawn[i] for i in thinned(range(len(drawn)), most=MOST_SAMPLED)]
    keys = {wording.mark(i.key) for i in sample}
    part = {**document, "instances": [about for about in document["instances"] if about["key"] in keys]}
    rest = len(_render(document, [], plans[0], left_out=0, audit="").encode())
    empty = len(_render(part, [], plans[0], left_out=0, audit="").encode())
    for i, plan in enumerate(plans):
        each = (len(_render(part, sample, plan, left_out=0, audit="").encode()) - empty) / len(sample)
        if rest + each * len(drawn) <= ceiling(len(drawn)):
            return plans[i:]
    return plans[-1:]


def _render(
    document: Mapping[str, Any], instances: Sequence[ReportInstance], plan: Plan, *, left_out: int, audit: str
) -> str:
    models = {m["id"]: m["name"] for m in document["models"]}
    modality = modality_named(document.get("inputs", ""))
    rows = modality is ROWS
    thing = modality.thing
    abouts = {about["key"]: about for about in document["instances"]}
    entries = [_entry(i, plan, abouts.get(wording.mark(i.key))) for i in instances]
    groups = grouped(entries)
    gallery = build_gallery(groups, plan=plan, models=models)
    payload = build_payload(groups, plan=plan, models=models)
    if modality is not PICTURES:
        payload |= {"thing": thing, "pictured": modality.pictured}
    failures = build_failures(document, {e.key: e for e in entries}, models)
    style, script = asset(_STYLES), asset(_SCRIPTS, wrap=True)
    return (
        _environment()
        .get_template("page.html")
        .render(
            doc=document,
            listed=document["instances"][:MOST_LISTED],
            audit=audit,
            maker=page_maker(),
            models=models,
            story=tell(document, gallery.articles),
            effects=effect_chart(document["effects"], models),
            changes=count_chart(document["changes"], models, modality=modality),
            becoming=becoming(document),
            groupings=groupings(document),
            front_pairs=front_pairs(document),
            permutations=PERMUTATIONS,
            stopping=standing(document, thing=thing),
            columns=protected_columns(document),
            shared_classes=shared_classes(document),
            contributions=contribution_tables(document),
            thing=thing,
            of_rows=rows,
            kind=modality.name,
            pictured=modality.pictured,
            predicts=any(strip.predicts for a in gallery.articles for strip in a.strips),
            gallery=gallery,
            plan=plan,
            ramp=CIVIDIS,
            complete=all(len(e.shown) == len(e.front) for e in entries),
            lines=MOST_LINES,
            unnamed=any("left" in front for front in payload["fronts"]),
            explored_all=all(len(e.explored) == len(e.front) for e in entries),
            fronts_left_out=left_out,
            failures=failures[:MOST_ROWS],
            counted_as=found_in(document),
            failures_left_out=max(0, len(failures) - MOST_ROWS),
            members={e.key: len(e.front) for e in entries},
            has_rerenders=plan.rerenders and any(e.rerenders is not None for e in entries),
            has_genuine=any(e.genuine is not None for e in entries),
            has_doubtful=any(
                e.genuine is None and bool((e.front.verified & ~e.front.valid).any()) for e in entries
            ),
            payload=Markup(script_json(payload)),  # noqa: S704  # escaped for its place
            style=Markup(style),  # noqa: S704  # our own files
            script=Markup(script),  # noqa: S704  # our own files
            policy=policy(style, script),
        )
    )


def _entry(instance: ReportInstance, plan: Plan, about: Mapping[str, Any] | None) -> Entry:
    front = instance.front
    picks = front.picks()
    shown = plan.shown(front, picks=picks)
    picks = {**{f"answer {k}": i for k, i in enumerate(front.answers(), start=1)}, **picks}
    return Entry(
        key=wording.mark(instance.key),
        model=wording.mark(instance.model),
        front=front,
        genuine=instance.genuine,
        rerenders=instance.rerenders,
        about=about or _about(instance),
        p=probabilities(front.scores),
        picks=picks,
        shown=tuple(shown),
        explored=tuple(plan.explored(front, first=[*shown, *picks.values()])),
    )


def _check(document: Mapping[str, Any], instances: Sequence[ReportInstance]) -> None:
    known = {m["id"] for m in document["models"]}
    seen: set[str] = set()
    for instance in instances:
        if instance.key in seen:
            raise DataError(f"report: expected one instance a key, got {instance.key!r} twice.")
        seen.add(instance.key)
        if instance.model not in known:
            raise DataError(
                f"report: instance {instance.key!r} is of model {instance.model!r}, which the document "
                f"does not list; it lists {', '.join(map(repr, sorted(known)))}."
            )


def _about(instance: ReportInstance) -> dict[str, Any]:
    """What is known of a front that the document does not list."""
    front = instance.front
    return {
        "name": wording.mark(front.name),
        "sha256": "",
        "status": "found" if front.found else "not_found",
        "reason_text": front.reason.value,
    }


def policy(style: str, script: str = "") -> str:
    """The content security policy of a page: this style and this script, and nothing else.

    Args:
        style: its style sheet.
        script: its script; empty where it has none.
    """
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'" if script else "script-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def asset(names: tuple[str, ...], *, wrap: bool = False) -> str:
    """Files of this room, one after the other.

    Args:
        names: of the files.
        wrap: whether they are a script that runs in a function of its own.
    """
    text = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)
    return f'(() => {{\n"use strict";\n{text}}})();\n' if wrap else text


def template(name: str) -> Template:
    """A template of this room: escapes everything, and fails on what is undefined."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "percent": wording.percent,
        "span": wording.span,
        "rate": wording.rate,
        "human": wording.human,
        "direction": wording.direction,
        "counted": wording.counted,
        "day": _day,
        "breaking": breaking,
    }
    return environment


def breaking(text: str) -> Markup:
    """A name whose line may break after each underscore, not inside its words.

    Args:
        text: of a column or an attribute.
    """
    return Markup("_<wbr>").join(text.split("_"))  # parts are escaped by the join


def _day(moment: str | None) -> str:
    """``2026-03-01T10:20:30+00:00`` as "2026-03-01 10:20"."""
    return wording.MISSING if not moment else moment[:16].replace("T", " ")
