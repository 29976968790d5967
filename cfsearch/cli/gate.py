"""``cfsearch gate``: does an audit pass the conditions that are put on it?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import CfsearchError, ConfigError

from ._errors import BelowThreshold
from ._help import Command
from ._options import FILE, UNCHECKED, json_option
from ._output import Outcome, plain
from ._places import PLACE

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.audits.measurements import Measurement
    from cfsearch.audits.reading import AuditDocument

LIST = "cfsearch-metrics/1"


@click.command(
    cls=Command,
    short_help="Judge an audit by conditions; exit with 1 where one fails.",
    examples=(
        "cfsearch gate runs/one --list",
        'cfsearch gate runs/one --fail-if "failed_rate > 5% at 90%" --cannot-tell pass',
        'cfsearch gate runs/one --fail-if "found_rate < 1%" --format junit --out gate.xml',
        'cfsearch gate runs/one --fail-if "found_rate < 1%" --format junit --out gate.xml --format text',
    ),
)
@click.argument("run", type=FILE, metavar="RUN")
@click.option(
    "--fail-if",
    multiple=True,
    metavar="CONDITION",
    help='What must not be, such as "flip_rate:Male > 5%" or "|effect:protected| > 0.5"; may be repeated.',
)
@click.option(
    "--gates", type=FILE, metavar="FILE.toml", help="A file of conditions that must hold, a [[gate]] each."
)
@click.option(
    "--cannot-tell",
    "unsure",
    type=click.Choice(["fail", "pass"]),
    default="fail",
    show_default=True,
    help="What it counts as where an interval leaves the answer open.",
)
@click.option(
    "--format",
    "kinds",
    type=click.Choice(["text", "json", "junit", "sarif", "github"]),
    multiple=True,
    default=("text",),
    show_default=True,
    help="How judgements are written; may be repeated.",
)
@click.option(
    "--out",
    "outs",
    type=PLACE,
    multiple=True,
    metavar="FILE",
    help="Write them to this file instead of stdout; the first goes with the first --format, and so on.",
)
@click.option(
    "--list", "listed", is_flag=True, help="List every figure that a condition can be put on, and end."
)
@UNCHECKED
@json_option
def gate(
    run: Path,
    fail_if: tuple[str, ...],
    gates: Path | None,
    unsure: str,
    kinds: tuple[str, ...],
    outs: tuple[Path, ...],
    listed: bool,
    unchecked: bool,
) -> Outcome:
    """Judge an audit by conditions: pass, fail or cannot tell, each by the ends of an interval.

    A condition is broken where the whole interval lies on the wrong side, and held where the whole interval lies
    on the right one. A figure that the audit does not have fails. Exits with 0 where the gate passes, with 1 where it does
    not, and with 5 where the run is not what was written.
    """
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.conditions import fail_if as forbidden
    from cfsearch.audits.conditions import named, read_conditions
    from cfsearch.audits.gate import gate_document, judge, passed
    from cfsearch.audits.gate_formats import WRITERS
    from cfsearch.audits.reading import AuditDocument
    from cfsearch.files import dump_json, write_atomically

    conditions = (
        []
        if listed
        else named(
            [*(forbidden(text) for text in fail_if), *(read_conditions(gates) if gates is not None else [])]
        )
    )
    _check_kinds(kinds, outs)
    if not unchecked:
        require_intact(run, page=False)
    audit = AuditDocument.read(run)
    if listed:
        return _listed(audit)
    judgements = judge(audit, conditions)
    passes = unsure == "pass"
    document = gate_document(str(run), judgements, unsure_passes=passes)
    shown = ""
    for i, kind in enumerate(kinds):
        if kind == "json":
            written = dump_json(document)
        else:
            written = WRITERS[kind](judgements, run=str(run), unsure_passes=passes)
        if i < len(outs):
            write_atomically(outs[i], written)
        shown += f"{outs[i]}\n" if i < len(outs) else written
    error = None if passed(judgements, unsure_passes=passes) else _failed(document)
    return Outcome(document=document, show=lambda console: _print(console, shown), error=error)


def _check_kinds(kinds: tuple[str, ...], outs: tuple[Path, ...]) -> None:
    """Refuse files without a format, and two formats on one stdout."""
    if len(outs) > len(kinds):
        raise ConfigError(
            f"gate: expected one --format a file, got {len(kinds)} ({', '.join(kinds)}) for the {len(outs)} files "
            f"{', '.join(map(str, outs))}. Put a --format before each --out."
        )
    if len(kinds) - len(outs) > 1:
        raise ConfigError(
            f"gate: expected at most one --format on stdout, got {', '.join(kinds[len(outs) :])}. Give the others a "
            "file with --out; the first --out goes with the first --format."
        )


def _failed(document: dict[str, Any]) -> CfsearchError:
    count = document["counts"]
    parts = [f"{count['fail']} of {len(document['judgements'])} conditions failed"] if count["fail"] else []
    if count["cannot_tell"] and document["cannot_tell"] == "fail":
        parts.append(f"of {count['cannot_tell']} one cannot tell (--cannot-tell pass lets them pass)")
    return BelowThreshold(f"gate: {', '.join(parts)}.")


def _print(console: "Console", text: str) -> None:
    """As it is: no folding of lines, for a program may read it."""
    console.file.write("".join(c if c == "\n" else plain(c) for c in text))


def _listed(audit: "AuditDocument") -> Outcome:
    from cfsearch.audits.metrics import METRICS, catalogue

    figures = catalogue(audit)
    document = {
        "format": LIST,
        "metrics": dict(METRICS),
        "figures": [
            {
                "name": one.name,
                "metric": one.metric,
                "subject": one.subject,
                "group": one.group,
                "model": one.model,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "n": one.n,
                "because": one.because,
            }
            for one in figures
        ],
    }
    return Outcome(document=document, show=lambda console: _table(console, figures))


def _table(console: "Console", figures: "list[Measurement]") -> None:
    from rich.text import Text

    from cfsearch.audits.metrics import METRICS

    from ._tables import ResultTable

    table = ResultTable()
    table.add_column("figure", overflow="fold")
    table.add_column("model", overflow="fold")
    table.add_column("value, 95 % interval", justify="right")
    table.add_column("n", justify="right")
    table.add_column("cannot tell because", overflow="fold")
    for one in figures:
        value = "none" if one.value is None else f"{one.value:.4g}"
        ends = "" if one.low is None or one.low == one.high else f" [{one.low:.4g}, {one.high:.4g}]"
        table.add_row(
            Text(plain(one.name)), Text(plain(one.model)), value + ends, str(one.n), Text(plain(one.because))
        )
    console.print(table)
    present = dict.fromkeys(one.metric for one in figures)
    for name in present:
        console.print(Text(f"{name}: {METRICS[name]}"))
