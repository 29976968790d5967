"""``cfsearch demo``: the main job on what the package carries."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._help import Command
from ._invocation import Invocation
from ._options import SEED, WHOLE, json_option, threads_option
from ._output import Outcome, plain
from ._places import FOLDER_PLACE
from ._progress import AuditMeter, progress
from ._settings import use_threads
from ._signals import interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.audits.run import AuditProgress


@click.command(
    cls=Command,
    short_help="Audit two shipped classifiers on drawn faces; writes a page.",
    examples=(
        "cfsearch demo",
        "cfsearch demo --faces 24 --out demo --open",
    ),
)
@click.option(
    "--out",
    type=FOLDER_PLACE,
    default=Path("cfsearch-demo"),
    show_default=True,
    metavar="DIR",
    help="Where the page and the fronts go.",
)
@click.option("--faces", type=click.IntRange(2, 200), default=12, show_default=True, help="Faces to search.")
@click.option(
    "--evaluations", type=WHOLE, default=3000, show_default=True, help="Candidates a face and model."
)
@click.option("--seed", type=SEED, default=7, show_default=True, help="Seed of all random numbers.")
@click.option("--open/--no-open", "opened", default=False, help="Open the page in the browser.")
@threads_option
@json_option
def demo(out: Path, faces: int, evaluations: int, seed: int, opened: bool, threads: int | None) -> Outcome:
    """Find counterfactuals of drawn faces for two classifiers, and write a page about them.

    One classifier learned from faces with the natural skew of hair colour, the other from the
    same without blond women; the page shows side by side what each reacts to.
    """
    use_threads(threads)
    from cfsearch.demo import run_demo

    call = Invocation.current()
    words = f"interrupted; what is done is saved in {str(out)!r}. To go on: {call.command}"
    with interruptible(words), progress("demo") as line:
        meters: dict[str, AuditMeter] = {}

        def watch(model: str, state: "AuditProgress") -> None:
            meter = meters.setdefault(model, AuditMeter(line, evaluations=evaluations, title=model))
            meter(state)

        document = run_demo(
            out, count=faces, evaluations=evaluations, seed=seed, command=call.command, watch=watch
        )
    page = out / "report.html"
    if opened:
        from .pages import open_page

        open_page(page)
    return Outcome(document=document, show=lambda console: _show(console, document, page))


def _show(console: "Console", document: dict[str, Any], page: Path) -> None:
    from rich.text import Text

    from cfsearch.report.agreement import found_in

    from ._tables import ResultTable

    table = ResultTable()
    table.add_column("model", overflow="fold")
    table.add_column(f"{found_in(document)}s", justify="right")
    table.add_column("reacts most to", overflow="fold", ratio=1)
    names = {entry["id"]: entry["name"] for entry in document["models"]}
    labels = {entry["id"]: entry.get("labels", ()) for entry in document["models"]}
    for count in document["counts"]:
        own = labels[count["model"]]  # that a class moves itself is no news
        rows = [
            row
            for row in document["effects"]
            if row["model"] == count["model"] and row["estimate"] and row["variable"] not in own
        ]
        strongest = (f"{row['variable']} {row['estimate']['value']:+.1f} logits" for row in rows[:3])
        table.add_row(
            Text(plain(names[count["model"]])),
            f"{count['found']}/{count['searched']}",
            Text(plain(", ".join(strongest))),
        )
    console.print(table)
    console.print(Text(f"The page: {page}"), soft_wrap=True)
