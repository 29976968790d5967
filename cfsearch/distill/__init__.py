"""Distillation of a black-box model into a surrogate network: augment, query, train, measure fidelity.

::

    request = DistillRequest(recipe=preset("best"), queries=22_893, minutes=5, seed=0)
    made = distil(images, OnnxProvider.open("model.onnx"), request=request)
    made.fidelity                                 # Interval(value=0.974, low=0.93, high=0.99)
    made.save(Path("surrogate.safetensors"))      # and surrogate.md, its card

The method is that of Haffar et al. 2022; ``PAPER`` is theirs, ``BEST`` goes further: pictures
are jittered before they are mixed, several shares are used, the surrogate so far chooses what is
queried next, probabilities are learned where the model gives them.
"""

from .distilling import Distilled, DistillRequest, distil
from .on_the_way import surrogate_of_rows
from .recipe import BEST, PAPER, PRESETS, Hyper, Recipe, Tuning, preset
from .searching import with_surrogate
from .training import StoppedError

__all__ = [
    "BEST",
    "PAPER",
    "PRESETS",
    "DistillRequest",
    "Distilled",
    "Hyper",
    "Recipe",
    "StoppedError",
    "Tuning",
    "distil",
    "preset",
    "surrogate_of_rows",
    "with_surrogate",
]
