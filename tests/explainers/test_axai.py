"""AXAI: the attack, the tails, the segments, and models whose explanation is known."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.segmentation import quickshift
from torch import Tensor, nn

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Encoding, TableSchema
from cfsearch.errors import ConfigError, MissingExtraError, ShapeError
from cfsearch.explainers.axai import Axai, quantiles, tails
from cfsearch.explainers.l2_attack import L2Attack
from cfsearch.explainers.segments import Grid, Quickshift, Segmenter
from cfsearch.explainers.subjects import image_subject, row_subject
from cfsearch.providers.torch_module import TorchProvider

SIDE = 16


class Linear(nn.Module):
    """Two logits: 0, and a weighted sum of pixels."""

    def __init__(self, weight: Tensor, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        logit = (x * self.weight).flatten(1).sum(dim=1) + self.bias
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def subject_of(module: nn.Module, *, shape: tuple[int, ...], max_batch: int = 256, block: int = 1) -> Subject:
    provider = TorchProvider(
        module, labels=("no", "yes"), scores=ScoreKind.LOGITS, max_batch=max_batch, name="known"
    )
    return image_subject(provider, shape, block=block)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def curved(shape: tuple[int, ...], *, seed: int = 0) -> nn.Module:
    """A small network with curvature, without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = int(np.prod(shape))
        return nn.Sequential(nn.Flatten(), nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 2))


@pytest.mark.parametrize("bounded", [True, False])
def test_the_segment_that_carries_the_weights_explains(bounded: bool) -> None:
    weight = torch.zeros(1, SIDE, SIDE)
    weight[:, 4:8, 8:12] = torch.randn(1, 4, 4, generator=rng(1))
    x = 0.2 + 0.6 * torch.rand(5, 1, SIDE, SIDE, generator=rng())
    subject = subject_of(Linear(weight), shape=(1, SIDE, SIDE))
    said = Axai(top=1, segmenter=Grid(4, 4), bounded=bounded).explain(x, subject=subject)
    assert said.chosen is not None and said.segments is not None and said.attributions is not None
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    expected[4:8, 8:12] = True
    assert torch.equal(said.chosen.view(5, SIDE, SIDE), expected.expand(5, SIDE, SIDE))
    assert bool((said.segments.view(5, SIDE, SIDE)[:, 4:8, 8:12] == 1 * 4 + 2).all())
    inside = said.attributions.view(5, SIDE, SIDE)[:, 4:8, 8:12]
    assert float(inside.min()) > 0.9 and float((said.attributions * ~said.chosen).amax()) == 0.0
    assert said.counterfactuals is None and not said.surrogate


def test_columns_are_segments_of_rows_and_immutable_ones_count() -> None:
    schema = TableSchema(
        columns=(
            Column(name="age", kind=ColumnKind.REAL, low=0.0, high=1.0),
            Column(name="sex", kind=ColumnKind.REAL, low=0.0, high=1.0, immutable=True),
            Column(name="debt", kind=ColumnKind.REAL, low=0.0, high=1.0),
            Column(name="town", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c")),
        )
    )
    encoding = Encoding.ranged(schema)
    weight = torch.tensor([0.0, 5.0, -0.01, 0.0, 0.0, 0.0])
    module = Linear(weight, bias=-2.4)
    asked = TorchProvider(
        nn.Sequential(_Encoded(encoding), module), labels=("no", "yes"), scores=ScoreKind.LOGITS
    )
    subject = row_subject(asked, encoding, module, white_box=True)
    x = torch.tensor([[0.5, 0.4, 0.5, 1.0], [0.1, 0.6, 0.9, 2.0]], dtype=torch.float64)
    said = Axai(top=1).explain(x, subject=subject)
    assert said.chosen is not None and said.chosen.tolist() == [[False, True, False, False]] * 2
    assert said.segments is not None and said.segments.tolist() == [[0, 1, 2, 3]] * 2


class _Encoded(nn.Module):
    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding

    def forward(self, x: Tensor) -> Tensor:
        return self.encoding.apply(x.double()).float()


@given(st.integers(0, 2**16), st.integers(1, 200), st.sampled_from([0.01, 0.15, 0.3]))
def test_percentiles_are_numpys(seed: int, d: int, share: float) -> None:
    values = torch.randn(3, d, generator=rng(seed))
    expected = np.quantile(values.double().numpy(), [share, 1 - share], axis=1).T
    found = quantiles(values, shares=(share, 1 - share))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_tails_by_hand() -> None:
    row = torch.arange(-10.0, 11.0)  # 21 numbers: percentiles 15 and 85 are -7 and 7
    assert row[tails(row[None], share=0.15)[0]].tolist() == [-10.0, -9.0, -8.0, 8.0, 9.0, 10.0]
    raised = torch.arange(1.0, 22.0)  # nothing was lowered: the small changes are no tail
    assert raised[tails(raised[None], share=0.15)[0]].tolist() == [19.0, 20.0, 21.0]
    assert not bool(tails(torch.zeros(1, 9), share=0.15).any())


@given(st.integers(0, 2**16), st.floats(0.05, 4.0), st.integers(1, 12), st.booleans())
def test_the_attack_keeps_its_ball_and_its_ranges(
    seed: int, radius: float, steps: int, bounded: bool
) -> None:
    shape = (1, 5, 4)
    subject = subject_of(curved(shape, seed=seed), shape=shape)
    x = torch.rand(4, *shape, generator=rng(seed))
    low, high = (torch.zeros_like(x), torch.ones_like(x)) if bounded else (None, None)
    attack = L2Attack(radius=radius, steps=steps)
    change = attack.changes(subject, x, label=torch.tensor([0, 1, 0, 1]), low=low, high=high)
    assert float(change.flatten(1).norm(dim=1).max()) <= radius * (1 + 1e-5)
    if bounded:
        assert float((x + change).min()) >= -1e-6 and float((x + change).max()) <= 1 + 1e-6


def test_on_a_plane_the_attack_goes_straight_against_the_weights() -> None:
    weight = torch.randn(1, 3, 3, generator=rng(3))
    subject = subject_of(Linear(weight), shape=(1, 3, 3))
    x = torch.full((2, 1, 3, 3), 0.5)
    change = L2Attack(radius=0.3).changes(subject, x, label=torch.tensor([1, 0]))
    expected = 0.3 * weight / weight.norm()
    torch.testing.assert_close(change, torch.stack([-expected, expected]))
    towards = L2Attack(radius=0.3).changes(
        subject, x, label=torch.tensor([1, 1]), towards=torch.tensor([True, False])
    )
    torch.testing.assert_close(towards, torch.stack([expected, -expected]))


def test_the_attack_lowers_the_class_and_a_target_raises_it() -> None:
    shape = (1, 6, 6)
    subject = subject_of(curved(shape, seed=5), shape=shape)
    x = torch.rand(6, *shape, generator=rng(2))
    before = subject.network(x).log_softmax(1).detach()
    label = before.argmax(1)
    left = subject.network(x + L2Attack(radius=0.5).changes(subject, x, label=label)).log_softmax(1)
    assert bool((left.gather(1, label[:, None]) < before.gather(1, label[:, None])).all())


def test_a_confident_model_still_has_a_slope() -> None:
    weight = torch.ones(1, 2, 2)  # in float32 the cross entropy's gradient is exactly 0 here
    subject = subject_of(Linear(weight, bias=200.0), shape=(1, 2, 2))
    change = L2Attack(radius=0.1).changes(subject, torch.full((1, 1, 2, 2), 0.5), label=torch.tensor([1]))
    torch.testing.assert_close(change, torch.full((1, 1, 2, 2), -0.05))


def test_only_the_allowed_numbers_change() -> None:
    shape = (1, 4, 4)
    subject = subject_of(curved(shape), shape=shape)
    only = torch.rand(3, *shape, generator=rng(4)) < 0.3
    x = torch.rand(3, *shape, generator=rng(5))
    change = L2Attack().changes(subject, x, label=torch.zeros(3, dtype=torch.long), only=only)
    assert bool((change[~only] == 0).all()) and bool((change[only] != 0).any())


def test_pieces_and_batches_give_the_same() -> None:
    shape = (1, 6, 6)
    network = curved(shape, seed=7)
    x = torch.rand(5, *shape, generator=rng(6))
    whole = Axai(segmenter=Grid(3, 3)).explain(x, subject=subject_of(network, shape=shape))
    again = Axai(segmenter=Grid(3, 3)).explain(x, subject=subject_of(network, shape=shape), seed=9)
    cut = Axai(segmenter=Grid(3, 3)).explain(x, subject=subject_of(network, shape=shape, max_batch=2))
    assert whole.attributions is not None and again.attributions is not None and cut.attributions is not None
    assert torch.equal(whole.attributions, again.attributions)  # nothing is random
    torch.testing.assert_close(whole.attributions, cut.attributions)
    one = Axai(segmenter=Grid(3, 3)).explain(x[2:3], subject=subject_of(network, shape=shape))
    assert one.attributions is not None
    torch.testing.assert_close(one.attributions, whole.attributions[2:3])


def test_a_model_without_slope_is_reported_and_explains_nothing() -> None:
    subject = subject_of(Linear(torch.zeros(1, 4, 4)), shape=(1, 4, 4))
    said = Axai(segmenter=Grid(2, 2)).explain(torch.rand(2, 1, 4, 4, generator=rng()), subject=subject)
    assert said.chosen is not None and not bool(said.chosen.any())
    assert "no slope at 2 of 2" in said.note[0]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40))
def test_grid_segments_tile_the_plane(rows: int, columns: int, height: int, width: int) -> None:
    cut = Grid(rows, columns)(torch.zeros(2, 1, height, width))[1].numpy()
    r, c = min(rows, height), min(columns, width)
    assert sorted(set(cut.flatten().tolist())) == list(range(r * c))
    for number in range(r * c):
        ys, xs = np.nonzero(cut == number)
        tall, wide = np.ptp(ys) + 1, np.ptp(xs) + 1
        assert len(ys) == tall * wide  # a full rectangle
        assert height // r <= tall <= -(-height // r) and width // c <= wide <= -(-width // c)


def test_quickshift_is_scikit_images_and_finds_colours() -> None:
    picture = torch.zeros(3, 24, 24)
    picture[0, :, :12] = 1.0
    picture[2, :, 12:] = 1.0
    own = Quickshift(kernel_size=2.0, max_dist=10.0, ratio=1.0)
    cut = own(torch.stack([picture, picture.flip(-1)]))
    other = quickshift(  # type: ignore[no-untyped-call]  # scikit-image has no types
        picture.permute(1, 2, 0).double().numpy(), kernel_size=2, max_dist=10, ratio=1.0, rng=0
    )
    np.testing.assert_array_equal(cut[0].numpy(), other)
    assert not set(cut[0, :, :12].flatten().tolist()) & set(cut[0, :, 12:].flatten().tolist())
    assert torch.equal(own(picture[None])[0], cut[0])  # a picture's segments do not depend on its batch
    assert own(torch.rand(1, 1, 12, 12, generator=rng())).shape == (1, 12, 12)


def test_colour_pictures_are_cut_by_quickshift() -> None:
    x = torch.full((1, 3, 24, 24), 0.1)
    x[:, 0, :, :12] = 0.9
    x[:, 2, :, 12:] = 0.9
    weight = torch.zeros(3, 24, 24)
    weight[:, :, :12] = torch.randn(3, 24, 12, generator=rng(8))
    subject = subject_of(Linear(weight), shape=(3, 24, 24))
    usual = Axai().explain(x, subject=subject)
    assert usual.segments is not None
    assert torch.equal(usual.segments.view(1, 24, 24), Quickshift()(x))
    said = Axai(top=50, segmenter=Quickshift(kernel_size=2.0, max_dist=10.0, ratio=1.0)).explain(
        x, subject=subject
    )
    assert said.chosen is not None
    chosen = said.chosen.view(24, 24)
    assert bool(chosen[:, :12].all()) and not bool(chosen[:, 12:].any())


def test_features_of_several_pixels_are_cut_at_their_own_resolution() -> None:
    subject = subject_of(curved((1, 8, 8)), shape=(1, 8, 8), block=4)
    said = Axai(segmenter=Grid(2, 2)).explain(torch.rand(2, 1, 8, 8, generator=rng()), subject=subject)
    assert said.segments is not None and said.segments.tolist() == [[0, 1, 2, 3]] * 2


class _Wrong(Segmenter):
    def __call__(self, pictures: Tensor) -> Tensor:
        return torch.zeros(len(pictures), 2, 2, dtype=torch.long)


def test_a_wrong_segmenter_is_named() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 8, 8\), got \(1, 2, 2\)"):
        Axai(segmenter=_Wrong()).explain(
            torch.rand(1, 1, 8, 8, generator=rng()), subject=subject_of(curved((1, 8, 8)), shape=(1, 8, 8))
        )


def test_quickshift_without_its_package_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtraError, match=r"cfsearch\[segments\]"):
        Quickshift()(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 0}, "`top`"),
        ({"tail": 0.5}, "`tail`"),
        ({"tail": float("nan")}, "`tail`"),
        ({"radius": 0.0}, "`radius`"),
        ({"steps": 0}, "`steps`"),
    ],
)
def test_settings_outside_their_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Axai(**settings)  # type: ignore[arg-type]  # a mixture of numbers


@pytest.mark.parametrize(
    "make", [lambda: Grid(0, 3), lambda: Quickshift(ratio=2.0), lambda: L2Attack(stride=0.0)]
)
def test_other_settings_outside_their_range(make: object) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()  # type: ignore[operator]  # a lambda
