"""How well a generator edits photographs, by networks that it never met.

    OMP_NUM_THREADS=1 python benchmarks/quality/measure_celeba_generator.py GENERATOR --data DIR

flips each of the thirteen attributes of faces of CelebA-HQ's validation part, starting at their
labels and going to the ends of the generator's reach (that of AttGAN's authors, who train with
labels and edit with twice their strength, is -0.5 to 1.5), and to the labels 0 and 1 themselves.
Prints beside the project's targets:

* edit success: of the faces whose label the independent classifier agreed with, the share on
  which it says the opposite after the flip; for switching on and off alone too;
* others kept: of the attributes that were not asked to change, the share on which its decision
  stays what it was on the photograph (and, apart, on the unedited reconstruction); the same for
  the 27 attributes of CelebA that the generator does not know;
* reconstruction: mean absolute error on [-1, 1];
* the Frechet distance, on the classifier's last features, of edited faces of one half of the
  people to photographs of the other half, and of photographs alike: the floor;
* identity: the cosine between photograph and edit in an embedding of persons, and the share
  above the threshold at which it confuses persons as often as it misses them.

Writes sheets of edits into a folder that git ignores; with ``--card`` also a card (GENERATOR.md)
beside the generator, and each attribute's edit success into the generator's own file, where audits
find it. The judges are trained first where they are missing (``celeba_judges.py``).
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from celeba_judges import Judges, in_parts, load_judges
from celeba_photographs import FOLDER, Photographs, photographs
from celeba_trial import require_ignored
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.files import write_atomically
from cfsearch.generators.attgan import AttGAN, AttGANWithCritic
from cfsearch.generators.attgan_files import save_attgan
from cfsearch.generators.attgan_runs import write_sheet
from cfsearch.metrics.frechet import frechet_distance

_AT_ONCE: Final = 50
_SPLITS: Final = 5
_LABELS: Final = (0.0, 1.0)
_SUCCESS, _KEPT = 0.70, 0.90


@final
@dataclass(frozen=True, slots=True)
class Flips:
    """What one attribute's flip does, as shares.

    Args:
        faces: those whose label the judge agreed with.
        success: flips that it confirms; ``on`` and ``off`` for one direction alone.
        kept: decisions on the other attributes that stay as on the photograph.
        kept_reconstruction: that stay as on the reconstruction.
        kept_unknown: of the attributes that the generator does not know, as on the photograph.
        identity: mean cosine between photograph and edit.
        same_person: share above the threshold.
    """

    faces: int
    success: float
    on: float
    off: float
    kept: float
    kept_reconstruction: float
    kept_unknown: float
    identity: float
    same_person: float


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; ``interval`` is the bootstrap interval of the mean edit success over faces."""

    generator: str
    reach: tuple[float, float]
    faces: int
    flips: dict[str, Flips]
    interval: tuple[float, float]
    unedited_kept: float
    reconstruction: float
    frechet: dict[str, float]
    identity: dict[str, float]
    estimated: float | None
    judge: dict[str, float]
    seconds: float

    @property
    def success(self) -> float:
        return float(np.mean([f.success for f in self.flips.values()]))

    @property
    def kept(self) -> float:
        return float(np.mean([f.kept for f in self.flips.values()]))

    @property
    def weakest(self) -> str:
        return min(self.flips, key=lambda name: self.flips[name].success)

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "mean_success": self.success, "mean_kept": self.kept}


def never_looked_at(n: int) -> NDArray[np.int64]:
    """Which of the ``n`` validation faces gave no figure while settings and reach were chosen.

    The first 300 were looked at during the training, a random 1,000 when the reach was chosen.
    """
    seen = np.union1d(np.arange(300), np.random.default_rng(3).permutation(n)[:1000])
    return np.setdiff1d(np.arange(n), seen)


@torch.no_grad()
def measure(
    generator: AttGAN,
    judges: Judges,
    photos: Photographs,
    *,
    n: int,
    reach: tuple[float, float] = (0.0, 1.0),
    seed: int = 3,
) -> tuple[Figures, Float[Tensor, "r c 3 s s"]]:
    """Flip every attribute of ``n`` faces of ``photos``; also a sheet of the first eight.

    Args:
        reach: what an attribute is set to when it is switched off and on.
    """
    started = time.monotonic()
    rng = np.random.default_rng(seed)
    chosen = photos.take(np.sort(rng.permutation(len(photos))[:n]))
    names = generator.attribute_names
    a, n = len(names), len(chosen)
    known = [judges.attribute.attributes.index(name) for name in names]
    unknown = [j for j in range(len(judges.attribute.attributes)) if j not in known]
    labels = chosen.columns(names).astype(np.float32)
    goals = np.stack([_flip(labels, names=names, i=i) for i in range(a)], axis=1)
    seen = np.empty((n, a + 2, len(judges.attribute.attributes)), bool)
    who = torch.empty(n, a + 2, judges.person.width)
    features = torch.empty(n, 3, judges.attribute.trunk.width)  # photograph, reconstruction, an edit
    errors, sheet, estimated = [], [], []
    for start in range(0, n, _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, n))
        x, own = chosen.x(rows), torch.from_numpy(labels[rows])
        goal = torch.from_numpy(goals[rows])
        ends = torch.where(goal > 0.5, reach[1], reach[0])
        asked = torch.where(goal == own[:, None], own[:, None], ends) - own[:, None]
        state = generator.encode(x, attributes=own)
        made = generator.decode(state, torch.cat([torch.zeros_like(asked[:, :1]), asked], 1))
        images = torch.cat([x[:, None], made], 1)
        flat = images.flatten(0, 1)
        inner = in_parts(judges.attribute.trunk, flat)
        decided = judges.attribute.head(inner) > 0
        seen[rows] = decided.view(len(rows), a + 2, -1).numpy()
        who[rows] = in_parts(judges.person, flat).view(len(rows), a + 2, -1)
        inner = inner.view(len(rows), a + 2, -1)
        one = torch.from_numpy(rng.integers(2, a + 2, len(rows)))
        features[rows] = torch.stack([inner[:, 0], inner[:, 1], inner[torch.arange(len(rows)), one]], dim=1)
        errors.append(2.0 * (made[:, 0] - x).abs().mean((1, 2, 3)))
        if isinstance(generator, AttGANWithCritic):
            estimated.append(((generator.encode(x).origin > 0.5) == (own > 0.5)).float().mean(1))
        if start < 8:
            sheet.append(images[:8])
    truth = labels > 0.5
    before, judged = seen[:, 0][:, known], seen[:, :, known]
    agreed = before == truth
    hit = np.where(agreed, np.stack([judged[:, i + 2, i] != before[:, i] for i in range(a)], 1), np.nan)
    cosine = (who[:, :1] * who[:, 1:]).sum(2).numpy()
    flips = {}
    for i, name in enumerate(names):
        others = goals[:, i] == labels  # what a rule switched off with it was asked for too
        flips[name] = Flips(
            faces=int(agreed[:, i].sum()),
            success=float(np.nanmean(hit[:, i])),
            on=_mean(hit[~truth[:, i], i]),
            off=_mean(hit[truth[:, i], i]),
            kept=float((judged[:, i + 2] == before)[others].mean()),
            kept_reconstruction=float((judged[:, i + 2] == judged[:, 1])[others].mean()),
            kept_unknown=float((seen[:, i + 2] == seen[:, 0])[:, unknown].mean()),
            identity=float(cosine[:, i + 1].mean()),
            same_person=float((cosine[:, i + 1] > judges.threshold).mean()),
        )
    draws = rng.integers(0, n, (500, n))
    means = np.array([np.nanmean(hit[rows], axis=0).mean() for rows in draws])
    figures = Figures(
        generator=generator.fingerprint[:16],
        reach=reach,
        faces=n,
        flips=flips,
        interval=(float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))),
        unedited_kept=float((judged[:, 1] == before).mean()),
        reconstruction=float(torch.cat(errors).mean()),
        frechet=_frechet(features, rng=rng),
        identity={
            "reconstruction": float(cosine[:, 0].mean()),
            "reconstruction_same_person": float((cosine[:, 0] > judges.threshold).mean()),
            "edits": float(cosine[:, 1:].mean()),
            "edits_same_person": float((cosine[:, 1:] > judges.threshold).mean()),
            **_between(who[:, 0], chosen.people),
        },
        estimated=float(torch.cat(estimated).mean()) if estimated else None,
        judge={
            "accuracy_40": float(np.mean(list(judges.accuracy.values()))),
            "accuracy_13": float(np.mean([judges.accuracy[name] for name in names])),
            "agreed": float(agreed.mean()),
            "auc": judges.auc,
            "threshold": judges.threshold,
            "error": judges.error,
        },
        seconds=time.monotonic() - started,
    )
    return figures, torch.cat(sheet)


def _flip(labels: NDArray[np.float32], *, names: tuple[str, ...], i: int) -> NDArray[np.float32]:
    out = labels.copy()
    for value in (0.0, 1.0):
        rows = labels[:, i] == 1.0 - value
        if rows.any():
            out[rows] = faces.do(labels[rows], name=names[i], value=value)
    return out


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _frechet(features: Float[Tensor, "n 3 d"], *, rng: np.random.Generator) -> dict[str, float]:
    """Means over random halves: what is named, of one half, to photographs of the other."""
    found: dict[str, list[float]] = {"photographs": [], "reconstructions": [], "edits": []}
    for _ in range(_SPLITS):
        order = torch.from_numpy(rng.permutation(len(features)))
        one, two = order[: len(order) // 2], order[len(order) // 2 :]
        for k, values in enumerate(found.values()):
            values.append(frechet_distance(features[one, k], features[two, 0]))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return {**means, "edits_to_their_photographs": frechet_distance(features[:, 2], features[:, 0])}


def _between(directions: Float[Tensor, "n d"], people: NDArray[np.int64]) -> dict[str, float]:
    """Mean cosine of two photographs of one person, and of two persons."""
    cosine = (directions @ directions.T).numpy()
    same = people[:, None] == people[None]
    apart = ~same
    np.fill_diagonal(same, val=False)
    return {"one_person": _mean(cosine[same]), "two_persons": float(cosine[apart].mean())}


def table(figures: Figures) -> str:
    """The figures for a terminal."""
    head = f"{'attribute':20s} {'faces':>5s} {'success':>8s} {'on':>7s} {'off':>7s} {'kept':>7s} {'kept/rec':>9s} {'kept 27':>8s} {'cosine':>7s} {'person':>7s}"
    off, on = figures.reach
    lines = [f"{figures.faces} faces of the validation part, attributes set to {off:g} and {on:g}", head]
    lines += [
        f"{name:20s} {f.faces:5d} {f.success:8.1%} {f.on:7.1%} {f.off:7.1%} {f.kept:7.1%} "
        f"{f.kept_reconstruction:9.1%} {f.kept_unknown:8.1%} {f.identity:7.3f} {f.same_person:7.1%}"
        for name, f in figures.flips.items()
    ]
    low, high = figures.interval
    d, i = figures.frechet, figures.identity
    lines += [
        f"mean edit success {figures.success:.1%} ({low:.1%} to {high:.1%}), target {_SUCCESS:.0%}; weakest "
        f"{figures.weakest} {figures.flips[figures.weakest].success:.1%}",
        f"others kept {figures.kept:.1%}, target {_KEPT:.0%}; on unedited reconstructions {figures.unedited_kept:.1%}",
        f"reconstruction L1 {figures.reconstruction:.4f} on [-1, 1]",
        f"Frechet distance to photographs of the other half: edits {d['edits']:.2f}, reconstructions "
        f"{d['reconstructions']:.2f}, photographs {d['photographs']:.2f}; edits to their own photographs "
        f"{d['edits_to_their_photographs']:.2f}",
        f"identity: cosine of edits {i['edits']:.3f} ({i['edits_same_person']:.1%} one person), of reconstructions "
        f"{i['reconstruction']:.3f} ({i['reconstruction_same_person']:.1%}); of two photographs of one person "
        f"{i['one_person']:.3f}, of two persons {i['two_persons']:.3f}",
        f"judges: attributes right {figures.judge['accuracy_40']:.1%} (the thirteen {figures.judge['accuracy_13']:.1%}); "
        f"persons told apart with area {figures.judge['auc']:.3f}, equal error {figures.judge['error']:.1%}",
    ]
    if figures.estimated is not None:
        lines.append(f"labels that the generator itself estimates right {figures.estimated:.1%}")
    return "\n".join([*lines, f"{figures.seconds:.0f} s"])


def card(generator: AttGAN, figures: Figures, at_labels: Figures, *, name: str, size_mib: float) -> str:
    """What to know of this file, in Markdown."""
    c, said = generator.config, generator.card
    low, high = figures.interval
    d, i = figures.frechet, figures.identity
    rows = "\n".join(
        f"| {attribute} | {f.success:.1%} | {f.on:.1%} | {f.off:.1%} | {f.kept:.1%} | {f.kept_unknown:.1%} | {f.same_person:.1%} |"
        for attribute, f in figures.flips.items()
    )
    trained = "\n".join(
        f"| {key.replace('_', ' ')} | {value} |" for key, value in said.items() if key != "edit_success"
    )
    return f"""\
# {name}

AttGAN (He et al. 2019) for aligned photographs of faces, {c.size} px: {c.layers} layers, width {c.width},
shortcut {c.shortcut_layers}, inject {c.inject_layers}. One safetensors file, {size_mib:.1f} MiB, kernels in half precision.

**Terms: non-commercial research only.** It was trained on CelebA-HQ (Karras et al. 2018, from CelebA,
Liu et al. 2015), whose agreement extends to what is derived from it. It is not under the licence of
this project's code. No photograph is in it or beside it.

**What it is not for.** CelebA's labels are what annotators saw in pictures of celebrities; "Male",
"Young" and "Pale_Skin" are no facts about a person. The editor changes what went along with a label
in these photographs, not the attribute alone.

| | |
| --- | --- |
{trained}
| command | `benchmarks/quality/train_celeba_generator.py`, then `benchmarks/quality/measure_celeba_generator.py` |

## Measured

On {figures.faces:,} faces of the official validation part, whose persons training never saw and from which no
figure was taken while settings were chosen; edits start at the labels and set an attribute to
{figures.reach[0]:g} or {figures.reach[1]:g}, as AttGAN's authors do. Judged by a classifier of the forty attributes and an
embedding of persons, both trained on the train part alone, with another architecture and seed than
the critic's: attributes right {figures.judge["accuracy_40"]:.1%} on validation faces (the thirteen {figures.judge["accuracy_13"]:.1%}), persons told
apart with an area under the curve of {figures.judge["auc"]:.3f} (equal error rate {figures.judge["error"]:.1%}).

| | |
| --- | ---: |
| mean edit success (of faces whose label the judge agreed with) | {figures.success:.1%} ({low:.1%} to {high:.1%}) |
| weakest attribute | {figures.weakest}, {figures.flips[figures.weakest].success:.1%} |
| mean edit success, others kept, where attributes are only set to the labels 0 and 1 | {at_labels.success:.1%}, {at_labels.kept:.1%} |
| other attributes of the thirteen kept, against the photograph | {figures.kept:.1%} |
| all thirteen kept in an unedited reconstruction | {figures.unedited_kept:.1%} |
| reconstruction, L1 on [-1, 1] | {figures.reconstruction:.4f} |
| Frechet distance of edits to photographs of other people, on the judge's features | {d["edits"]:.2f} |
| the same of reconstructions; of photographs (the floor) | {d["reconstructions"]:.2f}; {d["photographs"]:.2f} |
| edits taken for the same person; reconstructions | {i["edits_same_person"]:.1%}; {i["reconstruction_same_person"]:.1%} |
| mean cosine photograph to edit; two photographs of one person; of two persons | {i["edits"]:.3f}; {i["one_person"]:.3f}; {i["two_persons"]:.3f} |

| attribute flipped | success | switched on | switched off | others kept | 27 unknown attributes kept | same person |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}
"""


def write_card(path: Path, generator: AttGAN, figures: Figures, at_labels: Figures) -> None:
    """The card beside the file, and each attribute's edit success within it; weights stay as they are."""
    success = {name: round(f.success, 4) for name, f in figures.flips.items()}
    content = replace(generator.content, card={**generator.card, "edit_success": success})
    save_attgan(path, content)
    size = path.stat().st_size / 2**20
    text = card(generator, figures, at_labels, name=path.stem, size_mib=size)
    write_atomically(path.with_suffix(".md"), text.encode())


def main() -> int:
    """Measure, print, write the card and the sheet; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--judges", type=Path, default=FOLDER / "judges", help="kept here")
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument(
        "--reach", type=float, nargs=2, help="values of an attribute set off and on; else the generator's own"
    )
    parser.add_argument("--sheet", type=Path, default=FOLDER / "sheet.png", help="where git ignores it")
    parser.add_argument("--card", action="store_true", help="write the card; at the file's own reach only")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.card and options.reach is not None:
        parser.error("--card: figures of another reach are not the file's; leave out --reach.")
    torch.set_num_threads(1)
    require_ignored(options.sheet.parent)
    generator = AttGAN.open(options.generator, settings={})
    judges = load_judges(options.data, folder=options.judges)
    photos = photographs(options.data, split="valid", size=generator.config.size)
    photos = photos.take(never_looked_at(len(photos)))
    reach = generator.reach if options.reach is None else (options.reach[0], options.reach[1])
    figures, sheet = measure(generator, judges, photos, n=options.faces, reach=reach)
    print(table(figures))
    at_labels = figures
    if reach != _LABELS:
        at_labels, _ = measure(generator, judges, photos, n=options.faces, reach=_LABELS)
        print(f"\n{table(at_labels)}")
    write_sheet(options.sheet, sheet)
    if options.card:
        write_card(options.generator, generator, figures, at_labels)
    if options.json is not None:
        write_atomically(
            options.json,
            json.dumps({**figures.to_json(), "at_labels": at_labels.to_json()}, indent=1).encode(),
        )
    return int(figures.success < _SUCCESS or figures.kept < _KEPT)


if __name__ == "__main__":
    raise SystemExit(main())
