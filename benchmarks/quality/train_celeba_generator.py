"""Trains AttGAN with the paper's thirteen attributes on the official train part of CelebA-HQ.

    OMP_NUM_THREADS=1 python benchmarks/quality/train_celeba_generator.py --data DIR

DIR holds CelebA-HQ as images-*.zip and attributes.csv (``cfsearch.datasets.images.celeba``). Three
stages, each of which goes on from its last checkpoint when the command is run again:

1. the critic's classifier alone learns the attributes of real faces, so that the game begins
   with a teacher that knows them;
2. the game (hinge loss, spectral norm, augmentation, averaged weights), for ``--minutes``;
3. the critic alone on the finished generator, for ``--critic-minutes``.

Writes the generator, the losses of its training beside it (``*.metrics.jsonl``), and sample sheets,
under a folder that git ignores. ``measure_celeba_generator.py`` measures what came out.

CelebA-HQ is for non-commercial research: no image of it, and no sheet with one, may be
committed or published; weights trained on it carry the same terms.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

import torch
from celeba_trial import ROOT, require_ignored
from safetensors.torch import load_file, save
from torch.nn import functional

from cfsearch.datasets.images.celeba import CelebAHQSource
from cfsearch.files import write_atomically
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm
from cfsearch.generators.attgan.data import Augmentation, Faces, signed
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.networks import Critic
from cfsearch.generators.attgan.recipe import LossWeights, Precision, TrainingConfig
from cfsearch.generators.attgan.training import StepMetrics, train, train_critic

CRITIC_KIND: Final = "the critic trained with this generator on photographs (hinge loss)"
AUGMENTATION: Final = Augmentation(blur=0.3, noise=0.06, cutout=0.2)
RECIPE: Final = replace(
    TrainingConfig.fast(),
    steps=1_000_000,
    batch=16,
    rate=5e-4,
    critic_rate=2e-4,
    decay_start=0.55,
    seed=11,
    ema=0.998,
    single=0.5,
    uniform=0.35,
    same=0.05,
    freeze_norms=0.9,
    augmentation=AUGMENTATION,
    weights=LossWeights(
        reconstruction=50.0, attribute=40.0, edited=3.0, adversarial=6.0, critic_attribute=2.0
    ),
    robust=4.0,
    precision=Precision.BFLOAT16,
    log_every=50,
    sheet_every=1000,
    checkpoint_every=500,
)
FINISH: Final = replace(RECIPE, batch=32, decay_start=0.3, sheet_every=0, outliers=0.2)


@final
class BalancedFaces:
    """The train part, with faces of rare attributes shown more often.

    A face is shown as often as its rarest attribute asks for (its rarer value, at most
    ``most`` times): without this a batch of 16 holds a bald head every third time.
    """

    def __init__(self, source: CelebAHQSource, *, least: float = 0.15, most: int = 6) -> None:
        self._source = source
        labels = source.labels
        share = labels.mean(0)
        rarity = torch.where(labels > 0.5, share, 1.0 - share).amin(1)
        times = (least / rarity).ceil().clamp(1, most).long()
        self._rows = torch.repeat_interleave(torch.arange(len(labels)), times).tolist()

    @property
    def attributes(self) -> tuple[str, ...]:
        return self._source.attributes

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, indices: Sequence[int]) -> Faces:
        got = self._source.batch([self._rows[i] for i in indices])
        return Faces(got.images, got.labels)


def teach(source: BalancedFaces, *, config: AttGANConfig, steps: int, path: Path, seed: int) -> Critic:
    """A critic whose classifier knows the attributes of real faces; read from ``path`` if it is there."""
    torch.manual_seed(seed)
    critic = Critic(config)
    if path.is_file():
        critic.load_state_dict(load_file(path))
        return critic
    critic.steady()
    adam = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=1e-3, total_steps=steps)
    rng = torch.Generator().manual_seed(seed)
    for step in range(steps):
        faces = source.batch(torch.randint(len(source), (32,), generator=rng).tolist())
        with torch.autocast("cpu", torch.bfloat16):
            logits = critic(AUGMENTATION(signed(faces.images), rng=rng)).logits
        loss = functional.binary_cross_entropy_with_logits(logits.float(), faces.labels)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        adam.step()
        schedule.step()
        if step % 200 == 0:
            print(f"teacher: step {step} of {steps}, cross-entropy {float(loss.detach()):.3f}", flush=True)
    taught = critic.plain()
    write_atomically(path, save({name: value.contiguous() for name, value in taught.state_dict().items()}))
    return taught


def watch(metrics: StepMetrics) -> None:
    """A line every 200 steps."""
    if metrics.step % 200 == 0:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in metrics.losses.items())
        print(f"{metrics.progress:5.1%}  step {metrics.step}  {metrics.seconds:.0f} s  {losses}", flush=True)


def main() -> None:
    """Train in three stages, write the generator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "scratch" / "celeba64")
    parser.add_argument("--size", type=int, default=64, choices=(64, 128))
    parser.add_argument("--width", type=int, default=32, help="channels of the first block")
    parser.add_argument("--minutes", type=float, default=300.0, help="of the game, over all resumptions")
    parser.add_argument("--critic-minutes", type=float, default=6.0, help="of the critic alone, afterwards")
    parser.add_argument("--teacher-steps", type=int, default=1500)
    parser.add_argument(
        "--attribute-range",
        type=float,
        nargs=2,
        default=(-0.5, 1.5),
        help="what a search may ask of an attribute; as AttGAN's authors edit, who train with labels alone",
    )
    parser.add_argument(
        "--seed", type=int, default=RECIPE.seed, help="another makes a second generator, for agreement"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    require_ignored(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    config = AttGANConfig(
        size=options.size,
        layers=4 if options.size == 64 else 5,
        width=options.width,
        critic_width=options.width,
        critic_hidden=256,
        critic_norm=CriticNorm.SPECTRAL,
    )
    source = BalancedFaces(CelebAHQSource(options.data, size=options.size, cache_bytes=2**32))
    print(f"{len(source)} rows of training, rare attributes repeated", flush=True)
    teacher = teach(
        source,
        config=config,
        steps=options.teacher_steps,
        path=options.out / "teacher.safetensors",
        seed=options.seed,
    )
    trained = train(
        source,
        config=config,
        training=replace(RECIPE, seed=options.seed, minutes=options.minutes),
        folder=options.out / "training",
        critic=teacher,
        device=options.device,
        watch=watch,
    )
    finished = train_critic(
        trained.editor,
        source,
        critic=trained.critic,
        config=config,
        training=replace(FINISH, seed=options.seed, minutes=options.critic_minutes),
        folder=options.out / "critic",
        device=options.device,
        watch=watch,
    )
    card: dict[str, object] = {
        "terms": "non-commercial research only, as CelebA-HQ, on which it was trained",
        "trained_on": "24,183 faces of CelebA-HQ (official train part), no pairs",
        "steps": trained.step,
        "seed": options.seed,
        "minutes": round((trained.seconds + finished.seconds) / 60, 1),
        "date": datetime.now(UTC).date().isoformat(),
    }
    attribute_range = (options.attribute_range[0], options.attribute_range[1])
    path = options.out / f"attgan_celeba{options.size}.safetensors"
    save_attgan(path, AttGANFile(trained.editor, finished.critic, CRITIC_KIND, attribute_range, card))
    metrics = (options.out / "training" / "metrics.jsonl").read_bytes()
    write_atomically(path.with_suffix(".metrics.jsonl"), metrics)
    print(f"{path}: {trained.step} steps; {(time.monotonic() - started) / 60:.1f} minutes in this run")


if __name__ == "__main__":
    main()
