"""The scores among what a torch network returns: a tensor, or one of several in a tuple, a dict or an object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import final

from torch import Tensor

from cfsearch.errors import ProviderError

from .checkpoints import first_of


@final
@dataclass(frozen=True, slots=True, eq=False)
class FoundScores:
    """The tensor of scores in an answer, and a note where it was chosen among several."""

    scores: Tensor
    note: str = ""


def scores_in(answer: object, *, output: str | None, n: int, who: str) -> FoundScores:
    """The tensor of scores in an answer of a network.

    Args:
        answer: what the network returned.
        output: its name, or its place in a tuple counted from 0; None to find it.
        n: inputs.
        who: the network, for messages.

    Raises:
        ProviderError: there is none, or several may be it.

    Example:
        >>> import torch
        >>> answer = {"loss": torch.zeros(()), "logits": torch.ones(2, 3)}
        >>> found = scores_in(answer, output=None, n=2, who="net")
        >>> tuple(found.scores.shape), found.note.split(";")[0]
        ((2, 3), 'net returns several outputs (loss, logits)')
    """
    if isinstance(answer, Tensor):
        return FoundScores(answer)
    parts = _parts(answer)
    tensors = {name: part for name, part in parts.items() if isinstance(part, Tensor)}
    if output is not None:
        if output in tensors:
            return FoundScores(tensors[output])
        raise ProviderError(
            f"{who}: has no output {output!r}; it returns {_listed(tensors) or type(answer).__name__}. Correct `output`."
        )
    rows = [name for name, part in tensors.items() if part.ndim >= 1 and len(part) == n and _one_row(part)]
    found = "logits" if "logits" in tensors else rows[0] if len(rows) == 1 else None
    if found is None:
        what = f"{type(answer).__name__} ({_listed(tensors)})" if tensors else type(answer).__name__
        way = (
            f'Name the one with the scores, output = "{next(iter(tensors))}", in the sidecar, or return'
            if tensors
            else "Return"
        )
        raise ProviderError(
            f"{who}: the network must return one tensor of scores, got {what}. {way} the scores alone."
        )
    if len(parts) == 1:
        return FoundScores(tensors[found])
    return FoundScores(
        tensors[found],
        f"{who} returns several outputs ({first_of(parts)}); {found!r} was read as the scores. If that is wrong, name "
        "another with `output` in the sidecar.",
    )


def _one_row(part: Tensor) -> bool:
    """Whether a tensor may be one row of scores an input."""
    return part.ndim == 1 or (part.ndim >= 2 and all(size == 1 for size in part.shape[2:]))


def _parts(answer: object) -> dict[str, object]:
    """The parts of an answer by name; by place in a tuple."""
    if isinstance(answer, Mapping):
        return {str(name): part for name, part in answer.items()}
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        names = getattr(answer, "_fields", range(len(answer)))  # those of a named tuple
        return {str(name): part for name, part in zip(names, answer, strict=True)}
    if is_dataclass(answer):
        return {field.name: getattr(answer, field.name) for field in fields(answer)}
    return {
        name: part
        for name, part in getattr(answer, "__dict__", {}).items()
        if isinstance(part, Tensor) and not name.startswith("_")
    }


def _listed(tensors: Mapping[str, Tensor]) -> str:
    return first_of(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
