"""How often two groups' fronts are called different where they are alike, and where one group pays more.

Three sources of fronts, each with no bias and with a planted one:

* ``made``: fronts from a known process. A person's difficulty is lognormal; the front trades a distance for a number
  of changes; one in ten has no counterfactual. Bias multiplies the distance of the second group. No search is run.
* ``table``: two models are trained on one made table of loans, without and with the applicant's sex; each is audited
  once by the command line's own search (default budget). A simulated audit then draws its rows from those that were
  searched: without bias both groups from one pool, dealt at random; with it women from the women, men from the men.
* ``faces``: the same of two shipped classifiers of rendered faces, men with blond hair against other men: one was
  trained on faces whose attributes go with nothing, the other never saw a blond woman.

An audit is called biased where a p-value after Holm (both tests, as in ``audit.json``) is below 5 %. Beside it stands what
the share of inputs with a counterfactual says (Fisher), which is blind to cost.

    uv run python benchmarks/governance/attainment.py --folder scratch/attainment
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cfsearch.audits.attainment import OF_SCORES
from cfsearch.audits.family import fisher
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.attainment import compare_fronts
from cfsearch.numerics.intervals import holm, wilson
from cfsearch.runs.directory import RunDirectory

Fronts = list[Tensor]
Draw = Callable[[np.random.Generator, int], tuple[Fronts, Fronts]]


def made(*, bias: float) -> Draw:
    """Fronts of two groups from the known process."""

    def one(rng: np.random.Generator, cost: float) -> Tensor:
        if rng.random() < 0.1:
            return torch.zeros(0, 2, dtype=torch.float64)
        difficulty = cost * rng.lognormal(-1.0, 0.5)
        changes = np.arange(1, rng.integers(2, 6))
        distance = difficulty * (0.4 + rng.random(len(changes)).cumsum()[::-1])
        return torch.tensor(np.stack([distance, changes], axis=1))

    def draw(rng: np.random.Generator, n: int) -> tuple[Fronts, Fronts]:
        return [one(rng, 1.0) for _ in range(n)], [one(rng, 1.0 + bias) for _ in range(n)]

    return draw


def pooled(first: Fronts, second: Fronts, *, planted: bool) -> Draw:
    """Rows drawn with replacement from searched ones: from each group, or from both together."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Fronts, Fronts]:
        pools = (first, second) if planted else ([*first, *second],) * 2
        one, other = ([pool[i] for i in rng.integers(len(pool), size=n)] for pool in pools)
        return one, other

    return draw


def figures(draw: Draw, *, n: int, audits: int, seed: int) -> dict[str, int]:
    """How many of so many simulated audits call the groups different, by each test."""
    found: dict[str, int] = dict.fromkeys(("attainment", "hypervolume", "either", "rate"), 0)
    for k in range(audits):
        rng = np.random.default_rng([seed, n, k])
        one, other = draw(rng, n)
        compared = compare_fronts(one, other, seed=k)
        if compared is None:
            continue
        p = holm(np.array([compared.p_gap, compared.p_volume]))
        hits = sum(len(f) > 0 for f in one), sum(len(f) > 0 for f in other)
        rate = fisher(hits[0], n, hits[1], n)
        found["attainment"] += bool(p[0] < 0.05)
        found["hypervolume"] += bool(p[1] < 0.05)
        found["either"] += bool((p < 0.05).any())
        found["rate"] += rate is not None and rate < 0.05
    return found


def show(name: str, n: int, audits: int, found: dict[str, int]) -> None:
    cells = []
    for test in ("either", "attainment", "hypervolume", "rate"):
        share = wilson(found[test], audits)
        assert share is not None
        cells.append(f"{100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]")
    print(f"| {name} | {n} + {n} | {audits} | {' | '.join(cells)} |", flush=True)


def loans(folder: Path, *, rows: int, seed: int) -> None:
    """A made table of loans, and a model that was trained on outcomes without, and one with, an effect of sex."""
    import pandas as pd
    import skops.io
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["female", "male"], rows),
            "age": rng.integers(19, 75, rows),
            "housing": rng.choice(["own", "rent", "free"], rows, p=[0.6, 0.3, 0.1]),
            "savings": rng.choice(["little", "moderate", "rich"], rows, p=[0.5, 0.3, 0.2]),
            "amount": (np.exp(rng.normal(7.8, 0.7, rows)) / 50).astype(int) * 50,
            "duration": rng.choice([6, 12, 18, 24, 36, 48, 60], rows),
        }
    )
    logit = (
        1.0
        - 0.04 * frame["duration"]
        - 1e-4 * frame["amount"]
        + 0.02 * (frame["age"] - 45)
        + 0.9 * (frame["savings"] == "rich")
        + 0.5 * (frame["housing"] == "own")
    )
    frame.to_csv(folder / "loans.csv", index=False)
    for name, lean in (("fair", 0.0), ("biased", 1.0)):
        chance = 1 / (1 + np.exp(-(logit - lean * (frame["sex"] == "female"))))
        outcome = np.where(rng.random(rows) < chance, "good", "bad")
        model = make_pipeline(
            make_column_transformer(
                (OneHotEncoder(), ["sex", "housing", "savings"] if lean else ["housing", "savings"]),
                (StandardScaler(), ["age", "amount", "duration"]),
            ),
            LogisticRegression(max_iter=500),
        ).fit(frame, outcome)
        skops.io.dump(model, folder / f"{name}.skops")


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "cfsearch", *words, "--quiet"], check=True)


def searched(directory: Path, group: Callable[[ParetoFront], bool | None]) -> tuple[Fronts, Fronts]:
    """The fronts of a run, valid members and costs only, by group; those of no group are left out."""
    sides: tuple[Fronts, Fronts] = ([], [])
    with RunDirectory.read(directory) as held:
        for row in held.rows():
            if row.front is None or row.status not in ("found", "not_found"):
                continue
            side = group(row.front)
            if side is not None:
                front = row.front
                columns = [i for i, name in enumerate(front.objectives) if name not in OF_SCORES]
                sides[side].append(front.f[front.valid][:, columns].double())
    return sides


def table(folder: Path, *, rows: int, seed: int) -> list[tuple[str, Draw]]:
    """Draws from audits of both models of loans: rows that are refused, towards being accepted."""
    if not (folder / "biased.skops").exists():
        loans(folder, rows=max(2000, 2 * rows), seed=seed)
    draws = []
    for name in ("fair", "biased"):
        words = ["--data", str(folder / "loans.csv"), "--model", str(folder / f"{name}.skops")]
        fixed = ["--immutable", "sex,age", "--target", "good", "--limit", str(rows), "--seed", str(seed)]
        run("audit", *words, *fixed, "--by", "sex", "--out", str(folder / name))
        members = json.loads((folder / name / "groups.json").read_text())["columns"][0]
        first = searched(folder / name, lambda front, of=members["of"]: bool(of[front.name]))
        draws.append((f"table, {name} model, dealt at random", pooled(*first, planted=False)))
        draws.append((f"table, {name} model, women and men", pooled(*first, planted=True)))
    return draws


def faces(folder: Path, *, count: int, evaluations: int, seed: int) -> list[tuple[str, Draw]]:
    """Draws from audits of two shipped classifiers on rendered men, half of them blond, away from "Male".

    ``gender_balanced`` was trained on faces whose attributes go with nothing; ``gender_without_blond_women`` never saw a
    blond woman, so that blond hair means "Male" to it and a blond man pays more to be called otherwise.
    """
    from importlib.resources import as_file, files

    from PIL import Image

    from cfsearch.datasets import faces as rendered

    pool = rendered.faces(12 * count, seed=seed, joint="independent")
    has = {name: pool.attributes[:, rendered.ATTRIBUTES.index(name)] > 0.5 for name in ("Male", "Blond_Hair")}
    (folder / "faces").mkdir(exist_ok=True)
    blond: dict[str, bool] = {}
    for side in (False, True):
        for i in np.flatnonzero(has["Male"] & (has["Blond_Hair"] == side))[: count // 2]:
            blond[f"{i:04d}.png"] = side
            pixels = np.ascontiguousarray(pool.images[i].transpose(1, 2, 0))
            Image.fromarray(pixels).save(folder / "faces" / f"{i:04d}.png")
    draws = []
    for name in ("gender_balanced", "gender_without_blond_women"):
        with as_file(files("cfsearch.models").joinpath(f"{name}.onnx")) as model:
            words = ["--images", str(folder / "faces"), "--model", str(model), "--generator", "faces64"]
            budget = ["--evaluations", str(evaluations), "--shared-queries", "0", "--seed", str(seed)]
            run("audit", *words, *budget, "--out", str(folder / name))

        def side_of(front: ParetoFront) -> bool | None:
            return None if front.labels[front.source] != "Male" else not blond[front.name]

        first = searched(folder / name, side_of)
        flat = [f for part in first for f in part]
        print(
            f"{name}: {len(first[0])} blond men and {len(first[1])} others are called Male; "
            f"{sum(len(f) > 0 for f in flat)} of them have a counterfactual",
            flush=True,
        )
        if min(map(len, first)) >= 5:
            draws.append((f"faces, {name}, dealt at random", pooled(*first, planted=False)))
            draws.append((f"faces, {name}, blond and other men", pooled(*first, planted=True)))
    return draws


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--audits", type=int, default=200, help="simulated audits a line; of no bias five times as many"
    )
    parser.add_argument("--rows", type=int, default=400, help="rows of each table audit")
    parser.add_argument("--faces", type=int, help="faces to audit (40 with --only faces, else none)")
    parser.add_argument("--evaluations", type=int, default=600, help="candidates a face")
    parser.add_argument("--only", choices=["made", "table", "faces"])
    parser.add_argument("--seed", type=int, default=20261129)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    print(
        "| fronts | inputs a group | audits | called different | by attainment | by hypervolume | by the rate |"
    )
    print("| --- | --- | ---: | --- | --- | --- | --- |", flush=True)
    if given.only in (None, "made"):
        for bias in (0.0, 0.1, 0.25, 0.5):
            for n in (20, 50, 100):
                audits = given.audits if bias else 5 * given.audits
                name = f"made, second group pays {bias:.0%} more" if bias else "made, no bias"
                show(name, n, audits, figures(made(bias=bias), n=n, audits=audits, seed=given.seed))
    draws: list[tuple[str, Draw]] = []
    if given.only in (None, "table"):
        draws += table(given.folder, rows=given.rows, seed=given.seed)
    count = given.faces if given.faces is not None else 40 if given.only == "faces" else 0
    if count and given.only in (None, "faces"):
        draws += faces(given.folder, count=count, evaluations=given.evaluations, seed=given.seed)
    for name, draw in draws:
        for n in (20, 50):
            random = "random" in name
            audits = 5 * given.audits if random else given.audits
            show(name, n, audits, figures(draw, n=n, audits=audits, seed=given.seed))


if __name__ == "__main__":
    main()
