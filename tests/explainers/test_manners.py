"""The six explainers under the conformance case that strangers inherit as well."""

import pytest

from cfsearch.contracts.explainer import Explainer
from cfsearch.explainers.axai import Axai
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.wachter import Wachter
from cfsearch.testing import ExplainerCase


class TestGradient(ExplainerCase):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Gradient(eps_max=1000.0, growth=1.2)


class TestWachter(ExplainerCase):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Wachter(steps=40, rounds=10, refinements=3)


class TestPgd(ExplainerCase):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Pgd(steps=8, bisections=4)


class TestEmap(ExplainerCase):
    least_flipped = 0.3  # it learns for a second here

    @pytest.fixture
    def explainer(self) -> Explainer:
        return Emap(
            size_weight=0.02, epochs=40, surrogate_epochs=40, rounds=1, batch=16, rate=5e-3, hidden=(32, 32)
        )


class TestGradual(ExplainerCase):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Gradual(steps=30, tau=0.5)


class TestAxai(ExplainerCase):
    @pytest.fixture
    def explainer(self) -> Explainer:
        return Axai(top=2)
