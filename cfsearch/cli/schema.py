"""``cfsearch schema``: the JSON Schemas of all documents, and the schema of a table."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cfsearch.errors import ConfigError
from cfsearch.files import dump_json
from cfsearch.schemas import names
from cfsearch.schemas import schema as read

from ._completion import columns
from ._help import Command
from ._options import DELIMITER, ENCODING, FILE, LABEL, json_option
from ._output import Outcome, plain
from ._places import PLACE
from ._repeated import list_option

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.datasets.tables import Inference

FORMAT = "cfsearch-table-schema/1"
_LONGEST_NAME: Final = 255
"""Bytes of a file's name, on the file systems that are in use."""
TABLE = "table"
"""The name under which the columns of a table are guessed instead of a document's schema printed."""


def _documents(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of documents, for completion."""
    return [name for name in (TABLE, *names()) if name.startswith(incomplete)]


@click.command(
    cls=Command,
    short_help="Print a document's JSON Schema, or guess that of a table.",
    examples=(
        "cfsearch schema search",
        "cfsearch schema table applicants.csv --label decision --immutable age --out applicants.schema.toml",
    ),
)
@click.argument("name", required=False, shell_complete=_documents)
@click.argument("file", required=False, type=FILE, metavar="[TABLE.csv]")
@click.option("--out", type=PLACE, metavar="FILE", help="Of a table: write the guess, to be corrected.")
@LABEL
@list_option("--ignore", shell_complete=columns, help="Of a table: columns that are no inputs.")
@list_option("--immutable", shell_complete=columns, help="Of a table: columns that must never change.")
@list_option(
    "--categorical",
    shell_complete=columns,
    help="Of a table: columns whose numbers are codes, and texts of any number of kinds.",
)
@click.option(
    "--missing", metavar="WORD", multiple=True, help="Of a table: a word for a missing cell; repeat for more."
)
@click.option(
    "--croissant",
    type=FILE,
    metavar="FILE",
    help="Of a table: the data set's description in Croissant; its enumerations and types are followed.",
)
@ENCODING
@DELIMITER
@json_option
def schema(
    name: str | None, file: Path | None, out: Path | None, **flags: Any
) -> Outcome:  # Any: the options, by name
    """Print the JSON Schema of a document, or list them; or say what the columns of a table mean.

    A file APPLICANTS.schema.toml beside APPLICANTS.csv is used without being named.
    """
    if name == TABLE:
        return _table(file, out, flags)
    if file is not None or out is not None or any(flags.values()):
        raise click.UsageError(f"Only `cfsearch schema {TABLE} TABLE.csv` takes a file and these options.")
    if name is not None:
        document = read(name)
        return Outcome(document=document, show=lambda console: _verbatim(console, document))
    listed = {each: read(each) for each in names()}
    return Outcome(document={"schemas": listed}, show=lambda console: _list(console, listed))


def _table(file: Path | None, out: Path | None, flags: dict[str, Any]) -> Outcome:
    from cfsearch.datasets.tables import MISSING_VALUES, infer_schema, write_schema

    if file is None:
        raise click.UsageError(f"`cfsearch schema {TABLE}` needs a table: cfsearch schema {TABLE} TABLE.csv.")
    if out is not None and out.exists():
        raise ConfigError(f"schema: {str(out)!r} exists already and is left as it is. Name another file.")
    codes, lacking = _described(file, flags)
    guess = infer_schema(
        file,
        target=flags["label"],
        ignore=_names(flags["ignore"]),
        immutable=_names(flags["immutable"]),
        categorical=[*_names(flags["categorical"]), *codes],
        missing_values=(*MISSING_VALUES, *flags["missing"]),
        encoding=flags["encoding"],
        delimiter=flags["delimiter"],
    )
    guess = replace(guess, notes=(*guess.notes, *lacking))
    if out is not None:
        write_schema(guess.schema, out)
    document = {
        "format": FORMAT,
        "source": guess.source,
        "rows": guess.rows,
        "schema": guess.schema.to_dict(),
        "notes": list(guess.notes),
        "reasons": dict(guess.reasons),
        "file": None if out is None else str(out),
    }
    return Outcome(document=document, show=lambda console: _guess(console, guess, file, out))


def _described(file: Path, flags: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Columns that a description calls categories, and what it says that the file does not bear out."""
    from cfsearch.datasets.croissant import read_croissant
    from cfsearch.datasets.tables import read_text_table

    if flags["croissant"] is None:
        return [], []
    described = read_croissant(flags["croissant"])
    columns = described.columns_of(file)
    header = read_text_table(file, encoding=flags["encoding"], delimiter=flags["delimiter"]).header
    taken = {*_names(flags["categorical"]), *_names(flags["ignore"]), flags["label"]}
    codes = [c.name for c in columns if c.is_category and c.name in header and c.name not in taken]
    lacking = [c.name for c in columns if c.name not in header]
    notes = (
        [f"{described.path.name} describes columns that {file.name} lacks: {', '.join(lacking)}."]
        if lacking
        else []
    )
    if not columns:
        notes.append(f"{described.path.name} describes no column of {file.name}.")
    return codes, notes


def _names(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _guess(console: "Console", guess: "Inference", file: Path, out: Path | None) -> None:
    from cfsearch.assembly.table import schema_beside

    for line in guess.summary().splitlines():
        console.print(plain(line), soft_wrap=True)
    if out is None:
        beside = schema_beside(file)
        if len(os.fsencode(beside.name)) > _LONGEST_NAME:
            text = "Nothing was written. Add --out NAME.toml, correct what was guessed wrong, and give it with --schema."
        else:
            text = f"Nothing was written. Add --out {beside}, then correct what was guessed wrong."
    else:
        text = f"Wrote {out}. Correct what was guessed wrong: kinds, ranges, units, what must not change."
    console.print(plain(text), soft_wrap=True)


def _verbatim(console: "Console", document: dict[str, Any]) -> None:
    console.file.write(dump_json(document))


def _list(console: "Console", listed: dict[str, dict[str, Any]]) -> None:
    for each, document in listed.items():
        console.print(f"{each:12}{document['title']}", soft_wrap=True)
