"""Audits in MLflow 3: a run of theirs from a run of ours, and an evaluator for ``mlflow.models.evaluate``.

``import cfsearch.mlflow`` needs no MLflow; it is imported by what is called.
"""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .evaluator import Evaluator as Evaluator
    from .tracking import log_audit as log_audit
    from .tracking import metrics_of as metrics_of

_HOME: Final = {"Evaluator": "evaluator", "log_audit": "tracking", "metrics_of": "tracking"}

__all__ = ["Evaluator", "log_audit", "metrics_of"]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
