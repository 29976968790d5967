"""Options of an audit that ends when its conditions are decided, and how they stand in the end, in words."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from cfsearch.errors import CfsearchError

from ._errors import BelowThreshold
from ._options import FILE
from ._output import plain


def until_decided_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of an audit that ends when its conditions are decided.

    Args:
        command: that gets them.
    """
    for option in reversed(
        (
            click.option(
                "--until-decided",
                is_flag=True,
                default=None,
                help="Search inputs in random order and end as soon as --fail-if and --gates are decided.",
            ),
            click.option(
                "--fail-if",
                multiple=True,
                metavar="CONDITION",
                help='What must not be, such as "flip_rate:Male > 5%"; may be repeated.',
            ),
            click.option(
                "--gates",
                type=FILE,
                metavar="FILE.toml",
                help="A file of conditions that must hold, a [[gate]] each.",
            ),
        )
    ):
        command = option(command)
    return command


def standing(stopping: Mapping[str, Any], *, noun: str) -> list[str]:
    """How the conditions of an audit stand, a line each.

    Args:
        stopping: as it stands in ``audit.json``.
        noun: what one input is called.
    """
    from cfsearch.report.stopping import notes

    n, of = stopping["judged"], stopping["of"]
    how = f"stopped after {n} of {of} {noun}s" if stopping["stopped"] else f"after all {n} {noun}s"
    lines = [f"{stopping['result']}: {how}; intervals hold at every number of {noun}s at once"]
    for row in stopping["judgements"]:
        found = row["estimate"]
        figure = "no figure yet"
        if found is not None:
            figure = (
                f"{found['value']:.4g}, interval {found['low']:.4g} to {found['high']:.4g}, of {row['n']}"
            )
        what = f":{row['subject']}" * bool(row["subject"]) + f"@{row['group']}" * bool(row["group"])
        when = "" if row["decided_at"] is None else f", decided after {row['decided_at']}"
        lines.append(
            f"  {row['result']:12} {plain(row['condition'])} [{row['metric']}{plain(what)}] {figure}{when}"
        )
    return [*lines, *(f"  {plain(text)}" for text in notes(stopping))]


def undecided(stopping: Mapping[str, Any] | None) -> CfsearchError | None:
    """The error of an audit whose conditions fail, or are undecided; None where they pass.

    Args:
        stopping: as it stands in ``audit.json``; None where there are no conditions.
    """
    if stopping is None or stopping["result"] == "pass":
        return None
    bad = [row["condition"] for row in stopping["judgements"] if row["result"] != "pass"]
    if stopping["result"] == "fail":
        bad = [row["condition"] for row in stopping["judgements"] if row["result"] == "fail"]
        return BelowThreshold(f"audit: the condition {bad[0]!r} fails.")
    return BelowThreshold(
        f"audit: one cannot tell whether the condition {bad[0]!r} holds; search more inputs, or judge with `cfsearch gate`."
    )
