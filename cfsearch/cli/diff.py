"""``cfsearch diff``: two audits of the same inputs, compared pair by pair."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._help import Command
from ._options import FILE, UNCHECKED, json_option
from ._output import Outcome, note, plain
from ._places import PLACE
from ._reals import Real

if TYPE_CHECKING:
    from rich.console import Console


@click.command(
    cls=Command,
    short_help="Compare two audits of the same inputs.",
    examples=(
        "cfsearch diff runs/one runs/two",
        "cfsearch diff runs/one runs/two --out diff.html",
    ),
)
@click.argument("first", type=FILE, metavar="RUN_A")
@click.argument("second", type=FILE, metavar="RUN_B")
@click.option("--out", type=PLACE, metavar="PAGE.html", help="Write a page of both side by side.")
@click.option(
    "--practical",
    type=Real(min=0.0, min_open=True),
    help="Size in logits from which a difference of effects matters; that of RUN_A when left out.",
)
@click.option(
    "--practical-share",
    type=Real(0.0, 1.0, min_open=True),
    default=0.05,
    show_default=True,
    help="Difference of shares from which it matters.",
)
@UNCHECKED
@json_option
def diff(
    first: Path,
    second: Path,
    out: Path | None,
    practical: float | None,
    practical_share: float,
    unchecked: bool,
) -> Outcome:
    """Compare two audits of the same inputs, for example of two versions of a model.

    Inputs are matched by SHA-256. Shares are compared by McNemar's exact test, effects by the signed-rank test and with the
    generator's error where both audits measured it, each with a paired 95 % interval; p-values are corrected together (Holm). Each figure has changed, has not changed by more than
    the practical size, or one cannot tell.
    """
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.difference import Side, compare
    from cfsearch.audits.shared_pairs import pairs_of
    from cfsearch.files import write_atomically
    from cfsearch.report.diff_page import build_diff_page

    if not unchecked:
        for run in (first, second):
            require_intact(run, page=False)
    one, other = Side.read(first), Side.read(second)
    size = one.document.practical if practical is None else practical
    document = compare(one, other, practical=size, practical_share=practical_share)
    if out is not None:
        write_atomically(out, build_diff_page(document, pairs_of(one, other)))
    for text in document["notes"]:
        note(text)
    return Outcome(document=document, show=lambda console: _show(console, document, out))


def _show(console: "Console", document: dict[str, Any], page: Path | None) -> None:
    from rich.text import Text

    from cfsearch.report import wording
    from cfsearch.report.diff_page import headlines, how

    from ._tables import ResultTable

    first, second = (plain(document[side]["model"]) for side in ("first", "second"))
    console.print(Text(f"{first} (first) and {second} (second) on {document['shared']} shared inputs"))
    for text in headlines(document):
        console.print(Text(plain(text)))
    if sentence := how(document):
        console.print(Text(sentence))
    table = ResultTable()
    table.add_column("figure", overflow="fold")
    for title in ("first", "second", "difference, 95 % interval", "p (Holm)"):
        table.add_column(title, justify="right")
    table.add_column("reading")
    for row in document["rows"]:
        logit, gap = row["unit"] == "logit", row["difference"]
        value = (lambda v: wording.number(v, signed=True)) if logit else wording.percent
        change = "none" if gap is None else (wording.number if logit else wording.points)(gap["value"])
        ends = "" if gap is None else f" ({wording.span(gap, form='logit' if logit else 'points')})"
        name = f"{row['figure'].replace('_', ' ')} {row['subject']}".strip()
        p = wording.MISSING if row["p"] is None else wording.small(row["p"])
        table.add_row(
            Text(plain(name)), value(row["first"]), value(row["second"]), change + ends, p, row["reading"]
        )
    console.print(table)
    if page is not None:
        console.print(Text(f"The page: {page}"), soft_wrap=True)
