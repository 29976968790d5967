"""Contributions of changed variables, kept in the run directory input by input, so that every figure can be computed again."""

from pathlib import Path
from typing import Final

import torch

from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.numerics.shapley import Shapley
from cfsearch.runs.guard import guarded

from .contributing import Contribution, MeasuredContributions, Tried

CONTRIBUTIONS: Final = "contributions.safetensors"
_FORMAT: Final = "cfsearch-contributions/1"
_FLAGS: Final = ("tried", "sufficient", "necessary", "changed")


def save_contributions(path: Path, measured: MeasuredContributions) -> Path:
    """Write what was measured of each input.

    Args:
        path: the file.
        measured: of an audit's inputs.

    Raises:
        RunError: it cannot be written.
    """
    shape = (len(measured.inputs), len(measured.variables))
    flags = {name: torch.zeros(shape, dtype=torch.bool) for name in _FLAGS}
    numbers = {name: torch.zeros(shape, dtype=torch.float64) for name in ("values", "errors")}
    place = {name: j for j, name in enumerate(measured.variables)}
    for i, one in enumerate(measured.inputs.values()):
        for name, tried in one.tried.items():
            flags["tried"][i, place[name]] = True
            flags["sufficient"][i, place[name]] = tried.sufficient
            flags["necessary"][i, place[name]] = tried.necessary
        where = [place[name] for name in one.changed]
        flags["changed"][i, where] = True
        if one.shapley is not None:
            numbers["values"][i, where] = one.shapley.values.double()
            numbers["errors"][i, where] = one.shapley.errors.double()
    meta = {
        "format": _FORMAT,
        "variables": list(measured.variables),
        "inputs": list(measured.inputs),
        "valued": [one.shapley is not None for one in measured.inputs.values()],
        "queries": [one.queries for one in measured.inputs.values()],
        "left_out": measured.left_out,
    }
    return write_tensors(path, flags | numbers, meta)


def load_contributions(path: Path) -> MeasuredContributions | None:
    """What was measured of each input; None where nothing was kept.

    Args:
        path: the file.

    Raises:
        DamagedError: it is not what was written.
    """
    if not path.exists():
        return None
    with guarded(repr(str(path))):
        kept = read_tensors(path, kind=_FORMAT)
        variables, inputs = kept.names("variables"), kept.names("inputs")
        shape = (len(inputs), len(variables))
        flags = [kept.taken(name, shape=shape, kind="booleans") for name in _FLAGS]
        values, errors = (kept.taken(name, shape=shape) for name in ("values", "errors"))
        found = {}
        rows = zip(inputs, kept.meta["valued"], kept.meta["queries"], strict=True)
        for i, (name, valued, queries) in enumerate(rows):
            tried, sufficient, necessary, changed = (flag[i].tolist() for flag in flags)
            where = [j for j, one in enumerate(changed) if one]
            found[name] = Contribution(
                tried={
                    variables[j]: Tried(sufficient[j], necessary[j]) for j, one in enumerate(tried) if one
                },
                changed=tuple(variables[j] for j in where),
                shapley=Shapley(values[i, where], errors[i, where]) if valued else None,
                queries=int(queries),
            )
        return MeasuredContributions(variables, found, int(kept.meta["left_out"]))
