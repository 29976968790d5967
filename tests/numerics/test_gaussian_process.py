"""Gaussian processes: against scikit-learn, against differences of the likelihood, and on functions that are known."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from torch import Tensor

from cfsearch.errors import ShapeError
from cfsearch.numerics.gaussian_process import GaussianProcesses

OWNERS = torch.tensor([0, 1, 2, 2])


def points(n: int, *, seed: int = 0, columns: int = 4) -> Tensor:
    return torch.rand(n, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def functions(x: Tensor) -> Tensor:
    return torch.stack([torch.sin(5 * x[:, 0]) + x[:, 1], 7.0 + 3.0 * x.square().sum(1)], dim=1)


def theirs(processes: GaussianProcesses, x: Tensor, z: Tensor, o: int) -> GaussianProcessRegressor:
    """scikit-learn with the same length scales; its noise and scale are read off the density that we maximise."""
    lengths = processes.length_scales[o][OWNERS].numpy()
    noise = float(processes.noises[o])
    kernel = Matern(lengths, nu=2.5)
    covariance = kernel(x.numpy()) + noise * np.eye(len(x))
    scale = float(z @ np.linalg.solve(covariance, z)) / len(x)
    whole = ConstantKernel(scale, "fixed") * Matern(lengths, "fixed", nu=2.5)
    return GaussianProcessRegressor(whole, alpha=scale * noise, optimizer=None).fit(x.numpy(), z.numpy())


@pytest.mark.parametrize("steps", [0, 30])
def test_predictions_and_likelihood_are_those_of_scikit_learn(steps: int) -> None:
    x, new = points(40), points(7, seed=1)
    y = functions(x)
    processes = GaussianProcesses(outputs=2, owners=OWNERS)
    processes.fit(x, y, steps=steps)
    mean, deviation = processes.predict(new)
    likelihood = processes.log_likelihood(x, y)
    for o in range(2):
        middle, spread = y[:, o].mean(), y[:, o].std(correction=0)
        regressor = theirs(processes, x, (y[:, o] - middle) / spread, o)
        expected, error = regressor.predict(new.numpy(), return_std=True)
        assert mean[:, o].numpy() == pytest.approx(expected * float(spread) + float(middle), abs=1e-8)
        assert deviation[:, o].numpy() == pytest.approx(error * float(spread), abs=1e-6)
        assert float(likelihood[o]) == pytest.approx(regressor.log_marginal_likelihood_value_, abs=1e-6)


def test_fitting_climbs_to_the_posterior_density_that_scipy_finds() -> None:
    x = points(40)
    y = functions(x)

    def density(processes: GaussianProcesses) -> Tensor:
        return processes.log_likelihood(x, y) + processes.log_prior()

    processes = GaussianProcesses(outputs=2, owners=OWNERS)
    before = density(processes)
    processes.fit(x, y, steps=400)
    after = density(processes)
    assert bool((after > before + 20.0).all())
    place = processes.logs.clone()
    for o in range(2):

        def loss(logs: np.ndarray[tuple[int], np.dtype[np.float64]], o: int = o) -> float:
            processes.logs = place.clone()
            processes.logs[o] = torch.from_numpy(logs)
            return -float(density(processes)[o])

        bounds = [(math.log(0.05), math.log(100.0))] * 3 + [(math.log(1e-6), math.log(1e-1))]
        best = minimize(loss, place[o].numpy(), method="L-BFGS-B", bounds=bounds)
        assert -best.fun - float(after[o]) < 2.0  # of a density that rose by more than 20


def test_a_variable_that_does_not_matter_has_a_long_scale() -> None:
    x = points(60, columns=3)
    processes = GaussianProcesses(outputs=1, owners=torch.arange(3))
    processes.fit(x, torch.sin(6 * x[:, :1]), steps=150)
    lengths = processes.length_scales[0]
    assert float(lengths[0]) < 2.0 and bool((lengths[1:] > 5 * lengths[0]).all())


def test_what_was_evaluated_is_known_and_what_is_far_is_not() -> None:
    x = points(25) * 0.3
    processes = GaussianProcesses(outputs=2, owners=OWNERS)
    processes.fit(x, functions(x), steps=30)
    mean, deviation = processes.predict(torch.cat([x, 1.0 - x]))
    assert torch.allclose(mean[:25], functions(x), atol=0.02)
    assert bool((deviation[:25].amax(0) < 0.1 * deviation[25:].amin(0)).all())


@pytest.mark.parametrize("n", [1, 2, 300])
def test_few_many_equal_and_repeated_points(n: int) -> None:
    x = points(n).repeat(2, 1)
    processes = GaussianProcesses(outputs=2, owners=OWNERS)
    y = torch.stack([torch.full((2 * n,), 3.0).double(), x.sum(1)], dim=1)
    processes.fit(x, y, steps=5)
    mean, deviation = processes.predict(x[:1])
    assert bool(mean.isfinite().all()) and bool(deviation.isfinite().all())
    assert float(mean[0, 0]) == pytest.approx(3.0)
    assert float(mean[0, 1]) == pytest.approx(float(x[0].sum()), abs=0.05)


def test_what_does_not_fit_is_refused() -> None:
    processes = GaussianProcesses(outputs=2, owners=OWNERS)
    with pytest.raises(ShapeError, match="expected `fit` before `predict`"):
        processes.predict(points(1))
    for x, y in (
        (points(3, columns=5), points(3, columns=2)),
        (points(3), points(4, columns=2)),
        (points(0), points(0, columns=2)),
    ):
        with pytest.raises(
            ShapeError, match=r"expected points of shape \(n >= 1, 4\) and values of shape \(n, 2\), got"
        ):
            processes.fit(x, y, steps=1)
    assert math.isclose(float(processes.noises[0]), 1e-4, rel_tol=1e-3)
