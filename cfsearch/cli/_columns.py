"""Effects of a table's protected columns in the terminal."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._output import plain, shortened

if TYPE_CHECKING:
    from rich.console import Console

_MOST_PROXIES = 4
_MOST_COMPARED = 4
_WIDE = 92


def show_columns(console: "Console", document: Mapping[str, Any]) -> None:
    """Print the effects of protected columns, each alone and through others.

    Args:
        console: where to print.
        document: the content of ``audit.json``.
    """
    rows = [row for row in document.get("columns", ()) if row["comparisons"]]
    if not rows:
        return
    from rich.text import Text

    from cfsearch.report import wording
    from cfsearch.report.columns import READINGS

    from ._tables import ResultTable

    several = len(document["models"]) > 1
    names = {model["id"]: model["name"] for model in document["models"]}
    console.print(
        Text(
            f"what sets groups apart on {shortened(plain(rows[0]['label']))!r}: log-odds (logits), probability (points)"
        )
    )
    wide = console.width >= _WIDE
    table = ResultTable()
    table.add_column("group", overflow="fold")
    table.add_column("what differs", overflow="fold")
    for title in ("logits", *(["points"] if wide else []), "p"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("reading", no_wrap=True)
    left = 0
    for row in rows:
        who = f"{shortened(plain(names[row['model']]))}: " if several else ""
        compared = sorted(row["comparisons"], key=lambda c: -_size(c))
        left += max(0, len(compared) - _MOST_COMPARED)
        for c in compared[:_MOST_COMPARED]:
            title = f"{who}{row['column']}: {c['name']} less {c['against']}"
            for path, entry in _entries(row, c):
                table.add_row(
                    Text(plain(title)),
                    Text(plain(path)),
                    _figure(entry["logits"], digits=2),
                    *([_figure(entry["probability"], digits=0, scale=100.0)] if wide else []),
                    "" if entry.get("p") is None else wording.small(entry["p"]),
                    READINGS.get(entry.get("reading", ""), ""),
                )
                title = ""
    console.print(table)
    if left:
        console.print(f"{left} smaller comparisons are in audit.json and on the page.")


def _entries(row: Mapping[str, Any], c: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if c["effect"] is not None:
        yield f"{row['column']} alone", c["effect"]
    if c["linked"] is not None:
        yield f"with {', '.join(row['linked'])}", c["linked"]
    yield "others together", c["through"]
    known = [p for p in c["proxies"] if p["reading"] == "leans"]
    for proxy in sorted(known, key=lambda p: -abs(p["logits"]["value"]))[:_MOST_PROXIES]:
        yield f"  {proxy['column']}", proxy


def _size(c: Mapping[str, Any]) -> float:
    found = [entry["logits"] for entry in (c["effect"], c["through"]) if entry is not None]
    return max((abs(logits["value"]) for logits in found if logits is not None), default=0.0)


def _figure(interval: Mapping[str, float] | None, *, digits: int, scale: float = 1.0) -> str:
    if interval is None:
        return "none"
    value, low, high = (
        f"{round(scale * interval[k], digits) + 0.0:+.{digits}f}" for k in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"
