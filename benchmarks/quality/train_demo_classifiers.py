"""Trains the demo's classifiers of "Male" and measures what each attribute does to them.

    python benchmarks/quality/train_demo_classifiers.py --out models

Three networks of the first paper's architecture, equal but for their training faces: the
natural joint distribution of attributes; the same faces with blond women left out (the paper's
experiment 2); independent attributes (the control: it should react to little but Male).

How male a face looks varies from person to person, and overlaps between men and women, as in
photographs; all else follows the person's label. Without this every face gives its label away,
accuracy is 100 %, and no classifier needs hair colour: its effect was -0.01 logits then. Hair
is long for half of the women and half of the men: where its length follows the label as in
portraits, this cue, which no attribute edits, outweighs all others, and 3 to 5 of the 6 men of
the demo are taken for men in all 1,152 true re-renders. Both were measured.

Each network gets an ONNX file, a sidecar and a card with the figures measured here. One CPU
thread, some 8 quiet minutes; the same seed gives the same bytes on the same machine. The true
effect of an attribute is the mean change of the logit between two renderings of the same face,
noise included, in which only this attribute (and a rival that must give way) differs.
"""

import argparse
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cfsearch.datasets import faces
from cfsearch.models.gender_cnn import LABELS, GenderCnn, build, export_onnx

SIZE: Final = 64
SMOOTHING: Final = 0.02
WEIGHT_DECAY: Final = 0.02
RATE: Final = 2e-3
BATCH: Final = 64
MALE: Final = faces.ATTRIBUTES.index("Male")

# how male the faces of women and men look: means and common standard deviation, cut to [0, 1]
LOOKS: Final = (0.15, 0.85)
SPREAD: Final = 0.45

# seeds of the face sets, apart from each other; --seed moves the network, not the data
TRAIN, TRAIN_INDEPENDENT, TEST, TEST_INDEPENDENT, PAIRS, TEST_PEOPLE = 11, 12, 21, 22, 23, 24

SIDECAR: Final = """\
# Made by benchmarks/quality/train_demo_classifiers.py
name = "{name}"
labels = [{labels}]
scores = "probabilities"
output = "male"

[input]
size = [{size}, {size}]
channels = 3
layout = "nchw"
dtype = "float32"
range = "0..1"
resize = "bilinear"
"""


@final
@dataclass(frozen=True)
class Variant:
    """One classifier: its file, and which faces it learns from."""

    name: str
    title: str
    joint: faces.Joint
    left_out: Mapping[str, float] = field(default_factory=dict)


VARIANTS: Final = (
    Variant("gender_natural", "trained on the natural joint distribution", "natural"),
    Variant(
        "gender_without_blond_women",
        "trained on the natural joint distribution without blond women",
        "natural",
        {"Blond_Hair": 1.0, "Male": 0.0},
    ),
    Variant("gender_balanced", "trained on independent attributes (control)", "independent"),
)


@final
@dataclass(frozen=True)
class Effect:
    """What switching one attribute on does, over the pairs: means and their standard error."""

    attribute: str
    logit: float
    error: float
    probability: float
    flips: float
    women: float
    men: float


@final
@dataclass(frozen=True)
class Report:
    """All that is measured of one classifier."""

    faces: int
    people: float
    natural: float
    independent: float
    blond_women: float
    calibration: float
    median_logit: float
    largest_logit: float
    effects: tuple[Effect, ...]


@final
@dataclass(frozen=True)
class Pairs:
    """The same ``n`` faces, in 8 bits, with each attribute on and off."""

    on: dict[str, NDArray[np.uint8]]
    off: dict[str, NDArray[np.uint8]]
    male: NDArray[np.bool_]


def people(n: int, *, seed: int, joint: faces.Joint) -> faces.FaceSet:
    """Portraits that look more or less male than their labels, ``attributes``, say."""
    rng = np.random.default_rng(seed)
    labels = faces.sample_attributes(n, rng=rng, joint=joint)
    nuisances = faces.sample_nuisances(n, rng=rng)
    look = labels.copy()
    mean = np.where(labels[:, MALE] > 0.5, LOOKS[1], LOOKS[0])
    look[:, MALE] = np.clip(rng.normal(mean, SPREAD), 0.0, 1.0)
    images = np.empty((n, 3, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, n, 64):
        rows = slice(start, start + 64)
        images[rows] = faces.quantise(faces.render(look[rows], nuisances[rows], size=SIZE))
    return faces.FaceSet(images, labels, nuisances)


def render_pairs(n: int) -> Pairs:
    """Pairs of ``n`` natural faces, sharing all nuisances."""
    base = faces.faces(n, seed=PAIRS, size=SIZE)
    drawn: dict[float, dict[str, NDArray[np.uint8]]] = {1.0: {}, 0.0: {}}
    for value, images in drawn.items():
        for name in faces.ATTRIBUTES:
            done = faces.do(base.attributes, name=name, value=value)
            images[name] = faces.quantise(faces.render(done, base.nuisances, size=SIZE))
    return Pairs(drawn[1.0], drawn[0.0], base.attributes[:, MALE] > 0.5)


def canonical(images: NDArray[np.uint8]) -> Float[Tensor, "n 3 s s"]:
    return torch.from_numpy(images).to(torch.float32) / 255.0


def disturbed(x: Float[Tensor, "n 3 s s"], *, rng: torch.Generator) -> Float[Tensor, "n 3 s s"]:
    """Mirrored, shifted, softened, relit: what a photograph of the same person may undergo."""
    n, _, s, _ = x.shape
    mirror = torch.rand(n, generator=rng) < 0.5
    x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
    down, right = (int(torch.randint(-2, 3, (), generator=rng)) for _ in range(2))
    x = functional.pad(x, (2, 2, 2, 2), mode="replicate")
    x = x[..., 2 + down : 2 + down + s, 2 + right : 2 + right + s]
    soft = (torch.rand(n, generator=rng) < 0.3)[:, None, None, None]
    blurred = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    x = torch.where(soft, blurred, x)
    gain = 1.0 + 0.2 * (torch.rand(n, 1, 1, 1, generator=rng) - 0.5)
    shift = 0.1 * (torch.rand(n, 1, 1, 1, generator=rng) - 0.5)
    noise = 0.02 * torch.randn(x.shape, generator=rng)
    return (x * gain + shift + noise).clamp(0.0, 1.0)


def train(
    images: NDArray[np.uint8], male: NDArray[np.float32], *, epochs: int, seed: int, name: str
) -> GenderCnn:
    """A network that tells Male, after ``epochs`` passes over the faces."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # layers are initialised from the global generator
        network = build(SIZE)
    rng = torch.Generator().manual_seed(seed)
    n = len(images)
    steps = epochs * (n // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    goal = torch.from_numpy(male * (1.0 - SMOOTHING) + SMOOTHING / 2.0).to(torch.float32)
    network.train()
    started = time.monotonic()
    for epoch in range(epochs):
        order = torch.randperm(n, generator=rng)
        total = 0.0
        for batch in order[: n // BATCH * BATCH].view(-1, BATCH):
            x = disturbed(canonical(images[batch.numpy()]), rng=rng)
            loss = functional.binary_cross_entropy_with_logits(network.logit(x)[:, 0], goal[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * BATCH / n
        print(
            f"{name}: epoch {epoch + 1}/{epochs}, loss {total:.4f}, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    return network.eval()


@torch.no_grad()
def logits(network: GenderCnn, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    parts = [network.logit(canonical(images[i : i + 256]))[:, 0] for i in range(0, len(images), 256)]
    return torch.cat(parts).double().numpy()


def sigmoid(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -t))


def accuracy(t: NDArray[np.float64], male: NDArray[np.float32]) -> float:
    return float(((t > 0) == (male > 0.5)).mean())


def calibration_error(t: NDArray[np.float64], male: NDArray[np.float32]) -> float:
    """Mean gap between confidence and truth over ten bins of probability, by their size."""
    p = sigmoid(t)
    place = np.minimum((p * 10).astype(int), 9)
    bins = [place == b for b in range(10)]
    return float(sum(abs(p[b].sum() - male[b].sum()) for b in bins) / len(p))


def effects(network: GenderCnn, pairs: Pairs) -> tuple[Effect, ...]:
    """The true effect of each attribute, largest first."""
    found = []
    for name in pairs.on:
        on, off = logits(network, pairs.on[name]), logits(network, pairs.off[name])
        change = on - off
        found.append(
            Effect(
                attribute=name,
                logit=float(change.mean()),
                error=float(change.std(ddof=1) / math.sqrt(len(change))),
                probability=float((sigmoid(on) - sigmoid(off)).mean()),
                flips=float(((on > 0) != (off > 0)).mean()),
                women=float(change[~pairs.male].mean()),
                men=float(change[pairs.male].mean()),
            )
        )
    return tuple(sorted(found, key=lambda effect: -abs(effect.logit)))


def table(found: tuple[Effect, ...]) -> str:
    """The effects as a Markdown table."""
    rows = [
        "| attribute | effect, logits | s.e. | on women | on men | in probability | flips |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {e.attribute} | {e.logit:+.2f} | {e.error:.2f} | {e.women:+.2f} | {e.men:+.2f} | "
        f"{e.probability:+.3f} | {e.flips:.1%} |"
        for e in found
    ]
    return "\n".join(rows)


def card(variant: Variant, report: Report, *, pairs: int, epochs: int, seed: int) -> str:
    """The model card."""
    left_out = (
        "Blond women are left out of the training faces, so among them blond hair means Male.\n"
        "This bias is planted, for the demo to find.\n\n"
        if variant.left_out
        else ""
    )
    return f"""\
# {variant.name}

"Is this face Male?", {variant.title}, at {SIZE} px.

The audited architecture of Barredo-Arrieta and Del Ser 2020: five convolutions with batch norm
and leaky ReLU 0.1, a dense ReLU layer, one sigmoid unit (`cfsearch.models.gender_cnn`). Input:
float32 RGB in [0, 1], channels first; output: the probability of {LABELS[1]}.

{left_out}## For and not for

For demonstrations and tests of counterfactual search, on the procedural faces of
`cfsearch.datasets.faces`, where the true effect of every attribute is known. It has never seen
a photograph. "Male" is a label of the renderer; the model says nothing about any person, and
must not be used on people.

## Training

{report.faces:,} rendered faces, {epochs} epochs, AdamW ({RATE}, weight decay {WEIGHT_DECAY}), one-cycle
schedule, batch {BATCH}, label smoothing {SMOOTHING} (it keeps the logits in the range where a float32
sigmoid is exact), faces mirrored, shifted, softened, relit and noised. Seed {seed}. Made by
`python benchmarks/quality/train_demo_classifiers.py --out models`.

How male a face looks is drawn around {LOOKS[0]} for women and {LOOKS[1]} for men with a standard deviation
of {SPREAD}, cut to [0, 1], while all else follows the label: a classifier that can always tell
needs no prejudice. Hair is long for half of the women and half of the men.

## Measured

On 2,000 unseen faces each:

| | |
| --- | ---: |
| accuracy, natural faces that look as male as their label says, as the demo's do | {report.natural:.1%} |
| on the blond women among them | {report.blond_women:.1%} |
| the same with independent attributes | {report.independent:.1%} |
| accuracy, natural faces as ambiguous as in training | {report.people:.1%} |
| calibration error on these (10 bins) | {report.calibration:.3f} |
| median and largest magnitude of the logit, natural faces | {report.median_logit:.1f}, {report.largest_logit:.1f} |

## True effects of the attributes

Mean change of the logit of Male when one attribute is switched on and all else in the
rendering stays as it is ({pairs} pairs of natural faces, paired standard errors; rivals of an
exclusive group give way). "On women" and "on men" are the faces drawn as such.

{table(report.effects)}

Licence: Apache-2.0, as the project; no outside data was used.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder to write to")
    parser.add_argument("--faces", type=int, default=12_000, help="training faces rendered")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--pairs", type=int, default=240, help="faces for the effects")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=[v.name for v in VARIANTS], help="one of the three")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)

    started = time.monotonic()
    met = people(2_000, seed=TEST_PEOPLE, joint="natural")
    test = faces.faces(2_000, seed=TEST, size=SIZE)
    blond = ~faces.without(test.attributes, where={"Blond_Hair": 1.0, "Male": 0.0})
    other = faces.faces(2_000, seed=TEST_INDEPENDENT, size=SIZE, joint="independent")
    pairs = render_pairs(options.pairs)
    print(f"test faces and pairs rendered in {time.monotonic() - started:.0f} s", flush=True)
    data: dict[str, faces.FaceSet] = {}
    for variant in VARIANTS:
        if options.only not in (None, variant.name):
            continue
        if variant.joint not in data:
            seed = TRAIN if variant.joint == "natural" else TRAIN_INDEPENDENT
            data[variant.joint] = people(options.faces, seed=seed, joint=variant.joint)
        seen = data[variant.joint]
        if variant.left_out:
            seen = seen[faces.without(seen.attributes, where=variant.left_out)]
        network = train(
            seen.images,
            seen.attributes[:, MALE],
            epochs=options.epochs,
            seed=options.seed,
            name=variant.name,
        )
        t, u = logits(network, test.images), logits(network, met.images)
        report = Report(
            faces=len(seen),
            people=accuracy(u, met.attributes[:, MALE]),
            natural=accuracy(t, test.attributes[:, MALE]),
            independent=accuracy(logits(network, other.images), other.attributes[:, MALE]),
            blond_women=accuracy(t[blond], test.attributes[blond, MALE]),
            calibration=calibration_error(u, met.attributes[:, MALE]),
            median_logit=float(np.median(np.abs(t))),
            largest_logit=float(np.abs(t).max()),
            effects=effects(network, pairs),
        )
        export_onnx(network, path=options.out / f"{variant.name}.onnx")
        labels = ", ".join(f'"{label}"' for label in LABELS)
        (options.out / f"{variant.name}.toml").write_text(
            SIDECAR.format(name=variant.name, labels=labels, size=SIZE), encoding="utf-8"
        )
        (options.out / f"{variant.name}.md").write_text(
            card(variant, report, pairs=options.pairs, epochs=options.epochs, seed=options.seed),
            encoding="utf-8",
        )
        print(
            f"{variant.name}: {report.faces:,} faces, accuracy {report.people:.1%} as trained, "
            f"{report.natural:.1%} natural, {report.independent:.1%} independent, calibration error {report.calibration:.3f}, "
            f"logits median {report.median_logit:.1f}, largest {report.largest_logit:.1f}; "
            f"{time.monotonic() - started:.0f} s in all\n{table(report.effects)}\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
