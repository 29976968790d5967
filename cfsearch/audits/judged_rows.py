"""Counterfactuals of another tool on rows of a table: put to the model again, measured, and beside our own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.reference import decided_rows
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.scores import lead
from cfsearch.datasets.tables import Table, TableSchema, Variables, is_absent
from cfsearch.errors import DataError
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.predicted import predicted_entry
from cfsearch.metrics.diversity import mean_distance
from cfsearch.numerics.differing import differing
from cfsearch.numerics.intervals import wilson
from cfsearch.numerics.pareto import non_dominated

from .rules_broken import rules_broken
from .theirs import Theirs

_MEASURES: Final = ("gower", "changed", "nearest")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What counterfactuals are judged by.

    Args:
        model: the audited model, which is queried again.
        schema: what columns mean, and what may change.
        known: rows of the table with the classes that the model gives them.
        target: index of the wanted class; None for any other than the present one.
    """

    model: Provider
    schema: TableSchema
    known: Table
    target: int | None
    variables: Variables = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", Variables.of(self.schema))

    @classmethod
    def of(cls, model: Provider, rows: Table, *, target: str | None) -> "Bench":
        """A bench on the rows of a table.

        Args:
            model: the audited model.
            rows: of the table.
            target: the wanted class; None for any other than the present one.
        """
        goal = None if target is None else model.labels.index(target)
        return cls(model, rows.schema, decided_rows(rows, model), goal)

    def scores(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's scores of rows.

        Args:
            x: in canonical form.
        """
        with torch.no_grad():
            return torch.cat(
                [self.model.predict(part).cpu() for part in torch.split(x, self.model.max_batch)]
            )


def judge_rows(
    bench: Bench,
    theirs: Sequence[Theirs],
    *,
    table: Table,
    fronts: Mapping[str, ParetoFront],
    unread: Mapping[int, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """What becomes of each input: theirs, ours, and the nearest row that the model decides otherwise.

    An input that is no row of the table has ``because`` instead, and no counterfactuals.

    Args:
        bench: what they are judged by.
        theirs: by input.
        table: the rows that inputs are places of.
        fronts: our own, by SHA-256 of the row.
        unread: by place why a row of the table is not among them.
    """
    places: dict[int | None, int] = {place: i for i, place in enumerate(table.places or range(len(table)))}
    why: dict[int | None, str] = dict(unread.items())
    entries = []
    for one in theirs:
        try:
            x = _original(bench.schema, one, table, places, why)
        except DataError as error:
            entries.append(_unjudged(one, str(error)))
            continue
        entries.append(_judged(bench, one, x, fronts=fronts))
    return entries


def _unjudged(one: Theirs, because: str) -> dict[str, Any]:
    return {
        "name": one.name or f"row {one.row}",
        "source": "",
        "because": because,
        "original": {},
        "theirs": [],
        "ours": None,
        "nearest": None,
        "diversity": {"theirs": None, "ours": None},
    }


def _judged(
    bench: Bench, one: Theirs, x: Float[Tensor, " d"], *, fronts: Mapping[str, ParetoFront]
) -> dict[str, Any]:
    before = bench.scores(x[None])[0]
    source = int(before.argmax())
    rows: list[Tensor] = []
    unreadable: dict[int, str] = {}
    for k, cells in enumerate(one.counterfactuals):
        try:
            rows.append(_encoded(bench.schema, cells))
        except DataError as error:
            unreadable[k] = str(error)
            rows.append(torch.full_like(x, float("nan")))
    members = _members(bench, x, source, rows, unreadable)
    ours = _ours(bench, x, source, fronts)
    _compare(members, ours)
    return {
        "name": one.name or f"row {one.row}",
        "source": bench.model.labels[source],
        **predicted_entry(bench.model.labels, before),
        "original": {n: None if is_absent(v) else v for n, v in bench.schema.decode(x.tolist()).items()},
        "theirs": members,
        "ours": ours,
        "nearest": _unlike(bench, x, source),
        "diversity": {"theirs": _diversity(bench, members, rows), "ours": None},
    }


def _original(
    schema: TableSchema,
    one: Theirs,
    table: Table,
    places: Mapping[int | None, int],
    unread: Mapping[int | None, str],
) -> Float[Tensor, " d"]:
    if one.original is not None:
        try:
            return _encoded(schema, one.original)
        except DataError as error:
            raise DataError(f"the original is no row of the table: {error}") from error
    place = places.get(one.row)
    if place is None:
        total = len(places) + len(unread)
        raise DataError(
            unread.get(one.row, f"there is no row {one.row} in the table; it has {total} rows, from 0.")
        )
    return table.x[place]


def _encoded(schema: TableSchema, cells: Mapping[str, object]) -> Float[Tensor, " d"]:
    """A row in canonical form; a whole number in a column of levels that is none of them is the index of one."""
    plain: dict[str, Any] = {}
    known = frozenset(schema.names)
    for name, cell in cells.items():
        if name not in known:
            continue
        if not isinstance(cell, str | int | float | None):
            raise DataError(f"column {name!r}: a cell must be a number or a text, got {cell!r:.80}.")
        levels = schema.column(name).levels
        place = float(cell) if isinstance(cell, int | float) and str(cell) not in levels else -1.0
        indexed = bool(levels) and place.is_integer() and 0 <= place < len(levels)
        plain[name] = math.nan if cell is None else levels[int(place)] if indexed else cell
    return torch.from_numpy(schema.encode(plain)).double()


def _members(
    bench: Bench, x: Tensor, source: int, rows: Sequence[Tensor], unreadable: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Each counterfactual with what it changes, what the model says of it, and how it measures."""
    readable = [k for k in range(len(rows)) if k not in unreadable]
    scores = bench.scores(torch.stack([rows[k] for k in readable])) if readable else torch.zeros(0)
    found = []
    for k, row in enumerate(rows):
        if k in unreadable:
            found.append({"readable": False, "because": unreadable[k], "valid": False, "broken": []})
            continue
        score = scores[readable.index(k)]
        reached = int(score.argmax())
        goal = -1 if bench.target is None else bench.target
        margin = lead(
            torch.softmax(score.double(), -1)[None, None],
            source=torch.tensor([source]),
            target=torch.tensor([goal]),
        )
        valid = reached == bench.target if bench.target is not None else reached != source
        found.append(
            {
                "readable": True,
                "because": "",
                "valid": valid,
                "reached": bench.model.labels[reached],
                **predicted_entry(bench.model.labels, score),
                "lead": round(float(margin.flatten()[0]), 6),
                "changes": list(bench.schema.words(x.tolist(), row.tolist())),
                "broken": list(rules_broken(bench.schema, x, row)),
                **_measured(bench, x, row, reached),
            }
        )
    return found


def _measured(bench: Bench, x: Tensor, row: Tensor, reached: int) -> dict[str, Any]:
    like = bench.known.x[bench.known.target == reached] if bench.known.target is not None else bench.known.x
    near = float(bench.variables.gower_table(row[None], like).min()) if len(like) else None
    return {
        "gower": round(float(bench.variables.gower(x[None], row[None])[0]), 6),
        "changed": int(differing(x, row).sum()),
        "nearest": None if near is None else round(near, 6),
    }


def _ours(
    bench: Bench, x: Tensor, source: int, fronts: Mapping[str, ParetoFront]
) -> list[dict[str, Any]] | None:
    from cfsearch.contracts.modality import ROWS

    front = fronts.get(ROWS.fingerprint(x))
    if front is None or front.rows is None:
        return None
    kept = [front.rows[i].double() for i in front.valid.nonzero().flatten().tolist()]
    return _members(bench, x, source, kept, {})


def _compare(theirs: list[dict[str, Any]], ours: Sequence[Mapping[str, Any]] | None) -> None:
    """Marks of each counterfactual of theirs whether one of ours is nowhere worse and somewhere better."""
    for one in theirs:
        one["dominated"] = None
        if ours is None or not one["valid"]:
            continue
        points = [[float(other[m] or 0.0) for m in _MEASURES] for other in ours if other["valid"]]
        mine = [float(one[m] or 0.0) for m in _MEASURES]
        if points:
            # equal points come first, and do not dominate
            one["dominated"] = not bool(non_dominated(torch.tensor([mine, *points]))[0])


def _unlike(bench: Bench, x: Tensor, source: int) -> dict[str, Any] | None:
    """The nearest known row that the model decides as wanted: what a counterfactual must beat."""
    if bench.known.target is None:
        return None
    wanted = bench.known.target == bench.target if bench.target is not None else bench.known.target != source
    others = bench.known.x[wanted]
    if not len(others):
        return None
    distances = bench.variables.gower_table(x[None], others)[0]
    row = others[int(distances.argmin())]
    score = bench.scores(row[None])[0]
    return {
        "reached": bench.model.labels[int(score.argmax())],
        **predicted_entry(bench.model.labels, score),
        "gower": round(float(distances.min()), 6),
        "changed": int(differing(x, row).sum()),
        "changes": list(bench.schema.words(x.tolist(), row.tolist())),
    }


def _diversity(bench: Bench, members: Sequence[Mapping[str, Any]], rows: Sequence[Tensor]) -> float | None:
    kept = [row for row, one in zip(rows, members, strict=True) if one["valid"]]
    if len(kept) < 2:
        return None
    together = torch.stack(kept)
    return round(mean_distance(bench.variables.gower_table(together, together)), 6)


def summary(inputs: Sequence[Mapping[str, Any]], side: str) -> dict[str, Any]:
    """Figures of all counterfactuals of one side together.

    Args:
        inputs: as ``judge_rows`` gives them.
        side: "theirs" or "ours".
    """
    every = [one for entry in inputs for one in entry[side] or ()]
    valid = [one for one in every if one["valid"]]
    share = wilson(len(valid), len(every))
    kept = wilson(sum(not one["broken"] and one["readable"] for one in every), len(every))
    judged = [entry for entry in inputs if not entry.get("because") and entry[side] is not None]
    served = wilson(
        sum(any(one["valid"] and not one["broken"] for one in entry[side] or ()) for entry in judged),
        len(judged),
    )
    medians = {
        name: _median([one[name] for one in valid if one.get(name) is not None])
        for name in ("gower", "changed", "nearest", "pixels", "l1", "ssim")
    }
    broken: dict[str, int] = {}
    for one in every:
        for rule in one["broken"]:
            broken[rule] = broken.get(rule, 0) + 1
    return {
        "inputs": sum(bool(entry[side]) for entry in inputs),
        "counterfactuals": len(every),
        "valid": None if share is None else share.to_dict(),
        "keep_rules": None if kept is None else kept.to_dict(),
        "inputs_served": None if served is None else served.to_dict(),
        "dominated": sum(one.get("dominated") is True for one in every),
        "median": {name: value for name, value in medians.items() if value is not None},
        "broken": dict(sorted(broken.items(), key=lambda item: (-item[1], item[0]))),
    }


def _median(values: Sequence[float]) -> float | None:
    return round(float(torch.tensor(values, dtype=torch.float64).quantile(0.5)), 6) if values else None
