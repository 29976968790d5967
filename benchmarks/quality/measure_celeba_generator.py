"""How well a generator edits photographs, by networks that it never met.

    OMP_NUM_THREADS=1 python benchmarks/quality/measure_celeba_generator.py GENERATOR --data DIR

flips each of the thirteen attributes of faces of CelebA-HQ's validation part, starting at their
labels and going to the ends of the generator's attribute range (that of AttGAN's authors, who train with
labels and edit with twice their strength, is -0.5 to 1.5), and to the labels 0 and 1 themselves.
Prints beside the project's targets:

* edit success: of the faces whose label the independent classifier agreed with, the share on
  which it says the opposite after the flip; for switching on and off alone too;
* others kept: of the attributes that are not edited, the share on which its decision
  stays what it was on the photograph (and, apart, on the unedited reconstruction); the same for
  the 27 attributes of CelebA that the generator does not know; and which others an attribute that
  is switched on drags along, in points of the share of faces that have them;
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
from pathlib import Path
from typing import Final

import numpy as np
import torch
from celeba_figures import KEPT, SUCCESS, Figures, Flips, table, write_card
from celeba_judges import Judges, in_parts, load_judges
from celeba_photographs import FOLDER, Photographs, photographs
from celeba_trial import require_ignored
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.files import write_atomically
from cfsearch.generators.attgan.generator import AttGAN, AttGANWithCritic
from cfsearch.generators.attgan.runs import write_sheet
from cfsearch.metrics.frechet import frechet_distance

_AT_ONCE: Final = 50
_SPLITS: Final = 5
_LABELS: Final = (0.0, 1.0)


def never_looked_at(n: int) -> NDArray[np.int64]:
    """Which of the ``n`` validation faces gave no figure while settings and the range were chosen.

    The first 300 were looked at during the training, a random 1,000 when the range was chosen.
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
    attribute_range: tuple[float, float] = (0.0, 1.0),
    seed: int = 3,
) -> tuple[Figures, Float[Tensor, "r c 3 s s"]]:
    """Flip every attribute of ``n`` faces of ``photos``; also a sheet of the first eight.

    Args:
        attribute_range: what an attribute is set to when it is switched off and on.
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
        ends = torch.where(goal > 0.5, attribute_range[1], attribute_range[0])
        edit = torch.where(goal == own[:, None], own[:, None], ends) - own[:, None]
        state = generator.encode(x, attributes=own)
        made = generator.decode(state, torch.cat([torch.zeros_like(edit[:, :1]), edit], 1))
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
        others = goals[:, i] == labels  # what a rule switched off with it is edited too
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
            moved=_moved(judged[~truth[:, i]], names=names, i=i),
        )
    draws = rng.integers(0, n, (500, n))
    means = np.array([np.nanmean(hit[rows], axis=0).mean() for rows in draws])
    figures = Figures(
        generator=generator.fingerprint[:16],
        attribute_range=attribute_range,
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


def _moved(judged: NDArray[np.bool_], *, names: tuple[str, ...], i: int) -> dict[str, float]:
    """What switching ``names[i]`` on changes of the share that has each other attribute, largest first.

    ``judged`` ``(n, a + 2, a)``: decisions on the photograph, the reconstruction and each edit.
    """
    change = judged[:, i + 2].mean(0) - judged[:, 1].mean(0)
    order = sorted((j for j in range(len(names)) if j != i), key=lambda j: -abs(change[j]))
    return {names[j]: round(float(change[j]), 4) for j in order}


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


def main() -> int:
    """Measure, print, write the card and the sheet; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--judges", type=Path, default=FOLDER / "judges", help="kept here")
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument(
        "--attribute-range",
        type=float,
        nargs=2,
        help="values of an attribute set off and on; else the generator's own",
    )
    parser.add_argument("--sheet", type=Path, default=FOLDER / "sheet.png", help="where git ignores it")
    parser.add_argument("--card", action="store_true", help="write the card; at the file's own range only")
    parser.add_argument("--remark", default="", help="for the card: what was seen on the sheets")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.card and options.attribute_range is not None:
        parser.error("--card: figures of another range are not the file's; leave out --attribute-range.")
    torch.set_num_threads(1)
    require_ignored(options.sheet.parent)
    generator = AttGAN.open(options.generator, settings={})
    judges = load_judges(options.data, folder=options.judges)
    photos = photographs(options.data, split="valid", size=generator.config.size)
    photos = photos.take(never_looked_at(len(photos)))
    attribute_range = (
        generator.attribute_range
        if options.attribute_range is None
        else (options.attribute_range[0], options.attribute_range[1])
    )
    figures, sheet = measure(generator, judges, photos, n=options.faces, attribute_range=attribute_range)
    print(table(figures))
    at_labels = figures
    if attribute_range != _LABELS:
        at_labels, _ = measure(generator, judges, photos, n=options.faces, attribute_range=_LABELS)
        print(f"\n{table(at_labels)}")
    write_sheet(options.sheet, sheet)
    if options.card:
        write_card(options.generator, generator, figures, at_labels, remark=options.remark)
    if options.json is not None:
        write_atomically(
            options.json,
            json.dumps({**figures.to_json(), "at_labels": at_labels.to_json()}, indent=1).encode(),
        )
    return int(figures.success < SUCCESS or figures.kept < KEPT)


if __name__ == "__main__":
    raise SystemExit(main())
