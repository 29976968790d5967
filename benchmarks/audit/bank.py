"""The planted bank: classifiers of rendered faces, some fair, some with a bias that was planted, and generators.

    python benchmarks/audit/bank.py --folder scratch/bank [--unbiased 20] [--only NAME]

Every classifier is trained on faces of ``cfsearch.datasets.faces``, whose attributes are independent of each other, so that
nothing but the target decides; a *planted* one sees an attribute that agrees with the target with correlation rho, made by
drawing again from the same faces. How strongly a face shows the target varies from person to person (as in
``train_demo_classifiers.py``): a classifier that can always tell needs no prejudice. The three that ship stand beside them: balanced, natural, and natural
without blond women; and four that know nothing, as controls. Three generators of different quality stand beside them: the one that ships, one trained
for a minute and a half on true pairs, and one trained as long without pairs. Each of the two trainings is also there with another seed and on
other faces (``AGAIN``), as a second generator that must agree with a first.

What is there already is not made again, and a file is whole or not there. One thread; some 10 CPU minutes for the classifiers
and 8 for the generators.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Literal, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.generator import AttGAN
from cfsearch.generators.attgan.recipe import TrainingConfig
from cfsearch.generators.attgan.training import train
from cfsearch.models.gender_cnn import build
from cfsearch.models.stack_cnn import compact_faces
from cfsearch.providers.opening import open_provider
from cfsearch.providers.torch_module import TorchProvider

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))
from train_demo_classifiers import LOOKS, SPREAD, disturbed

SIZE: Final = 64
PEOPLE: Final = 6_000
EPOCHS: Final = 2
_LONG: Final = 4
BATCH: Final = 64
GENERATORS: Final = ("faces64", "short", "unpaired")
AGAIN: Final = ("short_again", "unpaired_again")
"""The same two trainings, with another seed and on other faces."""
_STEPS: Final = {"short": 400, "unpaired": 300}
"""Of training: some 90 seconds each on one thread."""

Family = Literal["gender_cnn", "narrow", "stack_cnn"]
_FAMILIES: Final[tuple[Family, ...]] = ("gender_cnn", "narrow", "gender_cnn", "narrow", "stack_cnn")
"""They take turns; the last costs five times as much to train as the first."""
Control = Literal["constant", "random weights", "shuffled labels"]


@final
@dataclass(frozen=True)
class Model:
    """One classifier of the bank.

    Args:
        name: of its file.
        target: the attribute that it tells.
        family: which network.
        seed: of its weights and batches.
        planted: attributes and their correlation with the target in the training faces.
        natural: the natural joint distribution instead of the independent one.
        left_out: faces that it never saw, by attributes.
        epochs: passes over the faces; two of the bank learn twice as long.
        control: a classifier that knows nothing of its target: whatever is reported of it is false.
    """

    name: str
    target: str
    family: Family
    seed: int
    planted: Mapping[str, float] = field(default_factory=dict)
    natural: bool = False
    left_out: Mapping[str, float] = field(default_factory=dict)
    shipped: str = ""
    """File of ``models/`` that is this classifier; nothing is trained."""
    control: Control | None = None
    epochs: int = EPOCHS

    @property
    def biased(self) -> bool:
        """Whether a bias was planted, or came with the natural distribution."""
        return bool(self.planted) or self.natural


def bank(*, unbiased: int = 20) -> list[Model]:
    """All classifiers: ``unbiased`` fair ones and thirteen that are not, taking turns, then four that know nothing.

    So any first part of the list, and a bank whose training was stopped, holds both kinds.
    """
    fair = [
        Model(
            f"fair_{i:02d}",
            "Young" if i % 3 == 2 else "Male",
            _FAMILIES[i % 5],
            seed=100 + i,
            epochs=_LONG if i == 0 else EPOCHS,
        )
        for i in range(unbiased - 1)
    ]
    planted = [
        ("Male", "Eyeglasses", 0.9),
        ("Male", "Blond_Hair", 0.6),
        ("Male", "Young", 0.9),
        ("Male", "Pale_Skin", 0.6),
        ("Young", "Male", 0.9),
        ("Male", "Eyeglasses", 0.6),
        ("Young", "Eyeglasses", 0.9),
        ("Male", "Blond_Hair", 0.9),
        ("Male", "Pale_Skin", 0.9),
        ("Male", "Young", 0.6),
        ("Male", "Eyeglasses", 0.3),
    ]
    biased = [
        Model(
            f"{target}_{name}_{rho:.1f}",
            target,
            _FAMILIES[i % 5],
            seed=300 + i,
            planted={name: rho},
            epochs=_LONG if i == 0 else EPOCHS,
        )
        for i, (target, name, rho) in enumerate(planted)
    ]
    shipped = [
        Model("gender_balanced", "Male", "gender_cnn", seed=0, shipped="gender_balanced.onnx"),
        Model("gender_natural", "Male", "gender_cnn", seed=0, natural=True, shipped="gender_natural.onnx"),
        Model(
            "gender_without_blond_women",
            "Male",
            "gender_cnn",
            seed=0,
            natural=True,
            left_out={"Blond_Hair": 1.0, "Male": 0.0},
            shipped="gender_without_blond_women.onnx",
        ),
    ]
    # two fair ones after each of the first biased ones, for there are more of them
    turns = [model for i, one in enumerate(biased) for model in (one, *fair[2 * i : 2 * i + 2])]
    return [*shipped, *turns, *fair[2 * len(biased) :], *controls()]


def controls() -> list[Model]:
    """Classifiers that know nothing of their target, of which an audit must not tell a story."""
    return [
        Model("control_constant", "Male", "gender_cnn", seed=0, control="constant"),
        Model("control_random", "Male", "gender_cnn", seed=501, control="random weights"),
        Model("control_random_stack", "Male", "stack_cnn", seed=502, control="random weights"),
        Model("control_shuffled", "Male", "gender_cnn", seed=503, control="shuffled labels"),
    ]


@cache
def people(
    joint: faces.Joint, target: str, seed: int, n: int = PEOPLE
) -> tuple[NDArray[np.uint8], faces.F32]:
    """Portraits whose target shows more or less strongly than their labels say."""
    rng = np.random.default_rng(seed)
    labels = faces.sample_attributes(n, rng=rng, joint=joint)
    nuisances = faces.sample_nuisances(n, rng=rng)
    look = labels.copy()
    column = faces.ATTRIBUTES.index(target)
    mean = np.where(labels[:, column] > 0.5, LOOKS[1], LOOKS[0])
    look[:, column] = np.clip(rng.normal(mean, SPREAD), 0.0, 1.0)
    parts = [
        faces.quantise(faces.render(look[i : i + 64], nuisances[np.arange(i, min(i + 64, n))], size=SIZE))
        for i in range(0, n, 64)
    ]
    return np.concatenate(parts), labels


def chosen(labels: faces.F32, model: Model) -> NDArray[np.int64]:
    """Which faces a model learns from: planted attributes agree with the target as often as rho says."""
    rng = np.random.default_rng(model.seed)
    goal = labels[:, faces.ATTRIBUTES.index(model.target)] > 0.5
    weight = np.ones(len(labels))
    for name, rho in model.planted.items():
        on = labels[:, faces.ATTRIBUTES.index(name)] > 0.5
        for side in (False, True):
            here = goal == side
            share = on[here].mean()
            wanted = (1.0 + rho) / 2.0 if side else (1.0 - rho) / 2.0
            weight[here] *= np.where(on[here], wanted / share, (1.0 - wanted) / (1.0 - share))
    if model.left_out:
        weight *= faces.without(labels, where=model.left_out)
    return rng.choice(len(labels), size=PEOPLE, p=weight / weight.sum())


def network(family: Family, seed: int) -> nn.Module:
    """An untrained network with one logit for each of two classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family == "stack_cnn":
            return compact_faces(shape=(3, SIZE, SIZE), classes=2)
        return build(SIZE) if family == "gender_cnn" else build(SIZE, width=8, hidden=32)


def logit(net: nn.Module, x: Float[Tensor, "n 3 s s"], family: Family) -> Float[Tensor, " n"]:
    """Log-odds of the target."""
    if family != "stack_cnn":
        return net.logit(x)[:, 0]  # type: ignore[operator,no-any-return]  # GenderCnn has it
    scores: Tensor = net(x)
    return scores[:, 1] - scores[:, 0]


def fit(model: Model) -> nn.Module:
    """A trained classifier."""
    joint: faces.Joint = "natural" if model.natural else "independent"
    images, labels = people(joint, model.target, 11)
    rows = chosen(labels, model)
    given = labels[:, faces.ATTRIBUTES.index(model.target)]
    if model.control == "shuffled labels":
        given = np.random.default_rng(model.seed).permutation(given)
    goal = torch.from_numpy(given * 0.96 + 0.02)
    net, rng = network(model.family, model.seed).train(), torch.Generator().manual_seed(model.seed)
    epochs = model.epochs
    steps = epochs * (len(rows) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for _ in range(epochs):
        order = rows[torch.randperm(len(rows), generator=rng).numpy()]
        for i in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[i : i + BATCH]
            x = disturbed(torch.from_numpy(images[batch]).float() / 255.0, rng=rng)
            loss = functional.binary_cross_entropy_with_logits(logit(net, x, model.family), goal[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
    return net.eval()


class Constant(nn.Module):
    """A classifier that says the same of every picture: half a logit for its target."""

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 2"]:
        """Scores of "not target" and "target"."""
        return torch.tensor([0.0, 0.5]).to(x).expand(len(x), 2)


class Logits(nn.Module):
    """A classifier of the bank as two logits, 0 and the log-odds of the target."""

    def __init__(self, net: nn.Module, family: Family) -> None:
        super().__init__()
        self.net = net
        self.family: Family = family

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 2"]:
        """Scores of "not target" and "target"."""
        t = logit(self.net, x, self.family)
        return torch.stack([torch.zeros_like(t), t], dim=1)


def provider(folder: Path, model: Model) -> Provider:
    """A classifier of the bank as an audited model; trained where its file is missing."""
    if model.shipped:
        with as_file(files("cfsearch.models").joinpath(model.shipped)) as path:
            return open_provider(str(path), threads=1)
    net = network(model.family, model.seed)
    if model.control in (None, "shuffled labels"):
        path = folder / f"{model.name}.pt"
        if not path.exists():
            part = path.with_suffix(f".part{os.getpid()}")
            torch.save(fit(model).state_dict(), part)
            part.replace(path)
        net.load_state_dict(torch.load(path, weights_only=True))
    return TorchProvider(
        Constant() if model.control == "constant" else Logits(net.eval(), model.family),
        labels=(f"not {model.target}", model.target),
        scores=ScoreKind.LOGITS,
        name=model.name,
    )


def generator(folder: Path, name: str) -> AttGAN:
    """A generator of the bank; trained where its file is missing."""
    if name == "faces64":
        with as_file(files("cfsearch.models").joinpath("attgan_faces64.safetensors")) as path:
            return AttGAN.open(path, settings={})
    path = folder / f"{name}.safetensors"
    if not path.exists():
        kind, again = name.removesuffix("_again"), name in AGAIN
        base = TrainingConfig.paired() if kind == "short" else TrainingConfig.fast()
        shipped = generator(folder, "faces64").config
        source = RenderedFaces(4000, seed=32 if again else 31)
        done = train(
            source,
            config=shipped,
            training=replace(
                base, minutes=None, steps=_STEPS[kind], batch=16, seed=6 if again else 5, sheet_every=0
            ),
            folder=folder / f"{name}_run",
            watch=lambda _: None,
        )
        save_attgan(path, AttGANFile(done.editor, done.critic, "trained for the bank", (0.0, 1.0), {}))
    return AttGAN.open(path, settings={})


def main() -> int:
    """Train what is missing and print how right each classifier is on unseen faces."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/bank"))
    parser.add_argument("--unbiased", type=int, default=20)
    parser.add_argument("--only", help="one name of a classifier or generator")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    for model in bank(unbiased=options.unbiased):
        if options.only in (None, model.name):
            images, labels = people("independent", model.target, 77, 600)
            audited = provider(options.folder, model)
            with torch.no_grad():
                scores = audited.predict(torch.from_numpy(images).float() / 255.0)
            right = (scores[:, 1] > scores[:, 0]).numpy() == (
                labels[:, faces.ATTRIBUTES.index(model.target)] > 0.5
            )
            print(f"{model.name:24} {model.family:11} {right.mean():.1%} right", flush=True)
    for name in (*GENERATORS, *AGAIN):
        if options.only in (None, name):
            print(f"{name:24} {generator(options.folder, name).fingerprint[:12]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
