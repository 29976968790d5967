"""Counterfactuals of tables against the peers, in one run: the command line at its defaults.

    python benchmarks/papers/peers.py [--data ../shared/data] [--rows 100] [--skip 0] [--seeds 3]
        [--tables adult,credit,loans,people] [--models forest,logistic] [--methods ...] [--cap 30] [--json FILE]
        [--keep FOLDER] [--again cfsearch]

Test rows that the model and the truth refuse are to get the other outcome; some columns must not change. Every
method has the same fitted scikit-learn pipeline, the same rows and training table, and gives four
counterfactuals a row. `cfsearch` is the line ``cfsearch search MODEL.skops --data rows.csv --row ... --reference
train.csv --label ... --target ... --immutable ...`` (and ``--no-isolation``, so that the model's own time is in the figure as it is in
that of the peers), its answers the four that it shows first;
`no reference` is the same with the guessed schema in place of the training table. dice-ml runs at its defaults;
`dice gradient` has a logistic regression made again as a network (``peers_gradient.py``), and no other model;
`moc` is plain pymoo NSGA-II with the objectives of Dandl et al. 2020 and 900 evaluations; `nun` are the nearest
training rows that the model gives the target, with equal immutable columns.

Columns: share of four a row that the model, queried again, gives the target; rows with any; columns changed;
Gower distance; mean Gower distance to the five nearest training rows whose true outcome is the target; local
outlier factor among these (20 neighbours, 1 is an inlier) and share of outliers; mean Gower distance within a
row's four; share of answers that change an immutable column; queries to the model a row; CPU seconds a row, and once
(opening, reading, indexing). Means over valid answers. Then, for each peer, what share of its answers one of ours
dominates in columns, Gower and true5, and of ours one of its. A method stops after ``--cap`` CPU seconds a seed, and
is compared on the rows that it came to. With ``--keep`` each method's
answers of a seed are stored, and measured but not made again when the command is given again; ``--again`` names methods
that are made again all the same. ``peers_undominated.py`` says of what is stored why it is not dominated.
"""

import argparse
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import torch
from peers_gradient import DiceGradient
from peers_measures import COLUMNS, Answers, Ruler, dominated, summary
from peers_methods import Dice, Method, Moc, Ours, Run, guessed_schema, nearest_unlike
from peers_setting import TABLES, Case, prepared


def methods(cap: float) -> dict[str, Method]:
    """Everything that is compared, by name."""
    return {
        "cfsearch": Ours(),
        "no reference": Ours(reference=False),
        "dice random": Dice("random", cap),
        "dice genetic": Dice("genetic", cap),
        "dice kdtree": Dice("kdtree", cap),
        "dice gradient": DiceGradient(cap),
        "moc": Moc(cap),
        "nun": nearest_unlike,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--skip", type=int, default=0, help="rows before those: some were chosen on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--models", default="forest,logistic")
    parser.add_argument("--methods", default=",".join(methods(0)))
    parser.add_argument("--cap", type=float, default=30.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--again", default="", help="methods that are made again, whatever is kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    every = methods(arguments.cap)
    written: dict[str, dict[str, dict[str, float]]] = {}
    for table in arguments.tables.split(","):
        data = TABLES[table](arguments.data)
        for kind in arguments.models.split(","):
            with tempfile.TemporaryDirectory() as scratch:
                case = prepared(
                    data, kind, rows=arguments.rows, skip=arguments.skip, folder=Path(scratch) / "case"
                )
                guessed_schema(case)
                ruler = Ruler(case)
                print(f"\n{table}, {kind}: {len(case.rows)} rows, {arguments.seeds} seeds", flush=True)
                print(f"{'':<14}{'rows':>5}" + "".join(f"{heading:>10}" for _, heading in COLUMNS))
                found: dict[str, list[list[Answers]]] = {}
                for name in arguments.methods.split(","):
                    if name == "dice gradient" and kind != "logistic":
                        continue  # it takes networks, and a logistic regression is one
                    results = []
                    for seed in range(arguments.seeds):
                        kept = arguments.keep and arguments.keep / place(case, name, seed, arguments.skip)
                        if kept and name in arguments.again.split(","):
                            kept.unlink(missing_ok=True)
                        run = _made(kept, lambda name=name, seed=seed: every[name](case, seed))  # noqa: B023
                        rows = ruler.rows(run)
                        line = summary(run, rows)
                        found.setdefault(name, []).append(rows)
                        results.append(line)
                    written.setdefault(f"{table} {kind}", {})[name] = line = {
                        k: _centre([r[k] for r in results]) for k in results[0]
                    }
                    print(
                        f"{name:<14}{line['rows']:>5.0f}"
                        + "".join(f"{_figure(line[k]):>10}" for k, _ in COLUMNS),
                        flush=True,
                    )
                for name, each in found.items():
                    if name != "cfsearch" and "cfsearch" in found:
                        pairs = list(zip(each, found["cfsearch"], strict=True))
                        theirs = _centre([dominated(a, b[: len(a)]) for a, b in pairs])
                        ours = _centre([dominated(b[: len(a)], a) for a, b in pairs])
                        written[f"{table} {kind}"][name] |= {"dominated": theirs, "dominates": ours}
                        print(f"  {name}: {theirs:.0%} of its answers dominated, {ours:.0%} of ours by it")
        if arguments.json:
            arguments.json.write_text(json.dumps(written, indent=1))


def place(case: Case, name: str, seed: int, skip: int) -> str:
    """The file's name under which a run is kept."""
    return f"{case.data.name}-{case.kind}-{skip}-{len(case.rows)}-{seed}-{name}.pickle"


def _made(kept: Path | None, make: Callable[[], Run]) -> Run:
    """A run; read where it was stored by this command before."""
    if kept is not None and kept.exists():
        stored: Run = pickle.loads(kept.read_bytes())  # our own
        return stored
    run = make()
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(run))
    return run


def _centre(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return mean(known) if known else math.nan


def _figure(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"


if __name__ == "__main__":
    main()
