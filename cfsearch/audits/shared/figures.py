"""Coverage of shared changes, all together and by group, as it stands in ``audit.json``."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.audits.family import corrected
from cfsearch.audits.measured import Membership
from cfsearch.audits.membership import group_pairs, group_parts
from cfsearch.audits.shares import LEAST, Share, plain
from cfsearch.numerics.intervals import paired_mean

from .choosing import ChosenSet, chosen_sets
from .measuring import MeasuredChanges


def shared_rows(
    model: str, measured: Sequence[MeasuredChanges], *, members: Membership | None
) -> list[dict[str, Any]]:
    """Rows of the document, one a class; p-values are corrected (Holm) over all comparisons of a model.

    Args:
        model: id of the model.
        measured: its trials.
        members: which input is in which group; None for no groups.
    """
    return corrected([_row(model, one, members) for one in measured])


def _row(model: str, one: MeasuredChanges, members: Membership | None) -> dict[str, Any]:
    whole, *of_groups = chosen_sets(one, members)
    sets = [whole, *(part for part in of_groups if all(one.tried[i] for i in part.chosen))]
    everyone = _covered(one, whole)
    return {
        "model": model,
        "from": one.source,
        "to": one.target,
        "chosen_on": len(one.first.inputs),
        "measured_on": len(one.second.inputs),
        "left_out": one.left_out,
        "candidates": len(one.changes),
        "queries": one.queries,
        "sets": [_set(one, part) for part in sets],
        "groups": _groups(one, everyone, members) if whole.chosen else [],
        "comparisons": _comparisons(one, everyone, members) if whole.chosen else [],
    }


def _covered(one: MeasuredChanges, part: ChosenSet) -> Bool[Tensor, " m"]:
    return one.second.flips[list(part.chosen)].any(dim=0)


def _set(one: MeasuredChanges, part: ChosenSet) -> dict[str, Any]:
    rows, n = [], int(part.second.sum())
    so_far = torch.zeros(n, dtype=torch.bool)
    for i in part.chosen:
        flips = one.second.flips[i, part.second]
        so_far = so_far | flips
        cost = paired_mean(one.second.cost[i, part.second][flips])
        change = one.changes[i]
        rows.append(
            {
                "words": one.words[i],
                "variables": [move.variable for move in change.moves],
                "alone": _share(flips),
                "together": _share(so_far),
                "cost": None if int(flips.sum()) < LEAST else plain(cost),
                "held_back": int(one.second.held[i, part.second].sum()),
            }
        )
    return {
        "attribute": part.attribute,
        "name": part.name,
        "chosen_on": int(part.first.sum()),
        "n": n,
        "changes": rows,
    }


def _share(hits: Bool[Tensor, " n"]) -> dict[str, Any]:
    share = Share(int(hits.sum()), len(hits))
    return {"count": share.count, "n": share.n, "rate": share.rate}


def _groups(
    one: MeasuredChanges, covered: Bool[Tensor, " m"], members: Membership | None
) -> list[dict[str, Any]]:
    """What the changes that were chosen for all inputs do in each group."""
    found = []
    for attribute, parts in [] if members is None else group_parts(members):
        for name, part in parts:
            inside = torch.tensor([each in part for each in one.second.inputs], dtype=torch.bool)
            share = _share(covered[inside])
            if share["n"] >= LEAST:
                found.append({"attribute": attribute, "name": name, **share})
    return found


def _comparisons(
    one: MeasuredChanges, covered: Bool[Tensor, " m"], members: Membership | None
) -> list[dict[str, Any]]:
    found = []
    for pair in [] if members is None else group_pairs(members):
        shares = []
        for side in (pair.first, pair.second):
            inside = torch.tensor([each in side for each in one.second.inputs], dtype=torch.bool)
            shares.append(Share(int(covered[inside].sum()), int(inside.sum())))
        first, second = shares
        if first.reported and second.reported:
            found.append(
                {
                    "attribute": pair.attribute,
                    "name": pair.name,
                    "against": pair.against,
                    "difference": first.minus(second),
                    "p": first.p(second),
                }
            )
    return found
