"""Chapman-Rounds et al. 2019 (EMAP) again: recovery, adversarial accuracy, agreement with LIME, speed.

``python benchmarks/papers/emap.py`` needs LIME (``pip install -r benchmarks/requirements.txt``) and
the MNIST and Adult files under ``--data``. Four data sets, each with a random forest of 200 trees:
half moons, the offset blob, MNIST's 8 and 3, and the balanced subset of Adult. Printed with the
paper's figure beside ours, mean and standard deviation over the seeds, all on the test part:

- recovery: share of inputs that the surrogate gives the forest's class;
- adversarial: share of inputs whose perturbation ends in the other class than the forest gave them,
  by the surrogate's word and by the forest's. The paper does not say whose word it counts; only
  the forest's is worth anything to a reader. Perturbed inputs are rows and images that may exist
  (whole numbers, pixels in [0, 1]);
- cosine of minus the perturbation with LIME's coefficients for the class that was given (off-the-shelf
  settings but for ``discretize_continuous=False``, without which coefficients are of bins), with
  and without the 10 % of inputs that have the smallest perturbations;
- cosine of the perturbations of two runs of EMAP on the same forest (MNIST);
- seconds for 2,000 explanations: one forward pass as in the paper, and everything with the
  forest's own verdict on the result, against LIME at its default 5,000 samples, measured on
  ``--lime`` explanations and scaled up.

The recipe "paper" is theirs (one round, 15 epochs, eta 2.0, Adam 1e-3); "rounds" asks the forest
about its own perturbations twice and learns again, for the sets where the surrogate alone is
fooled. The paper names no batch (128 here) and no lambda but Adult's 0.1. Those in ``LAMBDA`` were
chosen on another draw of points (seed 100: the smaller it is, the nearer to LIME, and the less
minimal) and on seed 0 of MNIST (the larger it is, the more two runs agree); "rounds" has 0.1. MNIST's seed 0 is among the reported ones,
and so is Adult's, whose forest got ``min_samples_leaf=2`` for a test f-score like the paper's.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from emap_data import Trial, adult, eight_or_three, half_moons, offset_blob
from torch import Tensor

from cfsearch.explainer import Explanation
from cfsearch.explainers.emap import Emap
from cfsearch.explainers.uncertainty import sizes, uncertain
from cfsearch.files import dump_json, write_atomically

PAPER: Final = Emap(rounds=1, epochs=15, surrogate_epochs=15)
ROUNDS: Final = Emap(rounds=3, epochs=10, surrogate_epochs=10)

LAMBDA: Final = {"moons": 0.005, "blob": 0.005, "mnist": 0.5, "adult": 0.1}
"""What a perturbation of length 1 costs in the recipe "paper"; 0.1 in "rounds"."""

PRINTED: Final = {
    "moons": {
        "forest_f": 0.97,
        "recovery": 0.981,
        "adversarial": 0.977,
        "lime": 0.936,
        "lime_without_smallest": 0.964,
        "forward_seconds": 0.0132,
        "lime_seconds": 214.0,
        "lime_over_forward": 214.0 / 0.0132,
    },
    "blob": {"forest_f": 0.910, "recovery": 0.935, "adversarial": 0.921, "lime": 0.688},
    "mnist": {"forest_f": 0.98, "recovery": 0.983, "adversarial": 0.975, "two_runs": 0.9497},
    "adult": {"forest_f": 0.81, "recovery": 0.882, "adversarial": 0.853},
}
"""The paper's figures."""

TITLES: Final = {
    "forest_f": "f-score of the forest",
    "recovery": "recovery",
    "surrogate_f": "f-score of the surrogate, true classes",
    "adversarial": "adversarial, the surrogate's word",
    "adversarial_forest": "adversarial, the forest's word",
    "size": "mean length of a perturbation",
    "lime": "cosine with LIME",
    "lime_without_smallest": "  without the smallest 10 %",
    "two_runs": "cosine of two runs",
    "fit_seconds": "seconds of one core to fit",
    "queries": "questions to the forest to fit",
    "forward_seconds": "seconds, 2,000 in one forward pass",
    "explain_seconds": "seconds, 2,000 with the forest's verdict",
    "lime_seconds": "seconds, 2,000 by LIME (scaled)",
    "lime_over_forward": "LIME over the forward pass",
    "lime_over_explain": "LIME over all with the verdict",
}


class Run(NamedTuple):
    """EMAP fitted to a trial, and its explanations of the test part."""

    emap: Emap
    explanation: Explanation
    figures: dict[str, float]


def fit_and_explain(trial: Trial, *, emap: Emap, seed: int) -> Run:
    began = time.process_time()
    fitted = emap.fit(trial.subject, trial.train, seed=seed)
    seconds = time.process_time() - began
    subject = fitted.follow(trial.subject)
    explanation = fitted.explain(trial.test, subject=subject)
    assert explanation.flipped is not None
    assert explanation.counterfactuals is not None
    with torch.no_grad():
        said = subject.network(subject.domain.encode(trial.test)).argmax(1)
        after = subject.network(subject.domain.encode(explanation.counterfactuals)).argmax(1)
    return Run(
        fitted,
        explanation,
        {
            "forest_f": trial.f_score(explanation.source),
            "recovery": _share(said == explanation.source),
            "surrogate_f": trial.f_score(said),
            "adversarial": _share(after != explanation.source),
            "adversarial_forest": _share(explanation.flipped),
            "size": float(sizes(explanation).mean()),
            "fit_seconds": seconds,
            "queries": float(emap.rounds * len(trial.train)),
        },
    )


def against_lime(trial: Trial, run: Run, *, count: int, seed: int) -> dict[str, float]:
    """Cosine of directions, and time; numbers are in the standard deviations of both."""
    explainer = import_module("lime.lime_tabular").LimeTabularExplainer(
        trial.train.numpy(), discretize_continuous=False, random_state=seed
    )
    rows = torch.from_numpy(np.random.default_rng(seed).permutation(len(trial.test))[:count])
    coefficients = torch.zeros(count, trial.test.shape[1])
    began = time.process_time()
    for i, row in enumerate(rows.tolist()):
        given = int(run.explanation.source[row])
        told = explainer.explain_instance(
            trial.test[row].numpy(), trial.forest.predict_proba, labels=(given,)
        )
        for feature, weight in told.local_exp[given]:
            coefficients[i, feature] = weight
    lime = (time.process_time() - began) / count * 2000
    assert run.explanation.attributions is not None
    cosine = torch.cosine_similarity(-run.explanation.attributions[rows], coefficients, dim=1)
    near = uncertain(run.explanation, share=0.1)[rows]
    forward, whole = _seconds(trial, run)
    return {
        "lime": float(cosine.mean()),
        "lime_without_smallest": float(cosine[~near].mean()),
        "lime_seconds": lime,
        "forward_seconds": forward,
        "explain_seconds": whole,
        "lime_over_forward": lime / forward,
        "lime_over_explain": lime / whole,
    }


def _seconds(trial: Trial, run: Run) -> tuple[float, float]:
    """Seconds of one core for 2,000 inputs: the network's pass, and ``explain``; the best of five."""
    subject = run.emap.follow(trial.subject)
    x = trial.test[torch.arange(2000) % len(trial.test)]
    u, away = subject.domain.encode(x).flatten(1), torch.full((2000,), -1)
    assert run.emap.fitted is not None
    perturber = run.emap.fitted.perturber
    with torch.no_grad():
        forward = min(_timed(lambda: perturber(u, away)) for _ in range(5))
    return forward, min(_timed(lambda: run.emap.explain(x, subject=subject)) for _ in range(5))


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def measure(name: str, *, recipe: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """All figures of one data set, one recipe and one seed."""
    trial = {
        "moons": lambda: half_moons(seed),
        "blob": lambda: offset_blob(seed),
        "mnist": lambda: eight_or_three(options.data / "mnist", seed),
        "adult": lambda: adult(options.data / "adult" / "adult.csv.gz", seed),
    }[name]()
    emap = ROUNDS if recipe == "rounds" else replace(PAPER, size_weight=LAMBDA[name])
    if options.size_weight is not None:
        emap = replace(emap, size_weight=options.size_weight)
    run = fit_and_explain(trial, emap=emap, seed=seed)
    figures = run.figures
    if name in ("moons", "blob"):
        figures |= against_lime(trial, run, count=options.lime, seed=seed)
    if name == "mnist" and recipe == "paper":
        other = fit_and_explain(trial, emap=emap, seed=seed + 1000).explanation
        assert run.explanation.attributions is not None
        assert other.attributions is not None
        cosine = torch.cosine_similarity(run.explanation.attributions, other.attributions, dim=1)
        figures["two_runs"] = float(cosine.mean())
    return figures


def table(name: str, recipe: str, seeds: list[dict[str, float]]) -> str:
    """Ours beside the paper's, mean and spread over the seeds."""
    lines = [f"\n{name}, recipe {recipe!r}, {len(seeds)} seeds", f"{'':42s} {'paper':>9s} {'ours':>10s}"]
    for key, title in TITLES.items():
        if key not in seeds[0]:
            continue
        values = [figures[key] for figures in seeds]
        printed = PRINTED[name].get(key)
        shown = "-" if printed is None else _number(printed)
        spread = f" +- {_number(stdev(values))}" if len(values) > 1 else ""
        lines.append(f"{title:42s} {shown:>9s} {_number(mean(values)):>10s}{spread}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}" if abs(value) < 0.1 else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--sets", default="moons,blob,mnist,adult")
    parser.add_argument("--recipes", default="paper,rounds", help="rounds: of mnist and adult only")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--lime", type=int, default=50, help="explanations by LIME for each seed")
    parser.add_argument("--size-weight", type=float, help="lambda, for all sets; else that of each")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in options.sets.split(","):
        for recipe in options.recipes.split(","):
            if recipe == "rounds" and name in ("moons", "blob"):
                continue
            seeds = []
            for seed in map(int, options.seeds.split(",")):
                began = time.process_time()
                seeds.append(measure(name, recipe=recipe, seed=seed, options=options))
                spent = time.process_time() - began
                print(f"  {name}, {recipe}, seed {seed}: {spent:.0f} s of one core", flush=True)
                print("    " + json.dumps({k: round(v, 5) for k, v in seeds[-1].items()}), flush=True)
            print(table(name, recipe, seeds), flush=True)
            found[f"{name}/{recipe}"] = {"paper": PRINTED[name], "seeds": seeds}
    print(f"\n{time.process_time():.0f} s of one core in all")
    if options.json is not None:
        write_atomically(options.json, dump_json(found))


if __name__ == "__main__":
    main()
