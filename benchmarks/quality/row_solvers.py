"""How much of the exact front of a table's rows solvers find with few queries.

    python benchmarks/quality/row_solvers.py [--rows 10] [--budgets 200,500,1000] [--solvers nsga2,agemoea2,gde3,smpso,random]

Rows of a made-up table of people (seven columns, four of which stay; about 100,000 reachable rows) and a
logistic regression. The exact front of each row is that of all rows that the rules allow, in the default objectives
of a search with a training table. For each solver and budget, beginning at random and at the nearest training rows
of the class: the share of the exact front that is found, and the hypervolume over that of the exact front.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import torch

from cfsearch.assembly.plugins import solver_of
from cfsearch.assembly.reference import decided_rows
from cfsearch.assembly.search import default_objectives
from cfsearch.engine.enumeration import every_point
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.numerics import pareto
from cfsearch.providers.sklearn import SklearnProvider

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "papers"))
from peers_setting import people, prepared  # of benchmarks/papers

MOST = 500_000
"""Reachable rows that are enumerated."""
HELD = ("sex", "group", "age", "juvenile")
"""What stays: three columns may change."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--budgets", default="200,500,1000")
    parser.add_argument("--solvers", default="nsga2,agemoea2,spea2,gde3,smpso,random")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        case = prepared(people(Path()), "logistic", rows=arguments.rows, folder=Path(scratch) / "case")
        provider = SklearnProvider(case.pipeline, schema=case.schema)
        decided = decided_rows(case.known, provider)
        generator = Rows(case.schema)
        objectives = default_objectives(generator, decided=decided)
        x = torch.tensor(
            [
                [c.code(v) for c, v in zip(case.schema.columns, row, strict=True)]
                for row in case.rows.values.tolist()
            ]
        ).double()
        exact: list[tuple[torch.Tensor, torch.Tensor]] = []
        for i in range(len(x)):
            problem = Problem(x[i : i + 1], names=["row"], provider=provider, generator=generator,
                              objectives=objectives, target=case.data.target, immutable=HELD)  # fmt: skip
            points = every_point(problem.space, most=MOST)
            if points is None:
                raise SystemExit("a row reaches too many others to be enumerated.")
            f = torch.cat([problem.evaluate(part[None]).f[0] for part in torch.split(points, 5000)]).float()
            exact.append((f[pareto.non_dominated(f)], f.amax(0).double() + 1e-9))
        print(f"{len(x)} rows, exact fronts of {mean(len(f) for f, _ in exact):.0f} members")
        print(
            f"{'solver':<10}{'seeds':<9}"
            + "".join(f"{b:>9}{'volume':>8}{'CPU s':>7}" for b in arguments.budgets.split(","))
        )
        for solver in arguments.solvers.split(","):
            for begun in ("random", "nearest"):
                figures = ""
                for budget in map(int, arguments.budgets.split(",")):
                    at = time.process_time()
                    found = Search(
                        provider, generator, objectives,
                        lambda population, name=solver: solver_of(name, population=population),
                        evaluations=budget, population=50, target=case.data.target, immutable=HELD,
                        seeds=NearestRows(generator, decided) if begun == "nearest" else None,
                    ).run(x, names=[f"row {i}" for i in range(len(x))])  # fmt: skip
                    cpu = (time.process_time() - at) / len(x)
                    recall, volume = [], []
                    for front, (f, corner) in zip(found, exact, strict=True):
                        assert isinstance(front, ParetoFront)
                        hits = (front.f[:, None] - f).abs().amax(-1).le(1e-6).any(0)
                        recall.append(float(hits.double().mean()) * min(1.0, len(f) / min(len(f), 100)))
                        volume.append(pareto.hypervolume(front.f, corner) / pareto.hypervolume(f, corner))
                    figures += f"{mean(recall):>9.3f}{mean(volume):>8.4f}{cpu:>7.3f}"
                print(f"{solver:<10}{begun:<9}{figures}", flush=True)


if __name__ == "__main__":
    main()
