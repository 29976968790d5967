"""What a second generator that must agree is worth: pairs of generators on the planted bank.

    python benchmarks/audit/agreement.py --folder scratch/bank [--models NAMES] [--first NAMES] [--seconds NAMES] [--faces 8]

Searches each classifier of ``bank.py`` through each first generator as ``genuineness.py`` does, on the same faces. The generator ``liar`` is ``faces64``
with one lie: an edit of the mouth moves "Male" with it, most of the way, which no reconstruction shows. It looks at the same
members (eight of the sparsest of each front, eight others). Each is scored by *every* generator: the same change is edited by it, and ``z`` computed
with its own calibration. A member is *genuine* where the classifier flips on the true re-render as well.

Prints for each pair, the first being the one that searched: which share of what is reported is genuine, by the first alone, by the second
alone, by both (the smaller z), and by a mean of both leads and of the associations by their precisions; how many genuine
members of those that hold by the first are lost and how many false ones; and the same of what an audit shows of each image, its sparsest member.

What was searched is kept beside the bank (``agreement_SIZES.jsonl``) and not searched again: stop it whenever you like.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from bank import Model, bank, provider
from bank import generator as of_bank
from genuineness import chosen, kind, photographs, replace_members, share, shown
from torch import Tensor

from cfsearch.audits.genuineness import GENUINE, GENUINE_BY_EDIT, Calibration, Genuineness
from cfsearch.audits.genuineness_check import GenuinenessCheck
from cfsearch.contracts.generator import AttributeTaker, Critic, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets import faces
from cfsearch.demo import rerender, survives
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.generators.attgan.generator import AttGANState, AttGANWithCritic
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.swarm import Smpso

Row = dict[str, Any]  # Any: figures and names of one member
FIRST: Final = ("faces64", "short", "short_again", "liar")
SECONDS: Final = ("faces64", "short", "short_again")
LIE: Final = 0.7


class Liar(Generator[AttGANState], AttributeTaker, Critic):
    """``faces64``, but who opens a mouth makes a man of the face, and who closes one a woman, by ``LIE``."""

    name = "liar"
    attribute_names = faces.ATTRIBUTES
    critic_kind = "that of faces64"

    def __init__(self, inner: AttGANWithCritic) -> None:
        self.inner = inner
        self.shape = inner.shape

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Liar":
        raise NotImplementedError("made of faces64")  # of the contract; no file holds a liar

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> AttGANState:
        return self.inner.encode(x, attributes=attributes)

    def space(self, state: AttGANState) -> SearchSpace:
        return self.inner.space(state)

    def decode(self, state: AttGANState, z: Tensor) -> Tensor:
        mouth, male = (faces.ATTRIBUTES.index(name) for name in ("Mouth_Slightly_Open", "Male"))
        moved, start = z.clone(), state.origin[:, None, male]
        moved[..., male] = (start + z[..., male] + LIE * z[..., mouth]).clamp(0.0, 1.0) - start
        return self.inner.decode(state, moved)

    def realism(self, x: Tensor) -> Tensor:
        return self.inner.realism(x)

    def select(self, state: AttGANState, i: int) -> AttGANState:
        return self.inner.select(state, i)

    def to(self, device: str) -> "Liar":
        return self

    @property
    def fingerprint(self) -> str:
        return f"liar {self.inner.fingerprint}"


def generator(folder: Path, name: str) -> Generator[Any]:
    """A generator of the bank, or the liar."""
    found = of_bank(folder, "faces64" if name == "liar" else name)
    return Liar(found) if name == "liar" and isinstance(found, AttGANWithCritic) else found


def joint(first: Row, second: Row, *, labelled: bool) -> float:
    """Joint z of both leads by edits, and of the associations where photographs are labelled, each weighed by its precision."""
    parts = [(one["edit"], one["variance"]) for one in (first, second)]
    parts += [(first["association"], first["spread"] ** 2)] if labelled else []
    precise = sum(1.0 / variance for _, variance in parts)
    return sum(value / variance for value, variance in parts) / math.sqrt(precise)


def holds_by(rule: str, row: Row, second: str) -> bool:
    """Whether a member holds by one of ``RULES``."""
    pair = [row["by"][name] for name in (row["generator"], second)]
    labelled = not rule.endswith(ALONE)
    z, other = (one["z"] if labelled else one["edit"] / math.sqrt(one["variance"]) for one in pair)
    values = {
        "none": math.inf,
        "first": z,
        "second": other,
        "both (smaller z)": min(z, other),
        "by precision": joint(*pair, labelled=labelled),
    }
    return values[rule.removesuffix(ALONE)] >= (GENUINE if labelled else GENUINE_BY_EDIT)


ALONE: Final = ", edits alone"
"""Rules that know no labels: the lead by the edit, from 1.5 on."""
_RULES: Final = ("first", "second", "both (smaller z)", "by precision")
RULES: Final = ("none", *_RULES, *(f"{rule}{ALONE}" for rule in _RULES))


def scored(found: Genuineness, calibration: Calibration) -> list[dict[str, float]]:
    """What one generator says of each member, in logits, and z."""
    if found.association is None or calibration.association is None:
        raise SystemExit("agreement: 100 labelled photographs or more are needed; give more --photographs.")
    spread = float(calibration.association.spread[-1]) / 2.0
    return [
        {"z": z, "edit": edit, "variance": variance, "association": association, "spread": spread}
        for z, edit, variance, association in zip(
            found.z.tolist(),
            found.edit.tolist(),
            found.edit_variance.tolist(),
            found.association.tolist(),
            strict=True,
        )
    ]


def measured(
    folder: Path, model: Model, first: str, *, others: Sequence[str], options: argparse.Namespace
) -> list[Row]:
    """One row for each chosen member of the fronts of one classifier through one generator, and one for each face."""
    audited, data = provider(folder, model), photographs(options.photographs)
    x, labels = torch.from_numpy(data.images).float() / 255.0, torch.from_numpy(data.attributes)
    checks = {
        name: GenuinenessCheck(audited, editor, Calibration.fit(audited, editor, x, attributes=labels))
        for name in dict.fromkeys((first, *others))
        for editor in (generator(folder, name),)
    }
    search = Search(
        audited,
        checks[first].generator,
        [Adversarial(), Plausibility(), Intensity()],
        lambda population: Smpso(population=population),
        evaluations=options.evaluations,
        population=100,
        immutable=[model.target],
        seed=7,
    )
    count = options.faces
    fronts = search.run(x[:count], names=[str(i) for i in range(count)], attributes=labels[:count])
    rows: list[Row] = []
    for i, front in enumerate(fronts):
        if isinstance(front, Failure):
            raise front.error
        face = {"model": model.name, "generator": first, "kind": kind(model), "face": i}
        rows.append({**face, "member": None})
        if not bool(front.verified.any()):
            continue
        some = chosen(front)
        at = torch.nonzero(some.verified).flatten()
        some = replace_members(some, at)
        true = survives(some, rerender(some, data[np.array([i])]), audited)
        by = {name: scored(check.of(some, some.z), check.calibration) for name, check in checks.items()}
        rows += [
            {
                **face,
                "member": int(member),
                "genuine": bool(true[j]),
                "changes": int(some.changed[j].sum()),
                "size": float(some.sizes[j]),
                "by": {name: values[j] for name, values in by.items()},
            }
            for j, member in enumerate(at.tolist())
        ]
    return rows


def gathered(options: argparse.Namespace, models: Sequence[Model], generators: Sequence[str]) -> list[Row]:
    """All rows, those of earlier calls read back."""
    sizes = (options.faces, options.evaluations, options.photographs)
    path = options.folder / f"agreement_{'_'.join(map(str, sizes))}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    parts = {(part[0]["model"], part[0]["generator"]): part for part in map(json.loads, lines)}
    for model in models:
        for name in generators:
            if (model.name, name) in parts or options.only_read:
                continue
            print(f"searching {model.name} through {name} ...", file=sys.stderr, flush=True)
            seconds = options.seconds.split(",")
            new = measured(options.folder, model, name, others=seconds, options=options)
            with path.open("ab", buffering=0) as file:
                file.write(json.dumps(new).encode() + b"\n")  # one line at once, also beside another process
            parts[model.name, name] = new
    wanted = {model.name for model in models}
    return [
        row for (model, name), part in parts.items() if model in wanted and name in generators for row in part
    ]


def lines(rows: Sequence[Row], second: str) -> list[str]:
    """Of each rule: members, then what an audit shows of each image; of biased classifiers, then of fair ones."""
    found = []
    for what in RULES:
        holds = partial(holds_by, what, second=second)
        cells = [what]
        for one in ("biased", "fair"):
            part = [row for row in rows if row["kind"] == one]
            members = [row for row in part if row["member"] is not None]
            kept = [row for row in members if holds(row)]
            best = shown(part, holds)
            reported = [row for row in best.values() if row is not None]
            false = sum(not row["genuine"] for row in reported)
            served = {(r["generator"], r["model"], r["face"]) for r in members if r["genuine"]}
            reached = sum(row is not None and row["genuine"] for key, row in best.items() if key in served)
            genuine = share(sum(row["genuine"] for row in kept), len(kept))
            if one == "biased":
                cells += [genuine, share(len(reported) - false, len(reported)), share(reached, len(served))]
            else:
                cells += [genuine, share(false, len(best))]
        found.append(" | ".join(cells))
    return found


def lost(rows: Sequence[Row], second: str) -> str:
    """Of members that hold by the first: genuine ones, and false ones, that the second takes away; then by edits alone."""
    parts = []
    for suffix in ("", ALONE):
        held = [row for row in rows if row["member"] is not None and holds_by(f"first{suffix}", row, second)]
        gone = [row for row in held if not holds_by(f"second{suffix}", row, second)]
        parts += [
            share(sum(row["genuine"] is true for row in gone), sum(row["genuine"] is true for row in held))
            for true in (True, False)
        ]
    return " | ".join(parts)


def main() -> int:
    """Search what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/bank"))
    parser.add_argument("--models", help="names, separated by commas; all but the controls when left out")
    parser.add_argument("--first", default=",".join(FIRST), help="which search")
    parser.add_argument("--seconds", default=",".join(SECONDS), help="which must agree")
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--photographs", type=int, default=250)
    parser.add_argument("--only-read", action="store_true", help="print what is there already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = None if options.models is None else options.models.split(",")
    models = [m for m in bank() if (m.control is None if names is None else m.name in names)]
    generators = options.first.split(",")
    rows = gathered(options, models, generators)
    counts = {one: len({row["model"] for row in rows if row["kind"] == one}) for one in ("biased", "fair")}
    print(
        f"{counts['biased']} biased classifiers, {counts['fair']} fair ones; {options.faces} faces each, {options.evaluations} "
        f"candidates a face, {options.photographs} photographs\n"
    )
    seconds = options.seconds.split(",")
    pairs = [(a, b) for a in generators for b in seconds if b not in (a, "faces64" if a == "liar" else a)]
    print(
        "| first, second | holds by | biased: members that are genuine | biased: shown that are genuine | images with a genuine "
        "member that are served | fair: members that are genuine | fair: images with a false one |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for first, second in pairs:
        part = [row for row in rows if row["generator"] == first]
        for line in lines(part, second):
            print(f"| {first}, {second} | {line} |")
    print(
        "\n| first, second | genuine members lost by the second | false ones | by edits alone: genuine ones | false ones |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for first, second in pairs:
        print(f"| {first}, {second} | {lost([r for r in rows if r['generator'] == first], second)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
