"""AXAI on photographs: what is drawn by chance, what is learned, and that a missing data set is said."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats

from cfsearch.models.gender_cnn import GenderCnn
from cfsearch.models.lenet import LeNet5

FOLDER = Path(__file__).parents[2] / "benchmarks" / "papers"
CELEBA = Path(__file__).parents[3] / "shared" / "data" / "celebahq128"
pytestmark = pytest.mark.checkout


@pytest.fixture
def papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def axai(papers: None) -> ModuleType:
    return importlib.import_module("axai")


@pytest.fixture
def module(papers: None) -> ModuleType:
    return importlib.import_module("axai_photographs")


def test_signs_that_are_drawn_leave_distances_and_take_the_skewness(axai: ModuleType) -> None:
    x = torch.from_numpy(np.random.default_rng(3).exponential(size=(6, 20_001)))
    drawn = axai.signs_drawn(x, seed=1)
    away = (x - x.median(dim=1, keepdim=True).values).abs()
    assert torch.equal(drawn.abs(), away)
    assert (np.abs(stats.skew(x.numpy(), axis=1)) > 1.5).all()  # 2 in the limit
    assert (np.abs(stats.skew(drawn.numpy(), axis=1)) < 0.5).all()
    assert axai.share_asymmetric(x) == 1.0
    assert axai.share_asymmetric(drawn) == 0.0


@pytest.mark.parametrize("key", ["asymmetric, free", "asymmetric, clipped"])
def test_the_papers_figure_stands_beside_both_readings(axai: ModuleType, key: str) -> None:
    assert axai.printed(key) == axai.PAPER["asymmetric"]
    assert not axai.printed("asymmetric, first step, free")


def test_two_logits_say_what_the_one_says(module: ModuleType) -> None:
    torch.manual_seed(0)
    one = GenderCnn(size=64).eval()
    x = torch.rand(3, 3, 64, 64)
    p = module.TwoLogits(one)(x).softmax(1)
    torch.testing.assert_close(p[:, 1:], one(x))


def test_it_learns_what_can_be_learned_and_stays_still_after(module: ModuleType) -> None:
    rng = torch.Generator().manual_seed(2)
    bright = torch.rand(320, generator=rng)
    x = (bright[:, None, None, None] + 0.1 * torch.rand(320, 1, 28, 28, generator=rng)).clamp(0, 1)
    y = (bright > 0.5).long()
    torch.manual_seed(0)
    network = LeNet5(classes=2)
    module.learn(network, x[:256], y[:256], epochs=20, seed=0)
    assert float((network(x[256:]).argmax(1) == y[256:]).double().mean()) > 0.9
    assert not any(p.requires_grad for p in network.parameters()) and not network.training


def test_without_the_faces_it_says_so_and_goes_on(
    module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(module.photographs(tmp_path / "none", seeds=3, inputs=5)) == []
    assert "left out" in capsys.readouterr().out


@pytest.mark.data
@pytest.mark.skipif(not CELEBA.is_dir(), reason="CelebA-HQ is not here")
def test_both_networks_see_the_same_faces(module: ModuleType) -> None:
    large, small = module.photographs(CELEBA, seeds=1, inputs=4, learned=64)
    assert large.x.shape == (4, 3, 64, 64) and small.x.shape == (4, 1, 28, 28)
    assert torch.equal(large.truth, small.truth)
    means = [case.x.mean((1, 2, 3)) for case in (large, small)]
    torch.testing.assert_close(*means, atol=0.02, rtol=0.0)
