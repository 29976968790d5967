"""Changes that many inputs share, in the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._output import plain

if TYPE_CHECKING:
    from rich.console import Console


def show_shared(console: "Console", document: Mapping[str, Any], *, noun: str) -> None:
    """Print the few changes that flip the most inputs of each class, and what they do by group.

    Args:
        console: where to print.
        document: the content of ``audit.json``.
        noun: what one input is called.
    """
    entries = document.get("shared", ())
    if not entries:
        return
    from rich.text import Text

    from cfsearch.audits.shared.words import compared, sentence
    from cfsearch.report import wording

    from ._tables import ResultTable

    several = len(document["models"]) > 1
    names = {model["id"]: model["name"] for model in document["models"]}
    for entry in entries:
        who = f"{plain(names[entry['model']])}: " if several else ""
        console.print(Text(who + plain(sentence(entry, noun=noun))))
        whole = entry["sets"][0]
        if whole["changes"]:
            table = ResultTable()
            table.add_column("shared change", overflow="fold")
            table.add_column("alone", justify="right", no_wrap=True)
            table.add_column("with those above, 95 %", justify="right", no_wrap=True)
            for change in whole["changes"]:
                alone, together = change["alone"], change["together"]
                table.add_row(
                    Text(plain(change["words"])),
                    f"{alone['count']}/{alone['n']}",
                    f"{wording.percent(wording.rate(together['rate']))}, {wording.span(together['rate'])}",
                )
            console.print(table)
        for line in compared(entry):
            console.print(Text(f"  {plain(line)}"))
