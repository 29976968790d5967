"""Findings on photographs that two generators must agree on: audits through each, the other as the second.

    OMP_NUM_THREADS=1 python benchmarks/quality/celeba_two_generators.py FIRST SECOND --data DIR --model MODEL.onnx

FIRST and SECOND are two trainings of the same attributes on CelebA-HQ with other seeds (``train_celeba_generator.py --seed``), MODEL one
of ``train_celeba_classifiers.py``. A photograph cannot be rendered again with one attribute changed, so that no finding on it can be
checked against a truth. What can be had is printed instead:

* of the audited photographs, how many have a flip, one that is genuine by the generator of the search, and one that is by both
  (``cfsearch audit --second-generator``, once with FIRST as the generator of the search and once with SECOND);
* of the attributes, which the audits through each generator call a leaning, for how many both say so with the same sign, and
  for how many of these the label goes along with the model's log-odds the same way in all validation photographs, which nobody edited
  (``celeba_observed.py``).

Genuineness by both generators takes three things for granted that a photograph cannot show: that the thresholds, which were calibrated on
rendered faces, hold on photographs; that a generator's error on an edit is of the size of its error on a reconstruction; and that two seeds do
not err alike, though they learned from the same pictures.

Runs the commands that a user has; what is done is not done again. Faces and runs go into a folder that git ignores. A generator whose
edits were not measured is measured first, on validation photographs that are not audited (the figures are written into its file).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from celeba_experiments import write_faces
from celeba_observed import associations, photograph_odds
from celeba_photographs import FOLDER, Photographs, photographs
from celeba_trial import require_ignored

import cfsearch
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.attgan.generator import AttGAN
from cfsearch.numerics.intervals import Interval

LEANS: Final = "leans"
Effects = Mapping[str, Mapping[str, Any]]  # Any: JSON values


@final
@dataclass(frozen=True, slots=True)
class Flips:
    """Photographs of one audit with a counterfactual.

    Args:
        searched: photographs.
        flips: with a verified flip.
        first: with one that is genuine by the generator of the search.
        both: with one that is by both.
        members: counterfactuals that are genuine by the first, and by both.
    """

    searched: int
    flips: int
    first: int
    both: int
    members: tuple[int, int]

    @classmethod
    def of(cls, fronts: Iterable[ParetoFront]) -> "Flips":
        """Counted on the fronts of an audit with two generators."""
        searched = flips = first = both = held_by_first = held_by_both = 0
        for front in fronts:
            each, least = front.genuineness_each, float(front.extra["genuineness"]["threshold"])
            held = front.verified & False if each is None else each[:, 0] >= least
            ones, agreed = int(held.sum()), int((held & front.valid).sum())
            held_by_first, held_by_both = held_by_first + ones, held_by_both + agreed
            searched, flips = searched + 1, flips + bool(front.verified.any())
            first, both = first + (ones > 0), both + (agreed > 0)
        return cls(searched, flips, first, both, (held_by_first, held_by_both))


def run(*words: object) -> None:
    """One command of the product, its own output left out but for errors."""
    command = [sys.executable, "-m", "cfsearch", *map(str, words)]
    print("$ cfsearch " + " ".join(command[3:]), flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def effects_of(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:  # Any: JSON values
    """The effects of an audit of one model, by attribute."""
    return {row["variable"]: row for row in document["effects"]}


def leaning(row: Mapping[str, Any]) -> int:  # Any: JSON values
    """The sign of an effect that the audit calls a leaning; 0 of any other."""
    return int(np.sign(row["estimate"]["value"])) if row["reading"] == LEANS else 0


def survivors(first: Effects, second: Effects, seen: Mapping[str, Interval]) -> dict[str, str]:
    """Of each attribute that leans through either generator what becomes of it.

    Args:
        first: effects of the audit through the first generator.
        second: the same through the second.
        seen: associations in photographs.
    """
    found = {}
    for name in first:
        one, other = leaning(first[name]), leaning(second[name])
        if not one and not other:
            continue
        here = seen[name]
        off = int(np.sign(here.value)) if here.low * here.high > 0 else 0
        if one != other:
            found[name] = "contradicted" if one and other else f"by the {'first' if one else 'second'} alone"
        elif off == one:
            found[name] = "by both, and in photographs"
        else:
            found[name] = (
                "by both, in photographs the other way" if off else "by both, not seen in photographs"
            )
    return found


def table(first: Effects, second: Effects, seen: Mapping[str, Interval]) -> list[str]:
    """The attributes, a line each, the largest effect through the first generator on top."""
    what = survivors(first, second, seen)
    lines = [
        "| attribute | edits seen | effect through the first, logits | edits seen | through the second | photographs | a finding |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in sorted(first, key=lambda name: -abs(_value(first[name]))):
        cells = []
        for row in (first[name], second[name]):
            share = f"{row['edit_success']:.0%}" if "edit_success" in row else "-"
            mark = "" if row["reading"] == LEANS else f", {row['reading']}"
            cells += [share, "-" if row["estimate"] is None else f"{_ends(row['estimate'])}{mark}"]
        label = _ends(seen[name].to_dict())
        lines.append(f"| {name} | {' | '.join(cells)} | {label} | {what.get(name, 'by neither')} |")
    return lines


def _value(row: Mapping[str, Any]) -> float:  # Any: JSON values
    return 0.0 if row["estimate"] is None else float(row["estimate"]["value"])


def _ends(one: Mapping[str, float]) -> str:
    return f"{one['value']:+.2f} [{one['low']:+.2f}, {one['high']:+.2f}]"


def counted(title: str, flips: Flips) -> str:
    """One audit, as a line of a table."""
    kept, held = flips.members[1], flips.members[0]
    return f"| {title} | {flips.searched} | {flips.flips} | {flips.first} | {flips.both} | {kept} of {held} |"


def measured(file: Path, *, others: Path) -> None:
    """See that the edits of a generator were measured, on these labelled photographs."""
    if not AttGAN.open(file, settings={}).edit_success:
        run("measure", "generator", file, "--data", others, "--attributes", f"{others}.csv", "--threads", 1)


def unaudited(valid: Photographs, chosen: Photographs, *, n: int) -> Photographs:
    """Photographs of people of whom none is audited."""
    left = np.flatnonzero(~np.isin(valid.people, chosen.people))
    return valid.take(left[:n])


def main() -> None:
    """Measure, audit through each, print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generators", type=Path, nargs=2, metavar="GENERATOR")
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--model", type=Path, default=FOLDER / "classifiers" / "gender_all.onnx")
    parser.add_argument("--faces", type=int, default=104, help="that are audited, half of them women")
    parser.add_argument("--others", type=int, default=1200, help="that a generator is measured on")
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--capacity", type=int, default=6, help="of a front")
    parser.add_argument("--out", type=Path, default=FOLDER / "two_generators")
    options = parser.parse_args()
    out: Path = options.out
    require_ignored(out)
    valid = photographs(options.data, split="valid", cache=out / "cache")
    chosen = write_faces(valid, out / "faces", n=options.faces)
    write_faces(unaudited(valid, chosen, n=len(valid)), out / "others", n=options.others, seed=2)
    sizes = ("--evaluations", options.evaluations, "--population", min(50, options.evaluations))
    documents, lines = [], []
    for which, order in (("first", (0, 1)), ("second", (1, 0))):
        names: Sequence[Path] = [options.generators[i] for i in order]
        for file in names:
            measured(file, others=out / "others")
        run(
            *(
                "audit",
                "--images",
                out / "faces",
                "--attributes",
                out / "faces.csv",
                "--model",
                options.model,
            ),
            *("--generator", names[0], "--second-generator", names[1], "--immutable", "Male", *sizes),
            *("--capacity", options.capacity, "--shared-queries", 0, "--threads", 1, "--out", out / which),
        )
        documents.append(effects_of(json.loads((out / which / "audit.json").read_text(encoding="utf-8"))))
        lines.append(counted(f"the {which}", Flips.of(cfsearch.open_audit(out / which).fronts)))
    odds = photograph_odds(options.model, valid)
    seen = associations(odds, valid, attributes=tuple(documents[0]))
    print("| searched through | photographs | with a flip | genuine by it | by both | members by both |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    one, other = documents
    print("\n".join([*lines, "", *table(one, other, seen)]))
    what = list(survivors(one, other, seen).values())
    alone = [sum(leaning(row) != 0 for row in each.values()) for each in documents]
    agreed = sum(text.startswith("by both") for text in what)
    print(
        f"\nleanings: {alone[0]} through the first, {alone[1]} through the second, {agreed} through both, "
        f"{what.count('by both, and in photographs')} of them in photographs too"
    )


if __name__ == "__main__":
    main()
