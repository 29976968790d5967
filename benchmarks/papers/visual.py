"""The measures of visual counterfactuals: ours on CelebA-HQ beside DiME, ACE and STEEX.

    OMP_NUM_THREADS=1 python benchmarks/papers/visual.py GENERATOR --data DIR [--json FILE]

Counterfactuals of a Smiling and of a Young classifier, by ``cfsearch audit`` on faces of the
validation part, the sparsest verified one of each (``--pick``); then, over the found ones:

* FR, flip rate: the share of searched faces with a verified counterfactual;
* FID: the Frechet distance of counterfactuals to the photographs they come from; sFID: of one
  half to photographs of the other half (Jeanneret et al. 2023), the floor beside it;
* FVA: the share that face verification takes for the same person; FS: the mean cosine;
* MNAC: how many of CelebA's forty attributes an oracle decides otherwise;
* CD: the correlation difference of the edited attribute with the forty;
* COUT: the audited model's transition as the most changed pixels are put in.

The settings differ, so figures are placed beside each other and not compared: theirs are 128 px
(CelebA) or 256 px (CelebA-HQ), Inception v3 for FID, VGGFace2 for FVA, SimSiam for FS, an oracle
from VGGFace2, DenseNet-121 as audited models, the images that the model classifies right; ours
64 px, own networks trained on the train part (``celeba_judges.py``), other audited models, 200
faces. DiME and ACE use the model's gradients and write pixels freely; STEEX the latent code of
each region; cfsearch asks a black box for scores and turns thirteen named attributes, of which
Smiling is none. FID and FS of different networks have different scales.

Published figures: only those that we found confirmed in a second place stand here, which are the
FID of STEEX (https://arxiv.org/abs/2111.09094) and of ACE with the l1 distance
(https://arxiv.org/abs/2303.09962). All others of these two, and all of DiME
(https://arxiv.org/abs/2203.15636), are left out until somebody has the papers at hand.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))
from celeba_experiments import THIRD, audit, write_faces
from celeba_judges import Judges, in_parts, load_judges
from celeba_photographs import FOLDER, Photographs, photographs
from celeba_trial import require_ignored

from cfsearch.contracts.scores import objective_scores
from cfsearch.files import write_atomically
from cfsearch.metrics.attributes import changed_attributes, correlation_difference
from cfsearch.metrics.frechet import frechet_distance
from cfsearch.metrics.transition import transition
from cfsearch.numerics.intervals import paired_mean, wilson
from cfsearch.providers.opening import open_provider
from cfsearch.runs.directory import InstanceRow

MEASURES: Final = ("FID", "sFID", "FVA", "FS", "MNAC", "CD", "COUT")
PUBLISHED_FID: Final[dict[str, dict[str, dict[str, float]]]] = {
    "Smiling": {
        "CelebA 128": {"STEEX": 10.2, "ACE l1": 1.27},
        "CelebA-HQ 256": {"STEEX": 21.9, "ACE l1": 3.21},
    },
    "Young": {
        "CelebA 128": {"STEEX": 11.8, "ACE l1": 1.45},
        "CelebA-HQ 256": {"STEEX": 26.8, "ACE l1": 5.31},
    },
}
MODELS: Final = {"Smiling": THIRD, "Young": "young_cnn"}
_SPLITS: Final = 5


def measures(
    rows: list[InstanceRow],
    *,
    attribute: str,
    model: Path,
    judges: Judges,
    train: Photographs,
    pick: str,
) -> dict[str, Any]:
    """All measures over the found counterfactuals; those of unedited reconstructions beside."""
    searched = [row for row in rows if row.status in ("found", "not_found")]
    fronts = [row.front for row in searched if row.front is not None and row.status == "found"]
    rate = wilson(len(fronts), len(searched))
    found: dict[str, Any] = {"FR": None if rate is None else rate.to_dict(), "n": len(fronts)}
    chosen = [(front, front.pick(pick)) for front in fronts]
    triples = [
        (front.original, front.images[i], front.reconstruction, front.source)
        for front, i in chosen
        if i is not None
        and front.original is not None
        and front.images is not None
        and front.reconstruction is not None
    ]
    if len(triples) < 4:
        return found
    originals, changed_images, unchanged, sources = zip(*triples, strict=True)
    x, after, plain = (
        torch.stack(images).float() / 255.0 for images in (originals, changed_images, unchanged)
    )
    source = torch.tensor(sources)
    provider = open_provider(str(model))

    def probabilities(images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n k"]:
        return torch.softmax(objective_scores(provider.predict(images), kind=provider.scores).double(), -1)

    before, place = _seen(judges, x), judges.attribute.attributes.index(attribute)
    labels = torch.from_numpy(train.labels)
    for name, images in (("counterfactuals", after), ("reconstructions", plain)):
        seen = _seen(judges, images)
        cosine = (before["person"] * seen["person"]).sum(1).double()
        same = wilson(int((cosine > judges.threshold).sum()), len(cosine))
        score = transition(x, images, probabilities=probabilities, source=source, target=1 - source)
        changed = changed_attributes(before["decided"], seen["decided"])
        found[name] = {
            "FID": frechet_distance(seen["features"], before["features"]),
            "sFID": _halves(seen["features"], before["features"]),
            "FVA": None if same is None else {k: 100.0 * v for k, v in same.to_dict().items()},
            "FS": _interval(cosine),
            "MNAC": _interval(changed),
            "CD": correlation_difference(labels, before["decided"], seen["decided"], attribute=place),
            "COUT": _interval(score),
            "oracle_agrees": float((seen["decided"] != before["decided"])[:, place].double().mean()),
        }
    found["sFID_floor"] = _halves(before["features"], before["features"])
    return found


def _seen(judges: Judges, x: Float[Tensor, "n 3 s s"]) -> dict[str, Tensor]:
    features = in_parts(judges.attribute.trunk, x)
    return {
        "features": features,
        "decided": judges.attribute.head(features) > 0,
        "person": in_parts(judges.person, x),
    }


def _halves(features: Float[Tensor, "n d"], others: Float[Tensor, "n d"]) -> float:
    rng, values = np.random.default_rng(0), []
    for _ in range(_SPLITS):
        order = torch.from_numpy(rng.permutation(len(features)))
        half = len(order) // 2
        values.append(frechet_distance(features[order[:half]], others[order[half : 2 * half]]))
    return float(np.mean(values))


def _interval(values: Float[Tensor, " n"]) -> dict[str, float] | None:
    found = paired_mean(values)
    return None if found is None else found.to_dict()


def table(attribute: str, ours: dict[str, Any]) -> str:
    """Ours beside the published figures."""

    def cell(value: Any) -> str:
        if value is None:
            return "-"
        return (
            f"{value['value']:.3g} [{value['low']:.3g}, {value['high']:.3g}]"
            if isinstance(value, dict)
            else f"{value:.3g}"
        )

    rate = ours["FR"]
    share = (
        "nothing searched"
        if rate is None
        else f"{rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
    )
    lines = [
        f"\n{attribute}: flip rate {share}, {ours['n']} counterfactuals; settings differ, see the head of this file",
        f"{'':30s}" + "".join(f"{name:>24s}" for name in MEASURES),
    ]
    lines += [
        f"{'ours 64, ' + name:30s}" + "".join(f"{cell(ours[name][m]):>24s}" for m in MEASURES)
        for name in ("counterfactuals", "reconstructions")
        if name in ours
    ]
    if "sFID_floor" in ours:
        lines.append(f"{'ours 64, photographs':30s}{'':24s}{ours['sFID_floor']:>24.3g}")
        agrees = ours["counterfactuals"]["oracle_agrees"]
        lines.append(f"(an independent oracle sees {attribute} changed in {agrees:.0%} of ours)")
    lines += [
        f"{f'{method}, {data}':30s}{fid:>24g}"
        for data, methods in PUBLISHED_FID[attribute].items()
        for method, fid in methods.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run both audits, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--classifiers", type=Path, default=FOLDER / "classifiers")
    parser.add_argument("--judges", type=Path, default=FOLDER / "judges")
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--evaluations", type=int, default=200, help="a face")
    parser.add_argument("--solver", default="smpso")
    parser.add_argument("--pick", default="sparsest", choices=("sparsest", "closest", "knee", "crossing"))
    parser.add_argument("--only", choices=tuple(MODELS))
    parser.add_argument("--out", type=Path, default=FOLDER / "experiments")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    require_ignored(options.out)
    judges = load_judges(options.data, folder=options.judges)
    train = photographs(options.data, split="train")
    faces = options.out / f"faces{options.faces}"
    write_faces(photographs(options.data, split="valid"), faces, n=options.faces)
    results: dict[str, Any] = {
        "faces": options.faces,
        "evaluations": options.evaluations,
        "pick": options.pick,
    }
    for attribute in MODELS if options.only is None else (options.only,):
        model = options.classifiers / f"{MODELS[attribute]}.onnx"
        _, rows = audit(
            MODELS[attribute],
            generator=options.generator,
            model=model,
            faces=faces,
            out=options.out,
            evaluations=options.evaluations,
            solver=options.solver,
            immutable=(),
        )
        ours = measures(rows, attribute=attribute, model=model, judges=judges, train=train, pick=options.pick)
        print(table(attribute, ours), flush=True)
        results[attribute] = {"ours": ours, "published_fid": PUBLISHED_FID[attribute], "columns": MEASURES}
    if options.json is not None:
        write_atomically(options.json, json.dumps(results, indent=1).encode())


if __name__ == "__main__":
    main()
