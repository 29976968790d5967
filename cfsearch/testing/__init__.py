"""For authors of plug-ins: conformance cases to subclass, and tiny fakes to test with.

::

    from cfsearch.testing import ObjectiveCase

    class TestMine(ObjectiveCase):
        @pytest.fixture
        def objective(self):
            return Mine()

The cases (``ObjectiveCase``, ``ConstraintCase``, ``GeneratorCase``, ``ProviderCase``,
``SolverCase``, ``ExplainerCase``) need pytest and hypothesis; the fakes and factories need neither. Tests on a
graphics card carry the marker ``gpu`` and are skipped where there is none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfsearch.errors import MissingExtraError

if TYPE_CHECKING:
    from .candidates import make_candidates, make_queries
    from .explainer_case import ExplainerCase
    from .fakes import FakeGenerator, FakeProvider, FakeWhiteBox, WithoutCritic
    from .generator_case import GeneratorCase
    from .measure_case import ConstraintCase, ObjectiveCase
    from .provider_case import ProviderCase
    from .solver_case import SolverCase

__all__ = [
    "ConstraintCase",
    "ExplainerCase",
    "FakeGenerator",
    "FakeProvider",
    "FakeWhiteBox",
    "GeneratorCase",
    "ObjectiveCase",
    "ProviderCase",
    "SolverCase",
    "WithoutCritic",
    "make_candidates",
    "make_queries",
]

_HOME = {
    "ConstraintCase": "measure_case",
    "ExplainerCase": "explainer_case",
    "FakeGenerator": "fakes",
    "FakeProvider": "fakes",
    "FakeWhiteBox": "fakes",
    "GeneratorCase": "generator_case",
    "ObjectiveCase": "measure_case",
    "ProviderCase": "provider_case",
    "SolverCase": "solver_case",
    "WithoutCritic": "fakes",
    "make_candidates": "candidates",
    "make_queries": "candidates",
}


def __getattr__(name: str) -> Any:  # Any: each name has its own type, see TYPE_CHECKING
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("pytest", "hypothesis"):
            raise
        raise MissingExtraError(
            f"testing: {name} needs the package {error.name!r}, which is not installed: "
            "pip install pytest hypothesis."
        ) from error
