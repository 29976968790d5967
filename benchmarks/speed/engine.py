"""What a generation of a query costs in the solvers alone, and what volume they reach.

    python benchmarks/speed/engine.py [--queries 1,16,64,256] [--generations 30] [--seeds 10]
    uv run --with jmetalpy python benchmarks/speed/engine.py     # with jMetalPy's SMPSO beside ours

The first table: processor time of one thread, milliseconds a generation and query, median over generations (with ``--least`` the
least of them, which a busy machine changes less), and in brackets how many times less than pymoo's NSGA-II needs in the same run. 100 candidates, 13 variables in two exclusive
groups with a dead zone of 0.1 (a face's rules), three objectives; pymoo and jMetalPy have the bounds alone.
The second: mean hypervolume (standard deviation) after 25,000 evaluations on ZDT1, DTLZ2 and DTLZ7 from uniform
starts, of ours, of pymoo's NSGA-II now, and of jMetalPy's SMPSO as recorded in tests/solvers/jmetalpy_smpso.json.
``--skip-volumes`` and ``--skip-times`` leave one of them out.
"""

# pyright: reportMissingImports=false
# jmetalpy is compared with where it is installed; it is no dependency

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from cfsearch import registry
from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.numerics import pareto
from cfsearch.testing.problems import PROBLEMS, volumes

RECORDING = Path(__file__).parents[2] / "tests" / "solvers" / "jmetalpy_smpso.json"
OURS = ("nsga2", "smpso", "agemoea2", "gde3")
NAMES = tuple("abcdefghijklm")
Statistic = Callable[[list[float]], Any]  # Any: numpy's numbers
POPULATION = 100


def face_rules(b: int) -> SearchSpace:
    on = (torch.rand(b, len(NAMES), generator=torch.Generator().manual_seed(0)) < 0.4).float()
    return SearchSpace(
        names=NAMES,
        lower=-on - 0.5,
        upper=1.5 - on,
        origin=on,
        groups=(NAMES[:4], NAMES[4:6]),
        dead_zone=0.1,
    )


def centres() -> Tensor:
    return torch.full((3, len(NAMES)), 0.1).index_put((torch.arange(3), torch.arange(3)), torch.tensor(0.6))


def of_ours(solver: Solver, *, b: int, generations: int, of: Statistic = np.median) -> float:
    space, goal = face_rules(b), centres()
    solver.start(
        space,
        objectives=3,
        constrained=False,
        rngs=[np.random.default_rng([1, i]) for i in range(b)],
        generations=generations,
    )
    spent = []
    for _ in range(generations):
        began = time.process_time()
        z = solver.ask()
        proposed = time.process_time()
        f = ((z[..., None, :] - goal) ** 2).sum(-1)
        evaluation = Evaluation(z, f, torch.zeros(z.shape[:2]), torch.zeros(*z.shape[:2], 2))
        judged = time.process_time()
        solver.tell(evaluation)
        spent.append(time.process_time() - judged + proposed - began)
    return 1e3 * float(of(spent[2:])) / b


def of_pymoo(*, generations: int, of: Statistic = np.median) -> float:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem

    goal = centres().double().numpy()
    algorithm = NSGA2(pop_size=POPULATION)
    algorithm.setup(Problem(n_var=len(NAMES), n_obj=3, xl=-1.0, xu=1.0), termination=("n_gen", 10**6), seed=1)
    spent = []
    for _ in range(generations):
        began = time.process_time()
        infills = algorithm.ask()
        proposed = time.process_time()
        f = ((infills.get("X")[:, None] - goal) ** 2).sum(-1)
        for individual, row in zip(infills, f, strict=True):
            individual.F = row
            individual.evaluated.add("F")
        judged = time.process_time()
        algorithm.tell(infills=infills)
        spent.append(time.process_time() - judged + proposed - began)
    return 1e3 * float(of(spent[2:]))


def of_jmetal(*, generations: int) -> float:
    from jmetal.algorithm.multiobjective.smpso import SMPSO
    from jmetal.operator.mutation import PolynomialMutation
    from jmetal.problem.multiobjective.dtlz import DTLZ2
    from jmetal.util.archive import CrowdingDistanceArchive
    from jmetal.util.termination_criterion import StoppingByEvaluations

    class Timed(DTLZ2):  # type: ignore[misc]  # jmetalpy ships no types
        inside = 0.0

        def evaluate(self, solution: object) -> object:
            began = time.process_time()
            made = super().evaluate(solution)
            Timed.inside += time.process_time() - began
            return made

    problem = Timed(number_of_variables=len(NAMES), number_of_objectives=3)
    swarm = SMPSO(
        problem=problem,
        swarm_size=POPULATION,
        mutation=PolynomialMutation(1.0 / len(NAMES), 20),
        leaders=CrowdingDistanceArchive(100),
        termination_criterion=StoppingByEvaluations(POPULATION * generations),
    )
    began = time.process_time()
    swarm.run()
    return 1e3 * (time.process_time() - began - Timed.inside) / generations


def times(queries: list[int], *, generations: int, of: Statistic = np.median) -> None:
    yardstick = of_pymoo(generations=generations, of=of)
    print(f"{'ms a generation and query':28}" + "".join(f"{f'b = {b}':>18}" for b in queries))
    print(f"{'pymoo NSGA-II, bounds alone':28}{yardstick:>10.3f}")
    if importlib.util.find_spec("jmetal") is not None:
        cost = of_jmetal(generations=generations)
        print(f"{'jMetalPy SMPSO, bounds alone':28}{cost:>10.3f} ({yardstick / cost:5.1f})")
    for name in OURS:
        line = f"{name:28}"
        for b in queries:
            solver: Solver = registry.load("solvers", name)(population=POPULATION)
            cost = of_ours(solver, b=b, generations=generations, of=of)
            line += f"{cost:>10.3f} ({yardstick / cost:5.1f})"
        print(line, flush=True)


def pymoo_volumes(name: str, *, seeds: int) -> list[float]:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    _, d, corner = PROBLEMS[name]
    size = {} if name == "zdt1" else {"n_var": d, "n_obj": len(corner)}
    found = []
    for seed in range(seeds):
        run = minimize(get_problem(name, **size), NSGA2(pop_size=POPULATION), ("n_gen", 250), seed=seed)
        found.append(pareto.hypervolume(torch.from_numpy(run.F), torch.tensor(corner).double()))
    return found


def reached(seeds: int) -> None:
    recorded = json.loads(RECORDING.read_text(encoding="utf-8"))["problems"]
    columns: dict[str, Callable[[str], list[float]]] = {
        "pymoo NSGA-II": lambda name: pymoo_volumes(name, seeds=seeds),
        "jMetalPy SMPSO, recorded": lambda name: [float(v) for v in recorded[name]["hypervolume"]],
    }
    for solver in OURS[:3]:
        columns[solver] = lambda name, solver=solver: volumes(
            registry.load("solvers", solver)(population=POPULATION), name, seeds=seeds, generations=250
        )
    print(f"\n{f'hypervolume, {seeds} seeds':28}" + "".join(f"{name:>20}" for name in PROBLEMS))
    for title, found in columns.items():
        line = f"{title:28}"
        for name in PROBLEMS:
            values = np.array(found(name))
            line += f"{values.mean():>11.5f} ({values.std(ddof=1):.4f})"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", default="1,16,64,256")
    parser.add_argument("--generations", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--skip-volumes", action="store_true")
    parser.add_argument("--skip-times", action="store_true")
    parser.add_argument("--least", action="store_true", help="the least generation instead of the median")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.skip_times:
        of = np.min if given.least else np.median
        times([int(b) for b in given.queries.split(",")], generations=given.generations, of=of)
    if not given.skip_volumes:
        reached(given.seeds)


if __name__ == "__main__":
    main()
