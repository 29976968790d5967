"""What AXAI is measured on: handwritten digits, spoken digits, rendered faces, photographs of faces."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from mnist import LABELS, provider_network, read
from safetensors.torch import load_file
from torch import Tensor, nn

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets import faces
from cfsearch.datasets.sound import Spectrogram, read_spoken_digits
from cfsearch.explainers.segments import Grid, Quickshift, Segmenter
from cfsearch.explainers.subjects import image_subject
from cfsearch.models.audio_cnn import AudioCnn
from cfsearch.providers.differentiable import differentiable
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.torch_module import TorchProvider

FACES: Final = ("gender_natural", "gender_without_blond_women", "gender_balanced")
"""Three classifiers that ship: in the place of three seeds."""
_TRAINER: Final = Path(__file__).parents[1] / "quality" / "train_sound_classifier.py"


class Case(NamedTuple):
    """One classifier with inputs that it was not trained on.

    Args:
        radius: of the attack whose statistics are taken: on inputs of the training part it turned
            most of them (digits 0.92, spoken digits 1.00, faces 0.97).
        weak: of an attack that turns about half of them; how much of the tails is enough depends on
            how strong the attack is.
        baselines: what deleted pixels become; none where no curves are drawn.
    """

    name: str
    seed: int
    subject: Subject
    x: Float[Tensor, "n c h w"]
    truth: Int[Tensor, " n"]
    segmenter: Segmenter
    radius: float
    weak: float
    baselines: dict[str, Float[Tensor, "c h w"]]


def cases(data: Path, *, cache: Path, seeds: int, inputs: int) -> Iterator[Case]:
    """Each data set with ``seeds`` classifiers; trained ones are kept in ``cache``."""
    yield from _digits(data / "mnist", cache=cache, seeds=seeds, inputs=inputs)
    yield from _sounds(data / "spoken_digits" / "spoken_digits.zip", cache=cache, seeds=seeds)
    yield from _faces(seeds=seeds, inputs=inputs)


def _subject(network: nn.Module, shape: tuple[int, ...]) -> Subject:
    provider = TorchProvider(network, labels=LABELS, scores=ScoreKind.LOGITS)
    return image_subject(provider, shape)


def _digits(folder: Path, *, cache: Path, seeds: int, inputs: int) -> Iterator[Case]:
    found = read(folder)
    mean = found.train.mean(dim=0)
    for seed in range(seeds):
        network = provider_network(found, cache=cache, epochs=3, seed=seed)
        yield Case(
            name="MNIST",
            seed=seed,
            subject=_subject(network, (1, 28, 28)),
            x=found.test[:inputs],
            truth=found.test_labels[:inputs],
            segmenter=Grid(7, 7),
            radius=2.0,
            weak=1.5,
            baselines={"black": torch.zeros_like(mean), "mean": mean},
        )


def _sounds(archive: Path, *, cache: Path, seeds: int) -> Iterator[Case]:
    form = Spectrogram()
    found = read_spoken_digits(archive, rate=form.rate, seconds=form.seconds)
    test = found.pick(found.test)
    mean = form(found.pick(~found.test).waves).mean(dim=0)
    for seed in range(seeds):
        path = cache / f"audio_cnn_digits_{seed}.safetensors"
        if not path.exists():
            command = [sys.executable, str(_TRAINER), "--only", "--seed", str(seed), "--data", str(archive)]
            subprocess.run(
                [*command, "--out", str(cache)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        network = AudioCnn()
        network.load_state_dict(load_file(path))
        yield Case(
            name="spoken digits",
            seed=seed,
            subject=_subject(network, form.shape),
            x=form(test.waves),
            truth=test.digits,
            segmenter=Grid(8, 8),
            radius=1.0,
            weak=0.3,
            baselines={"silence": torch.zeros_like(mean), "mean": mean},
        )


def _faces(*, seeds: int, inputs: int) -> Iterator[Case]:
    shown = faces.faces(max(2, inputs // 2), seed=77, size=64)
    x = torch.from_numpy(shown.images).float() / 255.0
    male = torch.from_numpy(shown.attributes[:, faces.ATTRIBUTES.index("Male")] > 0.5).long()
    for seed, name in enumerate(FACES[:seeds]):
        with as_file(files("cfsearch.models").joinpath(f"{name}.onnx")) as path:
            provider = differentiable(OnnxProvider.open(path))
        yield Case(
            name="rendered faces",
            seed=seed,
            subject=image_subject(provider, (3, 64, 64)),
            x=x,
            truth=male,
            segmenter=Quickshift(),
            radius=1.0,
            weak=0.35,
            baselines={"mean": x.mean(dim=0)},
        )
