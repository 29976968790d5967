"""A front for any Python function.

Run: ``uv run python examples/black_box_function.py``
"""

import numpy as np
import torch
from numpy.typing import NDArray

from cfsearch import ParetoFront, ScoreKind, Search
from cfsearch.generators.pixels import Pixels
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.perceptual import Perceptual
from cfsearch.providers.callable import CallableProvider
from cfsearch.solvers.genetic import Nsga2


def day_or_night(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """A "model" that looks at the upper half only: p(day) by its brightness."""
    sky = images[:, :, : images.shape[2] // 2].mean((1, 2, 3))
    day = 1.0 / (1.0 + np.exp(-20.0 * (sky - 0.5)))
    return np.stack([1.0 - day, day], axis=1)


def main() -> None:
    """What would have to change for a dusk to be called a day?"""
    model = CallableProvider(day_or_night, labels=("night", "day"), scores=ScoreKind.PROBABILITIES)
    height = torch.linspace(0.45, 0.2, 32)
    dusk = height[None, None, :, None].expand(1, 3, 32, 32).clone()
    search = Search(
        model,
        Pixels(size=(32, 32), grid=4),
        [Adversarial(), Perceptual(), Intensity()],
        lambda population: Nsga2(population=population),
        evaluations=2000,
        population=50,
        target="day",
    )
    [front] = search.run(dusk, names=["dusk"])
    if not isinstance(front, ParetoFront):
        raise SystemExit(str(front.error))
    print(f"found: {front.found}; {len(front)} members, {int(front.verified.sum())} verified")
    for way, i in front.picks().items():
        rows = {word.split(" column")[0][1:] for word in front.words(i)}
        print(
            f"{way:<9} p(day) {float(front.p[i, 1]):.2f}  {int(front.changed[i].sum())} cells, in {sorted(rows)}"
        )


if __name__ == "__main__":
    main()
