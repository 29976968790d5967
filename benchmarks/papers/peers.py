"""Counterfactuals of a table against the peers: one forest, one MLP, the same rows of UCI Adult.

    python benchmarks/papers/peers.py [--data ../shared/data/adult/adult.csv.gz] [--rows 100]
        [--paired 10] [--seeds 3] [--json FILE]
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from cfsearch.solvers.genetic import Nsga2
from cfsearch.solvers.swarm import Smpso
from peers_measures import COLUMNS, Ruler
from peers_methods import COUNT, Dice, Method, Ours
from peers_setting import ASKED, Model, Setting, read


def methods(model: Model) -> dict[str, Method]:
    """All methods that can explain a model, by name."""
    return {
        "dice random": Dice("random"),
        "dice genetic": Dice("genetic"),
        "nsga2": Ours(lambda n: Nsga2(population=n), 500, 50),
        "smpso": Ours(lambda n: Smpso(population=n), 500, 50),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/adult/adult.csv.gz"))
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--paired", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    setting = read(arguments.data, rows=arguments.rows)
    print("; ".join(f"{m.name}: accuracy {m.accuracy:.4f}" for m in setting.models))
    for model in setting.models:
        for name, method in methods(model).items():
            results = [one(setting, model, method, rows=arguments.paired, seed=s) for s in range(arguments.seeds)]
            print(name, {k: round(mean(r[k] for r in results), 3) for k in results[0]}, flush=True)
    print(f"{time.process_time() - began:.0f} core seconds")


def one(setting: Setting, model: Model, method: Method, *, rows: int, seed: int) -> dict[str, float]:
    assert setting.train.target is not None
    target = setting.schema.labels.index(ASKED)
    part = setting.rows[:rows]
    ruler = Ruler(setting.schema, part, setting.train.x[setting.train.target == target], target, COUNT)
    run = method(setting, model, part, seed)
    return {"cpu": run.cpu / rows, "wall": run.wall / rows, "prepare": run.prepare, **ruler.measure(run.sets, provider=model.provider)}


if __name__ == "__main__":
    main()
