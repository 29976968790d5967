"""What changed variables contribute to the flips, as a table on the page of an audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from . import wording
from .plan import MOST_LINES


@final
@dataclass(frozen=True, slots=True)
class ContributionLine:
    """One variable; figures with their intervals, "too few" under 10 inputs."""

    variable: str
    flips: int
    sufficient: str
    necessary: str
    share: str


@final
@dataclass(frozen=True, slots=True)
class ContributionTable:
    """The variables of one model, the most often changed first, how many more there are, and what it took to measure them."""

    model: str
    inputs: int
    left_out: int
    queries: int
    sampled: bool
    lines: tuple[ContributionLine, ...]
    more: int = 0


def contribution_tables(document: Mapping[str, Any]) -> list[ContributionTable]:
    """One table a model; none where nothing was measured.

    Args:
        document: the content of ``audit.json``.
    """
    names = {model["id"]: model["name"] for model in document["models"]}
    return [
        ContributionTable(
            names.get(entry["model"], entry["model"]),
            entry["inputs"],
            entry["left_out"],
            entry["queries"],
            any(row["shapley"]["sampling_error"] for row in entry["variables"]),
            tuple(
                ContributionLine(
                    row["variable"],
                    row["flips"],
                    _words(row["sufficient"]["rate"]),
                    _words(row["necessary"]["rate"]),
                    _words(row["shapley"]["share"]),
                )
                for row in entry["variables"][:MOST_LINES]
            ),
            max(0, len(entry["variables"]) - MOST_LINES),
        )
        for entry in document.get("contributions", ())
    ]


def _words(rate: Mapping[str, float] | None) -> str:
    return "too few" if rate is None else f"{wording.percent(rate['value'])} ({wording.span(rate)})"
