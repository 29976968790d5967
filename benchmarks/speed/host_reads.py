"""How often the host waits for the device in a generation of a search, counted on a pretend device.

    python benchmarks/speed/host_reads.py [--queries 1,4,64] [--solvers nsga2,smpso,agemoea2,random] [--generations 3]

Rendered faces, the shipped generator, a network of torch, three objectives, no pruning. Reads of two searches that
differ by so many generations, less each other, over the generations: what a generation costs, without start and end.
Needs no GPU: the device of ``tests/engine/pretend_card.py`` holds its numbers on the CPU, and counts copies to the host.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from cfsearch import registry
from cfsearch.assembly.generator import open_generator
from cfsearch.config import Config
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets import faces
from cfsearch.engine.search import Search
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility

CARD: Final = Path(__file__).parents[2] / "tests" / "engine" / "pretend_card.py"
_POPULATION: Final = 12
SETTINGS: Final = Config.check(
    {"model": {"path": "m"}, "generator": {"source": "faces64"}, "data": {"images": "."}}, where="host_reads"
)


def pretend_card() -> Any:  # Any: a class of the tests, which are no package
    """The class of the pretend device."""
    spec = importlib.util.spec_from_file_location("pretend_card", CARD)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{CARD} is not there: run this in a checkout.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretend_card"] = module
    spec.loader.exec_module(module)
    return module.PretendCard


class Network(Provider):
    """A small network of torch, on whatever device its inputs are."""

    name, labels, scores, max_batch = "network", ("no", "yes"), ScoreKind.LOGITS, 4096

    def __init__(self, device: str) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 2)).to(device)

    @property
    def fingerprint(self) -> str:
        """Of weights that a seed decides."""
        return "network:0"

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Logits ``(n, 2)`` of images ``(n, 3, h, w)`` in [0, 1]."""
        out: Tensor = self._net(x)
        return out


def reads(card: Any, *, solver: str, b: int, generations: int) -> int:  # Any: as above
    """Waits of the host in one search.

    Args:
        card: the class of the pretend device.
        solver: its name.
        b: queries that are searched together.
        generations: of ``_POPULATION`` candidates each.
    """
    images = torch.from_numpy(faces.faces(b, seed=1).images).float() / 255.0
    made = registry.load("solvers", solver)
    with card() as counted:
        generator = open_generator(SETTINGS)
        generator = generator.to("cuda")  # type: ignore[attr-defined] # AttGAN's
        search = Search(
            Network("cuda"),
            generator,
            [Adversarial(), Plausibility(), Intensity()],
            lambda population: made(population=population),
            evaluations=_POPULATION * generations,
            population=_POPULATION,
            pruning=0.0,
            watchers=[lambda _: None],
        )
        search.run(images.to("cuda"), names=[f"{i}" for i in range(b)])
    return int(counted.reads)


def main() -> None:
    """Print a line a solver and number of queries."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", default="1,4,64")
    parser.add_argument("--solvers", default="nsga2,smpso,agemoea2,random")
    parser.add_argument("--generations", type=int, default=3)
    args = parser.parse_args()
    card = pretend_card()
    print(f"{'solver':12}{'queries':>8}{'reads a generation':>20}{'at start and end':>18}")
    for solver in args.solvers.split(","):
        for b in map(int, args.queries.split(",")):
            few = reads(card, solver=solver, b=b, generations=2)
            many = reads(card, solver=solver, b=b, generations=2 + args.generations)
            each = (many - few) / args.generations
            print(f"{solver:12}{b:>8}{each:>20.2f}{few - 2 * each:>18.0f}", flush=True)


if __name__ == "__main__":
    main()
