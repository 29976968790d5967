"""The number that a model predicts, read back from the scores of its target range."""

from typing import TYPE_CHECKING, Any, Final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.target_range import TargetRange

if TYPE_CHECKING:
    from .front import ParetoFront

_DIGITS: Final = 7
"""Digits of a number in a table or document: as many as float32 scores hold."""
_WHOLE: Final = 1e5
"""Numbers from here on are read without decimals."""


def predicted_numbers(labels: tuple[str, ...], scores: Float[Tensor, "n k"]) -> list[float] | None:
    """The number that each row of scores stands for; None of a classifier.

    Args:
        labels: of the model; those of a target range are below, within and above it.
        scores: of the model.

    Example:
        >>> import torch
        >>> wanted = TargetRange.parse("150..200")
        >>> predicted_numbers(wanted.labels, wanted.scores(torch.tensor([120.0, 180.5])))
        [120.0, 180.5]
        >>> predicted_numbers(("no", "yes"), torch.zeros(1, 2)) is None
        True
    """
    wanted = TargetRange.of_labels(labels)
    if wanted is None:
        return None
    return [float(f"{value:.{_DIGITS}g}") for value in wanted.numbers(scores.double()).tolist()]


def number_text(value: float) -> str:
    """A predicted number for people, ``218108.4`` as "218,108" and ``0.52`` as "0.52".

    Args:
        value: the number.

    Example:
        >>> number_text(218108.4), number_text(0.52)
        ('218,108', '0.52')
    """
    return f"{value:,.0f}" if _WHOLE <= abs(value) < _WHOLE**3 else f"{value:,.6g}"


def numbered(label: str, value: float | None) -> str:
    """A class after the number that lies in it, "218,108 (below 250000)"; the class alone without a number.

    Args:
        label: of the class.
        value: the predicted number; None of a classifier.

    Example:
        >>> numbered("below 250000", 218_108.4), numbered("refused", None)
        ('218,108 (below 250000)', 'refused')
    """
    return label if value is None else f"{number_text(value)} ({label})"


def predicted_words(labels: tuple[str, ...], scores: Float[Tensor, " k"]) -> str:
    """The number and where it lies, "218,108 (below 250000)"; empty of a classifier.

    Args:
        labels: of the model.
        scores: of one input.

    Example:
        >>> import torch
        >>> wanted = TargetRange.parse("250000..")
        >>> scores = wanted.scores(torch.tensor([218_108.4]))
        >>> predicted_words(wanted.labels, scores[0])
        '218,108 (below 250000)'
    """
    numbers = predicted_numbers(labels, scores[None])
    return "" if numbers is None else numbered(labels[int(scores.argmax())], numbers[0])


def predicted_change(front: "ParetoFront", i: int) -> str:
    """The numbers before and after a member, "218,108 -> 252,094"; empty of a classifier.

    Args:
        front: with the member.
        i: which one.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> wanted = TargetRange.parse("250000..")
        >>> scores = wanted.scores(torch.tensor([218_108.4, 252_094.0]))
        >>> front = SimpleNamespace(labels=wanted.labels, original_scores=scores[0], scores=scores[1:])
        >>> predicted_change(front, 0)
        '218,108 -> 252,094'
    """
    numbers = predicted_of(front)
    return "" if numbers is None else f"{number_text(numbers[0])} -> {number_text(numbers[1 + i])}"


def predicted_of(front: "ParetoFront") -> list[float] | None:
    """The number of the original, then those of the members; None of a classifier.

    Args:
        front: whose scores are read.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> wanted = TargetRange.parse("250000..")
        >>> scores = wanted.scores(torch.tensor([218_108.4, 252_094.0]))
        >>> front = SimpleNamespace(labels=wanted.labels, original_scores=scores[0], scores=scores[1:])
        >>> predicted_of(front)
        [218108.4, 252094.0]
    """
    before = predicted_numbers(front.labels, front.original_scores[None])
    members = predicted_numbers(front.labels, front.scores)
    return None if before is None or members is None else [*before, *members]


def predicted_entry(
    labels: tuple[str, ...], scores: Float[Tensor, " k"]
) -> dict[str, Any]:  # Any: JSON values
    """``{"predicted": 218108.4}`` for a document; empty of a classifier.

    Args:
        labels: of the model.
        scores: of one input.

    Example:
        >>> import torch
        >>> wanted = TargetRange.parse("250000..")
        >>> scores = wanted.scores(torch.tensor([218_108.4]))
        >>> predicted_entry(wanted.labels, scores[0])
        {'predicted': 218108.4}
    """
    numbers = predicted_numbers(labels, scores[None])
    return {} if numbers is None else {"predicted": numbers[0]}
