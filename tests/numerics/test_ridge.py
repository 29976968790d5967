"""Ridge regression: against scikit-learn, and its leave-one-out error against leaving one out."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.numerics.ridge import Ridge


def data(n: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    x = torch.randn(n, 3, generator=draw, dtype=torch.float64)
    y = (
        x @ torch.randn(3, 2, generator=draw, dtype=torch.float64)
        + torch.randn(n, 2, generator=draw).double()
    )
    return x, y + 5.0


@pytest.mark.parametrize("penalty", [0.0, 3.0, 50.0])
def test_coefficients_are_scikit_learns(penalty: float) -> None:
    x, y = data()
    ours, theirs = Ridge.fit(x, y, penalty=penalty), Reference(alpha=penalty).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(ours.coefficients.T.numpy(), theirs.coef_, rtol=1e-8)
    np.testing.assert_allclose(ours.intercept.numpy(), theirs.intercept_, rtol=1e-8)


def test_the_spread_is_that_of_predictions_for_left_out_rows() -> None:
    x, y = data(12)
    squares = []
    for i in range(len(x)):
        keep = torch.arange(len(x)) != i
        # the penalty is of the whole sample's Gram matrix: the same number for each left-out fit
        fit = Reference(alpha=2.0).fit(x[keep].numpy(), y[keep].numpy())
        squares.append((y[i].numpy() - fit.predict(x[i : i + 1].numpy())[0]) ** 2)
    expected = np.sqrt(np.mean(squares, axis=0))
    np.testing.assert_allclose(Ridge.fit(x, y, penalty=2.0).spread.numpy(), expected, rtol=1e-6)


def test_a_constant_column_has_no_coefficient() -> None:
    x, y = data()
    x[:, 1] = 7.0
    fit = Ridge.fit(x, y, penalty=0.0)
    assert fit.coefficients[1].abs().max() < 1e-9
    assert fit.spread.isfinite().all()


def test_what_does_not_fit_is_refused() -> None:
    x, y = data()
    with pytest.raises(ShapeError, match=r"two or more rows, got \(29, 3\) and \(30, 2\)"):
        Ridge.fit(x[1:], y, penalty=1.0)
    with pytest.raises(ConfigError, match="`penalty` must be a number >= 0, got -1"):
        Ridge.fit(x, y, penalty=-1.0)
