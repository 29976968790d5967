"""How well a generator edits rendered faces, by a classifier that it never met.

    python benchmarks/quality/measure_generator.py models/attgan_faces64.safetensors

prints, over 1,000 unseen faces: for each attribute the share of flips that an independent
classifier confirms, the share of the other attributes that it finds unchanged, and the
distance of the reconstruction; beside them the same shares on the true re-renders, which are
the most that can be reached.
"""

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.datasets import faces
from cfsearch.generators.attgan.generator import AttGAN, AttGANWithCritic

_CLASSIFIER_SEED = 910_000
_FACES_SEED = 777_000


class AttributeJudge(nn.Module):
    """Four small convolutions and a linear layer: the thirteen attributes of a face.

    Shapes:
        ``(n, 3, 64, 64)`` on [0, 1] -> logits ``(n, 13)``.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 64)
        layers: list[nn.Module] = []
        for i in range(4):
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], 4 if i < 2 else 3, stride=2, padding=1),
                nn.BatchNorm2d(widths[i + 1]),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 16, len(faces.ATTRIBUTES)))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.body(x * 2.0 - 1.0)))


def train_judge(*, steps: int = 1800, people: int = 30_000, seed: int = _CLASSIFIER_SEED) -> AttributeJudge:
    """A classifier trained on faces of its own, in both joint distributions."""
    torch.manual_seed(seed)
    halves = [
        faces.faces(people // 2, seed=seed, joint="natural"),
        faces.faces(people // 2, seed=seed + 1, joint="independent"),
    ]
    images = torch.from_numpy(np.concatenate([h.images for h in halves]))
    labels = torch.from_numpy(np.concatenate([h.attributes for h in halves]))
    judge = AttributeJudge().to(memory_format=torch.channels_last)
    adam = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=4e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,))
        x = images[rows].float() / 255.0
        x = x + torch.randn_like(x) * 0.02 * torch.rand(len(x), 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(x)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), labels[rows])
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        adam.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def load_judge(path: Path) -> AttributeJudge:
    """The classifier in a file, trained first if there is none."""
    judge = AttributeJudge().eval().requires_grad_(False)
    if path.exists():
        judge.load_state_dict(torch.load(path, weights_only=True))
        return judge
    judge = train_judge()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(judge.state_dict(), path)
    return judge


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; shares from 0 to 1.

    Args:
        faces: unseen faces.
        joint: their distribution.
        success: share of flips that the judge confirms, by attribute.
        kept: share of the other attributes that it finds as they were, by attribute flipped.
        possible: ``success`` on the true re-renders.
        possible_kept: ``kept`` on the true re-renders.
        reconstruction: mean absolute error on [-1, 1].
        edit_error: mean absolute error of the edits to the true re-renders on [-1, 1].
        labels: share of the labels that the generator estimates right.
        judge: share of the labels that the judge gets right on the faces themselves.
    """

    faces: int
    joint: str
    success: dict[str, float]
    kept: dict[str, float]
    possible: dict[str, float]
    possible_kept: dict[str, float]
    reconstruction: float
    edit_error: float
    labels: float
    judge: float

    @property
    def mean_success(self) -> float:
        return float(np.mean(list(self.success.values())))

    @property
    def mean_kept(self) -> float:
        return float(np.mean(list(self.kept.values())))

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "mean_success": self.mean_success, "mean_kept": self.mean_kept}

    def table(self) -> str:
        lines = [
            f"{self.faces} unseen faces, {self.joint} joint distribution",
            f"{'attribute':22s} success  (re-render)   others kept  (re-render)",
        ]
        lines += [
            f"{name:22s} {self.success[name]:7.1%}  {self.possible[name]:10.1%}   "
            f"{self.kept[name]:11.1%}  {self.possible_kept[name]:10.1%}"
            for name in self.success
        ]
        possible = float(np.mean(list(self.possible.values())))
        possible_kept = float(np.mean(list(self.possible_kept.values())))
        lines += [
            f"{'mean':22s} {self.mean_success:7.1%}  {possible:10.1%}   {self.mean_kept:11.1%}  {possible_kept:10.1%}",
            f"reconstruction L1 {self.reconstruction:.4f} on [-1, 1]; edits to true re-renders {self.edit_error:.4f}",
            f"labels estimated right {self.labels:.2%}; judge right on real faces {self.judge:.2%}",
        ]
        return "\n".join(lines)


class Edits(Protocol):
    """What is measured: how a generator estimates attributes and edits."""

    def labels(self, x: Tensor) -> Tensor:
        """Estimated attributes ``(n, a)`` in [0, 1] of images on [0, 1]."""
        ...

    def decode(self, x: Tensor, values: Tensor) -> Tensor:
        """``x`` ``(n, 3, s, s)`` with each of ``values`` ``(n, k, a)``: ``(n, k, 3, s, s)``."""
        ...


@final
@dataclass(frozen=True, slots=True)
class GeneratorEdits:
    """The edits of an AttGAN with its own classifier, through its public contract."""

    generator: AttGANWithCritic

    def labels(self, x: Tensor) -> Tensor:
        return self.generator.encode(x).origin

    def decode(self, x: Tensor, values: Tensor) -> Tensor:
        state = self.generator.encode(x)
        return self.generator.decode(state, values - state.origin[:, None])


@torch.no_grad()
def measure(edits: Edits, judge: AttributeJudge, *, n: int = 1000, joint: faces.Joint = "natural") -> Figures:
    """Flip every attribute of ``n`` unseen faces, ask the judge."""
    data = faces.faces(n, seed=_FACES_SEED + (joint == "independent"), joint=joint)
    names = faces.ATTRIBUTES
    a = len(names)
    success, kept = np.zeros((a, n), bool), np.full((a, n), np.nan)
    possible, possible_kept = np.zeros((a, n), bool), np.full((a, n), np.nan)
    l1, edit_l1, right, judged = [], [], [], []
    for start in range(0, n, 50):
        part = data[slice(start, start + 50)]
        rows = np.arange(start, start + len(part))
        x = torch.from_numpy(part.images).float() / 255.0
        own = edits.labels(x)
        right.append(((own > 0.5).numpy() == (part.attributes > 0.5)).mean())
        judged.append(((judge(x) > 0).numpy() == (part.attributes > 0.5)).mean())
        goals = np.stack([_flip(part.attributes, i) for i in range(a)], axis=1)
        # set as a user would: the estimate moves by the true change of the labels
        wanted = own[:, None] + torch.from_numpy(goals - part.attributes[:, None])
        wanted = torch.cat([own[:, None], wanted], dim=1).clamp(0.0, 1.0)
        made = edits.decode(x, wanted)
        l1.append(float((made[:, 0] - x).abs().mean()) * 2.0)
        for i in range(a):
            truth = torch.from_numpy(faces.render(goals[:, i], part.nuisances, size=x.shape[-1]))
            edit_l1.append(float((made[:, i + 1] - truth).abs().mean()) * 2.0)
            for image, hit, same in ((made[:, i + 1], success, kept), (truth, possible, possible_kept)):
                seen = (judge(image) > 0).numpy()
                match = seen == (goals[:, i] > 0.5)
                hit[i, rows] = match[:, i]
                fixed = goals[:, i] == part.attributes
                same[i, rows] = (match & fixed).sum(1) / fixed.sum(1)
    return Figures(
        faces=n,
        joint=joint,
        success={name: float(success[i].mean()) for i, name in enumerate(names)},
        kept={name: float(kept[i].mean()) for i, name in enumerate(names)},
        possible={name: float(possible[i].mean()) for i, name in enumerate(names)},
        possible_kept={name: float(possible_kept[i].mean()) for i, name in enumerate(names)},
        reconstruction=float(np.mean(l1)),
        edit_error=float(np.mean(edit_l1)),
        labels=float(np.mean(right)),
        judge=float(np.mean(judged)),
    )


def _flip(attributes: NDArray[np.float32], i: int) -> NDArray[np.float32]:
    out = attributes.copy()
    name = faces.ATTRIBUTES[i]
    for value in (0.0, 1.0):
        rows = attributes[:, i] == 1.0 - value
        if rows.any():
            out[rows] = faces.do(attributes[rows], name=name, value=value)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--judge", type=Path, default=Path("scratch") / "judge.pt", help="kept here")
    parser.add_argument("--faces", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = AttGAN.open(options.generator, settings={})
    if not isinstance(generator, AttGANWithCritic):
        raise SystemExit(f"{options.generator}: has no attribute classifier; train a critic on it first")
    judge = load_judge(options.judge)
    joints: tuple[faces.Joint, ...] = ("natural", "independent")
    for joint in joints:
        print(measure(GeneratorEdits(generator), judge, n=options.faces, joint=joint).table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
