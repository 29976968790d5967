"""``cfsearch schema``: the JSON Schemas of all documents."""

from typing import TYPE_CHECKING, Any

import click

from cfsearch.files import dump_json
from cfsearch.schemas import names
from cfsearch.schemas import schema as read

from ._options import Command, json_option
from ._output import Outcome

if TYPE_CHECKING:
    from rich.console import Console


@click.command(cls=Command)
@click.argument("name", required=False)
@json_option
def schema(name: str | None) -> Outcome:
    """Print the JSON Schema of a document, or list them."""
    if name is not None:
        document = read(name)
        return Outcome(document=document, show=lambda console: _verbatim(console, document))
    listed = {each: read(each) for each in names()}
    return Outcome(document={"schemas": listed}, show=lambda console: _list(console, listed))


def _verbatim(console: "Console", document: dict[str, Any]) -> None:
    console.file.write(dump_json(document))


def _list(console: "Console", listed: dict[str, dict[str, Any]]) -> None:
    for each, document in listed.items():
        console.print(f"{each:12}{document['title']}", soft_wrap=True)
