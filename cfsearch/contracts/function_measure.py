"""A plain function as an objective or a constraint."""

from collections.abc import Callable
from typing import Any, Final

from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import PluginError

from .objective import Constraint, Objective
from .records import Candidates

Measure = Callable[[Candidates], Tensor]
"""One number a candidate, ``(b, n)``, smaller is better."""


class _FunctionObjective(Objective):
    def __init__(self, function: Measure) -> None:
        self._function: Final = function

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        return self._function(candidates)


class _FunctionConstraint(Constraint):
    def __init__(self, function: Measure) -> None:
        self._function: Final = function

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        return self._function(candidates)


def function_objective(function: Measure) -> Objective:
    """An objective that asks a function.

    Its name is the function's (``name``, else ``__name__``), and ``unit`` and ``needs`` are taken from
    attributes of that name where the function has them.

    Args:
        function: candidates -> ``(b, n)``, one finite number a candidate, smaller is better.

    Raises:
        PluginError: it has no name to be called by, as a lambda has none.

    Example:
        >>> from cfsearch.testing.candidates import make_candidates
        >>> def brightness(candidates):
        ...     "Mean brightness, in [0, 1]."
        ...     return candidates.x.flatten(2).mean(-1)
        >>> objective = function_objective(brightness)
        >>> objective.name, type(objective).__doc__
        ('brightness', 'Mean brightness, in [0, 1].')
    """
    kind: type[_FunctionObjective] = type("FunctionObjective", (_FunctionObjective,), _described(function))
    return kind(function)


def function_constraint(function: Measure) -> Constraint:
    """A constraint that asks a function; a candidate is feasible where its value is <= 0.

    Args:
        function: as for ``function_objective``.

    Raises:
        PluginError: as ``function_objective``.

    Example:
        >>> import torch
        >>> from cfsearch.testing.candidates import make_candidates
        >>> def few(candidates):
        ...     return (candidates.z != 0).sum(-1).to(candidates.z.dtype) - 1
        >>> function_constraint(few)(make_candidates(z=torch.tensor([[[0.5, 0.0], [0.5, 0.5]]]))).tolist()
        [[0.0, 1.0]]
    """
    kind: type[_FunctionConstraint] = type("FunctionConstraint", (_FunctionConstraint,), _described(function))
    return kind(function)


def _described(function: Measure) -> dict[str, Any]:  # Any: attributes of a class
    name = getattr(function, "name", getattr(function, "__name__", ""))
    if not isinstance(name, str) or not name or name == "<lambda>":
        raise PluginError(
            f"objective: expected a function with a name, got {function!r}. Define it with `def`, or set its "
            "attribute `name`."
        )
    return {
        "name": name,
        "unit": getattr(function, "unit", ""),
        "needs": frozenset(getattr(function, "needs", ())),
        "__doc__": getattr(function, "__doc__", None),
    }
