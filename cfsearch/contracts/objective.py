"""The contract of objectives and constraints: one number a candidate, smaller is better."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from .records import Candidates, Need


class _Measure(ABC):
    name: ClassVar[str]
    unit: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()

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
