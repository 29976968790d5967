"""Changes that many inputs share, as tables on the page of an audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from . import wording


@final
@dataclass(frozen=True, slots=True)
class SharedLine:
    """One change of a set.

    Args:
        words: what changes.
        alone: share of the inputs that it flips, with its interval beside it.
        together: share that it and those above it flip.
        cost: mean distance of those that it flips.
        held_back: inputs whose rules leave less of it.
    """

    words: str
    alone: tuple[str, str]
    together: tuple[str, str]
    cost: str
    held_back: int


@final
@dataclass(frozen=True, slots=True)
class SharedTable:
    """The changes chosen for some inputs; ``inputs`` says for how many, and how many others they were tried on."""

    title: str
    chosen_on: int
    n: int
    lines: tuple[SharedLine, ...]


@final
@dataclass(frozen=True, slots=True)
class SharedGroup:
    """What the changes chosen for all flip in one group."""

    by: str
    name: str
    n: int
    rate: str
    interval: str


@final
@dataclass(frozen=True, slots=True)
class SharedGap:
    """The same in one group less another."""

    name: str
    difference: str
    interval: str
    p: str


@final
@dataclass(frozen=True, slots=True)
class SharedClass:
    """Shared changes of the inputs of one class.

    Args:
        title: from which class to which, and of which model.
        whole: the changes chosen for all of them.
        groups: what these do by group.
        gaps: and how the groups differ.
        own: changes chosen for each group alone.
        candidates: changes that were tried.
        queries: to the model.
        left_out: inputs that were not tried.
    """

    title: str
    whole: SharedTable
    groups: tuple[SharedGroup, ...]
    gaps: tuple[SharedGap, ...]
    own: tuple[SharedTable, ...]
    candidates: int
    queries: int
    left_out: int


def shared_classes(document: Mapping[str, Any]) -> tuple[SharedClass, ...]:
    """The shared changes of a document; none where it has none.

    Args:
        document: the content of ``audit.json``.
    """
    models = {m["id"]: m["name"] for m in document["models"]}
    return tuple(
        _class(entry, model=models[entry["model"]] if len(models) > 1 else "")
        for entry in document.get("shared", ())
    )


def _class(entry: Mapping[str, Any], *, model: str) -> SharedClass:
    to = f"to {entry['to']}" if entry["to"] else "to another class"
    whole, *own = (_table(part) for part in entry["sets"])
    return SharedClass(
        title=f"From {entry['from']} {to}" + (f" ({model})" if model else ""),
        whole=whole,
        groups=tuple(
            SharedGroup(
                wording.human(group["attribute"]),
                _group(group["attribute"], group["name"]),
                group["n"],
                wording.percent(wording.rate(group["rate"])),
                wording.span(group["rate"]),
            )
            for group in entry["groups"]
        ),
        gaps=tuple(
            SharedGap(
                f"{_group(one['attribute'], one['name'])} less {_group(one['attribute'], one['against'])}",
                wording.points(wording.rate(one["difference"])),
                wording.span(one["difference"], form="points"),
                wording.MISSING if one["p"] is None else wording.small(one["p"]),
            )
            for one in entry["comparisons"]
        ),
        own=tuple(own),
        candidates=entry["candidates"],
        queries=entry["queries"],
        left_out=entry["left_out"],
    )


def _group(attribute: str, name: str) -> str:
    """A group as the page calls it: of images by what they show, of rows by its name."""
    yes_no = {"with": "yes", "without": "no"}
    return f"{wording.human(attribute)}: {yes_no[name]}" if name in yes_no else name


def _table(part: Mapping[str, Any]) -> SharedTable:
    title = _group(part["attribute"], part["name"]) if part["name"] else ""
    return SharedTable(
        title,
        part["chosen_on"],
        part["n"],
        tuple(
            SharedLine(
                change["words"],
                _share(change["alone"]),
                _share(change["together"]),
                wording.number(wording.rate(change["cost"])),
                change["held_back"],
            )
            for change in part["changes"]
        ),
    )


def _share(share: Mapping[str, Any]) -> tuple[str, str]:
    if share["rate"] is None:
        return f"{share['count']} of {share['n']}", wording.MISSING
    return wording.percent(wording.rate(share["rate"])), wording.span(share["rate"])
