"""Objects of the running program that take the place of settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.provider import Provider

from .plugins import ConstraintLike, ObjectiveLike, SolverLike
from .table import TableInput


@final
@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Objects given in memory, where ``Config`` can only hold a name.

    Whatever is left out is opened from the settings; what is given wins over them.

    Args:
        model: the audited model.
        generator: turns changes into inputs.
        solver: a name, a class, an object, or a function from the size of a population to a solver.
        objectives: names, classes, objects or functions of candidates.
        constraints: likewise.
        table: the rows, where they were opened before.
        second_generator: another training of the generator's attributes, which must agree with it.
        reference: pictures that stand for the classes, in the generator's size.

    Shapes:
        reference ``(r, 3, h, w)`` in [0, 1].
    """

    model: Provider | None = None
    generator: Generator[Any] | None = None  # Any: a generator's state is its own business
    solver: SolverLike | None = None
    objectives: Sequence[ObjectiveLike] | None = None
    constraints: Sequence[ConstraintLike] | None = None
    table: TableInput | None = None
    second_generator: Generator[Any] | None = None  # Any: as above
    reference: Float[Tensor, "r 3 h w"] | None = None
