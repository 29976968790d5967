"""Checks of what plug-ins return: type, dtype, shape, device and finiteness.

Each message names the plug-in. What is wrong with the code of a plug-in (a list instead of a tensor,
a wrong shape) is a ``PluginError`` and ends the search; what goes wrong with one input (an exception,
NaN) is a ``QueryError`` and ends the search of that query.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import Candidates
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import (
    CfsearchError,
    NonFiniteError,
    PluginError,
    ProviderError,
    QueryError,
    crash,
)

from .finiteness import Finiteness

Returned = TypeVar("Returned")


@contextmanager
def raising(error: type[CfsearchError], who: str) -> Iterator[None]:
    """Turns a foreign exception into one of ours, with its cause; our own pass through.

    Args:
        error: the class that it becomes.
        who: the plug-in, as a message begins with it.
    """
    try:
        yield
    except CfsearchError:
        raise
    except Exception as cause:  # whatever the author of a plug-in lets happen
        raise error(f"{who} raised {type(cause).__name__}: {cause}") from cause


def queried(provider: Provider, x: Tensor) -> Tensor:
    """The answer of a provider to at most ``max_batch`` inputs, as it came; not yet checked to be finite.

    Args:
        provider: the audited model.
        x: the inputs.

    Raises:
        ProviderError: it raised an exception that is none of ours.
        PluginError: the answer is no floating-point tensor of the promised shape on the device of ``x``.
    """
    who = f"provider {provider.name!r}"
    try:
        with raising(ProviderError, who):
            answer = provider.predict(x)
    except (CfsearchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise crash(who, error) from error
    expected = (len(x), len(provider.labels))
    if not isinstance(answer, Tensor):
        raise PluginError(
            f"{who} must answer with a torch tensor of shape {expected}, got {type(answer).__name__}; "
            "make it one with torch.as_tensor(..., device=x.device)."
        )
    if tuple(answer.shape) != expected:
        raise PluginError(
            f"{who} must answer with shape {expected}, one row an input and one column a label, got "
            f"{tuple(answer.shape)}."
        )
    if not answer.is_floating_point():
        raise PluginError(
            f"{who} must answer with floating-point scores, got {answer.dtype}; convert them with .float()."
        )
    if answer.device != x.device:
        raise PluginError(
            f"{who} must answer on the device of its inputs ({x.device}), got {answer.device}; add "
            ".to(x.device)."
        )
    return answer


def check_finite_answer(answer: Tensor, provider: Provider, checks: Finiteness | None = None) -> None:
    """Refuses NaN and infinity.

    Args:
        answer: of the provider, ``(n, k)``.
        provider: who gave it.
        checks: when it is looked at; at once when left out.

    Raises:
        NonFiniteError: a row is not finite.
    """

    def refused(value: Tensor) -> NonFiniteError:
        rows = int((~torch.isfinite(value)).any(-1).sum())
        return NonFiniteError(
            f"provider {provider.name!r} answered NaN or infinity for {rows} of {len(value)} inputs."
        )

    (checks or Finiteness()).check(answer, refused)


def measured(
    kind: str, measure: Objective | Constraint, candidates: Candidates, checks: Finiteness
) -> Tensor:
    """The value of an objective or constraint for each candidate, ``(b, n)``.

    Args:
        kind: "objective" or "constraint".
        measure: which one.
        candidates: what it judges.
        checks: when its values are looked at.

    Raises:
        QueryError: it raised an exception that is none of ours, or gave NaN or infinity.
        PluginError: it returned no floating-point tensor of the promised shape.
    """
    who, expected = f"{kind} {measure.name!r}", tuple(candidates.z.shape[:2])
    with raising(QueryError, who):
        value = measure(candidates)
    if not isinstance(value, Tensor):
        raise PluginError(f"{who} must return a tensor of shape {expected}, got {type(value).__name__}.")
    if tuple(value.shape) != expected or not value.is_floating_point():
        raise PluginError(
            f"{who} must give one finite value per candidate: expected a floating-point tensor of shape "
            f"{expected}, got {tuple(value.shape)} of {value.dtype}."
        )

    def refused(values: Tensor) -> QueryError:
        bad = int((~torch.isfinite(values)).sum())
        return QueryError(
            f"{who} must give one finite value per candidate: expected shape {expected}, got "
            f"{tuple(values.shape)} of {values.dtype} with {bad} non-finite values."
        )

    checks.check(value, refused)
    return value.to(candidates.z)


def generated(
    who: str,
    work: Callable[[], Returned],
    *,
    expected: tuple[int, ...],
    what: str,
    device: torch.device,
    checks: Finiteness,
    missing: bool = False,
) -> Tensor:
    """What a generator computed: a finite floating-point tensor of the promised shape and device.

    Args:
        who: the generator, as a message begins with it.
        work: calls it.
        expected: the shape of its output.
        what: which of its methods ("decode", "realism").
        device: where its output must be.
        checks: when its numbers are looked at.
        missing: whether NaN may stand for a missing number.

    Raises:
        QueryError: it raised an exception that is none of ours, or gave NaN or infinity.
        PluginError: it returned something else.
    """
    with raising(QueryError, f"{who}: {what}"):
        value: Any = work()  # Any: what a plug-in returns is not known before it is looked at
    if not isinstance(value, Tensor) or not value.is_floating_point():
        came = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise PluginError(
            f"{who}: {what} must return a floating-point tensor of shape {expected}, got {came}."
        )
    if tuple(value.shape) != expected:
        raise PluginError(f"{who}: {what} must return shape {expected}, got {tuple(value.shape)}.")
    if value.device != device:
        raise PluginError(
            f"{who}: {what} must return a tensor on {device}, like its input, got {value.device}."
        )
    numbers = torch.where(torch.isnan(value), 0.0, value) if missing else value
    checks.check(numbers, lambda _: QueryError(f"{who}: {what} gave NaN or infinity."))
    return value


def proposed(
    z: Any, space: SearchSpace, *, who: str, checks: Finiteness | None, most: int | None = None
) -> Tensor:  # Any: what a plug-in returns is not known
    """Points as a solver proposed them, in the space's dtype and on its device; rules not yet kept.

    Args:
        z: what it proposed, ``(b, n, d)``.
        space: where points must lie.
        who: the solver, as a message begins with it.
        checks: when the numbers are looked at; None where whoever evaluates the points does it.
        most: points that it may propose for each query; None for any number.

    Raises:
        PluginError: it proposed no finite floating-point tensor of that shape.
    """
    expected = f"(b={space.b}, n, d={space.d})"
    if not isinstance(z, Tensor) or not z.is_floating_point():
        came = z.dtype if isinstance(z, Tensor) else type(z).__name__
        raise PluginError(
            f"{who} must propose a floating-point tensor of shape {expected}, got {came}; return it from `ask`."
        )
    if z.ndim != 3 or z.shape[0] != space.b or z.shape[2] != space.d or z.shape[1] == 0:
        raise PluginError(f"{who} must propose points of shape {expected}, got {tuple(z.shape)}.")
    if most is not None and z.shape[1] > most:
        raise PluginError(
            f"{who} must propose at most {most} points a generation, the population that it was made for, got "
            f"{z.shape[1]}."
        )
    if checks is not None:
        checks.check(
            z,
            lambda points: PluginError(
                f"{who} must propose finite points, got NaN or infinity in "
                f"{int((~torch.isfinite(points)).sum())} of {points.numel()} numbers."
            ),
        )
    return z.to(space.lower)
