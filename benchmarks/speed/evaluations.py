"""Evaluations that solvers need on faces, with and without gradients, beside pymoo's NSGA-II.

::

    python benchmarks/speed/evaluations.py [--faces 4] [--seeds 1] [--target 10000] [--budget 1200]

Rendered faces, the shipped generator and classifier, three objectives, no pruning. The target is the hypervolume
that our nsga2 (population 100) has after 10,000 evaluations; volumes are measured in the box of the last front of
that run (ideal and worst point), archives of 100 members. A gradient counts as two evaluations. Printed for each
solver, over faces and seeds: the median share of the target's volume at some numbers of evaluations (with its range
at the last), how many evaluations 99 % and 100 % of it took (median of those that came so far, and how many did),
IGD+ of the last front to the non-dominated members of all runs together in that box (median), and CPU seconds a
thousand evaluations. "sibling" follows gradients of another shipped classifier, trained on other faces, in place
of the audited model's: what a surrogate is to a black box; how often both agree on candidates stands below.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from cfsearch.assembly.search import assemble
from cfsearch.config import Config
from cfsearch.contracts.provider import DifferentiableProvider
from cfsearch.contracts.solver import Solver
from cfsearch.datasets import faces
from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.engine.course import Course
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Progress
from cfsearch.engine.schedule import Schedule
from cfsearch.engine.search import Search
from cfsearch.numerics import pareto
from cfsearch.providers.differentiable import differentiable
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.solvers.batched.solver import BatchedSolver
from cfsearch.solvers.bayesian import Bayesian
from cfsearch.solvers.class_path import solver_class
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.swarm import Smpso


@dataclass(frozen=True)
class Run:
    """A search in progress: evaluations that were spent, and the archive's values, face by face, a generation each."""

    spent: list[list[int]]
    values: list[list[Tensor]]
    seconds: float


def searched(
    search: Search,
    x: Tensor,
    *,
    solver: Callable[[int], Solver],
    gradients: DifferentiableProvider | None,
    evaluations: int,
    population: int,
    seed: int,
) -> Run:
    problem = Problem(
        x,
        names=[f"face {i}" for i in range(len(x))],
        provider=search.provider,
        generator=search.generator,
        objectives=search.objectives,
    )
    spent: list[list[int]] = []
    values: list[list[Tensor]] = []

    def watch(_: Progress) -> None:
        spent.append(list(course.tracker.spent))
        values.append([archive.f.double() for archive in course.tracker.archives])

    set_up = replace(search, solver=solver, gradients=gradients, seed=seed, watchers=[watch])
    schedule = Schedule.of(evaluations, population=population, pruning=0.0)
    course = Course(problem, schedule, begin=time.monotonic(), search=set_up, members=100)
    begin = time.process_time()
    course.solve()
    return Run(spent, values, time.process_time() - begin)


def of(kind: type[BatchedSolver]) -> Callable[[int], Solver]:
    """What makes a solver of a population."""
    return lambda population: kind(population=population)


def boxed(f: Tensor, front: Tensor) -> Tensor:
    """Values as shares of the box of a front; those outside are left out."""
    low, high = front.amin(0), front.amax(0)
    g = (f - low) / (high - low).clamp(min=1e-12)
    return g[(g <= 1).all(1)]


def volume(f: Tensor, front: Tensor) -> float:
    inside = boxed(f, front)
    return pareto.hypervolume(inside, torch.ones(f.shape[1], dtype=torch.float64)) if len(inside) else 0.0


def line(
    name: str,
    runs: Sequence[Run],
    targets: Sequence[Run],
    best: Sequence[Sequence[Tensor]],
    marks: Sequence[int],
) -> str:
    shares: list[list[float]] = []
    needed: dict[float, list[int | None]] = {0.99: [], 1.0: []}
    off: list[float] = []
    for run, target, known in zip(runs, targets, best, strict=True):
        for i, front in enumerate(target.values[-1]):
            full = volume(front, front)
            course = [(run.spent[t][i], volume(f[i], front) / full) for t, f in enumerate(run.values)]
            shares.append([max((v for s, v in course if s <= mark), default=0.0) for mark in marks])
            for share, found in needed.items():
                found.append(next((s for s, v in course if v >= share), None))
            inside = boxed(run.values[-1][i], front)
            off.append(pareto.igd_plus(inside, boxed(known[i], front)) if len(inside) else float("nan"))
    text = f"{name:34}" + "".join(f"{v:>7.3f}" for v in np.median(np.array(shares), axis=0))
    last = [s[-1] for s in shares]
    text += f" ({min(last):.3f} to {max(last):.3f})"
    for found in needed.values():
        there = [n for n in found if n is not None]
        text += f"{f'{np.median(there):,.0f}' if there else '-':>8} {f'({len(there)}/{len(found)})':>7}"
    spent = sum(sum(run.spent[-1]) for run in runs)
    return text + f"{np.nanmedian(off):>8.4f}{1e3 * sum(run.seconds for run in runs) / spent:>7.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--target", type=int, default=10_000)
    parser.add_argument("--budget", type=int, default=1_200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    x = torch.from_numpy(faces.faces(given.faces, seed=7).images).float() / 255.0
    models = files("cfsearch.models")
    with (
        as_file(models.joinpath("gender_natural.onnx")) as path,
        as_file(models.joinpath("gender_balanced.onnx")) as other,
    ):
        search = assemble(
            Config.check(
                {
                    "model": {"path": str(path)},
                    "generator": {"source": "faces64"},
                    "data": {"images": "."},
                    "search": {"objectives": ["adversarial", "plausibility", "intensity"]},
                }
            )
        ).search
        assert isinstance(search.provider, OnnxProvider)
        network = differentiable(search.provider)
        sibling = differentiable(OnnxProvider.open(Path(other)))
    pymoo_nsga2: Any = solver_class("nsga2.NSGA2")  # Any: its settings are pymoo's
    kinds: dict[str, tuple[Callable[[int], Solver], DifferentiableProvider | None, int]] = {
        "nsga2": (lambda n: Nsga2(population=n), None, 100),
        "pymoo's NSGA-II, our start": (lambda n: pymoo_nsga2(population=n), None, 100),
    }
    for kind in (Nsga2, AgeMoea2, Smpso):
        kinds[f"{kind.name}, population 50"] = (of(kind), None, 50)
        kinds[f"{kind.name}, 50, gradients"] = (of(kind), network, 50)
    for population in (10, 20):
        kinds[f"bayesian, population {population}"] = (of(Bayesian), None, population)
    kinds["agemoea2, 50, sibling's gradients"] = (lambda n: AgeMoea2(population=n), sibling, 50)

    def runs(name: str, evaluations: int) -> list[Run]:
        solver, gradients, population = kinds[name]
        return [
            searched(
                search,
                x,
                solver=solver,
                gradients=gradients,
                evaluations=evaluations,
                population=population,
                seed=seed,
            )
            for seed in range(given.seeds)
        ]

    targets = runs("nsga2", given.target)
    made = {name: runs(name, given.budget) for name in kinds if name != "nsga2"}
    best = []
    for s in range(given.seeds):
        every = [targets[s].values[-1], *(run[s].values[-1] for run in made.values())]
        merged = [torch.cat([values[i] for values in every]) for i in range(given.faces)]
        best.append([f[pareto.non_dominated(f)] for f in merged])
    marks = [n for n in (100, 200, 300, 500, 700, 1000, given.budget) if n <= given.budget]
    print(
        f"{given.faces} faces x {given.seeds} seeds, target nsga2 at {given.target:,}, budget {given.budget:,}"
    )
    print(
        f"{'share of volume at':34}"
        + "".join(f"{m:>7,}" for m in marks)
        + f"{'':17}{'to 99 %':>16}{'to 100 %':>16}{'IGD+':>8}{'ms':>7}"
    )
    print(line("nsga2 (the target run)", targets, targets, best, marks))
    for name, found in made.items():
        print(line(name, found, targets, best, marks))
    z = search.generator.encode(x)
    space = search.generator.space(z)
    drawn = space.sample(50, rngs=[np.random.default_rng(i) for i in range(len(x))])
    with torch.no_grad():
        seen = search.generator.decode(z, drawn).flatten(0, 1)
        same = (search.provider.predict(seen).argmax(1) == sibling.predict(seen).argmax(1)).float().mean()
    print(f"the sibling gives the audited model's class for {float(same):.0%} of {len(seen)} candidates")


if __name__ == "__main__":
    main()
