"""``cfsearch check``: is a stored run what was written?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import DamagedError

from ._help import Command
from ._options import FILE, json_option
from ._output import Outcome, plain

if TYPE_CHECKING:
    from rich.console import Console


@click.command(
    cls=Command,
    short_help="Check that a stored run is what was written.",
    examples=("cfsearch check runs/one", "cfsearch check runs/one --json"),
)
@click.argument("run", type=FILE, metavar="RUN")
@json_option
def check(run: Path) -> Outcome:
    """Check that a stored run is what was written, and that its figures follow from its fronts.

    Checks the SHA-256 of each file, record and front, the chain of events, the schema of audit.json, that seed, hashes and
    settings agree wherever they stand, every figure of audit.json computed again, and the page made again and compared with the
    one that is there. Exits with 5 where anything is found.
    """
    from cfsearch.audits.checking import check_run

    result = check_run(run)
    document = result.to_dict()
    count = len(result.findings)
    error = None
    if count:
        things = "1 thing" if count == 1 else f"{count} things"
        error = DamagedError(
            f"check: {things} in {str(run)!r} {'is' if count == 1 else 'are'} not what was written."
        )
    return Outcome(document=document, show=lambda console: _show(console, document), error=error)


def _show(console: "Console", document: dict[str, Any]) -> None:
    from rich.text import Text

    for finding in document["findings"]:
        console.print(Text(plain(f"{finding['check']}: {finding['message']}")), soft_wrap=True)
    for note in document["notes"]:
        console.print(Text(plain(f"not checked: {note}")), soft_wrap=True)
    done = document["checked"]
    if document["ok"]:
        console.print(
            f"Nothing found: {done['files']} files, {done['events']} events, {done['fronts']} fronts and "
            f"{done['figures']} figures are what was written."
        )
