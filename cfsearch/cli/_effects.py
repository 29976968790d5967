"""Effects of an audit in the terminal: the first sentences, and each attribute's effect."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cfsearch.errors import listed

from ._output import plain, shortened

if TYPE_CHECKING:
    from rich.console import Console

_MOST = 13
_WIDE = 92


def show_verdicts(console: "Console", document: Mapping[str, Any]) -> None:
    """Print the first sentences of an audit: its strongest effects in words.

    Args:
        console: where to print.
        document: the content of ``audit.json``.
    """
    from rich.text import Text

    for verdict in document.get("verdicts", ()):
        of_a_column = "through" in verdict  # a table of figures follows
        console.print(
            Text(plain(verdict["headline"] if of_a_column else f"{verdict['headline']} {verdict['detail']}"))
        )


def show_effects(console: "Console", document: Mapping[str, Any]) -> None:
    """Print the effects of each model, the strongest first.

    Args:
        console: where to print.
        document: the content of ``audit.json``.
    """
    for model in document["models"]:
        rows = [e for e in document["effects"] if e["model"] == model["id"] and e["estimate"]]
        if rows and all("reading" in row for row in rows):
            _of_model(console, model, rows, several=len(document["models"]) > 1)


def _of_model(
    console: "Console", model: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, several: bool
) -> None:
    from rich.text import Text

    from ._tables import ResultTable

    label = shortened(plain(model["labels"][-1]))
    who = f"{shortened(plain(model['name']))}: " if several else ""
    console.print(
        Text(
            f"{who}effect of each attribute alone on {label!r}: log-odds (logits{_how(rows)}), probability (points), "
            f"verdicts that it flips (as the generator shows it); mean of {rows[0]['n']} inputs, 95 % intervals"
        )
    )
    wide = console.width >= _WIDE
    table = ResultTable()
    table.add_column("attribute", overflow="fold")
    for title in ("from, to", "logits", *(["points"] if wide else []), "flips"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("reading", no_wrap=True)
    for row in rows[:_MOST]:
        alone, between = row["flips_alone"], row["between"]
        table.add_row(
            Text(plain(row["variable"])),
            f"{between['low']:g}, {between['high']:g}",
            _signed(row["estimate"], digits=2),
            *([_signed(row["probability"], digits=0, scale=100.0)] if wide else []),
            f"{alone['count']}/{alone['n']}",
            row["reading"],
        )
    console.print(table)
    if len(rows) > _MOST:
        console.print(f"{len(rows) - _MOST} smaller effects are in audit.json and on the page.")
    for reason, names in _reasons(rows).items():
        who = "all of them" if len(names) == len(rows) else listed(names, most=len(names))
        found_from = _found_from([row for row in rows if row["variable"] in names])
        console.print(Text(plain(f"cannot tell of {who}: {reason}{found_from}.")))


def _how(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which estimate is shown, where it is not the one through the generator as it is."""
    corrections = [row["correction"] for row in rows if row.get("correction") is not None]
    if not corrections:
        return ""
    if all(correction["photographs"] is None for correction in corrections):
        return " less the generator's own error"
    return " less the generator's own error, combined with photographs"


def _found_from(rows: Sequence[Mapping[str, Any]]) -> str:
    """From which size on such an audit finds the effects that one cannot tell; empty where that was not computed."""
    sizes = [f"{row['detectable']:.2f}" for row in rows if row.get("detectable") is not None]
    if not sizes:
        return ""
    ends = dict.fromkeys((min(sizes, key=float), max(sizes, key=float)))
    return f"; {rows[0]['n']} inputs show one from {' to '.join(ends)} logits on"


def _reasons(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Why one cannot tell, with the attributes of which that holds."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["because"]:
            found.setdefault(row["because"], []).append(row["variable"])
    return found


def _signed(interval: Mapping[str, float], *, digits: int, scale: float = 1.0) -> str:
    """``-4.98 [-5.60, -4.38]``."""
    value, low, high = (f"{scale * interval[k] + 0.0:+.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
