"""Which solver finds the best fronts on real faces: hypervolume over runs and images, as the first paper.

    OMP_NUM_THREADS=1 python benchmarks/quality/celeba_solvers.py GENERATOR --data DIR --model MODEL.onnx

Barredo-Arrieta and Del Ser compare NSGA-II, GDE3 and SMPSO by mean hypervolume over 10 runs on 5
images drawn at random from the test set; SMPSO wins, and no figure is given. Here: 5 random
faces of the validation part that the model gets right, started at their labels, the paper's
three objectives and population of 100, every solver with the same evaluations; of each run the
100 best spread non-dominated candidates of all that it evaluated are kept.

Each image's objectives are scaled to [0, 1] between the best and the worst value of the joint
non-dominated set of all runs of all solvers; hypervolumes are measured from 1.1 in each and
divided by 1.1 cubed. (The paper's own reference point, (0, -3, 0), dominates nothing: no change
has a size below 0.) Each solver is compared with the best by van Elteren's test, Wilcoxon's rank
sums stratified by image, corrected by Holm, and by the share of runs of the best that are better
than one of its own (0.5: alike).

Each run is kept in a folder when it is done; the command goes on where it stood.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Final

import numpy as np
import torch
from celeba_photographs import FOLDER, mark, photographs
from celeba_trial import require_ignored
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from cfsearch import registry
from cfsearch.engine.problem import Problem
from cfsearch.files import write_atomically
from cfsearch.generators.attgan.generator import AttGAN
from cfsearch.numerics import pareto
from cfsearch.numerics.intervals import holm
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.providers.opening import open_provider

PAPER: Final = ("nsga2", "gde3", "smpso")
OTHERS: Final = ("agemoea2", "spea2", "pymoo:sms.SMSEMOA", "nsga3", "pymoo:moead.ParallelMOEAD", "random")
POPULATION: Final = 100
_KEPT: Final = 100
_CORNER: Final = 1.1


def problem_of(
    generator: Path, data: Path, model: Path, *, images: int, seed: int, attribute: str = "Male"
) -> Problem:
    """So many random faces of the validation part that the model gets right."""
    editor = AttGAN.open(generator, settings={})
    provider = open_provider(str(model))
    valid = photographs(data, split="valid", size=editor.config.size)
    order = np.random.default_rng(seed).permutation(len(valid))[: 20 * images]
    x = valid.x(order)
    right = provider.predict(x).argmax(1).numpy() == valid.column(attribute)[order]
    rows = np.flatnonzero(right)[:images]
    labels = torch.from_numpy(valid.columns(editor.attribute_names)[order[rows]].astype(np.float32))
    return Problem(
        x[torch.from_numpy(rows)],
        names=[valid.names[i] for i in order[rows]],
        provider=provider,
        generator=editor,
        objectives=(Plausibility(), Adversarial(), Intensity()),
        attributes=labels,
    )


def run(problem: Problem, solver: str, *, evaluations: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """The kept candidates' objectives on each image, ``(b, kept, 3)`` with NaN rows, and solver seconds."""
    made = registry.create("solvers", solver, {"population": POPULATION})
    made.start(
        problem.space,
        objectives=3,
        constrained=False,
        rngs=[np.random.default_rng([seed, i]) for i in range(problem.b)],
        generations=evaluations // POPULATION,
    )
    best = [torch.zeros(0, 3) for _ in range(problem.b)]
    spent, own = 0, 0.0
    while spent < evaluations:
        began = time.process_time()
        z = made.ask()
        own += time.process_time() - began
        evaluation = problem.evaluate(z)
        began = time.process_time()
        made.tell(evaluation)
        own += time.process_time() - began
        spent += z.shape[1]
        for i in range(problem.b):
            f = torch.cat([best[i], evaluation.f[i]])
            best[i] = f[pareto.truncated(f, torch.zeros(len(f)), _KEPT)]
    kept = np.full((problem.b, _KEPT, 3), np.nan)
    for i, f in enumerate(best):
        kept[i, : len(f)] = f.double().numpy()
    return kept, own


def volumes(fronts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled hypervolumes: fronts ``(s, r, b, kept, 3)`` -> ``(s, r, b)``, each in [0, 1]."""
    s, r, b = fronts.shape[:3]
    found = np.zeros((s, r, b))
    for i in range(b):
        every = torch.from_numpy(fronts[:, :, i].reshape(-1, 3))
        every = every[~every.isnan().any(1)]
        joint = every[pareto.non_dominated(every)]
        low, high = joint.amin(0), joint.amax(0)
        for j, k in np.ndindex(s, r):
            f = torch.from_numpy(fronts[j, k, i])
            f = (f[~f.isnan().any(1)] - low) / (high - low).clamp_min(1e-12)
            found[j, k, i] = pareto.hypervolume(f, torch.full((3,), _CORNER, dtype=f.dtype)) / _CORNER**3
    return found


def van_elteren(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Two-sided p of rank sums stratified by column; ``a`` ``(r, images)``, ``b`` ``(r', images)``."""
    total, variance = 0.0, 0.0
    for x, y in zip(a.T, b.T, strict=True):
        ranks, n, m = rankdata(np.concatenate([x, y])), len(x), len(y)
        weight = 1.0 / (n + m + 1)
        total += weight * (ranks[:n].sum() - n * (n + m + 1) / 2)
        variance += weight**2 * n * m * ranks.var(ddof=1) / (n + m)
    if variance == 0.0:
        return 1.0
    return float(2.0 * norm.sf(abs(total) / np.sqrt(variance)))


def compare(
    names: list[str], found: NDArray[np.float64], seconds: NDArray[np.float64]
) -> list[dict[str, object]]:
    """A row a solver, best first."""
    means, ranks = found.mean((1, 2)), rankdata(-found, axis=0).mean((1, 2))
    best = int(means.argmax())
    others = [j for j in range(len(names)) if j != best]
    p = dict(zip(others, holm(np.array([van_elteren(found[best], found[j]) for j in others])), strict=True))
    rows: list[dict[str, object]] = []
    for j in np.argsort(-means):
        better = (found[best][:, None] > found[j][None]) + 0.5 * (found[best][:, None] == found[j][None])
        rows.append(
            {
                "solver": names[j],
                "paper": names[j] in PAPER,
                "hypervolume": float(means[j]),
                "sd_over_runs": float(found[j].mean(1).std(ddof=1)) if found.shape[1] > 1 else 0.0,
                "mean_sd_within_images": float(found[j].std(0, ddof=1).mean()) if found.shape[1] > 1 else 0.0,
                "rank": float(ranks[j]),
                "behind_best": float(1.0 - means[j] / means[best]),
                "p_holm": None if j == best else float(p[int(j)]),
                "share_best_is_better": None if j == best else float(better.mean()),
                "solver_seconds_a_run": float(seconds[j].mean()),
            }
        )
    return rows


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--model", type=Path, default=FOLDER / "classifiers" / "gender_all.onnx")
    parser.add_argument("--solvers", nargs="+", default=[*PAPER, *OTHERS])
    parser.add_argument("--evaluations", type=int, default=1500, help="a run and image")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="draws the images")
    parser.add_argument("--out", type=Path, default=FOLDER / "solvers", help="where finished runs are kept")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    require_ignored(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    problem = problem_of(
        options.generator, options.data, options.model, images=options.images, seed=options.seed
    )
    models = mark(problem.generator.fingerprint, problem.provider.fingerprint)
    run_name = f"{models}-{options.images}-{options.seed}-{options.evaluations}"
    fronts, seconds, began = [], [], time.monotonic()
    # run by run, so that what is there after an interruption compares all solvers alike
    for seed in range(options.runs):
        for solver in options.solvers:
            path = options.out / f"{run_name}-{solver.replace(':', '_')}-{seed}.npz"
            if not path.is_file():
                kept, own = run(problem, solver, evaluations=options.evaluations, seed=seed)
                with path.with_suffix(".tmp").open("wb") as stream:
                    np.savez(stream, kept=kept, own=own)
                path.with_suffix(".tmp").replace(path)
        print(f"run {seed + 1} of {options.runs} done, {time.monotonic() - began:.0f} s", flush=True)
    for solver in options.solvers:
        stored = [
            np.load(options.out / f"{run_name}-{solver.replace(':', '_')}-{seed}.npz")
            for seed in range(options.runs)
        ]
        fronts.append(np.stack([s["kept"] for s in stored]))
        seconds.append([float(s["own"]) for s in stored])
    found = volumes(np.stack(fronts))
    rows = compare(options.solvers, found, np.array(seconds))
    print(
        f"\n{options.images} images, {options.runs} runs, {options.evaluations} evaluations, population {POPULATION}; "
        f"hypervolume scaled to [0, 1]\n\n{'solver':26} {'paper':>6} {'mean':>8} {'sd runs':>8} {'sd image':>9} "
        f"{'rank':>6} {'behind':>8} {'p (Holm)':>10} {'best wins':>10} {'s a run':>8}"
    )
    for row in rows:
        p, share = row["p_holm"], row["share_best_is_better"]
        print(
            f"{row['solver']:26} {'yes' if row['paper'] else '':>6} {row['hypervolume']:8.4f} {row['sd_over_runs']:8.4f} "
            f"{row['mean_sd_within_images']:9.4f} {row['rank']:6.2f} {row['behind_best']:8.1%} "
            f"{'' if p is None else f'{p:.2g}':>10} {'' if share is None else f'{share:.0%}':>10} "
            f"{row['solver_seconds_a_run']:8.1f}"
        )
    three = [row for row in rows if row["paper"]]
    if three:
        winner = three[0]["solver"]
        print(
            f"\nof the paper's three the best is {winner}; the paper's was smpso: {'alike' if winner == 'smpso' else 'not alike'}"
        )
    if options.json is not None:
        content = {
            "images": list(problem.queries.names),
            "runs": options.runs,
            "evaluations": options.evaluations,
            "population": POPULATION,
            "generator": problem.generator.fingerprint,
            "model": problem.provider.fingerprint,
            "rows": rows,
            "hypervolumes": {s: found[j].tolist() for j, s in enumerate(options.solvers)},
        }
        write_atomically(options.json, json.dumps(content, indent=1).encode())


if __name__ == "__main__":
    main()
