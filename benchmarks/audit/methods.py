"""Four methods before ``cfsearch bench audit``: our fronts with and without genuineness, the nearest face that is decided otherwise, and white noise.

    python benchmarks/audit/methods.py --folder scratch/methods [--faces 20] [--evaluations 500]

Writes the originals, then one folder a method, and scores them:

- ``ours``: ``cfsearch audit`` of each classifier through the shipped generator, its own attribute held fixed, and ``cfsearch
  export --format pictures``, of which the sparsest member that holds is shown;
- ``unchecked``: of the same fronts the sparsest flip, whether it holds or not;
- ``nearest``: the nearest unlike neighbour, which is the original of another face, by pixels, that the classifier decides otherwise;
- ``noise``: white noise added to the face, stronger and stronger, until the classifier flips.

What a folder holds already is not made again. One thread; some six CPU minutes.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import numpy as np
import torch

from cfsearch.audits.bench_faces import SHIPPED, BenchFaces
from cfsearch.datasets import faces
from cfsearch.files import write_atomically
from cfsearch.providers.opening import open_provider
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.pictures import png

_NOISE_SEED: Final = 5
_STRENGTHS: Final = tuple(0.02 * k for k in range(1, 51))
METHODS: Final = ("ours", "unchecked", "nearest", "noise")


def command(*words: str | Path) -> None:
    """One call of ``cfsearch``."""
    subprocess.run([sys.executable, "-m", "cfsearch", *map(str, words)], check=True)


def searched(folder: Path, name: str, *, evaluations: int) -> Path:
    """An audit of one classifier; goes on where it was stopped."""
    run = folder / "runs" / name
    command(
        *("audit", "--images", folder / "tasks" / "originals"),
        *("--attributes", folder / "tasks" / "attributes.csv"),
        *("--model", folder / "tasks" / "models" / f"{name}.onnx", "--generator", "faces64"),
        *("--solver", "smpso", "--immutable", "Male", "--evaluations", str(evaluations), "--seed", "7"),
        *("--capacity", "20", "--threads", "1", "--out", run, "-q"),
    )
    return run


def unchecked(run: Path, out: Path) -> None:
    """The sparsest flip of each front, whether it is genuine or not."""
    out.mkdir(parents=True)
    with RunDirectory.read(run) as opened:
        for row in opened.rows():
            front = None if row.front is None else replace(row.front, genuineness=None)
            pick = None if front is None else front.pick("sparsest")
            if front is not None and front.images is not None and pick is not None:
                write_atomically(out / row.name, png(front.images[pick]))


def baseline(tasks: BenchFaces, name: str, out: Path, *, noise: bool) -> None:
    """Pictures of one of the two methods that know nothing of attributes."""
    with as_file(files("cfsearch.models").joinpath(f"{name}.onnx")) as path:
        model = open_provider(str(path))

    def classes(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model.predict(torch.from_numpy(images).float() / 255.0).argmax(-1).numpy()

    images = tasks.people.images
    source = classes(images)
    rng = np.random.default_rng(_NOISE_SEED)
    out.mkdir(parents=True)
    for i, face in enumerate(images):
        if noise:
            drawn = rng.normal(size=face.shape)
            tried = np.stack(
                [faces.quantise((face / 255.0 + s * drawn)[None].astype(np.float32))[0] for s in _STRENGTHS]
            )
            flips = np.flatnonzero(classes(tried) != source[i])
            picture = tried[flips[0]] if len(flips) else None
        else:
            unlike = images[source != source[i]]
            gaps = np.abs(unlike.astype(np.int16) - face.astype(np.int16)).mean((1, 2, 3))
            picture = unlike[int(gaps.argmin())] if len(unlike) else None
        if picture is not None:
            write_atomically(out / tasks.names[i], png(torch.from_numpy(picture)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing and score it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/methods"))
    parser.add_argument("--faces", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    folder: Path = options.folder
    if not (folder / "tasks").exists():
        command("bench", "originals", folder / "tasks", "--faces", str(options.faces))
    tasks = BenchFaces.read(folder / "tasks")
    methods = options.methods.split(",")
    for method in methods:
        for name in SHIPPED:
            out = folder / method / name
            if out.exists():
                continue
            if method in ("ours", "unchecked"):
                run = searched(folder, name, evaluations=options.evaluations)
                if method == "ours":
                    command("export", run, "--format", "pictures", "--out", out)
                else:
                    unchecked(run, out)
            else:
                baseline(tasks, name, out, noise=method == "noise")
    command(
        *("bench", "audit", *(folder / method for method in methods)),
        *("--originals", folder / "tasks", "--threads", "1"),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
