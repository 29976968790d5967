"""EMAP: minimal perturbations by a learned network (Chapman-Rounds et al. 2019)."""

from .explainer import Emap

__all__ = ["Emap"]
