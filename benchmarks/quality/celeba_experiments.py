"""The first paper's two experiments on real faces as audits with intervals, and a third model.

    OMP_NUM_THREADS=1 python benchmarks/quality/celeba_experiments.py GENERATOR --data DIR [--only NAME]

Barredo-Arrieta and Del Ser explain a gender classifier by counterfactuals of two pictures each: (1)
trained on all faces, blond hair makes men into women and dark hair women into men; (2) trained
without blond women, hair colour matters less, and lower bangs and age are named in its place.
Here `cfsearch audit` runs on 200 faces of the validation part, 100 women and 100 men, started at
their labels and compared by Male; Male itself must not change in the search. Of each attribute:

* the effect of switching it on instead of off (to the ends of the generator's attribute range) on the
  log-odds, through the generator, with its interval, over all faces and for women and men apart,
  and Wilcoxon's signed-rank test over the faces, corrected by Holm for the number of attributes;
* how often taking it to its opposite end alone changes the decision;
* how often the sparsest verified counterfactual changes it, up or down;
* its association with the log-odds in all photographs of the validation part, the other labels
  held fixed: no effect, but made without a generator (``celeba_observed.py``).

Third, torchvision's ResNet-18 for Smiling, of which Male, Young, Pale_Skin and Eyeglasses should
be of no account. What the editor cannot edit no audit can see: the edit success that its file
holds stands beside each attribute, and one that it hardly edits is in no finding.

Audits go on where they stood. All faces and runs go into a folder that git ignores.
"""

import argparse
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from celeba_findings import findings, printed
from celeba_observed import agreement, associations, photograph_odds
from celeba_photographs import FOLDER, Photographs, mark, photographs
from celeba_trial import require_ignored
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import wilcoxon

from cfsearch.audits.effects import effects_through_generator
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.config import Config
from cfsearch.contracts.scores import log_odds
from cfsearch.engine.problem import Problem
from cfsearch.files import write_atomically
from cfsearch.generators.attgan.generator import AttGAN
from cfsearch.numerics.intervals import Interval, holm, paired_mean, wilson
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.providers.opening import open_provider
from cfsearch.report.charts import LEAST_EDITED
from cfsearch.runs.directory import InstanceRow, RunDirectory

Floats = NDArray[np.float64]
FIRST, SECOND, THIRD = "gender_all", "gender_without_blond_women", "smiling_resnet18"
SENSITIVE: Final = ("Male", "Young", "Pale_Skin", "Eyeglasses")
_SEEN: Final = 0.25


def write_faces(valid: Photographs, folder: Path, *, n: int, seed: int = 1) -> Photographs:
    """Half women, half men, at random, as PNG with a table of their forty labels."""
    rng = np.random.default_rng(seed)
    male = valid.column("Male")
    halves = [rng.permutation(np.flatnonzero(male == sex))[: n // 2] for sex in (False, True)]
    chosen = valid.take(np.sort(np.concatenate(halves)))
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{Path(name).stem}.png" for name in chosen.names]
    for name, pixels in zip(names, chosen.images, strict=True):
        if not (folder / name).is_file():
            Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / name)
    with (folder.parent / f"{folder.name}.csv").open("w", newline="", encoding="utf-8") as stream:
        signs = np.where(chosen.labels, 1, -1).tolist()
        rows = ([name, *row] for name, row in zip(names, signs, strict=True))
        csv.writer(stream).writerows([["file", *chosen.attributes], *rows])
    return chosen


def audit(
    name: str,
    *,
    generator: Path,
    model: Path,
    faces: Path,
    out: Path,
    evaluations: int,
    solver: str,
    immutable: tuple[str, ...] = ("Male",),
) -> tuple[dict[str, Any], list[InstanceRow]]:
    """``cfsearch audit`` with the paper's objectives; the document and the fronts."""
    config = Config.check(
        {
            "model": {"path": str(model)},
            "generator": {"source": str(generator)},
            "data": {
                "images": str(faces),
                "attributes": str(faces.parent / f"{faces.name}.csv"),
                "by": ["Male"],
            },
            "search": {
                "solver": solver,
                "objectives": ["plausibility", "adversarial", "intensity"],
                "evaluations": evaluations,
                "population": min(100, evaluations),
                "immutable": list(immutable),
            },
            "run": {"threads": 1},
        }
    )

    def watch(state: AuditProgress) -> None:
        if state.inside is None and state.done % 20 == 0:
            print(f"{name}: {state.done} of {state.total} faces, {state.found} found", flush=True)

    directory = out / name
    document = Audit(config, directory=directory, title=name, watch=watch).run()
    with RunDirectory.read(directory) as opened:
        return document, list(opened.rows())


@torch.no_grad()
def one_by_one(
    *, generator: Path, model: Path, faces: Photographs, cache: Path
) -> tuple[tuple[str, ...], Floats, Floats, Floats]:
    """Attributes; effects ``(n, a)`` in logits; log-odds unedited ``(n,)`` and with each one opposite ``(n, a)``."""
    editor, provider = AttGAN.open(generator, settings={}), open_provider(str(model))
    names = editor.attribute_names
    labels = torch.from_numpy(faces.columns(names).astype(np.float32))
    kept = cache / f"one-{model.stem}-{mark(editor.fingerprint, provider.fingerprint)}-{len(faces)}.npz"
    if not kept.is_file():
        effects, base, turned = [], [], []
        last = torch.tensor([len(provider.labels) - 1])
        for i in range(len(faces)):
            problem = Problem(
                faces.x([i]),
                names=[str(i)],
                provider=provider,
                generator=editor,
                objectives=(Adversarial(), Intensity()),
                attributes=labels[i : i + 1],
            )
            found = effects_through_generator(problem, label=int(last)).by_variable
            effects.append(torch.stack([found[name][0] for name in names]))
            space = problem.space
            opposite = torch.diag_embed(torch.where(space.origin > 0.5, space.lower, space.upper))
            z = space.repair(torch.cat([torch.zeros_like(opposite[:, :1]), opposite], 1))
            odds = log_odds(problem.score(problem.decode(z, query=0))[None], index=last)[0]
            base.append(odds[0])
            turned.append(odds[1:])
        with kept.with_suffix(".tmp").open("wb") as stream:
            np.savez(stream, effects=torch.stack(effects), base=torch.stack(base), turned=torch.stack(turned))
        kept.with_suffix(".tmp").replace(kept)
    stored = np.load(kept)
    return (
        names,
        stored["effects"].astype(float),
        stored["base"].astype(float),
        stored["turned"].astype(float),
    )


def signed_rank(values: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 where nothing differs."""
    return 1.0 if not np.any(values) else float(wilcoxon(values, method="approx").pvalue)


def sparsest(rows: list[InstanceRow], *, source: int) -> tuple[list[str], Floats, tuple[str, ...]]:
    """Names and changes of the sparsest verified flips of faces that the model puts into ``source``."""
    found = [
        (row.name, row.front, row.front.pick("sparsest"))
        for row in rows
        if row.front is not None and row.front.source == source and not row.front.reconstruction_flips
    ]
    flips = [(name, front.z[i].double().numpy()) for name, front, i in found if i is not None]
    variables = next((row.front.variables for row in rows if row.front is not None), ())
    z = np.stack([z for _, z in flips]) if flips else np.zeros((0, len(variables)))
    return [name for name, _ in flips], z, variables


def _share(hits: NDArray[np.bool_]) -> dict[str, float] | None:
    found = wilson(int(hits.sum()), len(hits))
    return None if found is None else {**found.to_dict(), "n": len(hits)}


def _mean(values: Floats) -> dict[str, float] | None:
    found = paired_mean(torch.from_numpy(values))
    return None if found is None else found.to_dict()


def summarise(
    names: tuple[str, ...],
    effects: Floats,
    base: Floats,
    turned: Floats,
    *,
    male: NDArray[np.bool_],
    tested: tuple[str, ...],
    rows: list[InstanceRow],
    seen: dict[str, Interval],
) -> dict[str, Any]:
    """Per attribute: effects, tests, flips alone, its part in the sparsest flips, and in photographs."""
    corrected = dict(
        zip(tested, holm(np.array([signed_rank(effects[:, names.index(t)]) for t in tested])), strict=True)
    )
    parts = {"to_last": sparsest(rows, source=0), "to_first": sparsest(rows, source=1)}
    summary: dict[str, Any] = {}
    for j, name in enumerate(names):
        changes = {
            f"{way}{sign}": _share(side * z[:, variables.index(name)] >= _SEEN)
            for way, (_, z, variables) in parts.items()
            for sign, side in (("+", 1.0), ("-", -1.0))
            if name in variables
        }
        flipped = (turned[:, j] > 0) != (base > 0)
        summary[name] = {
            "effect": _mean(effects[:, j]),
            "p_holm": corrected.get(name),
            "women": _mean(effects[~male, j]),
            "men": _mean(effects[male, j]),
            "flips_first": _share(flipped[base <= 0]),
            "flips_last": _share(flipped[base > 0]),
            "sparsest": changes,
            "photographs": seen[name].to_dict(),
        }
    return summary


def table(title: str, found: dict[str, Any], *, success: Mapping[str, float], labels: tuple[str, str]) -> str:
    """The summary for a terminal, largest effect first."""

    def number(part: dict[str, float] | None, form: str = "+.2f") -> str:
        if part is None:
            return "-"
        return f"{part['value']:{form}} [{part['low']:{form}}, {part['high']:{form}}]"

    def share(part: dict[str, float] | None) -> str:
        return "-" if part is None else f"{part['value']:.0%} [{part['low']:.0%}, {part['high']:.0%}]"

    lines = [
        f"\n{title}: log-odds of {labels[1]!r}; flips alone and changes in the sparsest flips: "
        f"{labels[0]!r} to {labels[1]!r} | back",
        f"{'attribute':20s} {'editor':>6s} {'effect, logits':>22s} {'p (Holm)':>9s} {'photographs':>22s} {'women':>22s} {'men':>22s} "
        f"{'alone':>18s} {'alone back':>18s} {'sparsest +|-':>12s} {'back +|-':>12s}",
    ]
    order = sorted(found, key=lambda name: -abs(found[name]["effect"]["value"]))
    for name in order:
        f = found[name]
        p = "" if f["p_holm"] is None else f"{f['p_holm']:.1g}"
        s = {k: "-" if v is None else f"{v['value']:.0%}" for k, v in f["sparsest"].items()}
        editor = f"{success[name]:.0%}" if name in success else ""
        lines.append(
            f"{name:20s} {editor:>6s} {number(f['effect']):>22s} {p:>9s} {number(f['photographs']):>22s} "
            f"{number(f['women']):>22s} {number(f['men']):>22s} "
            f"{share(f['flips_first']):>18s} {share(f['flips_last']):>18s} "
            f"{s.get('to_last+', '-') + '|' + s.get('to_last-', '-'):>12s} "
            f"{s.get('to_first+', '-') + '|' + s.get('to_first-', '-'):>12s}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what the options name; print tables and findings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--classifiers", type=Path, default=FOLDER / "classifiers")
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--evaluations", type=int, default=800, help="an image, of the first two")
    parser.add_argument("--third-evaluations", type=int, default=200, help="an image, of the third")
    parser.add_argument("--solver", default="smpso", help="the paper's winner by default")
    parser.add_argument("--only", choices=(FIRST, SECOND, THIRD), help="run this audit and stop")
    parser.add_argument("--out", type=Path, default=FOLDER / "experiments")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    require_ignored(options.out)
    faces = options.out / f"faces{options.faces}"
    valid = photographs(options.data, split="valid")
    chosen = write_faces(valid, faces, n=options.faces)
    success = AttGAN.open(options.generator, settings={}).edit_success
    hardly = frozenset(name for name, share in success.items() if share < LEAST_EDITED)
    result: dict[str, Any] = {
        "faces": options.faces,
        "evaluations": options.evaluations,
        "solver": options.solver,
    }
    summaries, effects, odds, names = {}, {}, {}, ()
    for name in (FIRST, SECOND, THIRD) if options.only is None else (options.only,):
        model = options.classifiers / f"{name}.onnx"
        document, rows = audit(
            name,
            generator=options.generator,
            model=model,
            faces=faces,
            out=options.out,
            evaluations=options.third_evaluations if name == THIRD else options.evaluations,
            solver=options.solver,
            immutable=() if name == THIRD else ("Male",),
        )
        names, effects[name], base, turned = one_by_one(
            generator=options.generator, model=model, faces=chosen, cache=options.out
        )
        tested = SENSITIVE if name == THIRD else tuple(n for n in names if n != "Male")
        given = ("Smiling",) if name == THIRD else ()
        odds[name] = photograph_odds(model, valid)
        seen = associations(odds[name], valid, attributes=names, given=given)
        male = chosen.column("Male")
        summaries[name] = summarise(
            names, effects[name], base, turned, male=male, tested=tested, rows=rows, seen=seen
        )
        edited = {n: f["effect"]["value"] for n, f in summaries[name].items() if n not in hardly}
        alike = agreement(edited, seen)
        labels = document["models"][0]["labels"]
        print(table(name, summaries[name], success=success, labels=(labels[0], labels[1])))
        counts, groups = document["counts"][0], document.get("groups", [])
        print(f"flip rate {counts['found_rate']}; by Male: {groups[0]['difference'] if groups else None}")
        print(
            f"effects through the generator and associations in photographs: rank correlation "
            f"{alike['rank']:.2f}, the same sign for {alike['sign']:.0%} of {alike['n']:.0f} effects of 0.5 and more"
        )
        result[name] = {"counts": counts, "groups": groups, "attributes": summaries[name], "agreement": alike}
    if FIRST in summaries and SECOND in summaries:
        difference = associations(odds[SECOND] - odds[FIRST], valid, attributes=names)
        result["findings"] = findings(
            summaries[FIRST], summaries[SECOND], (effects[FIRST], effects[SECOND]), difference, names, hardly
        )
        print(printed(result["findings"]))
    if options.json is not None:
        write_atomically(options.json, json.dumps(result, indent=1).encode())


if __name__ == "__main__":
    main()
