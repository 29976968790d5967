"""Inputs explained one by one where together the method fails: what one of them breaks is not lost for the others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.errors import CfsearchError, DataError, NonFiniteError, PluginError
from cfsearch.report.explained import ExplainedInputs

_OF_ONE: Final = (DataError, NonFiniteError, PluginError)
"""What one input may be the cause of: a missing number, a NaN of the model, of the network or of the method."""
_TENSORS: Final = (
    *("x", "source", "target", "original_scores", "counterfactuals", "scores", "flipped"),
    *("attributions", "chosen", "segments"),
)


def explained_or_failed(
    explainer: Explainer, inputs: ExplainedInputs, *, target: str | None, seed: int
) -> tuple[Explanation, ExplainedInputs, Mapping[str, CfsearchError]]:
    """The explanation, the inputs that it is of, and why the others have none, by name.

    Args:
        explainer: the method, fitted where it learns.
        inputs: with their model.
        target: the class to reach; any other class when None.
        seed: of all random numbers.

    Raises:
        CfsearchError: as ``Explainer.explain``, where no input is explained or the reason is of none alone.
    """
    try:
        found = explainer.explain(inputs.x, subject=inputs.subject, target=target, seed=seed)
    except _OF_ONE:
        if len(inputs.names) == 1:
            raise
        return _alone(explainer, inputs, target=target, seed=seed)
    return found, inputs, inputs.failures


def _alone(
    explainer: Explainer, inputs: ExplainedInputs, *, target: str | None, seed: int
) -> tuple[Explanation, ExplainedInputs, Mapping[str, CfsearchError]]:
    found, failures = dict[int, Explanation](), dict(inputs.failures)
    for i, name in enumerate(inputs.names):
        try:
            found[i] = explainer.explain(
                inputs.x[i : i + 1], subject=inputs.subject, target=target, seed=seed
            )
        except _OF_ONE as error:
            if not found and i == len(inputs.names) - 1:
                raise
            failures[name] = error
    kept = inputs.only(list(found))
    return _joined(list(found.values()), queries=len(inputs.names)), kept, failures


def _joined(parts: Sequence[Explanation], *, queries: int) -> Explanation:
    """Explanations of one input each as one.

    Args:
        parts: by one method, of one model.
        queries: to the model beside theirs: about the inputs together, before they were taken apart.
    """
    tensors: dict[str, Any] = {}  # Any: `replace` takes all fields alike
    for name in _TENSORS:
        values = [getattr(part, name) for part in parts]
        tensors[name] = None if any(value is None for value in values) else torch.cat(values)
    notes = dict.fromkeys(note for part in parts for note in part.note)
    total = queries + sum(part.queries for part in parts)
    return replace(parts[0], **tensors, queries=total, note=tuple(notes))
