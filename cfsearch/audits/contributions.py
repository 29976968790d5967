"""Contributions of changed variables as rows of ``audit.json``: shares with their intervals."""

from typing import Any

import torch

from cfsearch.assembly.search import Assembly
from cfsearch.numerics.intervals import paired_mean
from cfsearch.runs.directory import RunDirectory

from .contributing import MeasuredContributions, measured_contributions
from .contributions_file import CONTRIBUTIONS, save_contributions
from .effects import known_attributes
from .inputs import AuditedInputs
from .shares import LEAST, Share, plain


def contribution_rows(model: str, measured: MeasuredContributions | None) -> list[dict[str, Any]]:
    """The part ``contributions`` of ``audit.json``: one entry a model, its variables by how often they are changed.

    Shares of fewer than 10 inputs are null.

    Args:
        model: id of the model.
        measured: what was measured; None for nothing.
    """
    if measured is None:
        return []
    rows = [row for name in measured.variables if (row := _row(name, measured)) is not None]
    return [
        {
            "model": model,
            "inputs": len(measured.inputs),
            "left_out": measured.left_out,
            "queries": measured.queries,
            "variables": sorted(rows, key=lambda row: -row["flips"]),
        }
    ]


def _row(variable: str, measured: MeasuredContributions) -> dict[str, Any] | None:
    """The figures of one variable; None of one that no counterfactual changes."""
    tried = [one.tried[variable] for one in measured.inputs.values() if variable in one.tried]
    shares, logits, errors = [], [], []
    for one in measured.inputs.values():
        if one.shapley is not None and variable in one.changed:
            j = one.changed.index(variable)
            shares.append(float(one.shapley.shares[j]))
            logits.append(float(one.shapley.values[j]))
            errors.append(float(one.shapley.errors[j]))
    if not tried:
        return None
    n, enough = len(shares), len(shares) >= LEAST
    return {
        "variable": variable,
        "flips": len(tried),
        "sufficient": _counted(sum(one.sufficient for one in tried), len(tried)),
        "necessary": _counted(sum(one.necessary for one in tried), len(tried)),
        "shapley": {
            "n": n,
            "share": plain(paired_mean(torch.tensor(shares))) if enough else None,
            "logits": plain(paired_mean(torch.tensor(logits))) if enough else None,
            "sampling_error": round(max(errors, default=0.0), 6),
        },
    }


def _counted(count: int, n: int) -> dict[str, Any]:
    share = Share(count, n)
    return {"count": count if share.reported else None, "n": n, "rate": share.rate}


def audited_contributions(
    run: RunDirectory, assembly: Assembly, inputs: AuditedInputs
) -> list[dict[str, Any]]:
    """What changes contribute, on the inputs of an audit, kept in its run; empty where that is not wanted or cannot be measured.

    Args:
        run: the run directory.
        assembly: the search with its model.
        inputs: of the audit.
    """
    if not assembly.config.audit.contribution_queries:
        return []
    known = known_attributes(assembly, inputs.photographs, range(len(inputs.refs)))
    measured = measured_contributions(run, assembly, attributes=known)
    if measured is not None:
        save_contributions(run.path / CONTRIBUTIONS, measured)
    return contribution_rows("model", measured)
