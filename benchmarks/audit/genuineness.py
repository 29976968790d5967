"""How well genuineness tells true counterfactuals from the generator's own doing, on the planted bank.

    python benchmarks/audit/genuineness.py --folder scratch/bank [--models NAMES] [--faces 8] [--photographs 250]

Searches each classifier of ``bank.py`` through each generator as ``cfsearch audit`` would (smpso; adversarial success,
plausibility, intensity; the target's own attribute held fixed), on natural faces that nothing was trained on, and renders verified members again as they should look: one is *genuine* where the classifier flips on that
too. Of each front the eight sparsest members are looked at, and eight of the others, evenly spread. A trial stands beside them: members
that flip but do not hold are *strengthened*, the same changes made larger, until they do.

Prints, for each generator and for all of them together: AUROC of z, of the edit alone (A), of the associations alone (B), of a
logistic regression on both, fitted on all other classifiers, of the lead on the picture, of the critic, and of fewness and
smallness of changes; how far the regression's probabilities are right; and, for what an audit shows of each image (its sparsest
member that holds), which share is genuine, how many of the images with a genuine member are served, and how many images of fair
classifiers show a false one.

What was searched is kept beside the bank (``genuineness_SIZES.jsonl``) and not searched again: stop it whenever you like.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from bank import GENERATORS, Model, bank, generator, provider
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cfsearch.audits.genuineness import GENUINE, GENUINE_BY_EDIT, Calibration
from cfsearch.audits.genuineness_check import GenuinenessCheck
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets import faces
from cfsearch.demo import rerender, survives
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import wilson
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.swarm import Smpso

Row = dict[str, Any]  # Any: figures and names of one member
_SEED: Final = 615_001
_SCORES: Final = {
    "z": "z",
    "edit": "A",
    "association": "B",
    "p": "A and B fitted, classifier left out",
    "lead": "lead on the picture",
    "critic": "critic",
    "few": "few changes",
    "small": "small changes",
}
_KINDS: Final = ("biased", "fair", "control")
_SETS: Final = 6
"""Sets of changes that are strengthened, the sparsest first."""
_REFINED: Final = 3
"""Of those that hold at their strongest."""
_STEPS: Final = (0.25, 0.5, 0.75, 1.0)
_PART: Final = 8
"""Members of a front that are looked at: so many of the sparsest, and so many others."""
_DRAWS: Final = 100
"""Of the bootstrap over classifiers."""


@cache
def photographs(count: int) -> faces.FaceSet:
    """Natural faces that nothing was trained on; the first of them are audited."""
    return faces.faces(count, seed=_SEED)


def kind(model: Model) -> str:
    """Whether a bias was planted, none was, or nothing at all can be known."""
    return "control" if model.control else "biased" if model.biased else "fair"


def measured(folder: Path, name: str, model: Model, *, count: int, n: int, evaluations: int) -> list[Row]:
    """One row for each chosen member of the fronts of one classifier through one generator, and one for each face."""
    audited, editor = provider(folder, model), generator(folder, name)
    data = photographs(n)
    x, labels = torch.from_numpy(data.images).float() / 255.0, torch.from_numpy(data.attributes)
    check = GenuinenessCheck(audited, editor, Calibration.fit(audited, editor, x, attributes=labels))
    search = Search(
        audited,
        editor,
        [Adversarial(), Plausibility(), Intensity()],
        lambda population: Smpso(population=population),
        evaluations=evaluations,
        population=100,
        immutable=[model.target],
        seed=7,
    )
    rows: list[Row] = []
    fronts = search.run(x[:count], names=[str(i) for i in range(count)], attributes=labels[:count])
    for i, front in enumerate(fronts):
        if isinstance(front, Failure):
            raise front.error
        face = {"model": model.name, "generator": name, "kind": kind(model), "face": i}
        rows.append({**face, "member": None})
        if not bool(front.verified.any()):
            continue
        before = check.measured(chosen(front))
        state = editor.encode(x[i : i + 1], attributes=labels[i : i + 1])
        space = editor.space(state).restrict(immutable=(model.target,))
        stronger, queries = strengthened(before, check=check, space=space)
        rows[-1]["queries"] = queries
        person = data[np.array([i])]
        rows += [{**face, **row} for row in members(before, check, person)]
        if len(stronger):
            with torch.no_grad():
                painted = audited.predict(editor.decode(state, stronger[None])[0])
            made = of_changes(before, stronger, painted)
            rows += [{**face, **row, "strengthened": True} for row in members(made, check, person)]
    return rows


def chosen(front: ParetoFront) -> ParetoFront:
    """The front with few members that count as verified: the sparsest, and others evenly spread."""
    at = torch.nonzero(front.verified).flatten().tolist()
    at.sort(key=lambda i: (int(front.changed[i].sum()), float(front.sizes[i])))
    rest = at[_PART:]
    spread = [rest[int(k)] for k in np.linspace(0, len(rest) - 1, min(_PART, len(rest))).round()]
    mask = torch.zeros(len(front), dtype=torch.bool)
    mask[at[:_PART] + spread] = True
    return replace(front, verified=mask)


def strengthened(
    front: ParetoFront, *, check: GenuinenessCheck, space: SearchSpace
) -> tuple[torch.Tensor, int]:
    """Larger changes of the sparsest sets that flip and do not hold: the smallest step from which on all hold; and the queries."""
    z, count, least = front.genuineness, front.changed.sum(1), check.calibration.threshold
    fewest = int(count[front.valid].min()) if front.found else front.z.shape[1] + 1
    assert z is not None
    weak = torch.nonzero(front.verified & (z < least) & (count < fewest) & (count > 0)).flatten().tolist()
    weak.sort(key=lambda i: (int(count[i]), -float(z[i])))
    sets: dict[tuple[float, ...], int] = {}
    for i in weak:
        sets.setdefault(tuple((front.z[i].sign() * front.changed[i]).tolist()), i)
    at = list(sets.values())[:_SETS]
    if not at:
        return front.z[:0], 0
    start = torch.where(front.changed[at], front.z[at], 0.0)
    ends = torch.where(start == 0, start, torch.where(start > 0, space.upper[0], space.lower[0]))
    levels = [space.repair((start + step * (ends - start))[None])[0] for step in _STEPS]
    strongest = check.of(front, levels[-1])
    keep = torch.nonzero(strongest.z >= least).flatten()[:_REFINED]
    if not len(keep):
        return front.z[:0], strongest.queries
    inner = check.of(front, torch.cat([level[keep] for level in levels[:-1]]))
    held = torch.cat([inner.z.reshape(len(_STEPS) - 1, len(keep)), strongest.z[None, keep]]) >= least
    first = held.flip(0).long().cumprod(0).flip(0).argmax(0)
    points = torch.stack(levels)[first, keep]
    return points, strongest.queries + inner.queries


def of_changes(front: ParetoFront, z: torch.Tensor, scores: torch.Tensor) -> ParetoFront:
    """A front of other changes of the same input, all of which count as verified; what nobody reads is not a number."""
    n = len(z)
    return replace(
        front,
        z=z,
        f=torch.full((n, front.f.shape[1]), torch.nan),
        scores=scores,
        verified=torch.ones(n, dtype=torch.bool),
        images=None,
        genuineness=None,
        origins=("strengthened",) * n,
        described=(),
    )


def members(front: ParetoFront, check: GenuinenessCheck, face: faces.FaceSet) -> list[Row]:
    """What is known of each verified member."""
    at = torch.nonzero(front.verified).flatten()
    found = check.of(front, front.z[at])
    sign = 1.0 if front.source == 0 else -1.0
    some = replace_members(front, at)
    true = survives(some, rerender(some, face), check.provider)
    lead = (some.scores[:, 1] - some.scores[:, 0]) * sign
    association = found.association if found.association is not None else torch.full_like(found.z, torch.nan)
    return [
        {
            "member": int(member),
            "strengthened": False,
            "genuine": bool(true[j]),
            "changes": int(some.changed[j].sum()),
            "size": float(some.sizes[j]),
            "z": float(found.z[j]),
            "edit": float(found.edit[j] / found.edit_variance[j].sqrt()),
            "association": float(association[j]),
            "lead": float(lead[j]),
            "critic": -float(some.column("plausibility")[j]),
        }
        for j, member in enumerate(at.tolist())
    ]


def replace_members(front: ParetoFront, at: torch.Tensor) -> ParetoFront:
    """The front of some of its members."""
    return replace(
        front,
        z=front.z[at],
        f=front.f[at],
        scores=front.scores[at],
        verified=front.verified[at],
        images=None if front.images is None else front.images[at],
        genuineness=None if front.genuineness is None else front.genuineness[at],
        origins=tuple(front.origins[i] for i in at.tolist()),
        described=(),
    )


def gathered(options: argparse.Namespace, models: Sequence[Model], generators: Sequence[str]) -> list[Row]:
    """All rows, those of earlier calls read back; generators take turns, so that an early stop has some of each."""
    sizes = (options.faces, options.evaluations, options.photographs)
    path = options.folder / f"genuineness_{'_'.join(map(str, sizes))}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    parts = [json.loads(line) for line in lines]
    first = {(part[0]["model"], part[0]["generator"]): part for part in reversed(parts)}
    rows = [row for part in first.values() for row in part]
    done = {(row["model"], row["generator"]) for row in rows}
    for model in models:
        for name in generators:
            if (model.name, name) in done or options.only_read:
                continue
            print(f"searching {model.name} through {name} ...", file=sys.stderr, flush=True)
            new = measured(
                options.folder,
                name,
                model,
                count=options.faces,
                n=options.photographs,
                evaluations=options.evaluations,
            )
            with path.open("ab", buffering=0) as file:
                file.write(json.dumps(new).encode() + b"\n")  # one line at once, also beside another process
            rows += new
    wanted = {model.name for model in models}
    rows = [row for row in rows if row["model"] in wanted and row["generator"] in generators]
    return with_probabilities(rows)


def with_probabilities(rows: Sequence[Row]) -> list[Row]:
    """The rows; each member with the probability that a regression on all *other* classifiers gives it."""
    found = [dict(row) for row in rows]
    at = [i for i, row in enumerate(found) if row["member"] is not None]
    for i in at:
        found[i]["few"], found[i]["small"] = -found[i]["changes"], -found[i]["size"]
    x = np.array([(found[i]["edit"], found[i]["association"]) for i in at])
    y = np.array([found[i]["genuine"] for i in at])
    names = np.array([found[i]["model"] for i in at])
    for name in set(names.tolist()):
        out = names == name
        if len(set(y[~out].tolist())) < 2:
            for k in np.flatnonzero(out):
                found[at[k]]["p"] = float("nan")  # nothing to learn from
            continue
        scale = x[~out].std(0)
        fitted = LogisticRegression().fit(x[~out] / scale, y[~out])
        for k in np.flatnonzero(out):
            found[at[k]]["p"] = float(fitted.predict_proba(x[k : k + 1] / scale)[0, 1])
    return found


def auroc(rows: Iterable[Row], score: str) -> float | None:
    """Area under the curve of one score over members that a search found; None where only one kind is there."""
    pairs = [
        (row["genuine"], row[score]) for row in rows if row["member"] is not None and not row["strengthened"]
    ]
    pairs = [(genuine, value) for genuine, value in pairs if not np.isnan(value)]
    if len({genuine for genuine, _ in pairs}) < 2:
        return None
    return float(roc_auc_score([g for g, _ in pairs], [s for _, s in pairs]))


def area(rows: Sequence[Row], score: str) -> str:
    """The same with its interval, by drawing classifiers again."""
    value = auroc(rows, score)
    if value is None:
        return "-"
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    names, rng = sorted(by_model), np.random.default_rng(1)
    drawn = [
        auroc([row for k in rng.integers(len(names), size=len(names)) for row in by_model[names[k]]], score)
        for _ in range(_DRAWS)
    ]
    known = [one for one in drawn if one is not None]
    low, high = np.quantile(known, [0.025, 0.975])
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def within(rows: Sequence[Row], score: str) -> str:
    """Mean area under the curve inside one classifier and generator, over those that have both kinds."""
    parts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        parts.setdefault((row["model"], row["generator"]), []).append(row)
    found = [one for part in parts.values() if (one := auroc(part, score)) is not None]
    return f"{np.mean(found):.3f} ({len(found)})" if found else "-"


def reliability(rows: Sequence[Row], *, bins: int = 10) -> list[str]:
    """Lines of a table: predicted probability, share that is genuine, in bins of equal size; and the mean gap."""
    found = [row for row in rows if row["member"] is not None and not row["strengthened"]]
    p, y = np.array([row["p"] for row in found]), np.array([row["genuine"] for row in found])
    order = np.argsort(p, kind="stable")
    lines, gap = ["| predicted | genuine | members |", "| ---: | ---: | ---: |"], 0.0
    for part in np.array_split(order, bins):
        predicted, true = p[part].mean(), y[part].mean()
        gap += abs(predicted - true) * len(part) / len(order)
        lines.append(f"| {predicted:.2f} | {true:.2f} | {len(part)} |")
    return [*lines, "", f"expected calibration error {gap:.3f}"]


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
    """Genuine share on biased classifiers, images served, changes shown, false images of fair ones and of controls."""
    parts = {one: shown([row for row in rows if row["kind"] == one], holds) for one in _KINDS}
    biased = parts["biased"]
    reported = [row for row in biased.values() if row is not None]
    right = sum(row["genuine"] for row in reported)
    served = {
        (row["generator"], row["model"], row["face"])
        for row in rows
        if row["kind"] == "biased" and row["member"] is not None and row["genuine"]
    }
    reached = sum(row is not None and row["genuine"] for key, row in biased.items() if key in served)
    changes = f"{np.mean([row['changes'] for row in reported]):.1f}" if reported else "-"
    false = [
        share(sum(row is not None and not row["genuine"] for row in parts[one].values()), len(parts[one]))
        for one in ("fair", "control")
    ]
    return [share(right, len(reported)), share(reached, len(served)), changes, *false]


def share(count: int, n: int) -> str:
    """A rate with its 95 % Wilson interval."""
    interval = wilson(count, n)
    if interval is None:
        return "-"
    return f"{count}/{n} = {interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def found_by_search(holds: Callable[[Row], bool]) -> Callable[[Row], bool]:
    """The rule, without members that were strengthened."""
    return lambda row: not row["strengthened"] and holds(row)


RULES: Final[Mapping[str, Callable[[Row], bool]]] = {
    "none": found_by_search(lambda _: True),
    "lead >= 1.1": found_by_search(lambda row: row["lead"] >= 1.1),
    f"z >= {GENUINE:g}": found_by_search(lambda row: row["z"] >= GENUINE),
    f"z >= {GENUINE:g}, strengthened": lambda row: row["z"] >= GENUINE,
    "z >= 2, strengthened": lambda row: row["z"] >= 2.0,
    f"z >= {GENUINE:g} and A > 0": found_by_search(lambda row: row["z"] >= GENUINE and row["edit"] > 0.0),
    f"z_A >= {GENUINE_BY_EDIT:g}": found_by_search(lambda row: row["edit"] >= GENUINE_BY_EDIT),
    "p >= 0.9": found_by_search(lambda row: row["p"] >= 0.9),
}


def main() -> int:
    """Search what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/bank"))
    parser.add_argument("--models", help="names, separated by commas; all when left out")
    parser.add_argument("--generators", default=",".join(GENERATORS))
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--photographs", type=int, default=250)
    parser.add_argument("--no-tables", action="store_true", help="search only")
    parser.add_argument("--only-read", action="store_true", help="print what is there already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = None if options.models is None else options.models.split(",")
    models = [model for model in bank() if names is None or model.name in names]
    generators = options.generators.split(",")
    rows = gathered(options, models, generators)
    if not options.no_tables:
        print_tables(rows, generators, options)
    return 0


def print_tables(rows: Sequence[Row], generators: Sequence[str], options: argparse.Namespace) -> None:
    """All tables, in Markdown."""
    counts = {one: len({row["model"] for row in rows if row["kind"] == one}) for one in _KINDS}
    print(
        f"{counts['biased']} biased classifiers, {counts['fair']} fair ones, {counts['control']} controls; {options.faces} faces "
        f"each, {options.evaluations} candidates a face, {options.photographs} photographs\n"
    )
    parts = {name: [row for row in rows if row["generator"] == name] for name in generators} | {"all": rows}
    for one in ("biased", "fair"):
        parts[f"all, {one}"] = [row for row in rows if row["kind"] == one]
    print("| generator | members (genuine) | " + " | ".join(_SCORES.values()) + " |")
    print("| --- | ---: |" + " ---: |" * len(_SCORES))
    for name, part in parts.items():
        found = [row for row in part if row["member"] is not None and not row["strengthened"]]
        genuine = sum(row["genuine"] for row in found)
        print(
            f"| {name} | {len(found)} ({genuine}) | " + " | ".join(area(part, one) for one in _SCORES) + " |"
        )
    print(
        "| inside one classifier and generator, mean (of) | | "
        + " | ".join(within(rows, s) for s in _SCORES)
        + " |"
    )
    print("\n" + "\n".join(reliability(rows)))
    print(
        "\n| generator | rule | biased: genuine of what is shown | images with a genuine member that are served | changes shown | "
        "fair: images with a false one | controls: the same |"
    )
    print("| --- | --- | --- | --- | ---: | --- | --- |")
    for name in (*generators, "all"):
        for what, holds in RULES.items():
            print(f"| {name} | {what} | " + " | ".join(rule(parts[name], holds)) + " |")
    spent = [row["queries"] for row in rows if row.get("queries")]
    added = sum(row["member"] is not None and row["strengthened"] for row in rows)
    print(
        f"\nstrengthening: {added} members on {len(spent)} fronts, {np.mean(spent or [0]):.0f} queries each"
    )


if __name__ == "__main__":
    sys.exit(main())
