"""Validity, fidelity, changed features and overlap, each by hand."""

import pytest
import torch
from sklearn.metrics import accuracy_score

from cfsearch.datasets.tables import Column, ColumnKind, Link, TableSchema
from cfsearch.errors import ShapeError
from cfsearch.metrics.changed import columns_changed, number_changed
from cfsearch.metrics.fidelity import fidelity
from cfsearch.metrics.overlap import overlap
from cfsearch.metrics.validity import validity

SCORES = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]])


def test_validity_counts_the_target_class() -> None:
    away = validity(SCORES, source=torch.tensor([0, 0, 0, 1]), target=torch.tensor([-1, -1, 1, -1]))
    assert away is not None and away.value == 0.75
    assert away.low == pytest.approx(0.3006, abs=1e-4) and away.high == pytest.approx(0.9544, abs=1e-4)
    assert validity(SCORES[:0], source=torch.zeros(0).long(), target=torch.zeros(0).long()) is None
    with pytest.raises(ShapeError, match=r"validity: expected scores of shape \(n, k\)"):
        validity(SCORES, source=torch.zeros(3).long(), target=torch.zeros(4).long())


def test_fidelity_is_an_accuracy() -> None:
    other = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    own = other + torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    value = fidelity(own, other)
    assert value is not None and value.value == accuracy_score(other.argmax(1), own.argmax(1))
    with pytest.raises(ShapeError, match="fidelity: expected scores"):
        fidelity(own, other[:4])


def test_changed_features() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    y = torch.tensor([[0.001, 0.0009, 0.0], [-5.0, 1.0, 2.0]], dtype=torch.float64)
    assert number_changed(x, y).tolist() == [1.0, 3.0]
    assert number_changed(x, y, threshold=1.5).tolist() == [0.0, 2.0]


def test_linked_columns_count_once() -> None:
    columns = tuple(Column(name=n, kind=ColumnKind.INTEGER, low=0, high=9) for n in "abc")
    schema = TableSchema(columns=columns, links=(Link(("a", "b"), ((0.0, 0.0), (1.0, 5.0))),))
    x = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.0, 5.0, 3.0]])
    y = torch.tensor([[1.0, 5.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 4.0]])
    assert columns_changed(x, y, schema=schema).tolist() == [1.0, 0.0, 2.0]


def test_a_missing_number_is_the_same_as_a_missing_one_and_another_than_any_other() -> None:
    nan = float("nan")
    x, y = torch.tensor([[nan, nan, 1.0, 2.0]]), torch.tensor([[nan, 1.0, nan, 2.0]])
    assert number_changed(x, y).tolist() == [2.0]
    assert overlap(x, y).tolist() == [0.5]


def test_overlap() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    y = torch.tensor([[0.0, 1.0, 9.0, 9.0], [0.0, 0.0, 0.0, 0.0]])
    assert overlap(x, y).tolist() == [0.5, 1.0]
    assert overlap(x, y, weights=torch.tensor([0.7, 0.1, 0.1, 0.1])).tolist() == pytest.approx([0.8, 1.0])
    with pytest.raises(ShapeError, match="4 weights that sum to 1"):
        overlap(x, y, weights=torch.ones(4))
