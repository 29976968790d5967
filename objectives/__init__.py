"""What a counterfactual is judged by: one objective or constraint a file.

Objectives (all minimised): ``adversarial``, ``margin`` (has the class changed), ``plausibility``
(does it look real), ``intensity``, ``sparsity``, ``perceptual`` (how much changed) and
``logit_closeness`` (is it like the inputs of its new class). Constraints (kept where <= 0):
``flip``, ``max_changed``.
"""

from .adversarial import Adversarial
from .flip import Flip
from .intensity import Intensity
from .logit_closeness import LogitCloseness
from .margin import Margin
from .max_changed import MaxChanged
from .perceptual import Perceptual
from .plausibility import Plausibility
from .sparsity import Sparsity

__all__ = [
    "Adversarial",
    "Flip",
    "Intensity",
    "LogitCloseness",
    "Margin",
    "MaxChanged",
    "Perceptual",
    "Plausibility",
    "Sparsity",
]
