"""How well genuineness tells true counterfactuals from the generator's own doing, on the planted bank.

    python benchmarks/audit/genuineness.py --folder scratch/bank [--models NAMES] [--faces 20] [--photographs 250]

Searches each classifier of ``bank.py`` through each generator as ``cfsearch audit`` would (smpso; adversarial success,
plausibility, intensity; 800 candidates; the target's own attribute held fixed), on natural faces that nothing was trained
on, and renders every verified member again as it should look: it is *genuine* where the classifier flips on that too.
Prints, for each generator and for all of them together: AUROC of z, of the edit alone (A), of the associations alone (B), of
the lead on the picture and of the critic; and, for what an audit shows of each image (its sparsest member that holds), which share
is genuine, how many of the images with a genuine member are served, and how many images of fair classifiers show a false one.

What was searched is kept beside the bank (``genuineness.jsonl``) and not searched again.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from bank import GENERATORS, Model, bank, generator, provider
from sklearn.metrics import roc_auc_score

from cfsearch.audits.genuineness import GENUINE, GENUINE_BY_EDIT, Calibration
from cfsearch.datasets import faces
from cfsearch.demo import rerender, survives
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.numerics.intervals import wilson
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.swarm import Smpso

Row = dict[str, Any]  # Any: figures and names of one member
_SEED: Final = 615_001
_SCORES: Final = ("z", "edit", "association", "lead", "critic")


def measured(folder: Path, name: str, model: Model, *, count: int, photographs: int) -> list[Row]:
    """One row for each verified member of the fronts of one classifier through one generator."""
    audited, editor = provider(folder, model), generator(folder, name)
    data = faces.faces(photographs, seed=_SEED)
    x, labels = torch.from_numpy(data.images).float() / 255.0, torch.from_numpy(data.attributes)
    calibration = Calibration.fit(audited, editor, x, attributes=labels)
    search = Search(
        audited,
        editor,
        [Adversarial(), Plausibility(), Intensity()],
        lambda population: Smpso(population=population),
        evaluations=800,
        population=100,
        immutable=[model.target],
        seed=7,
    )
    rows: list[Row] = []
    fronts = search.run(x[:count], names=[str(i) for i in range(count)], attributes=labels[:count])
    for i, front in enumerate(fronts):
        if isinstance(front, Failure):
            raise front.error
        rows.append(
            {"model": model.name, "generator": name, "biased": model.biased, "face": i, "member": None}
        )
        if front.original is None or not bool(front.verified.any()):
            continue
        true = survives(front, rerender(front, data[np.array([i])]), audited)
        found = calibration.genuineness(
            audited,
            editor,
            front.original.float() / 255.0,
            origin=front.origin_values,
            z=front.z[front.verified],
            source=front.source,
            seed=i,
        )
        count_of = (front.z.abs() > 1e-6).sum(1)
        lead = (front.scores[:, 1] - front.scores[:, 0]) * (1.0 if front.source == 0 else -1.0)
        critic = -front.column("plausibility")
        association = (
            found.association if found.association is not None else torch.full_like(found.z, torch.nan)
        )
        for j, member in enumerate(torch.nonzero(front.verified).flatten().tolist()):
            rows.append(
                {
                    **rows[-1],
                    "face": i,
                    "member": member,
                    "genuine": bool(true[member]),
                    "changes": int(count_of[member]),
                    "size": float(front.sizes[member]),
                    "z": float(found.z[j]),
                    "edit": float(found.edit[j] / found.edit_variance[j].sqrt()),
                    "association": float(association[j]),
                    "lead": float(lead[member]),
                    "critic": float(critic[member]),
                }
            )
    return rows


def gathered(
    folder: Path, models: Sequence[Model], generators: Sequence[str], *, count: int, photographs: int
) -> list[Row]:
    """All rows, those of earlier calls read back."""
    path, rows = folder / "genuineness.jsonl", []
    if path.exists():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    done = {(row["model"], row["generator"]) for row in rows}
    for name in generators:
        for model in models:
            if (model.name, name) in done:
                continue
            print(f"searching {model.name} through {name} ...", file=sys.stderr, flush=True)
            new = measured(folder, name, model, count=count, photographs=photographs)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
    wanted = {model.name for model in models}
    return [row for row in rows if row["model"] in wanted and row["generator"] in generators]


def auroc(rows: Iterable[Row], score: str) -> str:
    """Area under the curve of one score over members; a dash where only one kind is there."""
    pairs = [
        (row["genuine"], row[score]) for row in rows if row["member"] is not None and row[score] == row[score]
    ]
    if len({genuine for genuine, _ in pairs}) < 2:
        return "-"
    return f"{roc_auc_score([g for g, _ in pairs], [s for _, s in pairs]):.3f}"


def shown(rows: Iterable[Row], holds: Callable[[Row], bool]) -> dict[tuple[str, str, int], Row | None]:
    """Of each image the sparsest member that holds, None where there is none."""
    found: dict[tuple[str, str, int], Row | None] = {}
    for row in rows:
        key = (row["generator"], row["model"], row["face"])
        best = found.setdefault(key, None)
        if row["member"] is None or not holds(row):
            continue
        if best is None or (row["changes"], row["size"]) < (best["changes"], best["size"]):
            found[key] = row
    return found


def rule(rows: Sequence[Row], holds: Callable[[Row], bool]) -> list[str]:
    """Genuine share on biased classifiers, images served, false images of fair ones."""
    biased = shown([row for row in rows if row["biased"]], holds)
    fair = shown([row for row in rows if not row["biased"]], holds)
    reported = [row for row in biased.values() if row is not None]
    right = sum(row["genuine"] for row in reported)
    served = {
        (row["generator"], row["model"], row["face"])
        for row in rows
        if row["biased"] and row["member"] is not None and row["genuine"]
    }
    reached = sum(row is not None and row["genuine"] for key, row in biased.items() if key in served)
    false = sum(row is not None and not row["genuine"] for row in fair.values())
    return [share(right, len(reported)), share(reached, len(served)), share(false, len(fair))]


def share(count: int, n: int) -> str:
    """A rate with its 95 % Wilson interval."""
    interval = wilson(count, n)
    if interval is None:
        return "- of 0"
    return f"{count}/{n} = {interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def main() -> int:
    """Search what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/bank"))
    parser.add_argument("--models", help="names, separated by commas; all when left out")
    parser.add_argument("--generators", default=",".join(GENERATORS))
    parser.add_argument("--faces", type=int, default=20)
    parser.add_argument("--photographs", type=int, default=250)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = None if options.models is None else options.models.split(",")
    models = [model for model in bank() if names is None or model.name in names]
    generators = options.generators.split(",")
    rows = gathered(options.folder, models, generators, count=options.faces, photographs=options.photographs)
    fair = sum(not model.biased for model in models)
    print(
        f"{len(models)} classifiers ({fair} fair), {options.faces} faces each, {options.photographs} photographs"
    )
    print("| generator | members (genuine) | " + " | ".join(f"AUROC {score}" for score in _SCORES) + " |")
    print("| --- | ---: |" + " ---: |" * len(_SCORES))
    rules: dict[str, Callable[[Row], bool]] = {
        "none": lambda _: True,
        f"z >= {GENUINE:g}": lambda row: row["z"] >= GENUINE,
        f"z_A >= {GENUINE_BY_EDIT:g}": lambda row: row["edit"] >= GENUINE_BY_EDIT,
    }
    parts = {name: [row for row in rows if row["generator"] == name] for name in generators} | {"all": rows}
    for name, part in parts.items():
        members = [row for row in part if row["member"] is not None]
        genuine = sum(row["genuine"] for row in members)
        figures = " | ".join(auroc(part, score) for score in _SCORES)
        print(f"| {name} | {len(members)} ({genuine}) | {figures} |")
    print(
        "\n| generator | rule | biased: genuine of what is shown | images served | fair: images with a false one |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, part in parts.items():
        for what, holds in rules.items():
            print(f"| {name} | {what} | " + " | ".join(rule(part, holds)) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
