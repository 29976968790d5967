"""``cfsearch audit``: a folder of images or a table, one run directory, resumable."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import CfsearchError, PartialFailure, ProviderError
from cfsearch.numerics.percent import percent

from ._beside import beside_options
from ._columns import show_columns
from ._effects import show_effects, show_verdicts
from ._help import Command
from ._invocation import Invocation
from ._options import FILE, WORKERS, json_option, search_options
from ._output import Outcome, detail, note, plain, shortened
from ._places import FOLDER_PLACE
from ._progress import AuditMeter, progress
from ._reals import Real
from ._repeated import list_option
from ._settings import settings
from ._shared import show_shared
from ._signals import interruptible
from ._until_decided import standing, undecided, until_decided_options

if TYPE_CHECKING:
    from rich.console import Console

_MOST_SHOWN = 12


@click.command(
    cls=Command,
    short_help="Search a folder of images or a table; resumable.",
    examples=(
        "cfsearch audit --images photos --model model.onnx --generator faces64 --out runs/one",
        "cfsearch audit --data applicants.csv --model credit.skops --limit 50 --out runs/two",
        "cfsearch audit --data applicants.csv --model credit.skops --workers 2 --out runs/three",
        "cfsearch audit --images photos --model model.onnx --model new.onnx --out runs/both",
        "cfsearch audit --images photos --model model.onnx --generator faces64 --protected Male --out runs/male",
        'cfsearch audit --images photos --model model.onnx --until-decided --fail-if "failed_rate > 90% at 90%" --out runs/soon',
        "cfsearch audit --data applicants.csv --model credit.skops --protected sex --effect-rows 500 --out runs/sex",
        "cfsearch audit --data applicants.csv --model credit.skops --shared-queries 2000 --out runs/few",
    ),
)
@click.argument("config", required=False, type=FILE, metavar="[CONFIG.toml]")
@click.option(
    "--out",
    type=FOLDER_PLACE,
    required=True,
    metavar="DIR",
    help="The run directory; an interrupted run in it goes on.",
)
@search_options(images=True, tables=True, several=True, isolated=True)
@beside_options
@WORKERS
@click.option("--title", default="Counterfactual audit", show_default=True, help="What the report is called.")
@list_option(
    "--protected",
    help="Attributes, or columns of --data, whose effects matter most; they stand first in every result.",
)
@click.option(
    "--practical",
    type=Real(min=0.0, min_open=True),
    help="Smallest effect that matters, in logits; default 0.25.",
)
@until_decided_options
@click.option(
    "--effect-rows",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of a table, the most rows on which effects of protected columns are measured; default 1000, 0 for none.",
)
@click.option(
    "--croissant",
    type=FILE,
    metavar="FILE",
    help="The data set's description in Croissant: name, licence and files stand in the audit.",
)
@click.option("--allow-partial", is_flag=True, help="Exit with 0 although some inputs failed.")
@json_option
def audit(
    config: Path | None,
    out: Path,
    title: str,
    allow_partial: bool,
    **flags: Any,  # Any: the shared options, by name
) -> Outcome:
    """Search a folder of images, or the rows of a table, and write down what the model reacts to.

    Flags win over CONFIG.toml. The same command on the same directory goes on with a run that
    was interrupted. Writes report.html, audit.json and run.sqlite under --out.
    """
    chosen = settings(config, flags)
    call, noun = Invocation.current(), chosen.data.noun
    from cfsearch.audits.pages import write_report
    from cfsearch.audits.run import Audit, AuditProgress

    words = f"interrupted; what is done is saved in {str(out)!r}. To go on: {call.command}"
    with interruptible(words):
        with progress("audit") as line:
            meter = AuditMeter(line, evaluations=chosen.search.evaluations, noun=chosen.data.noun)
            first: list[AuditProgress] = []

            def watch(state: AuditProgress) -> None:
                if not first:
                    first.append(state)
                    if state.done:
                        note(f"{state.done} of {state.total} {noun}s were done before; going on.")
                elif state.inside is None:
                    detail(f"{state.done}/{state.total} {noun}s done, {state.found} found")
                meter(state)

            document = Audit(chosen, directory=out, title=title, command=call.command, watch=watch).run()
        page = write_report(out)
    for text in _details(document):
        detail(text)
    for text in dict.fromkeys(line for m in document["models"] for line in m["note"].splitlines()):
        note(text)
    return Outcome(
        document=document,
        show=lambda console: _show(console, document, page, noun=noun),
        error=_verdict(document, allowed=allow_partial, noun=noun) or undecided(document.get("stopping")),
    )


def _details(document: dict[str, Any]) -> list[str]:
    """What ``-v`` adds: the audited models, what decided the result, and what became of each input."""
    models = [f"model {entry['name']} {entry['fingerprint']}" for entry in document["models"]]
    hashes = [f"SHA-256 of {one['what']}: {one['sha256']}" for one in document["reproduce"]["hashes"]]
    several = len(models) > 1
    rows = [
        f"{row['model'] + ': ' if several else ''}{row['name']}: "
        f"{row['source'] or 'no class'}, {row['status'].replace('_', ' ')}"
        for row in document["instances"]
    ]
    return [*models, *hashes, *rows]


def _show(console: "Console", document: dict[str, Any], page: Path, *, noun: str) -> None:
    from rich.text import Text

    from cfsearch.audits.attainment import sentence
    from cfsearch.contracts.modality import modality_named
    from cfsearch.report.agreement import found_in, genuineness_words
    from cfsearch.report.decisions import decisions

    from ._tables import ResultTable

    kind = modality_named(document.get("inputs", ""))
    if "stopping" in document:
        for line in standing(document["stopping"], noun=noun):
            console.print(Text(line), soft_wrap=True)
    for found in decisions(document):
        console.print(Text(plain(found.sentence)))
        for ratio in _ratios(document, found.column, found.model):
            console.print(Text(ratio))
        for difference in found.differences:
            console.print(Text(f"  {plain(difference.sentence)}"))
    show_verdicts(console, document)
    show_columns(console, document)
    names = {entry["id"]: shortened(entry["name"]) for entry in document["models"]}
    flip = found_in(document)
    for count in document["counts"]:
        rate = count["found_rate"]
        share = "" if rate is None else f" ({_percent(rate)})"
        who = f"{plain(names[count['model']])}: " if len(names) > 1 else ""
        console.print(
            f"{who}{count['found']} of {count['searched']} searched {noun}s have a {flip}{share}; "
            f"{count['already_target']} had the target class already, {count['failed']} failed."
        )
        for text in genuineness_words(document, count["model"], thing=kind.thing):
            console.print(Text(f"{who}{plain(text)}"))
    show_effects(console, document)
    for model, name in names.items():
        changes = [row for row in document["changes"] if row["model"] == model]
        if not changes:
            continue
        if len(names) > 1:
            console.print(Text(f"{plain(name)}:"))
        table = ResultTable()
        table.add_column("the sparsest flip changes", overflow="fold")
        table.add_column(f"{noun}s", justify="right")
        table.add_column("share, 95 % interval", justify="right")
        for row in changes[:_MOST_SHOWN]:
            table.add_row(
                Text(plain(kind.counted(row["variable"], row["direction"]))),
                f"{row['count']}/{row['n']}",
                _percent(row["rate"]),
            )
        console.print(table)
    for group in document.get("groups", ()):
        for line in _group_lines(group, flip):
            console.print(Text(line))
    for entry in document.get("attainment", ()):
        console.print(Text(plain(sentence(entry))))
    show_shared(console, document, noun=noun)
    for row in document["instances"]:
        if row["status"] == "failed":
            console.print(Text(f"failed: {shortened(plain(row['name']))}: {plain(row['message'])}"))
    console.print(Text(f"The page: {page}"), soft_wrap=True)


def _group_lines(group: dict[str, Any], flip: str) -> list[str]:
    """An attribute's groups with their rates, and each comparison of them on a line of its own."""
    from cfsearch.report import wording

    name = shortened(plain(group["attribute"]))
    if "with" in group:
        parts = [(side, group[side]) for side in ("with", "without")]
        compared = [
            ("with less without", group["difference"]["found_rate"], group.get("p", {}).get("found_rate"))
        ]
    else:
        parts = [(plain(part["name"]), part) for part in group["groups"]]
        compared = [
            (
                f"{plain(one['name'])} less {plain(one['against'])}",
                one["difference"]["found_rate"],
                one["p"]["found_rate"],
            )
            for one in group["comparisons"]
        ]
    rates = "; ".join(f"{side} {_rate_of(part)}" for side, part in parts)
    lines = [f"by {name}, {flip}s: {rates}."]
    for what, difference, p in compared:
        if difference is not None:
            test = "" if p is None else f"; p {wording.small(p)} after Holm"
            lines.append(f"  {what}: {_points(difference)}{test}")
    return lines + ([f"  {plain(group['note'])}"] if group.get("note") else [])


def _ratios(document: dict[str, Any], column: str, model: str) -> list[str]:
    """Impact ratios of the groups of a column, on one line; none where they were not computed."""
    for group in document.get("groups", ()):
        impact = group.get("impact")
        if (group["attribute"], group["model"]) != (column, model) or impact is None:
            continue
        known = [(one["name"], one["ratio"]) for one in impact["groups"] if one["ratio"] is not None]
        if not known:
            continue
        ratios = "; ".join(
            f"{plain(n)} {r['value']:.2f}, {r['low']:.2f} to {r['high']:.2f}" for n, r in known
        )
        unknown = f"; {impact['unknown']} rows unknown or left out" if impact["unknown"] else ""
        return [f"  impact ratio against {plain(impact['most_selected'])}: {ratios}{unknown}"]
    return []


def _rate_of(part: dict[str, Any]) -> str:
    rate = part["found_rate"]
    if rate is None:
        return f"too few of {part['searched']}" if part["searched"] else "none searched"
    return f"{_percent(rate)} of {part['searched']}"


def _points(interval: dict[str, float]) -> str:
    """A difference of shares, in percentage points."""
    value, low, high = (100 * interval[key] for key in ("value", "low", "high"))
    return f"{value:+.0f} points, {low:+.0f} to {high:+.0f}"


def _percent(interval: dict[str, float]) -> str:
    return f"{percent(interval['value'])}, {percent(interval['low'])} to {percent(interval['high'])}"


def _verdict(document: dict[str, Any], *, allowed: bool, noun: str) -> CfsearchError | None:
    rows = document["instances"]
    failed = [row for row in rows if row["status"] == "failed"]
    if not failed:
        return None
    first = f"{failed[0]['name']}: {failed[0]['message']}"
    by_provider = {ProviderError.code, *(kind.code for kind in ProviderError.__subclasses__())}
    if len(failed) == len(rows) and all(row["reason"] in by_provider for row in failed):
        return ProviderError(f"the model failed for all {len(rows)} {noun}s; {first}")
    if allowed:
        return None
    return PartialFailure(
        f"{len(failed)} of {len(rows)} {noun}s failed; {first} Give --allow-partial to accept that."
    )
