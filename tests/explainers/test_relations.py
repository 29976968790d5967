"""Codes, gaps, largest changes and relations under every explainer: none is ever broken."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.explainer_task import Subject
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.row_domain import RowDomain
from cfsearch.explainers.subjects import row_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

from .walks import Queried, two_classes

EXPLAINERS: list[Explainer] = [
    Gradient(eps_max=100.0, growth=1.5),
    Wachter(steps=15, rounds=4, refinements=1),
    Pgd(steps=4, bisections=2),
    Gradual(steps=8, tau=0.5),
    Emap(rounds=1, epochs=2, surrogate_epochs=3, batch=16, change_weight=0.1, size_weight=0.01),
]


def subject_of(schema: TableSchema, x: torch.Tensor) -> Subject:
    """A linear model on encoded rows, which holds half of them for each class."""
    encoding = Encoding.standard(schema, x)
    weight = torch.linspace(-1.0, 1.5, encoding.width)
    scores = two_classes(weight, -float((encoding.apply(x).float() @ weight).median()))
    return row_subject(
        Queried(lambda rows: scores(encoding.apply(rows.double()).float())), encoding, network=scores
    )


@pytest.mark.parametrize("explainer", EXPLAINERS, ids=lambda one: one.name)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_explainer_proposes_a_row_that_breaks_a_rule(explainer: Explainer, seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=4, immutable=1, monotone=1, relations=2)
    x = random_rows(schema, n=8, draw=draw).nan_to_num(nan=0.0)
    subject = subject_of(schema, x)
    fitted = explainer.fit(subject, x, seed=0) if isinstance(explainer, Emap | Gradual) else explainer
    told = fitted.explain(x, subject=subject)
    assert told.counterfactuals is not None
    for before, after in zip(x.tolist(), told.counterfactuals.tolist(), strict=True):
        assert not broken_rules(schema, before=before, after=after)


@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_is_proposed_is_brought_to_keep_every_rule(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, relations=2)
    x = random_rows(schema, n=6, draw=draw).nan_to_num(nan=0.0)
    domain = RowDomain(Encoding.ranged(schema))
    u, (low, high) = domain.encode(x), domain.bounds(x)
    assert bool((low <= u).all()) and bool((u <= high).all())
    assert torch.equal(domain.project(u, origin=x), x)
    moved = domain.project(u + torch.from_numpy(draw.normal(size=u.shape)).float(), origin=x)
    for before, after in zip(x.tolist(), moved.tolist(), strict=True):
        assert not broken_rules(schema, before=before, after=after)
