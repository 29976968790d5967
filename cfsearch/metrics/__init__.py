"""Metrics of counterfactuals, explanations and surrogates, one a file.

They take tensors of pairs, one row an instance, and know neither models nor generators; docs/metrics.md says
which is for what.
"""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .attributes import changed_attributes as changed_attributes
    from .attributes import correlation_difference as correlation_difference
    from .changed import columns_changed as columns_changed
    from .changed import number_changed as number_changed
    from .diversity import determinant as determinant
    from .diversity import mean_distance as mean_distance
    from .frechet import frechet_distance as frechet_distance
    from .plausibility import local_outlier_factor as local_outlier_factor
    from .plausibility import nearest as nearest
    from .proximity import gower as gower
    from .proximity import l1 as l1
    from .proximity import l2 as l2
    from .proximity import mad as mad
    from .proximity import mad_scaled as mad_scaled
    from .stability import cosine as cosine

_HOME: Final = {
    "changed_attributes": "attributes",
    "columns_changed": "changed",
    "correlation_difference": "attributes",
    "cosine": "stability",
    "determinant": "diversity",
    "frechet_distance": "frechet",
    "gower": "proximity",
    "l1": "proximity",
    "l2": "proximity",
    "local_outlier_factor": "plausibility",
    "mad": "proximity",
    "mad_scaled": "proximity",
    "mean_distance": "diversity",
    "nearest": "plausibility",
    "number_changed": "changed",
}

__all__ = [
    "changed_attributes",
    "columns_changed",
    "correlation_difference",
    "cosine",
    "determinant",
    "frechet_distance",
    "gower",
    "l1",
    "l2",
    "local_outlier_factor",
    "mad",
    "mad_scaled",
    "mean_distance",
    "nearest",
    "number_changed",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
