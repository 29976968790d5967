"""``cfsearch show``: a run or a front again, in the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cfsearch.errors import ConfigError, RunError

from ._help import Command
from ._invocation import Invocation
from ._options import FILE, WHOLE, json_option
from ._output import Outcome, plain

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.fronts.front import ParetoFront
    from cfsearch.runs.directory import InstanceRow
    from cfsearch.runs.record import ListedRow

INSTANCES = "cfsearch-instances/1"
MEMBER = "cfsearch-member/1"
_NOUNS: Final = {"table": "row", "texts": "text", "sounds": "recording"}


@click.command(
    cls=Command,
    short_help="Show a run or a front again.",
    examples=(
        "cfsearch show runs/one",
        "cfsearch show runs/one face1.png --pick sparsest",
    ),
)
@click.argument("source", type=FILE, metavar="RUN|FILE.front")
@click.argument("name", required=False)
@click.option(
    "--pick", type=click.Choice(["knee", "closest", "sparsest", "crossing"]), help="One member only."
)
@click.option("--rows", type=WHOLE, default=8, show_default=True, help="Members shown.")
@json_option
def show(source: Path, name: str | None, pick: str | None, rows: int) -> Outcome:
    """Show a run, one front of it, or a front file."""
    if source.is_dir() and name is None:
        if pick is not None:
            raise ConfigError("show: --pick needs the NAME of an instance of the run.")
        return _instances(source)
    front = one_front(source, name)
    if pick is None:
        return Outcome(document=front.to_dict(), show=lambda console: _front(console, front, rows, None))
    index = front.pick(pick)
    document = front.to_dict()
    member = None if index is None else document["members"][index]
    return Outcome(
        document={"format": MEMBER, "name": front.name, "pick": pick, "member": member},
        show=lambda console: _front(console, front, rows if index is not None else 0, index),
    )


def one_front(source: Path, name: str | None) -> "ParetoFront":
    """The front of a file, or of one instance of a run.

    Raises:
        RunError, ConfigError: there is none, or it is unclear which.
    """
    if not source.exists():  # before torch is imported
        raise RunError(f"{str(source)!r}: there is no such run directory or front file. Check the path.")
    from cfsearch.audits.pages import open_run
    from cfsearch.fronts.front import ParetoFront

    if not source.is_dir():
        front = ParetoFront.load(source)
        if name is not None and name != front.name:
            raise ConfigError(f"{str(source)!r} is the front of {front.name!r}, not of {name!r}.")
        return front
    with open_run(source) as run:
        if name is None:
            raise ConfigError(f"run {str(source)!r}: name one of its instances.")
        return run.front(name)


def _front(console: "Console", front: "ParetoFront", rows: int, only: int | None) -> None:
    from ._fronts import show_front

    show_front(console, front, most=rows, only=only)


def _instances(source: Path) -> Outcome:
    from cfsearch.audits.pages import open_run

    with open_run(source) as run:
        entries = (
            [_entry(row) for row in run.rows()]
            if Invocation.current().json
            else [_listed(row) for row in run.listed()]  # without torch
        )
        noun = _noun(run.config.get("data", {}))
        document = {
            "format": INSTANCES,
            "run_id": run.run_id,
            "created": run.created,
            "finished": (source / "audit.json").is_file(),
            "instances": entries,
        }
    return Outcome(document=document, show=lambda console: _list(console, document, noun=noun))


def _noun(data: Mapping[str, Any]) -> str:
    """What one input of a run is called, by its settings; ``DataConfig.noun`` would import torch."""
    return next((noun for kind, noun in _NOUNS.items() if data.get(kind) is not None), "image")


def _entry(row: "InstanceRow") -> dict[str, Any]:
    from cfsearch.fronts.predicted import predicted_entry

    front = row.front
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.code,
        "message": row.message,
        "source": None if front is None else front.labels[front.source],
        **({} if front is None else predicted_entry(front.labels, front.original_scores)),
        "members": 0 if front is None else len(front),
        "verified": 0 if front is None else int(front.verified.sum()),
        "picks": {} if front is None else front.picks(),
    }


def _listed(row: "ListedRow") -> dict[str, Any]:
    """What the terminal shows of ``_entry``."""
    header = row.header
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.code,
        "message": row.message,
        "source": None if header is None else header.source,
        **({} if header is None or header.predicted is None else {"predicted": header.predicted}),
        "members": 0 if header is None else header.members,
        "verified": 0 if header is None else header.verified,
    }


def _class(entry: dict[str, Any]) -> str:
    """The class of an input, after the number where the model predicts one."""
    if "predicted" not in entry:
        return str(entry["source"] or "")
    from cfsearch.fronts.predicted import numbered

    return numbered(entry["source"], entry["predicted"])


def _why(entry: dict[str, Any]) -> str:
    """Why nothing was found; nothing where something was."""
    if entry["status"] == "found":
        return ""
    return str(entry["message"] if entry["status"] == "failed" else entry["reason"])


def _list(console: "Console", document: dict[str, Any], *, noun: str) -> None:
    from rich.text import Text

    from ._tables import ResultTable

    table = ResultTable(longest=1000)
    for title in (noun, "class", "status"):
        table.add_column(title, overflow="fold")
    for title in ("members", "verified"):
        table.add_column(title, justify="right")
    table.add_column("why", overflow="fold", ratio=1)
    for entry in document["instances"]:
        table.add_row(
            Text(plain(entry["name"])),
            Text(plain(_class(entry))),
            entry["status"].replace("_", " "),
            str(entry["members"]),
            str(entry["verified"]),
            Text(plain(_why(entry))),
        )
    console.print(table)
    if not document["finished"]:
        console.print("This run has not ended.")
