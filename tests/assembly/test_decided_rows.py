"""Reference rows with the model's classes: how many it is queried about, and how many are kept."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.assembly import reference
from cfsearch.assembly.reference import decided_rows
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.wrapping import WrappedProvider

AGE = Column(name="age", kind=ColumnKind.REAL, low=0.0, high=1.0)


class Played(WrappedProvider):
    """A model that says whether the number exceeds a threshold, and counts what it is queried about."""

    def __init__(self, *, together: bool, above: float = 0.5) -> None:
        def scores(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack([np.zeros(len(x)), (x[:, 0] > above).astype(np.float64) - 0.5], axis=1)

        super().__init__(CallableProvider(scores, labels=("no", "yes"), scores=ScoreKind.LOGITS))
        self.together, self.queried = together, 0

    @property
    def batch_invariant(self) -> bool:
        return self.together

    def predict(self, x: Tensor) -> Tensor:
        self.queried += len(x)
        return super().predict(x)


def table(n: int) -> Table:
    x = torch.from_numpy(np.random.default_rng(0).random((n, 1)))
    return Table(schema=TableSchema(columns=(AGE,)), x=x, target=None, lines=tuple(range(2, n + 2)))


@pytest.mark.parametrize(("together", "queried"), [(False, 30), (True, 80)])
def test_a_model_that_answers_many_rows_in_one_call_is_queried_about_more(
    together: bool, queried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "MOST_ROWS", 30)
    monkeypatch.setattr(reference, "_MOST_TOGETHER", 80)
    monkeypatch.setattr(reference, "_FEW", 2)
    model = Played(together=together)
    found = decided_rows(table(100), model)
    assert model.queried == queried
    assert found.target is not None
    assert torch.equal(found.target, (found.x[:, 0] > 0.5).long()), "classes are the model's"
    assert int(torch.bincount(found.target).max()) <= 30


def test_a_rare_class_is_looked_for_in_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST_ROWS", 30)
    monkeypatch.setattr(reference, "_FEW", 10)
    model, rows = Played(together=False, above=0.9), table(200)
    found = decided_rows(rows, model)
    assert model.queried == 230
    assert found.target is not None
    assert int(found.target.sum()) == min(30, int((rows.x > 0.9).sum()))
