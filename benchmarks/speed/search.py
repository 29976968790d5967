"""How much of a search is spent outside the networks, and how near it comes to their speed.

    python benchmarks/speed/search.py [--faces 16] [--population 100] [--generations 50]
        [--solvers nsga2,smpso] [--device cpu] [--give-back]

A search over rendered faces (shipped generator and classifier, three objectives) is run with a
clock around the networks: decoder, audited model, critic. Then the networks alone are called on
batches of the same sizes, as often. Printed for each solver: the share of the wall time outside
the networks (target: under 15 %), and the search's candidates a second as a ratio of those of
the networks alone, both from this run. Processor time and page faults of the search stand beside them;
``--give-back`` leaves malloc as it is by default, where commands let it keep freed memory.
"""

import argparse
import resource
import time
from importlib.resources import as_file, files

import numpy as np
import torch

from cfsearch.assembly.search import assemble
from cfsearch.config import Config
from cfsearch.contracts.generator import Critic
from cfsearch.datasets import faces
from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.engine.clock import Clock
from cfsearch.engine.problem import Problem
from cfsearch.fronts.front import ParetoFront


def config(model: str, *, solver: str, population: int, generations: int, device: str) -> Config:
    return Config.check(
        {
            "model": {"path": model},
            "generator": {"source": "faces64"},
            "data": {"images": "."},
            "search": {
                "solver": solver,
                "objectives": ["adversarial", "plausibility", "intensity"],
                "population": population,
                "evaluations": population * generations,
                "seed": 1,
            },
            "run": {"device": device},
        }
    )


def networks_alone(problem: Problem, *, population: int, generations: int) -> float:
    """Seconds that the networks take on the search's batches, nothing between the calls."""
    generator, provider = problem.generator, problem.provider
    assert isinstance(generator, Critic)
    b, d = problem.b, problem.space.d
    rng = torch.Generator().manual_seed(0)
    z = (torch.rand(b, population, d, generator=rng) - 0.5).to(problem.space.lower)
    states = [generator.select(problem.state, i) for i in range(b)]
    together = z.is_cuda
    if together:
        torch.cuda.synchronize()
    begin = time.perf_counter()
    with torch.no_grad():
        for _ in range(generations):
            for i in range(1 if together else b):
                part, state = (z, problem.state) if together else (z[i : i + 1], states[i])
                x = generator.decode(state, part)
                provider.predict(x.flatten(0, 1))
                generator.realism(x)
    if together:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=16)
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--solvers", default="nsga2,smpso,gde3")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--threads", type=int, default=None, help="torch threads; torch's own choice if left out"
    )
    parser.add_argument("--give-back", action="store_true", help="let malloc do as it does by default")
    arguments = parser.parse_args()
    if not arguments.give_back:
        keep_freed_memory()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    images = faces.faces(arguments.faces, seed=99).images
    x = (torch.from_numpy(images).float() / 255.0).to(arguments.device)
    names = [f"face {i}" for i in range(len(x))]
    candidates = arguments.faces * arguments.population * arguments.generations
    print(
        f"{arguments.faces} faces x {arguments.population} candidates x {arguments.generations} generations "
        f"= {candidates:,} candidates, {torch.get_num_threads()} threads, {arguments.device}"
    )
    print(
        f"{'solver':<10}{'seconds':>9}{'decode':>9}{'model':>9}{'critic':>9}{'outside':>9}{'vs alone':>10}{'found':>8}{'CPU s':>9}{'faults':>10}"
    )
    with as_file(files("cfsearch.models").joinpath("gender_natural.onnx")) as model:
        for solver in arguments.solvers.split(","):
            made = assemble(
                config(
                    str(model),
                    solver=solver,
                    population=arguments.population,
                    generations=arguments.generations,
                    device=arguments.device,
                )
            )
            problem = Problem(
                x,
                names=names,
                provider=made.search.provider,
                generator=made.search.generator,
                objectives=made.search.objectives,
            )
            networks_alone(problem, population=arguments.population, generations=2)  # warm
            clock = Clock()
            begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
            fronts = made.watched(clock=clock).run(x, names=names)
            wall, now = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
            cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
            alone = networks_alone(
                problem, population=arguments.population, generations=arguments.generations
            )
            inside = sum(clock.seconds.values())
            found = np.mean([isinstance(front, ParetoFront) and front.found for front in fronts])
            print(
                f"{solver:<10}{wall:>9.1f}{clock.seconds['decode']:>9.1f}{clock.seconds['provider']:>9.1f}"
                f"{clock.seconds['critic']:>9.1f}{(wall - inside) / wall:>9.1%}{alone / wall:>10.2f}{found:>8.0%}{cpu:>9.2f}{now.ru_minflt - used.ru_minflt:>10,}"
            )


if __name__ == "__main__":
    main()
