"""Which measure of plausibility keeps counterfactuals of tables near real rows, and how good it is as a density.

    uv run python benchmarks/tables/densities.py [--data ../shared/data] [--tables adult,loans] [--models logistic]
        [--rows 12] [--seeds 1] [--critics default,density,trained,forest] [--json FILE]

First, the mean log-likelihood of held-out rows in nats, each number's probability by its step (by its range where it
has none): of an adversarial random forest (`cfsearch.generators.rows.forest`, at its defaults), of the same columns
taken as independent (smoothed shares of steps, levels and common numbers), and of a Gaussian copula over these.
5,000 of the training rows are learned from, 1,000 others are held out.

Then the search of `peers.py` (the command line at its defaults, with the training table) by plausibility: `default` is
the distance to the nearest training rows of the target class, the others are `--critic` in its place. Local outlier
factor, outliers and distance to the five nearest true rows are of the four answers, as in `peers.py`; `log density` is
theirs by a forest grown on the *test* rows, which no search has seen; CPU seconds a row, and once.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "papers"))

from peers_measures import Ruler, summary
from peers_methods import Ours, guessed_schema, rows_of
from peers_setting import TABLES, Case, prepared

from cfsearch.datasets.tables import Variables, infer_schema, read_table
from cfsearch.generators.rows.forest import RowForest
from cfsearch.generators.rows.leaves import LeafDensities, Marginal

HELD: Final = 1000
LEARNED: Final = 5000
DRAWS: Final = 64
_BINS: Final = 200


class Column:
    """Smoothed distribution of one variable: probabilities of its values, in their order."""

    def __init__(self, marginal: Marginal, values: np.ndarray, ranks: np.ndarray) -> None:
        self.marginal = marginal
        state = marginal.state(values)
        self.other = len(marginal.atoms)
        if marginal.numeric:
            # a number is an atom or one of at most 200 bins of steps
            u = marginal.share(values)
            steps = 1.0 / marginal.step if marginal.step else np.inf
            low, high = marginal.support
            bins = int(min(_BINS, max(1, round((high - low) * steps) + 1)))
            half = 0.5 * marginal.step
            self.edges = np.linspace(low - half, high + half, bins + 1)
            self.room = (
                max(1.0, (self.edges[1] - self.edges[0]) * steps)
                if marginal.step
                else self.edges[1] - self.edges[0]
            )
            place = self._bin(u)
            order = np.concatenate([self.edges[:-1], marginal.atoms])
            key = np.where(state == self.other, place, bins + state)
            self.order = np.argsort(np.argsort(order, kind="stable"), kind="stable")
            cells = bins + len(marginal.atoms)
        else:
            key, cells = state, marginal.states
            self.order = np.argsort(np.argsort(ranks, kind="stable"), kind="stable")
        count = np.bincount(key, minlength=cells) + 0.5
        self.p = count / count.sum()
        in_order = np.empty(cells)
        in_order[self.order] = self.p
        self.below = (np.cumsum(in_order) - in_order)[self.order]

    def _bin(self, u: np.ndarray) -> np.ndarray:
        return np.clip(np.searchsorted(self.edges, u, side="right") - 1, 0, len(self.edges) - 2)

    def of(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log-likelihood, and the ends of each value in [0, 1]."""
        state = self.marginal.state(values)
        key, log = state, 0.0
        if self.marginal.numeric:
            bins = len(self.edges) - 1
            key = np.where(state == self.other, self._bin(self.marginal.share(values)), bins + state)
            log = np.where(state == self.other, -np.log(self.room), 0.0)
        return np.log(self.p[key]) + log, self.below[key], self.below[key] + self.p[key]


def baselines(variables: Variables, known: torch.Tensor, held: torch.Tensor) -> tuple[float, float]:
    """Mean log-likelihood of independent columns, and of a Gaussian copula over them.

    The copula of a value that has a probability is its mean over 64 draws within the value's interval.
    """
    leaves = LeafDensities.of(variables, known, alpha=1.0)
    a, b = variables.values(known).numpy(), variables.values(held).numpy()
    columns = [Column(m, a[:, m.place], m.ranks) for m in leaves.marginals]
    rng = np.random.default_rng(0)

    def normal(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [column.of(values[:, column.marginal.place]) for column in columns]
        low, high = np.stack([p[1] for p in parts], 1), np.stack([p[2] for p in parts], 1)
        u = low + rng.random(low.shape) * (high - low)
        return norm.ppf(np.clip(u, 1e-9, 1 - 1e-9)), np.stack([p[0] for p in parts], 1).sum(1)

    correlation = np.corrcoef(normal(a)[0].T)
    inverse = np.linalg.inv(correlation) - np.eye(len(correlation))
    _, log_det = np.linalg.slogdet(correlation)
    logs, apart = [], np.zeros(len(b))  # what columns with a probability alone add is the same in every draw
    for _ in range(DRAWS):
        z, apart = normal(b)
        logs.append(-0.5 * (np.einsum("ni,ij,nj->n", z, inverse, z) + log_det))
    copula = np.logaddexp.reduce(logs, axis=0) - np.log(DRAWS)
    return float(apart.mean()), float((apart + copula).mean())


def likelihoods(name: str, folder: Path) -> dict[str, float]:
    """Mean log-likelihood of held-out training rows."""
    data = TABLES[name](folder)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "train.csv"
        data.train.sample(min(len(data.train), LEARNED + HELD), random_state=2).to_csv(path, index=False)
        schema = infer_schema(path, target=data.label).schema
        x = read_table(path, schema=schema).x
    variables, held = Variables.of(schema), min(HELD, len(x) // 4)
    known, held_out = x[held:], x[:held]
    start = time.process_time()
    forest = RowForest.of(variables, known, seed=0)
    grown = time.process_time() - start
    apart, copula = baselines(variables, known, held_out)
    scores = forest.score(held_out)
    line = {"forest": float(scores.mean()), "independent": apart, "copula": copula, "grown": grown}
    print(
        f"{name}: held-out log-likelihood of {held} rows ({len(known)} learned): forest {line['forest']:.2f}, independent "
        f"{apart:.2f}, Gaussian copula {copula:.2f}; grown in {grown:.1f} CPU s, {len(forest.accuracies)} forests, "
        f"accuracies {', '.join(f'{a:.2f}' for a in forest.accuracies)}",
        flush=True,
    )
    return line


def searched(case: Case, critic: str, *, seeds: int, judge: RowForest) -> dict[str, float]:
    """What a search with one measure of plausibility answers."""
    more = () if critic == "default" else ("--critic", critic)
    lines: list[dict[str, float]] = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(dir=case.folder) as scratch:
            run = Ours(more=more)(_in(case, Path(scratch)), seed)
        line = summary(run, Ruler(case).rows(run))
        rows = [rows_of(case, frame) for frame in run.answers if len(frame)]
        line["density"] = float(judge.score(torch.cat(rows)).mean()) if rows else float("nan")
        lines.append(line)
    return {key: mean(line[key] for line in lines) for key in lines[0]}


def _in(case: Case, folder: Path) -> Case:
    """The case with a folder of its own, so that fronts of one search do not meet those of another."""
    from dataclasses import replace

    for path in case.folder.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    return replace(case, folder=folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", default="adult,loans")
    parser.add_argument("--models", default="logistic")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--critics", default="default,density,trained,forest")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    written: dict[str, Any] = {}
    for name in arguments.tables.split(","):
        written[name] = {"likelihood": likelihoods(name, arguments.data)}
        for kind in arguments.models.split(","):
            with tempfile.TemporaryDirectory() as scratch:
                case = prepared(
                    TABLES[name](arguments.data), kind, rows=arguments.rows, folder=Path(scratch) / "case"
                )
                guessed_schema(case)
                unseen = case.data.test.head(3000)
                unseen = unseen[unseen[case.data.label] == case.data.target]
                for column in case.schema.columns:
                    if column.has_levels:  # a schema knows the levels of its training rows alone
                        unseen = unseen[unseen[column.name].astype(str).isin(column.levels)]
                judge = RowForest.of(case.variables, rows_of(case, unseen[case.columns]), seed=1)
                print(f"{name}, {kind}: {len(case.rows)} rows, {arguments.seeds} seeds")
                shown = (
                    "valid",
                    "changed",
                    "gower",
                    "true5",
                    "lof",
                    "outliers",
                    "diversity",
                    "density",
                    "queries",
                    "cpu",
                    "once",
                )
                print(f"{'':<10}" + "".join(f"{key:>10}" for key in shown), flush=True)
                for critic in arguments.critics.split(","):
                    line = searched(case, critic, seeds=arguments.seeds, judge=judge)
                    written[name][f"{kind} {critic}"] = line
                    print(f"{critic:<10}" + "".join(f"{line[key]:>10.3f}" for key in shown), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
