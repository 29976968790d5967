"""How good the solvers are, and what they cost: ours against other implementations.

::

    python benchmarks/quality/solvers.py             # SMPSO against jMetalPy, then all solvers
    python benchmarks/quality/solvers.py --record    # jMetalPy's figures, as JSON; needs only
                                                     # jmetalpy and moocore, not cfsearch
    python benchmarks/quality/solvers.py --record-pymoo   # those of pymoo's NSGA-II

The first table holds mean hypervolumes (reference points stated) of our SMPSO, of jMetalPy's as
recorded in ``tests/solvers/jmetalpy_smpso.json``, and, where jmetalpy is importable, of
jMetalPy's now. The second runs every installed solver on one problem with three objectives and
says what share of the best hypervolume it reaches and what a generation of a query costs
beside the models (processor time, one thread).
"""

# pyright: reportMissingImports=false
# jmetalpy is compared with where it is installed; it is no dependency

import argparse
import json
import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import moocore
import numpy as np

RECORDING = Path(__file__).parents[2] / "tests" / "solvers" / "jmetalpy_smpso.json"
EVALUATIONS, SWARM = 25_000, 100
PROBLEMS: dict[str, tuple[int, list[float]]] = {
    "zdt1": (30, [1.1, 1.1]),
    "dtlz2": (12, [1.1, 1.1, 1.1]),
    "dtlz7": (22, [1.1, 1.1, 6.6]),
}


def jmetal_volume(name: str, *, seed: int) -> float:
    from jmetal.algorithm.multiobjective.smpso import SMPSO
    from jmetal.operator.mutation import PolynomialMutation
    from jmetal.problem.multiobjective.dtlz import DTLZ2, DTLZ7
    from jmetal.problem.multiobjective.zdt import ZDT1
    from jmetal.util.archive import CrowdingDistanceArchive
    from jmetal.util.termination_criterion import StoppingByEvaluations

    logging.disable(logging.CRITICAL)
    problem = {"zdt1": ZDT1, "dtlz2": DTLZ2, "dtlz7": DTLZ7}[name]()
    assert problem.number_of_variables() == PROBLEMS[name][0]
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # what jmetalpy draws from
    swarm = SMPSO(
        problem=problem,
        swarm_size=SWARM,
        mutation=PolynomialMutation(1.0 / problem.number_of_variables(), 20),
        leaders=CrowdingDistanceArchive(100),
        termination_criterion=StoppingByEvaluations(EVALUATIONS),
    )
    swarm.run()
    f = np.array([solution.objectives for solution in swarm.result()])
    return float(moocore.hypervolume(f, ref=PROBLEMS[name][1]))


def our_volumes(name: str, *, seeds: int) -> list[float]:
    from cfsearch.solvers.swarm import Smpso
    from cfsearch.testing.problems import volumes

    return volumes(Smpso(population=SWARM), name, seeds=seeds, generations=EVALUATIONS // SWARM)


def jmetal_volumes(name: str, *, seeds: int) -> list[float]:
    return [jmetal_volume(name, seed=seed) for seed in range(seeds)]


def record(seeds: int) -> None:
    problems = {
        name: {
            "variables": variables,
            "objectives": len(reference),
            "reference": reference,
            "hypervolume": [round(jmetal_volume(name, seed=seed), 9) for seed in range(seeds)],
        }
        for name, (variables, reference) in PROBLEMS.items()
    }
    print(json.dumps({"problems": problems}, indent=1))


def record_pymoo(seeds: int) -> None:
    import pymoo
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    problems = {}
    for name, (d, corner) in PROBLEMS.items():
        size = {} if name == "zdt1" else {"n_var": d, "n_obj": len(corner)}
        turns = ("n_gen", EVALUATIONS // SWARM)
        runs = [
            minimize(get_problem(name, **size), NSGA2(pop_size=SWARM), turns, seed=seed)
            for seed in range(seeds)
        ]
        volumes = [round(float(moocore.hypervolume(run.F, ref=corner)), 9) for run in runs]
        problems[name] = {"reference": corner, "hypervolume": volumes}
    who = f"pymoo {pymoo.__version__}, NSGA2(pop_size={SWARM}), {EVALUATIONS // SWARM} generations, seeds 0 to {seeds - 1}"
    print(json.dumps({"implementation": who, "problems": problems}, indent=1))


def against_jmetal(seeds: int) -> None:
    recorded = json.loads(RECORDING.read_text(encoding="utf-8"))
    print(f"SMPSO, {SWARM} particles, {EVALUATIONS} evaluations, {seeds} seeds; hypervolume, mean (sd)")
    print(f"recorded: {recorded['implementation']}\n")
    columns: dict[str, Callable[..., list[float]]] = {"ours": our_volumes}
    try:
        import jmetal  # noqa: F401  # only whether it is there
    except ImportError:
        print("(jmetalpy is not installed: no live column)\n")
    else:
        columns["jmetalpy now"] = jmetal_volumes
    print(f"{'problem':8} {'reference':18} {'recorded':>18} " + "".join(f"{c:>30}" for c in columns))
    for name, (_, reference) in PROBLEMS.items():
        truth = np.array(recorded["problems"][name]["hypervolume"])
        line = f"{name:8} {reference!s:18} {truth.mean():9.5f} ({truth.std(ddof=1):.5f})"
        for found in columns.values():
            values = np.array(found(name, seeds=seeds))
            off = 100 * (values.mean() / truth.mean() - 1)
            line += f" {values.mean():9.5f} ({values.std(ddof=1):.5f}) {off:+6.2f} %"
        print(line, flush=True)


def every_solver(*, queries: int, population: int, generations: int) -> None:
    import torch

    from cfsearch import registry
    from cfsearch.contracts.records import Evaluation
    from cfsearch.contracts.space import SearchSpace
    from cfsearch.numerics import pareto

    torch.set_num_threads(1)
    names = tuple(f"v{i}" for i in range(13))
    one = torch.ones(queries, len(names))
    space = SearchSpace(names=names, lower=-one, upper=one, groups=(names[:4],), dead_zone=0.05)
    centres = 0.4 * torch.randn(3, len(names), generator=torch.Generator().manual_seed(1))
    reference = torch.full((3,), 6.0)

    def measured(solver: Any) -> tuple[float, float]:  # Any: whatever is installed
        solver.start(
            space,
            objectives=3,
            constrained=False,
            rngs=[np.random.default_rng([7, i]) for i in range(queries)],
            generations=generations,
        )
        spent, seen = 0.0, []
        for _ in range(generations):
            began = time.process_time()
            z = solver.ask()
            spent += time.process_time() - began
            f = ((z[..., None, :] - centres) ** 2).sum(-1)
            evaluation = Evaluation(z, f, torch.zeros(z.shape[:2]), torch.zeros(*z.shape[:2], 2))
            began = time.process_time()
            solver.tell(evaluation)
            spent += time.process_time() - began
            seen.append(f)
        volumes = [pareto.hypervolume(torch.cat([f[i] for f in seen]), reference) for i in range(queries)]
        return float(np.mean(volumes)), 1e3 * spent / generations / queries

    rows = {
        name: measured(registry.load("solvers", name)(population=population))
        for name in registry.installed("solvers")
    }
    best = max(volume for volume, _ in rows.values())
    print(
        f"\nAll solvers: {queries} queries x {population} candidates x {generations} generations, three "
        f"objectives, 13 variables; reference point {reference.tolist()}\n"
    )
    print(f"{'solver':10} {'hypervolume':>12} {'of the best':>12} {'ms a generation and query':>28}")
    for name, (volume, cost) in sorted(rows.items(), key=lambda row: -row[1][0]):
        print(f"{name:10} {volume:12.3f} {100 * volume / best:10.2f} % {cost:28.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality and cost of the solvers.")
    parser.add_argument("--record", action="store_true", help="print jMetalPy's figures as JSON")
    parser.add_argument("--record-pymoo", action="store_true", help="print pymoo's figures as JSON")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--generations", type=int, default=50)
    given = parser.parse_args()
    if given.record:
        record(given.seeds)
        return
    if given.record_pymoo:
        record_pymoo(given.seeds)
        return
    against_jmetal(given.seeds)
    every_solver(queries=given.queries, population=given.population, generations=given.generations)


if __name__ == "__main__":
    main()
