"""One step of a training, against the same networks with the loss written out."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.generators.attgan.recipe import Adversarial, Decay, LossWeights, Precision, TrainingConfig
from cfsearch.generators.attgan.runs import TrainingFolder
from cfsearch.generators.attgan.session import Session

from .test_training import HINGE, TINY, Drawings

WEIGHTS = LossWeights(
    reconstruction=7.0,
    attribute=5.0,
    edited=3.0,
    adversarial=2.0,
    penalty=11.0,
    critic_attribute=13.0,
    paired=17.0,
    changed=19.0,
    edges=23.0,
)
"""All different, so that none can stand for another."""


class Patterned(Drawings):
    """Drawings that grow lighter to the right and to the bottom, so that an edit changes edges too."""

    def _paint(self, indices: Sequence[int], values: Tensor) -> Tensor:
        ramp = torch.linspace(0.1, 1.0, 64)
        return super()._paint(indices, values) * ramp * ramp[:, None]


def session(tmp_path: Path, **changes: Any) -> Session:
    given: dict[str, Any] = {
        "weights": WEIGHTS,
        "precision": Precision.FLOAT32,
        "robust": 0.0,
        "outliers": 0.0,
    }
    training: TrainingConfig = replace(HINGE, **{**given, **changes})
    return Session(Patterned(), TINY, training, TrainingFolder(tmp_path), torch.device("cpu"))


def slopes(net: nn.Module) -> list[Tensor]:
    return [p.grad for p in net.parameters() if p.grad is not None]


def same_slopes(net: nn.Module, twin: nn.Module) -> None:
    ours, theirs = slopes(net), slopes(twin)
    assert len(ours) == len(theirs) > 4
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_an_editor_step_follows_the_sum_of_its_weighted_losses(tmp_path: Path) -> None:
    made = session(tmp_path)
    editor, critic = copy.deepcopy(made.editor).train(), copy.deepcopy(made.critic)
    faces, indices, targets = made._draw(0)
    made._set_training()
    edit = made._editor_step(faces, indices, targets, plays=True)

    x = faces.images
    truth = 2 * Patterned().pairs(indices, targets) - 1
    maps = editor.encoder(x)
    fake, own = editor.decoder(maps, targets), editor.decoder(maps, faces.labels)
    gap = fake - truth
    counts = ((truth - x).abs().mean(1) / 0.15).clamp(0, 1).flatten(1)
    off = gap.abs().mean(1).flatten(1)
    verdict = critic(fake)
    entropy = functional.binary_cross_entropy_with_logits(verdict.logits, targets, reduction="none")
    terms = {
        "reconstruction": (own - x).abs().mean(),
        "paired": gap.abs().mean(),
        "changed": ((counts * off).mean(1) / (counts.mean(1) + 0.01)).mean(),
        "edges": gap.diff(dim=2).abs().mean() + gap.diff(dim=3).abs().mean(),
        "edit_attribute": (entropy * (1 + 2 * (targets - faces.labels).abs())).mean(),
        "edit_score": verdict.real.mean(),
    }
    assert set(edit.losses) == set(terms)
    for name, value in terms.items():
        torch.testing.assert_close(edit.losses[name], value.detach(), rtol=1e-4, atol=1e-5, msg=name)
    weights = {
        "reconstruction": 7.0,
        "paired": 17.0,
        "changed": 19.0,
        "edges": 23.0,
        "edit_attribute": 5.0,
        "edit_score": -2.0,
    }
    total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
    total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    same_slopes(made.editor, editor)
    assert not slopes(made.critic), "the critic does not learn from the editor's step"
    assert all(p.requires_grad for p in made.critic.parameters()), "but may afterwards"
    torch.testing.assert_close(edit.fake, fake.detach(), rtol=1e-4, atol=1e-5)
    # what the critic takes for real are the faces and, in every second place, true re-renders
    for i in range(len(x)):
        assert torch.equal(edit.real.images[i], x[i] if i % 2 == 0 else truth[i])
        assert torch.equal(edit.real.labels[i], (faces.labels if i % 2 == 0 else targets)[i])


@pytest.mark.parametrize("game", [Adversarial.HINGE, Adversarial.WGAN_GP])
def test_a_critic_step_follows_its_game_and_its_classifier(tmp_path: Path, game: Adversarial) -> None:
    made = session(tmp_path, adversarial=game)
    critic = copy.deepcopy(made.critic).train()
    faces, _, targets = made._draw(0)
    with torch.no_grad():
        fake = made.editor(faces.images, targets)
    losses = made._critic_step(faces, fake, salt=0)

    real, edited = critic(faces.images), critic(fake)
    label = functional.binary_cross_entropy_with_logits(real.logits, faces.labels)
    if game is Adversarial.HINGE:
        value = (1 - real.real).clamp_min(0).mean() + (1 + edited.real).clamp_min(0).mean()
        total = value + 13.0 * label
    else:
        value = edited.real.mean() - real.real.mean()
        torch.testing.assert_close(losses["penalty"], losses["penalty"].abs())
        total = None
    torch.testing.assert_close(losses["critic"], value.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(losses["critic_attribute"], label.detach(), rtol=1e-4, atol=1e-5)
    assert ("penalty" in losses) is (total is None)
    if total is not None:
        total.backward()
        same_slopes(made.critic, critic)


def test_a_penalty_goes_into_the_slopes_by_its_weight(tmp_path: Path) -> None:
    """The slopes are linear in the weight: of 0, 1 and 2 the middle one is the mean."""
    found: list[list[Tensor]] = []
    for weight in (0.0, 11.0, 22.0):
        made = session(tmp_path, adversarial=Adversarial.WGAN_GP, weights=replace(WEIGHTS, penalty=weight))
        faces, _, targets = made._draw(0)
        with torch.no_grad():
            fake = made.editor(faces.images, targets)
        losses = made._critic_step(faces, fake, salt=0)
        assert float(losses["penalty"]) > 1e-4
        found.append(slopes(made.critic))
    moved = 0.0
    for none, once, twice in zip(*found, strict=True):
        torch.testing.assert_close(once - none, twice - once, rtol=1e-2, atol=1e-4)
        moved = max(moved, float((once - none).abs().max()))
    assert moved > 1e-3


@pytest.mark.parametrize(
    ("decay", "step", "factor"),
    [
        (Decay.LINEAR, 49, 1.0),
        (Decay.LINEAR, 50, 1.0),
        (Decay.LINEAR, 75, 0.5),
        (Decay.LINEAR, 100, 1e-3),
        (Decay.STEP, 49, 1.0),
        (Decay.STEP, 50, 0.1),
        (Decay.STEP, 99, 0.1),
    ],
)
def test_both_rates_fall_by_the_schedule(tmp_path: Path, decay: Decay, step: int, factor: float) -> None:
    made = session(tmp_path, steps=100, decay=decay, decay_start=0.5, rate=0.004, critic_rate=0.002)
    made.step = step
    made._set_rates()
    assert made.editor_adam.param_groups[0]["lr"] == pytest.approx(0.004 * factor)
    assert made.critic_adam.param_groups[0]["lr"] == pytest.approx(0.002 * factor)


def test_minutes_count_where_they_are_further_than_the_steps(tmp_path: Path) -> None:
    made = session(tmp_path, steps=100, minutes=2.0)
    made.step, made.seconds = 10, 90.0
    assert made.progress == 0.75
    made.step = 80
    assert made.progress == 0.8
    made.seconds = 500.0
    assert made.progress == 1.0


def test_a_young_mean_follows_and_an_old_one_keeps_its_share(tmp_path: Path) -> None:
    made = session(tmp_path, ema=0.9)
    name = next(iter(dict(made.editor.named_parameters())))
    for step, decay in ((0, 0.1), (10, 11 / 20), (10_000, 0.9)):
        made.step = step
        ours, mean = made.editor.state_dict()[name], made.mean.state_dict()[name]
        ours.fill_(1.0)
        mean.fill_(0.0)
        made._average()
        torch.testing.assert_close(mean, torch.full_like(mean, 1.0 - decay))


def test_the_classifier_learns_from_pictures_a_random_part_of_the_way_along_its_gradient(
    tmp_path: Path,
) -> None:
    made = session(tmp_path, robust=0.5, batch=8)
    faces, *_ = made._draw(0)
    x = faces.images.clone().requires_grad_(True)
    loss = functional.binary_cross_entropy_with_logits(made.critic(x).logits, faces.labels)
    [gradient] = torch.autograd.grad(loss, x)
    step = (made._adversarial(faces, salt=0) - faces.images).flatten(1)
    length = step.norm(dim=1)
    assert 0.0 < float(length.min()) < float(length.max()) <= 0.5 + 1e-5
    along = functional.cosine_similarity(step, gradient.flatten(1))
    torch.testing.assert_close(along, torch.ones(len(x)), rtol=0.0, atol=1e-3)
