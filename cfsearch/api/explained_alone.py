"""Inputs explained one by one where together the method fails: what one of them breaks is not lost for the others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.errors import CfsearchError, DataError, NonFiniteError, PluginError
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.wrapping import queries_per_input
from cfsearch.report.explained import ExplainedInputs

_OF_ONE: Final = (DataError, NonFiniteError, PluginError)
"""What one input may be the cause of: a missing number, a NaN of the model, of the network or of the method."""
_FEW: Final = 3
"""Inputs at which a method breaks its contract in the same way until it is known to do so at all."""
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
    counted = CountingProvider(inputs.subject.provider)
    subject = replace(inputs.subject, provider=counted)
    try:
        found = explainer.explain(inputs.x, subject=subject, target=target, seed=seed)
    except _OF_ONE:
        if len(inputs.names) == 1:
            raise
        return _alone(explainer, inputs, subject=subject, counted=counted, target=target, seed=seed)
    return found, inputs, inputs.failures


def _alone(
    explainer: Explainer,
    inputs: ExplainedInputs,
    *,
    subject: Subject,
    counted: CountingProvider,
    target: str | None,
    seed: int,
) -> tuple[Explanation, ExplainedInputs, Mapping[str, CfsearchError]]:
    found, failures, errors = dict[int, Explanation](), dict(inputs.failures), list[CfsearchError]()
    lost = counted.spent
    for i, name in enumerate(inputs.names):
        before = counted.spent
        try:
            found[i] = explainer.explain(inputs.x[i : i + 1], subject=subject, target=target, seed=seed)
        except _OF_ONE as error:
            errors.append(error)
            if not found and (i == len(inputs.names) - 1 or _breaks_alike(errors)):
                raise
            failures[name] = error
            lost += counted.spent - before
    kept = inputs.only(list(found))
    per_input = queries_per_input(inputs.subject.provider)
    return _joined(list(found.values()), queries=lost // per_input), kept, failures


def _breaks_alike(errors: Sequence[CfsearchError]) -> bool:
    """Whether a method breaks its contract whatever the input is."""
    alike = {str(error) for error in errors}
    return len(errors) >= _FEW and len(alike) == 1 and all(isinstance(e, PluginError) for e in errors)


def _joined(parts: Sequence[Explanation], *, queries: int) -> Explanation:
    """Explanations of one input each as one.

    Args:
        parts: by one method, of one model.
        queries: to the model beside theirs, of calls that failed.
    """
    tensors: dict[str, Any] = {}  # Any: `replace` takes all fields alike
    for name in _TENSORS:
        values = [getattr(part, name) for part in parts]
        tensors[name] = None if any(value is None for value in values) else torch.cat(values)
    notes = dict.fromkeys(note for part in parts for note in part.note)
    total = queries + sum(part.queries for part in parts)
    return replace(parts[0], **tensors, queries=total, note=tuple(notes))
