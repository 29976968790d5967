"""Objectives and constraints of a search, one a file; all are minimised.

Objectives (all minimised): ``adversarial``, ``margin`` (has the class changed), ``plausibility``
(does it look real), ``intensity``, ``sparsity``, ``perceptual`` (how much changed), ``cost`` (what it costs) and
``logit_closeness`` (is it like the inputs of its new class), ``uncertainty`` (do the members of an ensemble
disagree), ``robustness`` (how many small changes take the flip back). Constraints (kept where <= 0):
``flip``, ``max_changed``.
"""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .adversarial import Adversarial as Adversarial
    from .changed import Changed as Changed
    from .cost import Cost as Cost
    from .flip import Flip as Flip
    from .gower import Gower as Gower
    from .intensity import Intensity as Intensity
    from .logit_closeness import LogitCloseness as LogitCloseness
    from .margin import Margin as Margin
    from .max_changed import MaxChanged as MaxChanged
    from .neighbours import Neighbours as Neighbours
    from .perceptual import Perceptual as Perceptual
    from .plausibility import Plausibility as Plausibility
    from .robustness import Robustness as Robustness
    from .sparsity import Sparsity as Sparsity
    from .uncertainty import Uncertainty as Uncertainty
    from .word_distance import WordDistance as WordDistance

_HOME: Final = {
    "Adversarial": "adversarial",
    "Changed": "changed",
    "Cost": "cost",
    "Flip": "flip",
    "Gower": "gower",
    "Intensity": "intensity",
    "LogitCloseness": "logit_closeness",
    "Margin": "margin",
    "MaxChanged": "max_changed",
    "Neighbours": "neighbours",
    "Perceptual": "perceptual",
    "Plausibility": "plausibility",
    "Robustness": "robustness",
    "Sparsity": "sparsity",
    "Uncertainty": "uncertainty",
    "WordDistance": "word_distance",
}

__all__ = [
    "Adversarial",
    "Changed",
    "Cost",
    "Flip",
    "Gower",
    "Intensity",
    "LogitCloseness",
    "Margin",
    "MaxChanged",
    "Neighbours",
    "Perceptual",
    "Plausibility",
    "Robustness",
    "Sparsity",
    "Uncertainty",
    "WordDistance",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
