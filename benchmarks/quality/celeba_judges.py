"""Two networks that judge edits of real faces and that no generator ever met.

    OMP_NUM_THREADS=1 python benchmarks/quality/celeba_judges.py --data DIR

trains both on the official train part of CelebA-HQ, keeps them in a folder that git ignores,
and prints what they can do on the validation part, no person of which they saw:

* a classifier of the forty attributes (residual, another architecture, seed and training than
  the critic's); the layer before its answers gives the features of the Frechet distance;
* an embedding of persons, begun from the classifier's trunk and trained to tell the persons of
  the train part with four photographs or more apart (cosine softmax with a margin), with its
  threshold where both kinds of error are equal on pairs of the validation part.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

import numpy as np
import torch
from celeba_photographs import FOLDER, Photographs, photographs
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.files import write_atomically

_WIDTHS: Final = (24, 40, 80, 160)
_BATCH: Final = 64
_MARGIN: Final = 0.2
_SCALE: Final = 24.0
_ROWS: Final = 256


class _Block(nn.Module):
    """Two convolutions around which the input goes straight."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        stride = 1 if inside == outside else 2
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.straight = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(
                nn.AvgPool2d(2), nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.straight(x))


class Trunk(nn.Module):
    """Features of a face of 64 px or more: a residual network of some million weights.

    Shapes:
        ``(n, 3, s, s)`` on [0, 1] -> ``(n, 160)``.
    """

    width = _WIDTHS[-1]

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = _WIDTHS
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, a, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(a), nn.ReLU()),
            *(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()),
        )
        self.blocks = nn.Sequential(_Block(b, b), _Block(b, c), _Block(c, d), _Block(d, d))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.blocks(self.stem(x * 2.0 - 1.0))).mean((2, 3))


@final
class AttributeJudge(nn.Module):
    """The forty attributes of a face.

    Shapes:
        ``(n, 3, s, s)`` on [0, 1] -> logits ``(n, a)``.
    """

    def __init__(self, attributes: tuple[str, ...]) -> None:
        super().__init__()
        self.attributes = attributes
        self.trunk = Trunk()
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(Trunk.width, len(attributes)))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.trunk(x)))


@final
class PersonEmbedding(nn.Module):
    """Who is on a photograph, as a direction; photographs of one person point alike.

    Shapes:
        ``(n, 3, s, s)`` on [0, 1] -> unit vectors ``(n, 128)``.
    """

    width = 128

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(Trunk.width, self.width, bias=False), nn.BatchNorm1d(self.width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.head(self.trunk(x)), dim=1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Judges:
    """Both networks, and what they can do on the validation part.

    Args:
        attributes: accuracy of each attribute.
        auc: area under the curve of telling pairs of one person from pairs of two.
        threshold: cosine above which two photographs count as one person.
        error: share of wrong answers at the threshold, alike for both kinds of pair.
    """

    attribute: AttributeJudge
    person: PersonEmbedding
    accuracy: dict[str, float]
    auc: float
    threshold: float
    error: float


def _disturbed(x: Float[Tensor, "n 3 s s"], *, rng: torch.Generator) -> Tensor:
    """Mirrored, shifted, relit, noised; each face its own way but for the shift."""
    n, s = len(x), x.shape[-1]
    mirror = torch.rand(n, generator=rng) < 0.5
    x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
    down, right = (int(torch.randint(0, 7, (), generator=rng)) for _ in range(2))
    x = functional.pad(x, (3, 3, 3, 3), mode="replicate")[..., down : down + s, right : right + s]
    gain = 1.0 + 0.3 * (torch.rand(n, 1, 1, 1, generator=rng) - 0.5)
    shift = 0.1 * (torch.rand(n, 1, 1, 1, generator=rng) - 0.5)
    grain = 0.03 * torch.rand(n, 1, 1, 1, generator=rng) * torch.randn(x.shape, generator=rng)
    return (x * gain + shift + grain).clamp(0.0, 1.0)


def _fit(
    network: nn.Module,
    *,
    photos: Photographs,
    steps: int,
    rate: float,
    seed: int,
    loss: Callable[[Tensor, NDArray[np.int64]], Tensor],
    name: str,
) -> None:
    """Train ``network`` on random disturbed batches; ``loss`` gets images and their rows."""
    rng = torch.Generator().manual_seed(seed)
    adam = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=rate, total_steps=steps)
    network.train()
    started, order = time.monotonic(), torch.zeros(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < _BATCH:
            order = torch.randperm(len(photos), generator=rng)
        rows, order = order[:_BATCH].numpy(), order[_BATCH:]
        x = _disturbed(photos.x(rows), rng=rng).contiguous(memory_format=torch.channels_last)
        value = loss(x, rows)
        adam.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        adam.step()
        schedule.step()
        if step % 200 == 0 or step == steps - 1:
            print(
                f"{name}: step {step} of {steps}, loss {float(value.detach()):.4f}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
    network.eval().requires_grad_(False)


def train_attribute_judge(photos: Photographs, *, steps: int, seed: int = 1_234) -> AttributeJudge:
    """The classifier, trained on all faces of ``photos``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = AttributeJudge(photos.attributes).to(memory_format=torch.channels_last)
        goal = torch.from_numpy(photos.labels.astype(np.float32))

        def loss(x: Tensor, rows: NDArray[np.int64]) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                logits = judge(x)
            return functional.binary_cross_entropy_with_logits(logits.float(), goal[rows])

        _fit(judge, photos=photos, steps=steps, rate=4e-3, seed=seed, loss=loss, name="attributes")
    return judge


def train_person_embedding(
    photos: Photographs, start: Trunk, *, steps: int, fewest: int = 4, seed: int = 4_321
) -> PersonEmbedding:
    """The embedding, trained on the persons with at least ``fewest`` photographs."""
    who, place, count = np.unique(photos.people, return_inverse=True, return_counts=True)
    often = np.flatnonzero(count >= fewest)
    number = np.full(len(who), -1)
    number[often] = np.arange(len(often))
    rows = np.flatnonzero(number[place] >= 0)
    part, goal = photos.take(rows), torch.from_numpy(number[place][rows])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        embedding = PersonEmbedding()
        embedding.trunk.load_state_dict(start.state_dict())
        embedding = embedding.to(memory_format=torch.channels_last)
        centres = nn.Parameter(torch.randn(len(often), PersonEmbedding.width) * 0.1)
        both = nn.ModuleDict({"embedding": embedding})
        both.register_parameter("centres", centres)

        def loss(x: Tensor, rows: NDArray[np.int64]) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                direction = embedding(x)
            cosine = direction.float() @ functional.normalize(centres, dim=1).T
            goals = functional.one_hot(goal[rows], len(often))
            return functional.cross_entropy(_SCALE * (cosine - _MARGIN * goals), goal[rows])

        _fit(both, photos=part, steps=steps, rate=2e-3, seed=seed, loss=loss, name="persons")
    return embedding


@torch.no_grad()
def in_parts(network: Callable[[Tensor], Tensor], x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
    """A network's outputs on many images, queried in parts of one size."""
    return torch.cat([network(part.contiguous(memory_format=torch.channels_last)) for part in x.split(_ROWS)])


def verification(
    directions: Float[Tensor, "n d"], people: NDArray[np.int64], *, seed: int = 5
) -> tuple[float, float, float]:
    """How well cosines tell one person from two: area under the curve, threshold, equal error rate.

    All pairs of photographs of one person, and as many random pairs of two.
    """
    same_i, same_j = np.nonzero(np.triu(people[:, None] == people[None], 1))
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, len(people), (2, 3 * len(same_i)))
    apart = people[i] != people[j]
    i, j = i[apart][: len(same_i)], j[apart][: len(same_i)]
    one = (directions[same_i] * directions[same_j]).sum(1).numpy()
    two = (directions[i] * directions[j]).sum(1).numpy()
    ranks = np.concatenate([one, two]).argsort().argsort() + 1.0
    auc = (ranks[: len(one)].sum() - len(one) * (len(one) + 1) / 2) / (len(one) * len(two))
    steps = np.quantile(np.concatenate([one, two]), np.linspace(0, 1, 2001))
    missed = np.searchsorted(np.sort(one), steps) / len(one)
    taken = 1.0 - np.searchsorted(np.sort(two), steps) / len(two)
    best = int(np.abs(missed - taken).argmin())
    return float(auc), float(steps[best]), float((missed[best] + taken[best]) / 2)


def load_judges(data: Path, *, folder: Path, steps: int = 2400, person_steps: int = 1600) -> Judges:
    """Both judges; trained first where ``folder`` does not hold them."""
    folder.mkdir(parents=True, exist_ok=True)
    attribute_file, person_file = folder / "attributes.safetensors", folder / "persons.safetensors"
    if attribute_file.is_file():
        with safe_open(attribute_file, "pt") as opened:
            names = tuple(json.loads(opened.metadata()["attributes"]))
        attribute = AttributeJudge(names)
        attribute.load_state_dict(load_file(attribute_file))
    else:
        attribute = train_attribute_judge(photographs(data, split="train"), steps=steps)
        _keep(attribute_file, attribute, {"attributes": json.dumps(attribute.attributes)})
    person = PersonEmbedding()
    if person_file.is_file():
        person.load_state_dict(load_file(person_file))
    else:
        person = train_person_embedding(photographs(data, split="train"), attribute.trunk, steps=person_steps)
        _keep(person_file, person, {})
    attribute.eval().requires_grad_(False)
    person.eval().requires_grad_(False)
    figures_file = folder / "judges.json"
    if not figures_file.is_file():
        valid = photographs(data, split="valid")
        x = valid.x(slice(None))
        right = (in_parts(attribute, x) > 0).numpy() == valid.labels
        auc, threshold, error = verification(in_parts(person, x), valid.people)
        figures = {
            "accuracy": dict(zip(attribute.attributes, right.mean(0).tolist(), strict=True)),
            "auc": auc,
            "threshold": threshold,
            "error": error,
        }
        write_atomically(figures_file, json.dumps(figures, indent=1).encode())
    return Judges(attribute, person, **json.loads(figures_file.read_text(encoding="utf-8")))


def _keep(path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
    write_atomically(path, save({k: v.contiguous() for k, v in network.state_dict().items()}, metadata))


def main() -> None:
    """Train what is missing, print what the judges can do."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--out", type=Path, default=FOLDER / "judges")
    parser.add_argument("--steps", type=int, default=2400, help="of the classifier, 64 faces each")
    parser.add_argument("--person-steps", type=int, default=1600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    judges = load_judges(
        options.data, folder=options.out, steps=options.steps, person_steps=options.person_steps
    )
    for name, share in judges.accuracy.items():
        print(f"{name:22s} {share:6.1%}")
    print(f"{'mean':22s} {np.mean(list(judges.accuracy.values())):6.1%}")
    print(
        f"persons: area under the curve {judges.auc:.3f}, equal error rate {judges.error:.1%} "
        f"at a cosine of {judges.threshold:.3f}"
    )


if __name__ == "__main__":
    main()
