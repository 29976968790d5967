"""Statistics of attacks, against samples of known distributions and against scipy."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError
from cfsearch.explainers.l2_attack import L2Attack
from cfsearch.explainers.subjects import image_subject
from cfsearch.providers.torch_module import TorchProvider

PAPERS = Path(__file__).parents[2] / "benchmarks" / "papers"
if not PAPERS.is_dir():
    pytest.skip("the benchmarks are not in a wheel", allow_module_level=True)
sys.path.insert(0, str(PAPERS))
MODULE: Any = import_module("attack_statistics")  # Any: from the folder above, which mypy does not see
asymmetric = MODULE.asymmetric
attack_flips = MODULE.attack_flips
fit_beta = MODULE.fit_beta
in_tails = MODULE.in_tails
pair_tests = MODULE.pair_tests
skewness = MODULE.skewness
turning_tail = MODULE.turning_tail

pytestmark = pytest.mark.checkout
DRAW = np.random.default_rng(11)


class _Linear(nn.Module):
    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        logit = x.flatten(1) @ self.weight + self.bias
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def linear_subject(weight: Tensor, *, bias: float) -> Subject:
    provider = TorchProvider(_Linear(weight, bias), labels=("no", "yes"), scores=ScoreKind.LOGITS)
    return image_subject(provider, (1, 10, 10))


def test_skewness_is_scipys_and_constant_rows_have_none() -> None:
    rows = np.stack([DRAW.gamma(1.0, size=500), DRAW.normal(size=500), DRAW.uniform(size=500)])
    np.testing.assert_allclose(skewness(torch.from_numpy(rows)).numpy(), stats.skew(rows, axis=1), rtol=1e-9)
    assert skewness(torch.full((1, 5), 0.3)).tolist() == [0.0]


def test_the_share_of_asymmetric_rows() -> None:
    rows = np.concatenate([DRAW.normal(size=(30, 2000)), DRAW.exponential(size=(10, 2000))])
    found = asymmetric(torch.from_numpy(rows))
    assert found is not None and found.value == 0.25 and found.low < 0.25 < found.high
    assert asymmetric(torch.zeros(0, 5)) is None


@pytest.mark.parametrize(("p", "q"), [(2.0, 5.0), (11.3, 11.4), (0.7, 0.9), (130.0, 131.0)])
def test_a_beta_fit_finds_the_shapes_again(p: float, q: float) -> None:
    sample = DRAW.beta(p, q, size=(3, 20_000))
    fit = fit_beta(torch.from_numpy(sample), low=torch.zeros(3), high=torch.ones(3))
    assert fit.p.tolist() == pytest.approx([p] * 3, rel=0.05)
    assert fit.q.tolist() == pytest.approx([q] * 3, rel=0.05)
    other = stats.beta.fit(sample[0], floc=0, fscale=1)
    assert (float(fit.p[0]), float(fit.q[0])) == pytest.approx(other[:2], rel=1e-4)
    distance = stats.kstest(sample[0], stats.beta(float(fit.p[0]), float(fit.q[0])).cdf).statistic
    assert float(fit.distance[0]) == pytest.approx(distance, abs=1e-9)
    assert float(fit.distance.max()) < 0.015


def test_a_beta_fit_on_another_support_and_its_distance_to_the_normal() -> None:
    sample = DRAW.beta(3.0, 4.0, size=(1, 20_000)) * 4.0 - 1.0
    fit = fit_beta(torch.from_numpy(sample), low=torch.tensor([-1.0]), high=torch.tensor([3.0]))
    assert float(fit.p[0]) == pytest.approx(3.0, rel=0.05)
    normal = stats.kstest(sample[0], stats.norm(sample.mean(), sample.std(ddof=1)).cdf).statistic
    assert float(fit.normal_distance[0]) == pytest.approx(normal, abs=1e-9)
    assert float(fit.distance[0]) < float(fit.normal_distance[0])


def test_what_is_no_beta_fits_badly() -> None:
    two = np.concatenate([DRAW.normal(-3, 0.1, 1000), DRAW.normal(3, 0.1, 200), DRAW.normal(0, 0.1, 1000)])
    assert float(fit_beta(torch.from_numpy(two[None])).distance[0]) > 0.1


def test_rows_that_cannot_be_fitted_are_refused() -> None:
    with pytest.raises(ConfigError, match="must vary"):
        fit_beta(torch.full((1, 10), 0.5))
    with pytest.raises(ConfigError, match="outside"):
        fit_beta(torch.rand(1, 10), low=torch.tensor([0.9]), high=torch.tensor([1.0]))


def test_pairs_of_one_distribution_differ_as_often_as_they_should() -> None:
    alike = pair_tests(torch.from_numpy(DRAW.normal(size=(300, 200))), pairs=1000)
    assert alike is not None
    assert 0.45 < alike.t_mean < 0.55 and 0.45 < alike.rank_mean < 0.55
    assert alike.t_rejected.low < 0.06 and alike.rank_rejected.high > 0.03
    shifted = DRAW.normal(size=(20, 400)) + np.arange(20)[:, None]
    apart = pair_tests(torch.from_numpy(shifted), pairs=50)
    assert apart is not None and apart.t_rejected.value == 1.0 and apart.rank_rejected.value == 1.0
    assert pair_tests(torch.zeros(1, 5)) is None


def test_one_pair_is_what_scipy_says() -> None:
    rows = DRAW.normal(size=(2, 50)) + np.array([[0.0], [0.3]])
    found = pair_tests(torch.from_numpy(rows), pairs=3)
    assert found is not None
    assert found.t_mean == pytest.approx(stats.ttest_ind(rows[0], rows[1], equal_var=False).pvalue)
    assert found.rank_mean == pytest.approx(
        stats.mannwhitneyu(rows[0], rows[1], method="asymptotic").pvalue, rel=1e-6
    )


def test_both_tails_with_their_ends() -> None:
    row = torch.arange(-5.0, 6.0)[None]
    assert row[in_tails(row, share=0.1)].tolist() == [-5.0, -4.0, 4.0, 5.0]


def test_the_tail_that_turns_a_linear_model_is_known() -> None:
    # ten equal weights among a hundred numbers, half of them negative: within a ball of radius r the
    # attack on m of them moves the logit by r * sqrt(m), so that the bias says how many are needed
    weight = torch.zeros(100)
    weight[:5], weight[5:10] = 1.0, -1.0
    weight += torch.linspace(0, 1e-3, 100)  # no ties
    subject = linear_subject(weight, bias=1.9)
    u = torch.zeros(1, 1, 10, 10)
    attack = L2Attack(radius=1.0, bounded=False)
    label = torch.tensor([1])
    changes = attack.changes(subject, u, label=label)
    assert bool(attack_flips(subject, u, label=label, attack=attack)[0])
    tail = turning_tail(subject, u, label=label, changes=changes, attack=attack)
    # percentile 100 * s of a hundred numbers reaches floor(99 s) + 1 of them in each tail:
    # sqrt(2) < 1.9 with one number in each, sqrt(4) > 1.9 with two, from s = 0.02 on
    assert tail.tolist() == [0.02]
    strong = linear_subject(weight, bias=9.0)
    never = turning_tail(strong, u, label=label, changes=changes, attack=attack, shares=(0.1, 0.5))
    assert bool(never.isnan().all())
    with pytest.raises(ConfigError, match="must rise"):
        turning_tail(subject, u, label=label, changes=changes, attack=attack, shares=(0.3, 0.2))


def test_ranges_hold_the_attack_back() -> None:
    subject = linear_subject(torch.ones(100), bias=5.0)
    u = torch.zeros(1, 1, 10, 10)
    attack, label = L2Attack(radius=1.0), torch.tensor([1])
    assert bool(attack_flips(subject, u, label=label, attack=attack)[0])
    assert not bool(
        attack_flips(
            subject, u, label=label, attack=attack, low=torch.zeros_like(u), high=torch.ones_like(u)
        )[0]
    )
