"""The main job on real photographs: trains a short AttGAN and a classifier of "Male".

    python benchmarks/quality/celeba_trial.py --data DIR

DIR holds CelebA-HQ as images-*.zip and attributes.csv (``cfsearch.datasets.images.celeba``). Writes,
under a folder that git ignores: the generator, trained for some minutes by the plain recipe
(no true pairs exist for photographs), the audited classifier as ONNX with its sidecar, and
eight faces of the validation part that neither has seen, no person of which is in the training
part. Then prints the audit to run. Quality is no aim: a good generator takes a day on a GPU.

CelebA-HQ is for non-commercial research. No image of it, no page with one and no weight
trained here may be committed or published; a folder that git does not ignore is refused.
"""

import argparse
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from train_demo_classifiers import SIDECAR, SIZE, accuracy, calibration_error, logits, train

from cfsearch.datasets.images.celeba import CelebAHQSource
from cfsearch.generators.attgan import training as attgan_training
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm
from cfsearch.generators.attgan.data import Faces, signed
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.recipe import Precision, TrainingConfig
from cfsearch.models.gender_cnn import LABELS, export_onnx

ROOT: Final = Path(__file__).resolve().parents[2]
SHOWN: Final = 8
CRITIC_KIND: Final = "the critic trained with this generator on photographs (hinge loss)"
NETWORKS: Final = AttGANConfig(
    size=SIZE,
    layers=4,
    width=32,
    critic_width=32,
    critic_hidden=256,
    critic_norm=CriticNorm.SPECTRAL,
)
RECIPE: Final = replace(
    TrainingConfig.fast(),
    steps=100_000,
    batch=16,
    rate=5e-4,
    seed=7,
    precision=Precision.BFLOAT16,
    log_every=50,
    sheet_every=500,
    checkpoint_every=500,
)


@final
class Photographs:
    """CelebA-HQ as a source of training."""

    def __init__(self, source: CelebAHQSource) -> None:
        self._source = source

    @property
    def attributes(self) -> tuple[str, ...]:
        return self._source.attributes

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Faces:
        images, labels = self._source.batch(indices)
        return Faces(images, labels)


def whole(source: CelebAHQSource) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """All faces of a source in 8 bits, and whether each is Male."""
    male = source.attributes.index("Male")
    images = np.empty((len(source), 3, SIZE, SIZE), dtype=np.uint8)
    labels = np.empty(len(source), dtype=np.float32)
    for start in range(0, len(source), 256):
        rows = range(start, min(start + 256, len(source)))
        got = source.batch(rows)
        images[rows.start : rows.stop] = (got.images * 255.0).round().to(torch.uint8).numpy()
        labels[rows.start : rows.stop] = got.labels[:, male].numpy()
    return images, labels


def make_generator(data: Path, *, faces: int, minutes: float, out: Path) -> Path:
    """A short AttGAN; goes on from its last checkpoint when it is run again."""
    source = Photographs(CelebAHQSource(data, size=SIZE, limit=faces))

    def watch(metrics: attgan_training.StepMetrics) -> None:
        if metrics.step % 200 == 0:
            losses = "  ".join(f"{name} {value:.3f}" for name, value in metrics.losses.items())
            print(f"{metrics.progress:5.1%}  step {metrics.step}  {losses}", flush=True)

    trained = attgan_training.train(
        source,
        config=NETWORKS,
        training=replace(RECIPE, minutes=minutes),
        folder=out / "training",
        watch=watch,
    )
    path = out / "attgan.safetensors"
    card: dict[str, object] = {
        "trained_on": f"{faces} faces of CelebA-HQ; non-commercial research only",
        "steps": trained.step,
        "minutes": round(trained.seconds / 60, 1),
    }
    save_attgan(path, AttGANFile(trained.editor, trained.critic, CRITIC_KIND, (0.0, 1.0), card))
    unseen = Photographs(CelebAHQSource(data, split="valid", size=SIZE, limit=500)).batch(range(500))
    x = signed(unseen.images)
    with torch.no_grad():
        again = trained.editor(x, unseen.labels)
        guessed = trained.critic(x).logits > 0
    print(
        f"generator: {trained.step} steps in {trained.seconds / 60:.1f} minutes; on 500 unseen faces "
        f"reconstruction L1 {float((again - x).abs().mean()):.3f} on [-1, 1], labels estimated right "
        f"{float((guessed == (unseen.labels > 0.5)).float().mean()):.1%}",
        flush=True,
    )
    return path


def make_classifier(data: Path, *, faces: int, epochs: int, out: Path) -> Path:
    """The audited classifier as ONNX, with its sidecar."""
    images, male = whole(CelebAHQSource(data, size=SIZE, limit=faces))
    network = train(images, male, epochs=epochs, seed=7, name="male")
    unseen, truth = whole(CelebAHQSource(data, split="valid", size=SIZE))
    t = logits(network, unseen)
    path = out / "male.onnx"
    export_onnx(network, path=path)
    labels = ", ".join(f'"{label}"' for label in LABELS)
    sidecar = SIDECAR.format(name="celeba_male", labels=labels, size=SIZE)
    path.with_suffix(".toml").write_text(sidecar, encoding="utf-8")
    print(
        f"classifier: {len(images)} faces; accuracy {accuracy(t, truth):.1%} on {len(truth)} unseen "
        f"faces, calibration error {calibration_error(t, truth):.3f}",
        flush=True,
    )
    return path


def write_faces(data: Path, *, out: Path) -> Path:
    """The first four women and four men of the validation part, as PNG of 128 px."""
    source = CelebAHQSource(data, split="valid", size=128, limit=200)
    male = source.batch(range(200)).labels[:, source.attributes.index("Male")] > 0.5
    rows = [int(i) for sex in (~male, male) for i in sex.nonzero()[: SHOWN // 2, 0]]
    folder = out / "faces"
    folder.mkdir(exist_ok=True)
    for row in sorted(rows):
        pixels = (source.batch([row]).images[0] * 255.0).round().to(torch.uint8)
        name = Path(source.names[row]).with_suffix(".png").name
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / name)
    return folder


def require_ignored(out: Path) -> None:
    """Refuse a folder from which faces could be committed."""
    inside = out.resolve().is_relative_to(ROOT)
    command = ["git", "-C", str(ROOT), "check-ignore", "-q", str(out.resolve() / "x.png")]
    if inside and subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(
            f"celeba_trial: --out must be a folder that git ignores (the terms of CelebA-HQ), got "
            f"{str(out)!r}. Use scratch/celeba."
        )


def main() -> None:
    """Train both, write the faces, print the audit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "scratch" / "celeba")
    parser.add_argument("--minutes", type=float, default=15.0, help="of training the generator")
    parser.add_argument("--faces", type=int, default=4_000, help="that the generator learns from")
    parser.add_argument("--classifier-faces", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=8, help="of the classifier")
    options = parser.parse_args()
    torch.set_num_threads(1)
    require_ignored(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    folder = write_faces(options.data, out=options.out)
    model = make_classifier(
        options.data, faces=options.classifier_faces, epochs=options.epochs, out=options.out
    )
    generator = make_generator(options.data, faces=options.faces, minutes=options.minutes, out=options.out)
    print(f"done in {(time.monotonic() - started) / 60:.1f} minutes; now run\n")
    print(
        f"cfsearch audit --images {folder} --model {model} --generator {generator} "
        f"--seed 7 --out {options.out / 'audit'}"
    )


if __name__ == "__main__":
    main()
