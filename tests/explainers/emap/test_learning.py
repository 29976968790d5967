"""How EMAP learns: schedules in closed form, the nearest of two boundaries, noise, agreement of runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Encoding, TableSchema
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.emap.training import Schedule, Weights
from cfsearch.explainers.row_domain import RowDomain
from cfsearch.providers.callable import CallableProvider

_QUICK = Emap(rounds=1, epochs=20, surrogate_epochs=20, batch=64)


def plane(rule: Callable[[np.ndarray], np.ndarray]) -> Subject:
    """A subject of two numbers whose second class is where the rule says so."""
    schema = TableSchema(
        columns=tuple(Column(name=n, kind=ColumnKind.REAL, low=-50.0, high=50.0) for n in ("a", "b"))
    )

    def predict(rows: np.ndarray) -> np.ndarray:
        yes = rule(rows).astype(float)
        return np.stack([1.0 - yes, yes], axis=1)

    provider = CallableProvider(predict, labels=("no", "yes"), scores=ScoreKind.PROBABILITIES)
    return Subject(provider, lambda u: torch.zeros(len(u), 2), RowDomain(Encoding.plain(schema)))


def even(n: int, *, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(n, 2, generator=draw, dtype=torch.float64) * 4.0 - 2.0


def steps(emap: Emap, x: Tensor, *, subject: Subject) -> Tensor:
    found = emap.explain(x, subject=subject).attributions
    assert found is not None
    return found


def test_rates_and_lengths_fall_by_their_schedule() -> None:
    falls = Schedule(epochs=3, batch=8, rate=0.01, decay=True)
    assert [falls.rate_after(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.01, 0.005, 0.0])
    assert [falls._replace(decay=False).rate_after(share) for share in (0.0, 0.9)] == [0.01, 0.01]
    weights = Weights(size=0.1, change=2.0, temperature=0.5, start=16.0)
    shares = (0.0, 1 / 3, 2 / 3, 1.0)
    assert [weights.size_after(share) for share in shares] == pytest.approx([1.6, 0.4, 0.1, 0.1])
    assert weights._replace(start=1.0).size_after(0.2) == pytest.approx(0.1)


def test_perturbations_grow_to_the_nearest_boundary_and_do_not_leap_over_it() -> None:
    subject = plane(lambda rows: ((rows[:, 0] > -0.9) & (rows[:, 0] < -0.3)) | (rows[:, 0] > 0.6))
    x = even(400, seed=1)
    edges = torch.tensor([-0.9, -0.3, 0.6])
    nearest = (edges - x[:, :1]).float()
    nearest = nearest.abs().amin(1)
    excess = []
    for emap in (replace(_QUICK, size_start=100.0, dropout=0.0, decay=True), _QUICK):
        step = steps(emap.fit(subject, even(1500, seed=0), seed=0), x, subject=subject)
        excess.append(float((step.norm(dim=1) - nearest).mean()))
    assert excess[0] < 0.6 and excess[0] < 0.5 * excess[1]


def test_weight_decay_makes_the_surrogates_weights_smaller() -> None:
    subject, x = plane(lambda rows: rows[:, 0] > 0.0), even(300, seed=0)
    weights = []
    for weight_decay in (0.0, 1.0):
        fitted = replace(_QUICK, epochs=1, weight_decay=weight_decay).fit(subject, x, seed=0).fitted
        assert fitted is not None and fitted.surrogate is not None
        weights.append(sum(float(p.square().sum()) for p in fitted.surrogate.parameters()))
    assert weights[1] < 0.95 * weights[0]


def test_inputs_that_the_surrogate_gets_wrong_do_not_teach() -> None:
    emap, x = Emap(learn_from="recovered"), even(6, seed=1).float()
    surrogate = torch.nn.Linear(2, 2)
    with torch.no_grad():
        surrogate.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        surrogate.bias.zero_()
    right = (x[:, 0] > 0).long()
    told = right.clone()
    told[[1, 4]] = 1 - told[[1, 4]]
    assert emap._worth(surrogate, x, told).tolist() == [0, 2, 3, 5]
    assert replace(emap, learn_from="all")._worth(surrogate, x, told).tolist() == list(range(6))
    assert emap._worth(None, x, told).tolist() == list(range(6))
    assert len(emap._worth(surrogate, x, 1 - right)) == 6  # none is right: better all than nothing


def test_the_papers_recipe_is_kept_with_what_was_fitted(tmp_path: Path) -> None:
    paper = Emap.as_in_paper()
    assert (paper.rounds, paper.dropout, paper.decay, paper.size_start) == (1, 0.2, False, 1.0)
    subject = plane(lambda rows: rows[:, 0] > 0.0)
    fitted = replace(paper, epochs=1, surrogate_epochs=1).fit(subject, even(200, seed=0))
    again = Emap.load(fitted.save(tmp_path / "emap.safetensors"))
    assert (again.learn_from, again.dropout, again.decay) == ("all", 0.2, False)
