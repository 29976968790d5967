"""``cfsearch export``: a run as a table."""

from pathlib import Path
from typing import get_args

import click

from cfsearch.errors import RunError

from ._help import Command
from ._options import FILE, UNCHECKED, json_option
from ._output import Outcome, plain

FORMAT = "cfsearch-export/1"
_FORMATS = ("jsonl", "csv", "parquet")
_PICTURES = "pictures"


@click.command(
    cls=Command,
    short_help="Write a run as JSON lines, CSV, parquet or pictures.",
    examples=(
        "cfsearch export runs/one --format csv --out one.csv",
        "cfsearch export runs/one --format jsonl --table instances --out images.jsonl",
        "cfsearch export runs/one --format pictures --out one",
    ),
)
@click.argument("run", type=FILE, metavar="RUN")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*_FORMATS, _PICTURES]),
    required=True,
    help="What the file is; pictures are a folder of PNG files.",
)
@click.option("--out", type=FILE, required=True, metavar="FILE", help="The file to write, or the folder.")
@click.option(
    "--table",
    type=click.Choice(["members", "instances"]),
    default="members",
    show_default=True,
    help="One line for each member of each front, or for each input.",
)
@UNCHECKED
@json_option
def export(run: Path, kind: str, out: Path, table: str, unchecked: bool) -> Outcome:
    """Write a run as one table: JSON lines, CSV or parquet; or its exact pictures, with a table of them.

    Pictures are the original, the generator's copy of it without any change, and the picked members, as the
    model saw them: 8 bits a channel, no compression that loses anything.
    """
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.pages import open_run
    from cfsearch.runs.export import Format, Table, export_run

    if out.is_dir() and kind != _PICTURES:
        raise RunError(f"cannot write {str(out)!r}: it is a folder; name a file in it.")
    if not unchecked:
        require_intact(run, page=False)
    if kind == _PICTURES:
        return _pictures(run, out)
    formats: dict[str, Format] = {name: name for name in get_args(Format)}
    tables: dict[str, Table] = {name: name for name in get_args(Table)}
    with open_run(run) as opened:
        count = export_run(opened, out, kind=formats[kind], table=tables[table])
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": count, "table": table},
        show=lambda console: console.print(f"{count} rows in {plain(str(out))}", soft_wrap=True),
    )


def _pictures(run: Path, out: Path) -> Outcome:
    from cfsearch.audits.pages import open_run
    from cfsearch.runs.pictures import export_pictures

    with open_run(run) as opened:
        count = export_pictures(opened, out)
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": count, "table": _PICTURES},
        show=lambda console: console.print(f"{count} pictures in {plain(str(out))}", soft_wrap=True),
    )
