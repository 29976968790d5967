"""Searches against exact answers: every counterfactual of a rendered face is known by enumeration.

    python benchmarks/audit/exact.py [--faces 4] [--solvers nsga2,smpso,agemoea2] [--evaluations 5000]
        [--models gender_natural,gender_balanced] [--seed 3] [--threads 1]

Of each face and classifier, its own attribute held fixed:

- *through the generator*: each of the other twelve attributes stays or becomes the opposite label, 4,096 points before the rules of
  the attributes. The points that no other dominates are the exact front of labels. A search may also stop between labels
  and go beyond them, so that its volume, as a share of the exact front's, may be over 100 %. IGD+ says how far it stays behind
  the exact points, in shares of the front's box; "random" draws as many points of the same lattice.
- *in truth*: every set of one to three attributes is rendered again with the opposite labels. A set that flips the classifier, and
  none of whose subsets does, is a minimal flip set. Recall: minimal sets that are among the changes of a verified member (with their
  directions). True: verified members of up to three changes whose own set, rendered again, flips the classifier.

The solvers have the budget and the settings of a user. One CPU minute a face, solver and 5,000 evaluations, and a quarter more a face for
the enumeration.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cfsearch.assembly.search import Assembly, assemble
from cfsearch.config import Config
from cfsearch.datasets import faces
from cfsearch.engine.problem import Problem
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics import pareto
from cfsearch.numerics.intervals import wilson

FIXED: Final = "Male"
MOST: Final = 3
"""Attributes of a flip set, at most."""
_CHUNK: Final = 256
_CORNER: Final = 1.1

Flip = frozenset[str]


def assembled(model: str, *, solver: str, evaluations: int, seed: int, threads: int) -> Assembly:
    """A search as ``cfsearch search`` makes it."""
    with as_file(files("cfsearch.models").joinpath(f"{model}.onnx")) as path:
        return assemble(
            Config.check(
                {
                    "model": {"path": str(path)},
                    "generator": {"source": "faces64"},
                    "data": {"images": "."},
                    "search": {
                        "solver": solver,
                        "objectives": ["adversarial", "plausibility", "intensity"],
                        "evaluations": evaluations,
                        "immutable": [FIXED],
                        "seed": seed,
                    },
                    "run": {"threads": threads},
                },
                where="exact",
            )
        )


def lattice(problem: Problem) -> Tensor:
    """Every point at which each attribute stays or has the opposite label, the rules kept."""
    space = problem.space
    origin = space.origin[0]
    free = (space.upper[0] > space.lower[0]).nonzero().flatten().tolist()
    opposite = (origin < 0.5).to(origin.dtype) - origin
    points = torch.zeros(2 ** len(free), space.d, dtype=space.lower.dtype)
    for row, chosen in enumerate(itertools.product((False, True), repeat=len(free))):
        for j, hit in zip(free, chosen, strict=True):
            points[row, j] = opposite[j] if hit else 0.0
    distinct: Tensor = torch.unique(space.repair(points[None])[0], dim=0)
    return distinct


def values(problem: Problem, points: Tensor) -> Tensor:
    """Objective values of many points of one query."""
    parts = [problem.evaluate(part[None]).f[0].double() for part in torch.split(points, _CHUNK)]
    return torch.cat(parts)


def minimal(face: faces.FaceSet, assembly: Assembly) -> tuple[set[Flip], dict[Flip, bool]]:
    """The minimal flip sets of a face, by rendering it again, and whether each set of up to three attributes flips."""
    before = face.attributes[0]
    names = [name for name in faces.ATTRIBUTES if name != FIXED]
    sets: list[Flip] = []
    rows: list[np.ndarray] = []
    for size in range(1, MOST + 1):
        for chosen in itertools.combinations(names, size):
            row, words = before[None], []
            for name in chosen:
                up = before[faces.ATTRIBUTES.index(name)] < 0.5
                row = faces.do(row, name=name, value=1.0 if up else 0.0)
                words.append(f"{'+' if up else '-'}{name}")
            sets.append(frozenset(words))
            rows.append(row[0])
    drawn = np.stack([before, *rows])
    images = faces.quantise(faces.render(drawn, face.nuisances[np.zeros(len(drawn), dtype=np.int64)]))
    with torch.no_grad():
        scores = assembly.model.predict(torch.from_numpy(images).float() / 255.0)
    classes = scores.argmax(-1).tolist()
    flips = {one: c != classes[0] for one, c in zip(sets, classes[1:], strict=True)}
    found: set[Flip] = set()
    for one, hit in flips.items():  # the smaller ones come first
        if hit and not any(less < one for less in found):
            found.add(one)
    return found, flips


def changes(front: ParetoFront, i: int) -> Flip:
    """The labels that a member turns, with their direction: past the middle between two labels."""
    words = []
    for j, name in enumerate(front.variables):
        before, after = float(front.values[i, j] - front.z[i, j]), float(front.values[i, j])
        if (before < 0.5) != (after < 0.5):
            words.append(f"{'+' if after > before else '-'}{name}")
    return frozenset(words)


@dataclass(slots=True)
class Score:
    """What one solver reached over faces and classifiers."""

    volume: list[float]
    igd: list[float]
    found: int = 0
    minimal: int = 0
    true: int = 0
    small: int = 0

    def add(self, f: Tensor, exact: Tensor) -> None:
        """Compare objective values with those of the exact front."""
        low, high = exact.amin(0), exact.amax(0)
        box = (high - low).clamp(min=1e-12)
        corner = torch.full((f.shape[1],), _CORNER, dtype=torch.float64)
        known = (exact - low) / box
        reached = (f - low) / box
        self.volume.append(pareto.hypervolume(reached, corner) / pareto.hypervolume(known, corner))
        self.igd.append(pareto.igd_plus(reached, known))

    def line(self, name: str) -> str:
        """One line of the table."""
        words = f"{name:12}{np.mean(self.volume):>10.3f}{np.min(self.volume):>8.3f}{np.mean(self.igd):>9.4f}"
        for count, n in ((self.found, self.minimal), (self.true, self.small)):
            if not n:
                words += f"{'-':>26}"
                continue
            share = wilson(count, n)
            assert share is not None
            words += f"{f'{count} of {n}, {share.low:.0%} to {share.high:.0%}':>26}"
        return words


def tasks(args: argparse.Namespace) -> Iterator[tuple[str, int, faces.FaceSet]]:
    """Every classifier with every face."""
    people = faces.faces(args.faces, seed=args.seed)
    for model in args.models.split(","):
        for i in range(len(people)):
            yield model, i, people[i : i + 1]


def main() -> None:
    """Enumerate, search, and print a line a solver."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument("--models", default="gender_natural,gender_balanced")
    parser.add_argument("--solvers", default="nsga2,smpso,agemoea2")
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    solvers: Sequence[str] = args.solvers.split(",")
    scores = {name: Score([], []) for name in ("random", *solvers)}
    sizes, sets = [], []
    for model, i, face in tasks(args):
        x = torch.from_numpy(face.images).float() / 255.0
        known = torch.from_numpy(face.attributes).float()
        made = {
            name: assembled(
                model, solver=name, evaluations=args.evaluations, seed=args.seed, threads=args.threads
            )
            for name in solvers
        }
        search = next(iter(made.values())).search
        problem = Problem(
            x, names=[f"face {i}"], provider=search.provider, generator=search.generator,
            objectives=search.objectives, immutable=[FIXED], attributes=known,
        )  # fmt: skip
        points = lattice(problem)
        f = values(problem, points)
        exact = f[pareto.non_dominated(f)]
        drawn = torch.randint(len(f), (args.evaluations,), generator=torch.Generator().manual_seed(args.seed))
        scores["random"].add(f[torch.unique(drawn)], exact)
        truly, flips = minimal(face, next(iter(made.values())))
        sizes.append(len(exact))
        sets.append(len(truly))
        for name, assembly in made.items():
            [front] = assembly.search.run(x, names=[f"face {i}"], attributes=known)
            if not isinstance(front, ParetoFront):
                raise SystemExit(f"{name} failed on face {i} of {model}: {front}")
            scores[name].add(front.f.double(), exact)
            of_members = {changes(front, m) for m in front.valid.nonzero().flatten().tolist()}
            scores[name].found += len(truly & of_members)
            scores[name].minimal += len(truly)
            small = [one for one in of_members if one in flips]
            scores[name].small += len(small)
            scores[name].true += sum(flips[one] for one in small)
        print(
            f"{model}, face {i}: exact front of {len(exact)} of {len(f)} points, {len(truly)} minimal flip sets",
            flush=True,
        )
    print(
        f"\n{'solver':12}{'volume':>10}{'worst':>8}{'IGD+':>9}{'minimal sets found':>26}{'true of small ones':>26}"
    )
    for name, score in scores.items():
        print(score.line(name))


if __name__ == "__main__":
    main()
