"""Trains the audited classifiers of real faces: those of the first paper, and one as others do it.

    OMP_NUM_THREADS=1 python benchmarks/quality/train_celeba_classifiers.py --data DIR

On the official train part of CelebA-HQ, into a folder that git ignores, each as ONNX with its
sidecar and a line in ``classifiers.json``:

* ``gender_all``: the paper's five convolutions tell Male, all faces (its experiment 1);
* ``gender_without_blond_women``: the same without women with blond hair (experiment 2);
* ``young_cnn``: the same network tells Young (for ``benchmarks/papers/visual.py``);
* ``smiling_resnet18``: torchvision's ResNet-18 tells Smiling, trained from scratch in the usual
  way: ImageNet's means and deviations, mirrored crops, one logit.

A classifier that is there is left as it is. The small ones take some two minutes of one core
each, the last some ten.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from celeba_photographs import FOLDER, Photographs, photographs
from celeba_trial import require_ignored
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18
from train_demo_classifiers import SIDECAR, SIZE, calibration_error, train
from train_demo_classifiers import logits as small_logits

from cfsearch.files import write_atomically
from cfsearch.models.gender_cnn import export_onnx

NAMES: Final = ("gender_all", "gender_without_blond_women", "young_cnn", "smiling_resnet18")
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
_BATCH: Final = 64
_RESNET_SIDECAR: Final = """\
# Made by benchmarks/quality/train_celeba_classifiers.py
name = "celeba_smiling"
labels = ["not Smiling", "Smiling"]
scores = "logits"
output = "smiling"

[input]
size = [{size}, {size}]
channels = 3
layout = "nchw"
dtype = "float32"
range = "0..1"
mean = [{mean}]
std = [{std}]
resize = "bilinear"
"""

Logits = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def normalised(x: Tensor) -> Tensor:
    """As models trained on ImageNet take images on [0, 1]."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


def train_resnet(photos: Photographs, *, attribute: str, faces: int, epochs: int, seed: int) -> nn.Module:
    """A ResNet-18 with one logit, on so many random faces of ``photos``."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(photos), generator=rng)[:faces]
    goal = torch.from_numpy(photos.column(attribute).astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = resnet18(num_classes=1).to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
    steps = epochs * (len(rows) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=0.1, total_steps=steps)
    network.train()
    started, step = time.monotonic(), 0
    for _ in range(epochs):
        order = rows[torch.randperm(len(rows), generator=rng)]
        for part in order[: len(order) // _BATCH * _BATCH].view(-1, _BATCH):
            x = photos.x(part.numpy())
            mirror = torch.rand(_BATCH, generator=rng) < 0.5
            x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
            down, right = (int(torch.randint(0, 9, (), generator=rng)) for _ in range(2))
            s = x.shape[-1]
            x = functional.pad(x, (4, 4, 4, 4), mode="reflect")[..., down : down + s, right : right + s]
            with torch.autocast("cpu", torch.bfloat16):
                logit = network(normalised(x).contiguous(memory_format=torch.channels_last))[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logit.float(), goal[part])
            sgd.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            sgd.step()
            schedule.step()
            if step % 50 == 0:
                seconds = time.monotonic() - started
                print(
                    f"resnet18: step {step} of {steps}, loss {float(loss.detach()):.4f}, {seconds:.0f} s",
                    flush=True,
                )
            step += 1
    return network.eval()


def export_resnet(network: nn.Module, *, path: Path) -> None:
    """One ONNX file with a free batch size, by torch's exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of its own future
        torch.onnx.export(
            network.to(memory_format=torch.contiguous_format),
            (torch.zeros(2, 3, SIZE, SIZE),),
            path,
            input_names=["image"],
            output_names=["smiling"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@torch.no_grad()
def resnet_logits(network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    parts = torch.from_numpy(np.array(images)).split(256)
    return torch.cat([network(normalised(x.float() / 255.0))[:, 0] for x in parts]).double().numpy()


def main() -> None:
    """Train what is missing, print accuracies on the validation part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--out", type=Path, default=FOLDER / "classifiers")
    parser.add_argument("--faces", type=int, default=24_183, help="of the small ones; fewer for a trial")
    parser.add_argument("--epochs", type=int, default=6, help="of the small ones")
    parser.add_argument("--resnet-faces", type=int, default=12_000)
    parser.add_argument("--resnet-epochs", type=int, default=3)
    parser.add_argument("--only", choices=NAMES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    require_ignored(options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    photos, valid = (photographs(options.data, split=part) for part in ("train", "valid"))
    blond_women = photos.column("Blond_Hair") & ~photos.column("Male")
    unseen_blond = valid.column("Blond_Hair") & ~valid.column("Male")
    figures_file = options.out / "classifiers.json"
    figures = json.loads(figures_file.read_text(encoding="utf-8")) if figures_file.is_file() else {}
    for name in NAMES:
        path = options.out / f"{name}.onnx"
        if options.only not in (None, name) or (path.is_file() and name in figures):
            continue
        started = time.monotonic()
        if name == "smiling_resnet18":
            attribute = "Smiling"
            resnet = train_resnet(
                photos, attribute=attribute, faces=options.resnet_faces, epochs=options.resnet_epochs, seed=7
            )
            export_resnet(resnet, path=path)
            numbers = {"size": SIZE, "mean": ", ".join(map(str, MEAN)), "std": ", ".join(map(str, STD))}
            sidecar, seen = _RESNET_SIDECAR.format(**numbers), options.resnet_faces
            t = resnet_logits(resnet, valid.images)
        else:
            attribute = "Young" if name == "young_cnn" else "Male"
            labels = ", ".join(f'"{label}"' for label in (f"not {attribute}", attribute))
            left_out = blond_women if name == "gender_without_blond_women" else np.zeros(len(photos), bool)
            rows = np.flatnonzero(~left_out)[: options.faces]
            part = photos.take(rows)
            goal = part.column(attribute).astype(np.float32)
            network = train(part.images, goal, epochs=options.epochs, seed=7, name=name)
            export_onnx(network, path=path)
            sidecar, seen = SIDECAR.format(name=f"celeba_{name}", labels=labels, size=SIZE), len(part)
            t = small_logits(network, valid.images)
        truth = valid.column(attribute).astype(np.float32)
        right = (t > 0) == (truth > 0.5)
        path.with_suffix(".toml").write_text(sidecar, encoding="utf-8")
        figures[name] = {
            "attribute": attribute,
            "faces": int(seen),
            "accuracy": float(right.mean()),
            "accuracy_on_blond_women": float(right[unseen_blond].mean()),
            "calibration_error": float(calibration_error(t, truth)),
            "median_logit": float(np.median(np.abs(t))),
            "seconds": time.monotonic() - started,
        }
        write_atomically(figures_file, json.dumps(figures, indent=1).encode())
    for name, f in figures.items():
        print(
            f"{name}: {f['attribute']} from {f['faces']:,} faces, right on {f['accuracy']:.1%} of {len(valid):,} "
            f"unseen ones ({f['accuracy_on_blond_women']:.1%} of the blond women), calibration error "
            f"{f['calibration_error']:.3f}, median logit {f['median_logit']:.1f}; {f['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
