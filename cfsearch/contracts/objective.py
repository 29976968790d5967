"""The contract of objectives and constraints: one number a candidate, smaller is better."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from .records import Candidates, Need, Queries


class _Measure(ABC):
    name: ClassVar[str]
    unit: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    batch_invariant: ClassVar[bool] = False
    """Whether a value has the same bits whatever stands beside its candidate; on a CPU all queries are measured together then."""

    @abstractmethod
    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        """One finite number a candidate, on its dtype and device.

        Row by row: a candidate's value depends on itself and its query only.
        """


class Objective(_Measure):
    """Base class of objectives: one number a candidate, minimised.

    There is no direction switch: what one would like large is negated by its own objective,
    whose docstring says so. An implementation is a frozen dataclass whose fields are its
    settings; ``name`` is how it is called in configuration, ``unit`` what its numbers mean,
    ``needs`` what must be there besides the audited model.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> class Largest(Objective):
        ...     name, unit = "largest", "change"
        ...     def __call__(self, candidates):
        ...         return candidates.z.abs().amax(-1)
        >>> Largest()(make_candidates(z=torch.tensor([[[0.5, -0.75]]]))).tolist()
        [[0.75]]
    """


@runtime_checkable
class Outlying(Protocol):
    """What an objective is that knows real inputs: it says how isolated others are among them.

    Example:
        >>> from cfsearch.objectives import Gower
        >>> isinstance(Gower(), Outlying)  # knows no rows
        False
    """

    def outlierness(
        self, x: Float[Tensor, "n *x"], *, queries: Queries, i: int
    ) -> Float[Tensor, " n"] | None:
        """The local outlier factor of each input among real ones of the class that a query asks for.

        Args:
            x: inputs.
            queries: of the search.
            i: which query they answer.

        Returns:
            1 for an input as dense as its neighbours, above it for a more isolated one; None where too few
            real inputs are known.
        """
        ...


@runtime_checkable
class Querying(Protocol):
    """What an objective is that queries the model about more inputs than the candidate itself (``Candidates.nearby``).

    Example:
        >>> from cfsearch.objectives import Adversarial, Robustness
        >>> isinstance(Robustness(), Querying), isinstance(Adversarial(), Querying)
        (True, False)
    """

    @property
    def queries(self) -> int:
        """Further inputs for one candidate, at most."""
        ...


class Constraint(_Measure):
    """Base class of constraints: a candidate is feasible where the value is <= 0.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates
        >>> class Small(Constraint):
        ...     name, unit = "small", "change"
        ...     def __call__(self, candidates):
        ...         return candidates.z.abs().amax(-1) - 0.5
        >>> Small()(make_candidates(z=torch.tensor([[[0.25, 0.0], [1.0, 0.0]]]))).tolist()
        [[-0.25, 0.5]]
    """


def queries_beside(*measures: Sequence[Objective | Constraint]) -> int:
    """Inputs that objectives and constraints query the model about for one candidate, at most, besides the candidate.

    Args:
        measures: of a search.

    Example:
        >>> from cfsearch.objectives import Adversarial, Robustness
        >>> queries_beside([Adversarial(), Robustness(changes=8)], [])
        8
    """
    return sum(one.queries for some in measures for one in some if isinstance(one, Querying))
