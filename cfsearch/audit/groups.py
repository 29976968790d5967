"""What an audit found among inputs with an attribute and among those without it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.images import AttributeTable
from cfsearch.intervals import Interval, mean_difference, paired_mean, share_difference, wilson
from cfsearch.runs import InstanceRow

_SIDES = (("with", True), ("without", False))


def group_rows(
    model: str,
    rows: Sequence[InstanceRow],
    *,
    labels: AttributeTable,
    by: Sequence[str],
    effects: Mapping[str, Float[Tensor, " n"]],
    measured: Sequence[str],
) -> list[dict[str, Any]]:
    """For each attribute of ``by``, the audit's figures on both sides of it and their difference.

    ``decided`` is the share that the model puts into its last class, ``found_rate`` the share of
    searched inputs with a verified counterfactual; ``effects`` are in logits, as in the document.

    Args:
        model: whose rows these are.
        rows: all instances; failed ones are in no figure.
        labels: one row an instance, by its name.
        by: attributes of ``labels``.
        effects: of each variable on each input of ``measured``.
        measured: names of the inputs whose effects were measured.
    """
    place = {file: i for i, file in enumerate(labels.files)}
    found = []
    for attribute, column in zip(by, labels.columns(by).T, strict=True):
        shares: dict[str, dict[str, Any]] = {}
        counts = []
        for side, value in _SIDES:
            part = [r for r in rows if r.front is not None and bool(column[place[r.name]]) is value]
            searched = [r for r in part if r.status in ("found", "not_found")]
            hits = sum(r.status == "found" for r in searched)
            last = sum(r.front.source == len(r.front.labels) - 1 for r in part if r.front is not None)
            counts.append((last, len(part), hits, len(searched)))
            shares[side] = {
                "instances": len(part),
                "decided": _plain(wilson(last, len(part))),
                "searched": len(searched),
                "found_rate": _plain(wilson(hits, len(searched))),
            }
        one, two = counts
        has = torch.tensor([bool(column[place[name]]) for name in measured], dtype=torch.bool)
        found.append(
            {
                "model": model,
                "attribute": attribute,
                **shares,
                "difference": {
                    "decided": _plain(share_difference(*one[:2], *two[:2])),
                    "found_rate": _plain(share_difference(*one[2:], *two[2:])),
                },
                "effects": [
                    {
                        "variable": variable,
                        "with": _plain(paired_mean(values[has])),
                        "without": _plain(paired_mean(values[~has])),
                        "difference": _plain(mean_difference(values[has], values[~has])),
                    }
                    for variable, values in effects.items()
                ],
            }
        )
    return found


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()
