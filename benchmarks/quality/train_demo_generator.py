"""Trains, measures and writes the generator that ships: ``models/attgan_faces64.safetensors``.

    OMP_NUM_THREADS=1 python benchmarks/quality/train_demo_generator.py

trains for 72 minutes on one CPU core (``--minutes``; a tenth more for the critic alone), goes
on from its last checkpoint when it is run again, then measures on 1,000 unseen faces by an
independent classifier and writes the model card. ``--measure-only`` skips the training and
measures the file that is there.
"""

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from measure_generator import Figures, GeneratorEdits, load_judge, measure
from rich.console import Console

from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm
from cfsearch.generators.attgan.data import Augmentation
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.generator import AttGAN, AttGANWithCritic
from cfsearch.generators.attgan.recipe import Precision, TrainingConfig
from cfsearch.generators.attgan.training import StepMetrics, Trained, train, train_critic

ROOT = Path(__file__).resolve().parents[2]
NAME = "attgan_faces64"
JOINTS: tuple[faces.Joint, ...] = ("natural", "independent")
NETWORKS = AttGANConfig(
    size=64,
    layers=4,
    width=24,
    critic_width=24,
    critic_hidden=128,
    critic_norm=CriticNorm.SPECTRAL,
)
WARM_UP = replace(
    TrainingConfig.paired(),
    steps=40_000,
    batch=16,
    seed=7,
    until=0.3,
    precision=Precision.BFLOAT16,
    log_every=50,
    sheet_every=1000,
    checkpoint_every=500,
)
"""Shapes first: the classifier has little to say before it knows the attributes."""
RECIPE = replace(
    WARM_UP,
    until=1.0,
    critic_every=2,
    critic_rate=8e-4,
    weights=replace(WARM_UP.weights, attribute=6.0, critic_attribute=2.0),
    augmentation=Augmentation(blur=0.15, noise=0.04, cutout=0.15),
)
FINISH = replace(RECIPE, steps=10**6, batch=32, decay_start=0.2, sheet_every=0, outliers=0.2)
"""The critic and the classifier alone, on the finished generator."""
CRITIC_KIND = (
    "the critic trained with this generator (hinge loss), which tells its edits from true "
    "renders of faces with the same attributes"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=72.0, help="of training at most")
    parser.add_argument("--people", type=int, default=40_000, help="faces to train on")
    parser.add_argument("--folder", type=Path, default=ROOT / "scratch" / "demo_generator")
    parser.add_argument("--out", type=Path, default=ROOT / "models")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console = Console()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / f"{NAME}.safetensors"
    if not options.measure_only:
        console.print(f"rendering {options.people} people ...")
        source = RenderedFaces(options.people, seed=RECIPE.seed)

        def watch(metrics: StepMetrics) -> None:
            if metrics.step % 200 == 0:
                losses = "  ".join(f"{name} {value:.3f}" for name, value in metrics.losses.items())
                console.print(
                    f"{metrics.progress:5.1%}  step {metrics.step}  {metrics.seconds:.0f} s  {losses}"
                )

        for stage in (WARM_UP, RECIPE):
            trained = train(
                source,
                config=NETWORKS,
                training=replace(stage, minutes=options.minutes),
                folder=options.folder,
                watch=watch,
            )
        critic = train_critic(
            trained.editor,
            source,
            critic=trained.critic,
            config=NETWORKS,
            training=replace(FINISH, minutes=options.minutes / 10),
            folder=options.folder / "critic",
            watch=watch,
        )
        trained = replace(trained, critic=critic.critic, seconds=trained.seconds + critic.seconds)
        console.print(f"trained {trained.step} steps in {trained.seconds / 60:.1f} minutes")
        _write(target, trained, people=options.people)
    _finish(target, judge=options.folder / "judge.pt", console=console)
    return 0


def _write(target: Path, trained: Trained, *, people: int) -> None:
    card: dict[str, object] = {
        "trained_on": f"{people} rendered faces (cfsearch.datasets.faces), true re-renders as pairs",
        "steps": trained.step,
        "minutes": round(trained.seconds / 60, 1),
        "date": datetime.now(UTC).date().isoformat(),
    }
    save_attgan(target, AttGANFile(trained.editor, trained.critic, CRITIC_KIND, (0.0, 1.0), card))


def _finish(target: Path, *, judge: Path, console: Console) -> None:
    """Measure what the file gives back, put the figures into it and into the card."""
    generator = AttGAN.open(target, settings={})
    if not isinstance(generator, AttGANWithCritic):
        raise SystemExit(f"{target} has no critic")
    found = [measure(GeneratorEdits(generator), load_judge(judge), n=1000, joint=joint) for joint in JOINTS]
    for figures in found:
        console.print(figures.table())
    content = generator.content
    figures_json = {figures.joint: figures.to_json() for figures in found}
    card = {**dict(content.card), "figures": figures_json, "edit_success": found[-1].success}
    save_attgan(target, replace(content, card=card))
    (target.with_suffix(".md")).write_text(_card(target, card, found), encoding="utf-8")


def _card(target: Path, card: dict[str, object], found: list[Figures]) -> str:
    natural, independent = found
    rows = "\n".join(
        f"| {name} | {natural.success[name]:.1%} | {natural.kept[name]:.1%} | "
        f"{independent.success[name]:.1%} | {independent.kept[name]:.1%} |"
        for name in natural.success
    )
    size = target.stat().st_size / 2**20
    n = NETWORKS
    return f"""# {NAME}

AttGAN (He et al. 2019) for the rendered faces of `cfsearch.datasets.faces`, 64 px: what
`cfsearch demo` edits faces with. One safetensors file, {size:.1f} MiB: generator, critic and
attribute classifier, kernels in half precision.

| | |
| --- | --- |
| networks | {n.layers} layers, width {n.width}, shortcut {n.shortcut_layers}, inject {n.inject_layers}, {n.upsampling} upsampling; critic width {n.critic_width}, {n.critic_norm} norm |
| attributes | {", ".join(n.attributes)} |
| attribute range | strengths from 0 to 1; partial strengths were trained |
| trained on | {card["trained_on"]} |
| recipe | `TrainingConfig.paired()`: L1, L1 over changed places and L1 of slopes to the true re-render; hinge critic with spectral norm and attribute classifier behind mild augmentation; averaged weights. From {WARM_UP.until:.0%} of the time on the attribute loss weighs {RECIPE.weights.attribute:g} instead of {WARM_UP.weights.attribute:g} and the critic learns in every second step instead of every third; at the end critic and classifier alone, on the finished generator, with images that are no faces among the critic's fakes |
| length | {card["steps"]} steps of {RECIPE.batch} in {card["minutes"]} minutes of wall time on one CPU core shared with other work, {card["date"]}; the schedule follows the clock, so that another machine makes another number of steps |
| command | `OMP_NUM_THREADS=1 python benchmarks/quality/train_demo_generator.py` |

**Pairs were used.** The training compared edits with true re-renders of the same faces, which
exist for rendered faces only. These figures say nothing about what a training on photographs
reaches.

## Measured

On 1,000 unseen faces, labels estimated by the file's own classifier, judged by an independent
classifier trained on other faces (`benchmarks/quality/measure_generator.py`); natural joint
distribution of attributes, then independent.

| | natural | independent |
| --- | --- | --- |
| mean edit success | {natural.mean_success:.1%} | {independent.mean_success:.1%} |
| weakest attribute | {_weakest(natural)} | {_weakest(independent)} |
| other attributes kept | {natural.mean_kept:.1%} | {independent.mean_kept:.1%} |
| reconstruction, L1 on [-1, 1] | {natural.reconstruction:.4f} | {independent.reconstruction:.4f} |
| edits against true re-renders, L1 on [-1, 1] | {natural.edit_error:.4f} | {independent.edit_error:.4f} |
| labels estimated right | {natural.labels:.2%} | {independent.labels:.2%} |

| attribute flipped | success, natural | others kept | success, independent | others kept |
| --- | --- | --- | --- | --- |
{rows}

## Use

For looking at classifiers of these rendered faces. It knows nothing of photographs, and its
attributes are drawings, not statements about people.

Known weakness: what an edit uncovers cannot be known. Where long hair is taken away (Bald), a
soft smudge stays on background and shoulders; the critic scores such edits as less real.
"""


def _weakest(figures: Figures) -> str:
    name = min(figures.success, key=lambda key: figures.success[key])
    return f"{name} {figures.success[name]:.1%}"


if __name__ == "__main__":
    sys.exit(main())
