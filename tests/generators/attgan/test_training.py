"""Training: it learns, it goes on where it stopped, it refuses what does not fit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cfsearch.errors import CapabilityError, ConfigError, DataError, ModelFileError, RunError
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm
from cfsearch.generators.attgan.data import Augmentation, Faces, FaceSource, PairedSource
from cfsearch.generators.attgan.files import AttGANFile, load_attgan, save_attgan
from cfsearch.generators.attgan.recipe import Adversarial, Decay, LossWeights, Precision, TrainingConfig
from cfsearch.generators.attgan.training import StepMetrics, Trained, train, train_critic

NAMES = ("Dark", "Red")
TINY = AttGANConfig(size=64, layers=3, width=4, critic_width=4, critic_hidden=8, attributes=NAMES)
SPECTRAL = replace(TINY, critic_norm=CriticNorm.SPECTRAL)
HINGE = replace(
    TrainingConfig.fast(), steps=4, batch=4, log_every=1, sheet_every=0, checkpoint_every=2, augmentation=None
)
WGAN = replace(HINGE, adversarial=Adversarial.WGAN_GP, critic_steps=2, decay=Decay.STEP, ema=0.0)
PAIRED = replace(HINGE, weights=LossWeights(reconstruction=0.0, paired=100.0, changed=30.0, edges=30.0))


class Photographs:
    """Flat images whose brightness and colour say their labels; no pairs."""

    attributes: tuple[str, ...] = NAMES

    def __len__(self) -> int:
        return 12

    def batch(self, indices: Sequence[int]) -> Faces:
        labels = torch.tensor([[float(i % 2), float(i // 2 % 2)] for i in indices])
        return Faces(self._paint(indices, labels), labels)

    def _paint(self, indices: Sequence[int], values: Tensor) -> Tensor:
        base = torch.tensor([0.5 + 0.02 * i for i in indices])[:, None, None, None].expand(-1, 3, 64, 64)
        images = base * (1.0 - 0.5 * values[:, :1, None, None])
        images = images.clone()
        images[:, 0] += 0.2 * values[:, 1, None, None]
        return images.clamp(0, 1)


class Drawings(Photographs):
    """The same with true re-renders."""

    def pairs(self, indices: Sequence[int], targets: Tensor) -> Tensor:
        return self._paint(indices, targets)


def same(a: nn.Module, b: nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_published_recipe_is_the_papers() -> None:
    """He et al. 2019, section 4, and the authors' code."""
    recipe, weights = TrainingConfig.published(), LossWeights()
    assert (recipe.adversarial, recipe.critic_steps, recipe.critic_every) == (Adversarial.WGAN_GP, 5, 1)
    assert (recipe.batch, recipe.rate, recipe.critic_rate) == (32, 2e-4, 2e-4)
    assert recipe.weights == weights
    assert (weights.reconstruction, weights.attribute, weights.critic_attribute) == (100.0, 10.0, 1.0)
    assert (weights.adversarial, weights.penalty) == (1.0, 10.0)


def test_the_sources_are_recognised_by_what_they_can() -> None:
    assert isinstance(Photographs(), FaceSource)
    assert not isinstance(Photographs(), PairedSource)
    assert isinstance(Drawings(), PairedSource)


@pytest.mark.parametrize(
    ("config", "training"),
    [
        (SPECTRAL, replace(HINGE, augmentation=Augmentation(), freeze_norms=0.5, outliers=0.5)),
        (TINY, WGAN),
        (SPECTRAL, replace(PAIRED, critic_every=3)),
    ],
    ids=["hinge", "wgan", "paired"],
)
def test_a_resumed_training_gives_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, config: AttGANConfig, training: TrainingConfig
) -> None:
    whole = train(Drawings(), config=config, training=training, folder=tmp_path / "whole")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    part = train(Drawings(), config=config, training=training, folder=tmp_path / "part", stop=stop)
    assert (part.step, part.finished) == (3, False)
    rest = train(Drawings(), config=config, training=training, folder=tmp_path / "part")
    assert (rest.step, rest.finished) == (4, True)
    assert same(whole.editor, rest.editor)
    assert same(whole.critic, rest.critic)
    assert not same(part.editor, rest.editor)
    steps = [line["step"] for line in lines(tmp_path / "part")]
    assert steps == [1, 2, 3, 4]


def test_after_a_kill_it_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    whole = train(Drawings(), config=SPECTRAL, training=HINGE, folder=tmp_path / "whole")

    def die(metrics: StepMetrics) -> None:
        if metrics.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Drawings(), config=SPECTRAL, training=HINGE, folder=tmp_path / "k", watch=die)
    with (tmp_path / "k" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "cut sh')
    rest = train(Drawings(), config=SPECTRAL, training=HINGE, folder=tmp_path / "k")
    assert same(whole.editor, rest.editor)
    assert [line["step"] for line in lines(tmp_path / "k")] == [1, 2, 3, 4]


def test_global_randomness_is_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(Drawings(), config=SPECTRAL, training=replace(HINGE, steps=1), folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
def test_pairs_are_learned(tmp_path: Path, precision: Precision) -> None:
    training = replace(PAIRED, steps=60, batch=8, rate=3e-3, ema=0.9, checkpoint_every=0, precision=precision)
    seen: list[StepMetrics] = []
    train(Drawings(), config=SPECTRAL, training=training, folder=tmp_path, watch=seen.append)
    assert seen[-1].losses["paired"] < 0.5 * seen[0].losses["paired"]
    assert seen[-1].progress == 1.0
    assert seen[-1].rate < seen[0].rate


def test_metrics_checkpoints_and_sheets_are_written(tmp_path: Path) -> None:
    train(
        Photographs(),
        config=TINY,
        training=replace(WGAN, steps=5, sheet_every=5, checkpoint_every=1),
        folder=tmp_path,
    )
    first = lines(tmp_path)[0]
    wanted = {
        "step",
        "progress",
        "seconds",
        "rate",
        "critic",
        "penalty",
        "critic_attribute",
        "reconstruction",
    }
    assert wanted <= set(first)
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-00000004",
        "step-00000005",
    ]
    with Image.open(tmp_path / "samples" / "step-00000005.png") as sheet:
        # six faces; original, reconstruction, two flips
        assert sheet.size == (4 * 66 + 2, 6 * 66 + 2)
        assert np.asarray(sheet)[2 + 32, 2 + 32].tolist() == [128, 128, 128]


def test_minutes_end_a_training_and_drive_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes 1/16 s, by a clock of the test's own: 0.6 s are over in the tenth."""
    ticks = count()
    monkeypatch.setattr(
        "cfsearch.generators.attgan.session.time", SimpleNamespace(monotonic=lambda: next(ticks) / 16)
    )
    training = replace(HINGE, steps=10**6, minutes=0.01, checkpoint_every=0)
    seen: list[StepMetrics] = []
    done = train(Photographs(), config=SPECTRAL, training=training, folder=tmp_path, watch=seen.append)
    assert done.finished
    assert (done.step, done.seconds) == (10, 10 / 16)
    assert seen[0].rate == training.rate
    assert seen[-1].rate < training.rate


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    done = train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    seen: list[StepMetrics] = []
    again = train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path, watch=seen.append)
    assert not seen
    assert same(done.editor, again.editor)


def test_a_critic_is_trained_on_a_frozen_generator(tmp_path: Path) -> None:
    editor = train(
        Photographs(), config=SPECTRAL, training=replace(HINGE, steps=1), folder=tmp_path / "g"
    ).editor
    training = replace(HINGE, steps=60, batch=8, critic_rate=5e-3, checkpoint_every=30)
    seen: list[StepMetrics] = []
    found: Trained = train_critic(
        editor, Photographs(), config=SPECTRAL, training=training, folder=tmp_path / "c", watch=seen.append
    )
    assert same(found.editor, editor)
    assert seen[-1].losses["critic"] < 0.5 * seen[0].losses["critic"]
    faces = Photographs().batch(range(12)).signed(torch.device("cpu"))
    hits = (found.critic(faces.images).logits > 0) == (faces.labels > 0.5)
    assert float(hits.float().mean()) > 0.7


def test_a_generator_with_a_critic_of_another_size_is_written_and_read(tmp_path: Path) -> None:
    editor = train(Photographs(), config=TINY, training=replace(WGAN, steps=1), folder=tmp_path / "g").editor
    config = replace(SPECTRAL, critic_width=6, critic_hidden=5)
    found = train_critic(
        editor, Photographs(), config=config, training=replace(HINGE, steps=1), folder=tmp_path / "c"
    )
    path = save_attgan(tmp_path / "both.safetensors", AttGANFile(found.editor, found.critic, "made later"))
    read = load_attgan(path)
    assert read.editor.config == config
    assert read.critic is not None
    x = torch.zeros(1, 3, 64, 64)
    assert torch.allclose(read.critic(x).real, found.critic(x).real, atol=1e-2)


def test_a_critic_goes_on_from_a_given_one(tmp_path: Path) -> None:
    first = train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path / "g")
    training = replace(HINGE, steps=1, critic_rate=1e-9)
    found = train_critic(
        first.editor,
        Photographs(),
        config=SPECTRAL,
        training=training,
        folder=tmp_path / "c",
        critic=first.critic,
    )
    x = Photographs().batch([0, 1]).signed(torch.device("cpu")).images
    assert torch.allclose(found.critic(x).logits, first.critic(x).logits, atol=0.05)


def test_a_critic_of_another_generator_is_refused(tmp_path: Path) -> None:
    editor = train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path / "g").editor
    with pytest.raises(ConfigError, match="`width` is 8, but that of the generator is 4"):
        train_critic(
            editor,
            Photographs(),
            config=replace(SPECTRAL, width=8),
            training=HINGE,
            folder=tmp_path / "c",
        )


class Few(Photographs):
    def __len__(self) -> int:
        return 3


class Others(Photographs):
    attributes = ("Dark", "Blue")


class Small(Photographs):
    def batch(self, indices: Sequence[int]) -> Faces:
        faces = super().batch(indices)
        return Faces(faces.images[..., :32, :32], faces.labels)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Few(), "at least one batch of 4"),
        (Others(), "Dark, Blue"),
        (Small(), r"expected images \(1, 3, 64, 64\)"),
    ],
)
def test_faces_that_do_not_fit_are_refused(tmp_path: Path, source: FaceSource, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(source, config=SPECTRAL, training=HINGE, folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_paired_terms_need_a_source_that_re_renders(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="re-render"):
        train(Photographs(), config=SPECTRAL, training=PAIRED, folder=tmp_path)


def test_a_folder_of_other_networks_is_refused(tmp_path: Path) -> None:
    train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    with pytest.raises(DataError, match="other networks"):
        train(Photographs(), config=TINY, training=WGAN, folder=tmp_path)


class Broken(Photographs):
    def batch(self, indices: Sequence[int]) -> Faces:
        faces = super().batch(indices)
        return Faces(faces.images * float("nan"), faces.labels)


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no number any more at step 1"):
        train(Broken(), config=SPECTRAL, training=HINGE, folder=tmp_path)


def test_a_critic_alone_can_be_all_that_plays(tmp_path: Path) -> None:
    training = replace(HINGE, critic_every=2, weights=LossWeights(reconstruction=0.0))
    assert train(Photographs(), config=SPECTRAL, training=training, folder=tmp_path).finished


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    (tmp_path / "checkpoints" / "step-00000004" / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ModelFileError, match="step-00000004 is damaged"):
        train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "`steps`"),
        ({"batch": 1}, "`batch`"),
        ({"minutes": 0.0}, "`minutes`"),
        ({"minutes": float("nan")}, "`minutes`"),
        ({"rate": 0.0}, "`rate`"),
        ({"single": 1.5}, "`single`"),
        ({"ema": 1.0}, "`ema`"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], message: str) -> None:  # Any: of every type
    with pytest.raises(ConfigError, match=message):
        replace(HINGE, **change)


@pytest.mark.parametrize("recipe", [TrainingConfig.published, TrainingConfig.fast, TrainingConfig.paired])
def test_the_recipes_stand(recipe: Callable[[], TrainingConfig]) -> None:
    assert recipe().steps > 1000


def test_the_published_recipe_has_the_published_numbers() -> None:
    t = TrainingConfig.published()
    w = t.weights
    assert (t.rate, t.betas, t.batch, t.critic_steps) == (2e-4, (0.5, 0.999), 32, 5)
    assert (w.reconstruction, w.attribute, w.adversarial, w.penalty, w.critic_attribute) == (
        100,
        10,
        1,
        10,
        1,
    )
    assert (t.single, t.uniform, t.ema, t.augmentation) == (0, 0, 0, None)


@pytest.mark.gpu
def test_it_trains_on_a_card(tmp_path: Path) -> None:
    done = train(Drawings(), config=SPECTRAL, training=PAIRED, folder=tmp_path, device="cuda")
    assert done.finished
