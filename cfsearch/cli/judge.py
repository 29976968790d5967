"""``cfsearch judge``: counterfactuals of other tools, put to the model again and measured as our own are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError, DataError, PartialFailure

from ._help import Command
from ._opened import open_pictured, size_of
from ._options import (
    DEADLINE,
    DELIMITER,
    ENCODING,
    FILE,
    ISOLATION,
    MEMORY,
    TRUST,
    TRUST_MODEL,
    UNCHECKED,
    json_option,
)
from ._output import Outcome, note, plain
from ._places import PLACE
from ._repeated import list_option
from ._settings import settings

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.fronts.front import ParetoFront

FORMAT = "cfsearch-judge/1"


@click.command(
    cls=Command,
    short_help="Referee counterfactuals that another tool made.",
    examples=(
        "cfsearch judge theirs.json --model credit.skops --data applicants.csv",
        "cfsearch judge theirs.csv --model credit.skops --data applicants.csv --immutable age --out judged.html",
        "cfsearch judge pairs --model model.onnx --json",
    ),
)
@click.argument("theirs", type=FILE, metavar="FILE|FOLDER")
@click.option(
    "--model", required=True, metavar="MODEL", help="The model that they are to change the mind of."
)
@click.option("--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default.")
@click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights.")
@TRUST
@TRUST_MODEL
@ISOLATION
@DEADLINE
@MEMORY
@click.option("--data", type=FILE, metavar="TABLE", help="The table whose rows they are of.")
@click.option(
    "--schema", type=FILE, help="What its columns mean and may do; beside it, or guessed, when left out."
)
@click.option("--label", metavar="COLUMN", help="The column of the true class.")
@ENCODING
@DELIMITER
@list_option("--immutable", help="Columns that must not change; a change of one is marked.")
@click.option(
    "--target",
    metavar="CLASS",
    help="The class that was wanted; any other than the present one when left out.",
)
@click.option(
    "--images", type=FILE, metavar="FOLDER", help="The originals, where they have a folder of their own."
)
@click.option(
    "--id", "identifier", metavar="COLUMN", help="Column of a CSV with the row's place in --data, from 0."
)
@click.option(
    "--run", type=FILE, metavar="RUN", help="An audit of the same inputs, to show our fronts beside theirs."
)
@click.option("--out", type=PLACE, metavar="PAGE.html", help="Write a page of all of them.")
@click.option("--allow-partial", is_flag=True, help="Exit with 0 although some inputs are not judged.")
@UNCHECKED
@json_option
def judge(
    theirs: Path,
    identifier: str | None,
    run: Path | None,
    out: Path | None,
    allow_partial: bool,
    unchecked: bool,
    **flags: Any,  # Any: what opens the model and the table, by name
) -> Outcome:
    """Ask a model again about counterfactuals of another tool, measure them, and mark the rules that they break.

    Reads dice-ml's JSON, alibi's explanations, a table whose column `original` holds the place of each row, and a folder of
    pictures (NAME.png with NAME.cf1.png, ...). Beside them stand the fronts of --run, and the nearest input that
    the model decides otherwise already.
    """
    from cfsearch.files import write_atomically
    from cfsearch.report.judge_page import build_judge_page

    fronts = {} if run is None else _fronts(run, unchecked=unchecked)
    pictured = theirs.is_dir() or flags["images"] is not None
    document, shown = (_pictures if pictured else _rows)(theirs, fronts, identifier=identifier, flags=flags)
    if run is not None and not any(entry["ours"] for entry in document["inputs"]):
        document["notes"].append(
            f"{str(run)!r} holds no front of these inputs (they are matched by SHA-256)."
        )
    for text in document["notes"]:
        note(text)
    if out is not None:
        write_atomically(out, build_judge_page(document, shown))
    return Outcome(
        document=document,
        show=lambda console: _show(console, document, out),
        error=_verdict(document, allowed=allow_partial),
    )


def _verdict(document: dict[str, Any], *, allowed: bool) -> PartialFailure | None:
    """Which inputs could not be judged; None where all were, or that is accepted."""
    failed = [entry for entry in document["inputs"] if entry.get("because")]
    if not failed or allowed:
        return None
    return PartialFailure(
        f"{len(failed)} of {len(document['inputs'])} {document['noun']}s are not judged; {failed[0]['name']}: "
        f"{failed[0]['because']} Give --allow-partial to accept that."
    )


def _fronts(run: Path, *, unchecked: bool) -> "dict[str, ParetoFront]":
    """The fronts of a run by SHA-256 of their inputs."""
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.pages import open_run

    if not unchecked:
        require_intact(run, page=False)
    with open_run(run) as opened:
        return {row.sha256: row.front for row in opened.rows() if row.front is not None}


def _rows(
    theirs: Path, fronts: "dict[str, ParetoFront]", *, identifier: str | None, flags: dict[str, Any]
) -> tuple[dict[str, Any], list[list[Any]]]:
    from cfsearch.assembly.model import open_model
    from cfsearch.audits.judged_rows import Bench, judge_rows
    from cfsearch.audits.theirs import read_theirs
    from cfsearch.datasets.tables import Table, read_text_table

    if flags["data"] is None:
        raise ConfigError("judge: rows need the table that they are of: give --data TABLE.csv.")
    config = settings(None, {name: value for name, value in flags.items() if name != "images"})
    opened = open_model(config, spare=True, keep_missing=True)
    table = opened.table
    if table is None:
        raise ConfigError("judge: the model takes no rows.")
    schema = table.schema.ruled(immutable=config.search.immutable)
    rows = Table(
        schema,
        table.x,
        None,
        tuple(range(len(table.records))),
        places=tuple(int(name.removeprefix("row ")) for name in table.names),
    )
    form = {"encoding": flags["encoding"], "delimiter": flags["delimiter"]}
    header = read_text_table(flags["data"], **form).header
    tool, found = read_theirs(theirs, columns=schema.names, header=header, identifier=identifier, **form)
    bench = Bench.of(opened.model, rows, target=config.search.target)
    inputs = judge_rows(bench, found, table=rows, fronts=fronts, unread=table.unread)
    unjudged = [entry for entry in inputs if "because" in entry]
    if len(unjudged) == len(inputs):
        raise DataError(f"judge: {unjudged[0]['name']}: {unjudged[0]['because']}")
    return _document(theirs, tool, opened.model.name, inputs, noun="row", notes=list(opened.notes)), []


def _pictures(
    theirs: Path, fronts: "dict[str, ParetoFront]", *, identifier: str | None, flags: dict[str, Any]
) -> tuple[dict[str, Any], list[list[Any]]]:
    from cfsearch.audits.judged_pictures import judge_pictures, read_pairs
    from cfsearch.registry import unknown

    for name in ("data", "schema", "label", "encoding", "delimiter", "immutable"):
        if flags[name] is not None:
            raise ConfigError(f"judge: --{name} is of tables; {str(theirs)!r} is a folder of pictures.")
    if identifier is not None:
        raise ConfigError("judge: --id is of tables; give it with a CSV.")
    pairs = read_pairs(theirs, originals=flags["images"])
    model = open_pictured(flags["model"], flags)
    taken = size_of(model)
    target = flags["target"]
    if target is not None and target not in model.labels:
        raise ConfigError(f"judge: {unknown('class', target, list(model.labels))}")
    size = None if taken is None else int(taken[0])
    inputs, shown = judge_pictures(model, pairs, size=size, target=target, fronts=fronts)
    notes = [text for text in (model.note,) if text]
    return _document(theirs, "pictures", model.name, inputs, noun="picture", notes=notes), shown


def _document(
    theirs: Path, tool: str, model: str, inputs: list[dict[str, Any]], *, noun: str, notes: list[str]
) -> dict[str, Any]:
    from cfsearch.audits.judged_rows import summary

    ours = any(entry["ours"] for entry in inputs)
    return {
        "format": FORMAT,
        "theirs": str(theirs),
        "tool": tool,
        "model": model,
        "noun": noun,
        "summary": {"theirs": summary(inputs, "theirs"), "ours": summary(inputs, "ours") if ours else None},
        "inputs": inputs,
        "notes": notes,
    }


def _show(console: "Console", document: dict[str, Any], page: Path | None) -> None:
    from rich.text import Text

    from cfsearch.fronts.predicted import numbered
    from cfsearch.report.judge_page import headline, measures, overview

    from ._tables import ResultTable

    console.print(Text(plain(headline(document))))
    table = ResultTable()
    table.add_column("figure", overflow="fold")
    sides = ["theirs", *(["ours"] if document["summary"]["ours"] else [])]
    for side in sides:
        table.add_column(side, justify="right")
    for name, cells in overview(document):
        table.add_row(Text(name), *cells[: len(sides)])
    console.print(table)
    for rule, count in document["summary"]["theirs"]["broken"].items():
        console.print(Text(f"broken {count} times: {plain(rule)}"))
    for entry in document["inputs"]:
        if entry.get("because"):
            console.print(Text(plain(f"{entry['name']}, not judged: {entry['because']}")), soft_wrap=True)
            continue
        console.print(Text(plain(f"{entry['name']}, {numbered(entry['source'], entry.get('predicted'))}:")))
        for k, one in enumerate(entry["theirs"], start=1):
            says = numbered(one.get("reached", "not read"), one.get("predicted"))
            words = "; ".join(one.get("changes", ())) or one["because"]
            marks = "".join(f" ! {rule}" for rule in one["broken"])
            mark = "flips" if one["valid"] else "does not flip"
            behind = ", one of ours is better" if one.get("dominated") else ""
            console.print(
                Text(plain(f"  {k} {mark} ({says}{behind}) {measures(one)} {words}{marks}")), soft_wrap=True
            )
        near = entry["nearest"]
        if near is not None:
            says = numbered(near["reached"], near.get("predicted"))
            words = "; ".join(near.get("changes", ())) or near["name"]
            console.print(
                Text(plain(f"  nearest decided otherwise ({says}) {measures(near)} {words}")), soft_wrap=True
            )
    if page is not None:
        console.print(Text(f"The page: {page}"), soft_wrap=True)
