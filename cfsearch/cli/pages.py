"""``cfsearch report`` and ``cfsearch explore``: the page of a run."""

from pathlib import Path

import click

from ._help import Command
from ._options import FILE, UNCHECKED, json_option
from ._output import Outcome, note

FORMAT = "cfsearch-page/1"


@click.command(
    cls=Command, short_help="Write the page of a run again.", examples=("cfsearch report runs/one",)
)
@click.argument("run", type=FILE, metavar="RUN")
@UNCHECKED
@json_option
def report(run: Path, unchecked: bool) -> Outcome:
    """Write the page of a run again, from what is stored."""
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.pages import write_report

    if not unchecked:
        require_intact(run, page=False)
    return _page(write_report(run))


@click.command(cls=Command, short_help="Open the page of a run.", examples=("cfsearch explore runs/one",))
@click.argument("run", type=FILE, metavar="RUN")
@click.option("--open/--no-open", "opened", default=True, help="Open it in the browser.")
@UNCHECKED
@json_option
def explore(run: Path, opened: bool, unchecked: bool) -> Outcome:
    """Open the page of a run, written first where it is not there."""
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.pages import PAGE, write_report

    page = run / PAGE
    if not unchecked:
        require_intact(run, page=page.is_file())  # a missing one is written again
    if not page.is_file():
        page = write_report(run)
    if opened:
        open_page(page)
    return _page(page)


def open_page(page: Path) -> None:
    """Open a page in the browser; say so where there is none."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        note("no browser could be started; open the page by hand.")


def _page(page: Path) -> Outcome:
    return Outcome(
        document={"format": FORMAT, "page": str(page)},
        show=lambda console: console.print(str(page), soft_wrap=True),
    )
