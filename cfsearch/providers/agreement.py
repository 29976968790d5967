"""Agreement check: a model's answers to rows as cfsearch and as pandas read them.

Most models of tables were fitted on what ``pandas.read_csv`` makes of such a file. Where the two
readings differ (truth values as texts, leading zeros, spaces), a search would find counterfactuals
of rows that the model never meets; so a difference is refused, with its place and its cause.
"""

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from cfsearch.datasets.tables import FileSample, is_absent
from cfsearch.errors import DataError, MissingExtraError, ProviderCrashedError, ProviderError

from .probes import largest_gap
from .tabular import TabularProvider

if TYPE_CHECKING:
    import pandas as pd

_TOLERANCE: Final = 1e-6
_SHOWN: Final = 3
_DTYPES: Final = {"b": "bool", "i": "int64", "u": "int64", "f": "float64"}


def check_agreement(model: TabularProvider, sample: FileSample) -> str:
    """Compares a model's answers for both readings of a file.

    Args:
        model: the model.
        sample: rows of the file.

    Returns:
        What a reader must know if they could not be compared; empty where they agree, or where the
        model takes numbers that only its own ``[encoding]`` makes of a row.

    Raises:
        DataError: answers differ; names row, column, both readings and what to do.
    """
    try:
        frame = sample.frame(model.schema)
    except MissingExtraError:
        return ""
    if frame is None:
        return "The file could not be read by pandas row for row, so both readings were not compared."
    try:
        theirs = model.predict_frame(frame)
    except ProviderError as error:
        return (
            f"The model fails on the file as pandas reads it, so both readings were not compared ({error})."
        )
    if theirs is None:
        return ""
    try:
        ours = model.predict(sample.x)
    except ProviderCrashedError as error:
        return f"The model fails on rows of the file, so both readings were not compared ({error})."
    allowed = _TOLERANCE * max(1.0, _largest(ours))
    if largest_gap(theirs.double(), ours.double()) <= allowed:
        return ""
    again = model.predict_frame(frame)
    allowed += 0.0 if again is None else 8 * largest_gap(theirs, again)  # a model that is not repeatable
    if largest_gap(theirs.double(), ours.double()) <= allowed:
        return ""
    raise _difference(model, sample, frame, theirs=theirs.double(), ours=ours.double(), allowed=allowed)


def _largest(scores: Tensor) -> float:
    finite = scores[torch.isfinite(scores)]
    return float(finite.abs().max()) if len(finite) else 0.0


def _difference(
    model: TabularProvider,
    sample: FileSample,
    frame: "pd.DataFrame",
    *,
    theirs: Tensor,
    ours: Tensor,
    allowed: float,
) -> DataError:
    gaps = [largest_gap(a[None], b[None]) for a, b in zip(theirs, ours, strict=True)]
    wrong = [i for i, gap in enumerate(gaps) if gap > allowed]
    i = max(wrong, key=lambda i: gaps[i])
    given = model.given(sample.x)
    names = [name for name in model.schema.names if _differs(frame[name].iloc[i], given[name].iloc[i])]
    guilty = [
        name for name in names if _matters(model, frame, given, name, i, theirs=theirs, allowed=allowed)
    ]
    k = int(theirs[i].argmax())
    answers = (
        f"{model.name}: answers row {sample.places[i]} (line {sample.lines[i]}) of {sample.path.name!r} with "
        f"{float(ours[i, k]):.3g} for {model.labels[k]!r} as cfsearch gives it, and with {float(theirs[i, k]):.3g} "
        f"as pandas reads it ({len(wrong)} of {len(gaps)} rows differ)"
    )
    shown = (guilty or names)[:_SHOWN]
    if not shown:
        return DataError(f"{answers}. Check that the model is repeatable: cfsearch doctor.")
    read = "; ".join(
        f"column {name!r}: pandas reads {_word(frame[name].iloc[i])}, the model is given "
        f"{_word(given[name].iloc[i])}"
        for name in shown
    )
    return DataError(f"{answers}: {read}. {_advice(frame, shown[0], frame[shown[0]].iloc[i])}")


def _matters(
    model: TabularProvider,
    frame: "pd.DataFrame",
    given: "pd.DataFrame",
    name: str,
    i: int,
    *,
    theirs: Tensor,
    allowed: float,
) -> bool:
    """Whether the answer for a row moves when this column alone is read as cfsearch reads it."""
    mixed = frame.copy()
    mixed[name] = given[name].to_numpy()
    try:
        answer = model.predict_frame(mixed)
    except ProviderError:
        return True
    return answer is not None and largest_gap(answer[i : i + 1].double(), theirs[i : i + 1]) > allowed


def _differs(a: Any, b: Any) -> bool:  # Any: cells of two data frames
    if is_absent(a) and is_absent(b):
        return False
    return isinstance(a, str) != isinstance(b, str) or a != b


def _word(cell: Any) -> str:  # Any: as above
    cell = cell.item() if hasattr(cell, "item") else cell
    kind = {str: "text", bool: "truth value", int: "whole number", float: "number"}.get(type(cell), "value")
    return f"{cell!r} ({kind})"


def _advice(frame: "pd.DataFrame", name: str, cell: Any) -> str:  # Any: as above
    if isinstance(cell, str) and cell != cell.strip():
        return "Take the spaces around the cells of this column out of the file."
    dtype = _DTYPES.get(frame[name].dtype.kind, "str")
    return (
        f'Set `dtype = "{dtype}"` for this column in the schema (`cfsearch schema table` writes one) if the model '
        'was fitted on what pandas reads; else `dtype = "str"`, or correct its `kind` and `levels`.'
    )
