"""A whole objective, and a search that uses it.

Run: ``uv run python examples/own_objective.py``
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import Candidates, Objective, ParetoFront, Search
from cfsearch.errors import ConfigError
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


@final
@dataclass(frozen=True, slots=True)
class LargestChange(Objective):
    """The largest single change, in the variables' own unit: max_i |z_i|.

    Args:
        free: changes up to this size cost nothing, >= 0.

    Shapes:
        ``z`` ``(b, n, d)`` -> ``(b, n)``.

    Raises:
        ConfigError: ``free`` is negative.
    """

    free: float = 0.0
    name: ClassVar[str] = "largest_change"
    unit: ClassVar[str] = "variable"

    def __post_init__(self) -> None:
        if not self.free >= 0.0:
            raise ConfigError(f"largest_change: `free` must be >= 0, got {self.free!r}.")

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        return (candidates.z.abs().amax(-1) - self.free).clamp_min(0.0)


def main() -> None:
    """Search a dark image's way to "bright", with the smallest largest change."""
    search = Search(
        FakeProvider(),
        FakeGenerator(),
        [Adversarial(), LargestChange(free=0.05)],
        lambda population: RandomSearch(population=population),
        evaluations=1000,
        target="bright",
    )
    [front] = search.run(torch.full((1, 3, 16, 16), 0.35), names=["dark grey"])
    if not isinstance(front, ParetoFront):
        raise SystemExit(str(front.error))
    closest = front.pick("closest")
    print(
        f"{len(front)} members, {int(front.verified.sum())} verified; hypervolume {front.hypervolume():.2f}"
    )
    if closest is not None:
        print("closest:", ", ".join(front.words(closest)))


if __name__ == "__main__":
    main()
