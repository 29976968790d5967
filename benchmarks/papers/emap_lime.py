"""LIME's coefficients in the plane, by each sensible reading of "off-the-shelf"."""

import time
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from emap_data import Trial
from jaxtyping import Float, Int
from torch import Tensor

READINGS: Final[dict[str, dict[str, Any]]] = {  # Any: LIME's own settings
    "lime": {"discretize_continuous": False},
    "bins": {},
    "around": {"discretize_continuous": False, "sample_around_instance": True},
    "narrow": {"discretize_continuous": False, "kernel_width": 0.3},
}
"""Settings of LIME, those it leaves out being its defaults.

"lime" has slopes for coefficients, one for each standard deviation of a number, of 5,000 draws around
the mean of the data, weighted by a kernel 1.06 standard deviations wide; "bins" has everything by
default, and with it a coefficient for lying in the same quarter of the data; "around" draws around
the input; "narrow" has a narrower kernel.
"""


class LimeResult(NamedTuple):
    """Coefficients for the class that the forest gave, and seconds of one core for each explanation."""

    coefficients: Float[Tensor, "n 2"]
    seconds: float


def ask(trial: Trial, rows: Int[Tensor, " n"], *, reading: str, seed: int) -> LimeResult:
    """LIME's explanations of rows of the test part."""
    explainer = import_module("lime.lime_tabular").LimeTabularExplainer(
        trial.train.numpy(), random_state=seed, **READINGS[reading]
    )
    predicted = trial.forest.predict(trial.test[rows].numpy())
    coefficients = np.zeros((len(rows), trial.test.shape[1]))
    began = time.process_time()
    for i, row in enumerate(rows.tolist()):
        given = int(predicted[i])
        explanation = explainer.explain_instance(
            trial.test[row].numpy(), trial.forest.predict_proba, labels=(given,)
        )
        for feature, weight in explanation.local_exp[given]:
            coefficients[i, feature] = weight
    seconds = (time.process_time() - began) / len(rows)
    return LimeResult(torch.from_numpy(coefficients).float(), seconds)
