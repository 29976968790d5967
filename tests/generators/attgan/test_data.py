"""What is asked for in training: targets, order, augmentation; and the losses, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.errors import ShapeError
from cfsearch.generators.attgan.data import (
    Augmentation,
    Faces,
    FaceSource,
    PairedSource,
    TargetRule,
    TensorFaces,
    indices_of,
    outliers,
    signed,
    stream,
    unsigned,
)
from cfsearch.generators.attgan.losses import (
    attribute_loss,
    changed_loss,
    edge_loss,
    gradient_penalty,
    hinge_loss,
    reconstruction_loss,
    wasserstein_loss,
)

# columns: bald, bangs, black, blond, glasses
GROUPS = ((0, 1), (2, 3))


def labels(n: int, *, seed: int = 0) -> torch.Tensor:
    rows = torch.tensor(
        [[1.0, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0]]
    )
    return rows[torch.randint(5, (n,), generator=torch.Generator().manual_seed(seed))]


def test_the_published_rule_permutes_the_labels_of_the_batch() -> None:
    own = labels(16)
    drawn = TargetRule(groups=GROUPS).draw(own, rng=stream(0, 0, salt=0))
    assert sorted(drawn.tolist()) == sorted(own.tolist())
    assert not torch.equal(drawn, own)


def test_switching_on_clears_conflicts_and_switching_off_sets_nothing() -> None:
    rule = TargetRule(groups=GROUPS)
    bangs_black = torch.tensor([[0.0, 1, 1, 0, 0]])
    assert rule.flipped(bangs_black, torch.tensor([0])).tolist() == [[1, 0, 1, 0, 0]]
    assert rule.flipped(bangs_black, torch.tensor([3])).tolist() == [[0, 1, 0, 1, 0]]
    assert rule.flipped(bangs_black, torch.tensor([1])).tolist() == [[0, 0, 1, 0, 0]]
    assert rule.flipped(bangs_black, torch.tensor([4])).tolist() == [[0, 1, 1, 0, 1]]


@given(seed=st.integers(0, 2**20), single=st.floats(0, 1), uniform=st.floats(0, 1))
def test_no_target_has_two_attributes_of_a_group_on(seed: int, single: float, uniform: float) -> None:
    rule = TargetRule(groups=GROUPS, single=single, uniform=uniform)
    drawn = rule.draw(labels(16, seed=seed), rng=stream(seed, 0, salt=0))
    assert bool(((drawn >= 0) & (drawn <= 1)).all())
    for group in GROUPS:
        assert bool(((drawn[:, list(group)] > 0.5).sum(1) <= 1).all())


def test_partial_strengths_lie_between_the_own_and_the_wanted() -> None:
    drawn = TargetRule(uniform=1.0).draw(labels(64), rng=stream(1, 0, salt=0))
    partial = (drawn > 0) & (drawn < 1)
    assert bool(partial.any())
    assert 0.3 < float(drawn[partial].mean()) < 0.7


def test_rows_whose_target_is_their_own_attributes_get_them() -> None:
    own = labels(16)
    assert torch.equal(TargetRule(same=1.0).draw(own, rng=stream(1, 0, salt=0)), own)


def test_each_epoch_shows_every_face_once() -> None:
    seen = [i for step in range(5) for i in indices_of(step, batch=4, total=10, seed=3)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_streams_of_steps_and_uses_differ_and_repeat() -> None:
    def draw(seed: int, step: int, salt: int) -> float:
        return float(torch.rand(1, generator=stream(seed, step, salt=salt)))

    drawn = [draw(s, t, u) for s in (0, 1) for t in (0, 1) for u in (0, 1)]
    assert len(set(drawn)) == 8
    assert draw(1, 1, 1) == drawn[-1]


def test_augmentation_is_mild_repeats_and_lets_gradients_through() -> None:
    x = torch.zeros(8, 3, 64, 64, requires_grad=True)
    made = Augmentation()(x, rng=stream(0, 0, salt=0))
    again = Augmentation()(x, rng=stream(0, 0, salt=0))
    assert torch.equal(made, again)
    assert float(made.detach().abs().max()) < 0.5
    made.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert x.grad is not None
    assert bool((x.grad != 0).any())


def test_no_augmentation_changes_nothing() -> None:
    x = torch.rand(2, 3, 64, 64)
    nothing = Augmentation(shift=0, blur=0, noise=0, cutout=0)
    assert torch.allclose(nothing(x, rng=stream(0, 0, salt=0)), x)


def test_cutout_covers_a_sixteenth_of_the_image() -> None:
    only = Augmentation(shift=0, blur=0, noise=0, cutout=1.0)
    made = only(torch.ones(4, 3, 64, 64), rng=stream(0, 0, salt=0))
    assert (made == 0).float().mean((1, 2, 3)).tolist() == [1 / 16] * 4


def test_outliers_are_no_faces_and_keep_their_range() -> None:
    faces = torch.linspace(-1, 1, 64).expand(40, 3, 64, 64)
    made = outliers(faces, rng=stream(0, 0, salt=0))
    assert made.shape == faces.shape
    assert float(made.abs().max()) <= 1.0
    assert bool(((made - faces).abs().mean((1, 2, 3)) > 0.05).all())
    assert torch.equal(made, outliers(faces, rng=stream(0, 0, salt=0)))


def test_bytes_and_floats_mean_the_same() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert torch.allclose(signed(pixels), signed(pixels.float() / 255), atol=1e-6)
    assert torch.allclose(unsigned(signed(pixels)), pixels.float() / 255, atol=1e-6)
    assert Faces(pixels, torch.ones(1, 2)).signed(torch.device("cpu")).images.dtype == torch.float32


def test_faces_in_memory_are_given_by_index() -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    source = TensorFaces(images, torch.eye(4)[:, :2], ("Male", "Young"))
    assert isinstance(source, FaceSource)
    assert not isinstance(source, PairedSource)
    faces = source.batch([3, 1])
    assert (len(source), faces.images[:, 0, 0, 0].tolist()) == (4, [3, 1])
    assert faces.labels.tolist() == [[0, 0], [0, 1]]


def test_faces_in_memory_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"images \(n, 3, s, s\)"):
        TensorFaces(torch.zeros(2, 3, 8, 9), torch.zeros(2, 1), ("Male",))
    with pytest.raises(ShapeError, match=r"labels \(2, 1\)"):
        TensorFaces(torch.zeros(2, 3, 8, 8), torch.zeros(2, 2), ("Male",))


# ---- losses


def image(value: float) -> torch.Tensor:
    return torch.full((1, 3, 4, 4), value)


def test_losses_worked_by_hand() -> None:
    assert float(reconstruction_loss(image(0.5), image(-0.5))) == pytest.approx(1.0)
    assert float(wasserstein_loss(torch.tensor([3.0, 1.0]), torch.tensor([0.0, 1.0]))) == pytest.approx(-1.5)
    # real: max(0, 1 - 3), max(0, 1 - 0.5); fake: max(0, 1 - 2), max(0, 1 + 1)
    assert float(hinge_loss(torch.tensor([3.0, 0.5]), torch.tensor([-2.0, 1.0]))) == pytest.approx(0.25 + 1.0)
    logits, values = torch.zeros(1, 2), torch.tensor([[1.0, 0.3]])
    assert float(attribute_loss(logits, values)) == pytest.approx(0.6931, abs=1e-4)


def test_an_attribute_that_is_edited_counts_by_its_weight() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    own, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.5]])
    # by hand: all the way, not at all, half the way; four times, once, two and a half times
    each = torch.log1p(logits.exp()) - values * logits
    wanted = float((each * torch.tensor([[4.0, 1.0, 2.5]])).mean())
    assert float(attribute_loss(logits, values, own=own, edited=4.0)) == pytest.approx(wanted, rel=1e-5)
    assert float(attribute_loss(logits, values, own=own)) == pytest.approx(float(each.mean()), rel=1e-5)


def test_the_penalty_of_a_linear_critic_is_its_slope_less_one_squared() -> None:
    weight = torch.zeros(3, 4, 4)
    weight[0, 0, 0] = 3.0
    penalty = gradient_penalty(
        lambda x: (x * weight).sum((1, 2, 3)), image(0.0), image(1.0), rng=stream(0, 0, salt=0)
    )
    assert float(penalty) == pytest.approx(4.0)


def test_a_small_edit_counts_as_much_as_a_large_one() -> None:
    before = torch.zeros(1, 3, 64, 64)
    small, large = before.clone(), before.clone()
    small[..., :16, :16] = 1.0
    large[..., :32, :] = 1.0
    # nothing was edited: the whole change is missing
    assert float(changed_loss(before, small, before, floor=0.0)) == pytest.approx(1.0)
    assert float(changed_loss(before, large, before, floor=0.0)) == pytest.approx(1.0)
    assert float(changed_loss(before, before, before)) == 0.0


def test_edges_ignore_a_constant_shift_and_see_a_step() -> None:
    step = torch.zeros(1, 3, 4, 4)
    step[..., 2:] = 1.0
    assert float(edge_loss(image(0.7), image(0.1))) == pytest.approx(0.0)
    # of three slopes along a row one is wrong, by 1
    assert float(edge_loss(step, image(0.0))) == pytest.approx(1 / 3)


def test_streams_are_splitmix64() -> None:
    """Its first output from the state 0; Steele et al. 2014, https://doi.org/10.1145/2714064.2660195."""
    assert stream(1, 0, salt=0).initial_seed() == 0xE220A8397B1DCDAF % 2**63
