"""Values that a shell completes: names of plug-ins, columns of a table, classes of a model.

All of it is read without importing anything heavy, so that a press of Tab answers at once. What cannot
be read completes to nothing; the command itself says why.
"""

import csv
import tomllib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from cfsearch import registry
from cfsearch.files import read_text

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def plugins(kind: registry.PluginKind, *, listed: bool = False, more: Sequence[str] = ()) -> Complete:
    """Names of the installed plug-ins of a kind.

    Args:
        kind: which.
        listed: whether the value is a list with commas, of which the last name is completed.
        more: names that are taken besides.
    """

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _matching([*registry.installed(kind), *more], incomplete, listed=listed)

    return complete


def generators(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of installed and of shipped generators, or a file."""
    found = _matching([*registry.installed("generators"), *registry.shipped_generators()], incomplete)
    return found or [CompletionItem(incomplete, type="file")]


def columns(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Columns of the table or the attributes that the line names before, in a list with commas."""
    return _matching(_header(ctx), incomplete, listed=True)


def column(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """One column of the table that the line names before."""
    return _matching(_header(ctx), incomplete)


def conditions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``COLUMN=`` of the table that the line names before."""
    return _matching([f"{name}=" for name in _header(ctx)], incomplete)


def classes(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Classes that the sidecar of the model names."""
    sidecar = _first(ctx.params.get("sidecar"))
    model = _first(ctx.params.get("model") or ctx.params.get("given") or ctx.args)
    if sidecar is None and model is None:
        return []
    path = Path(sidecar) if sidecar is not None else Path(str(model)).with_suffix(".toml")
    try:
        labels = tomllib.loads(read_text(path)).get("labels", [])
    except (OSError, ValueError):
        return []
    return _matching([str(label) for label in labels], incomplete)


def _header(ctx: click.Context) -> list[str]:
    """The header of the first table that the line names: ``--data``, ``--attributes``, or an argument."""
    named = [_first(ctx.params.get(name)) for name in ("data", "attributes", "table", "file")]
    # arguments before an option that still lacks its value are left in ctx.args
    loose = [word for word in ctx.args if word.endswith(".csv")]
    for path in [path for path in (*named, *loose) if path is not None]:
        try:
            with Path(str(path)).open(encoding="utf-8-sig", newline="") as file:
                rows = list(islice(csv.reader(islice(file, 1)), 1))
        except (OSError, UnicodeDecodeError, csv.Error):
            return []
        return [cell.strip() for cell in rows[0]] if rows else []
    return []


def _first(value: Any) -> str | Path | None:  # Any: whatever click parsed
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if value else None
    return value if isinstance(value, str | Path) else None


def _matching(names: Iterable[str], incomplete: str, *, listed: bool = False) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",") if listed else ("", "", incomplete)
    used = set(before.split(","))
    return [
        CompletionItem(f"{before}{comma}{name}")
        for name in names
        if name.startswith(last) and not (listed and name in used)
    ]
