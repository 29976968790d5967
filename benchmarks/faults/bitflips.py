"""One bit flipped in each of many random places of a run directory: what is found, and what is lost.

    python benchmarks/faults/bitflips.py [--places 200] [--seed 7] [--inputs 12]

Audits small pictures, then for each place: copies the finished run, flips one bit of one of its files (every byte of
the directory is as likely), reads every front, and gives the command of the audit again. Prints, by file, how often the damage was
found by reading the fronts, how often a front was shown that is not the one that was written (must be 0), how many errors were
not ours (must be 0), and after the second audit how many inputs were searched again, and how many fronts are not those of the
first run (must be 0).
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.errors import CfsearchError
from cfsearch.runs.checksums import changed_files
from cfsearch.runs.directory import RunDirectory

_MODEL = """
import numpy as np

def predict(images):
    p = 1 / (1 + np.exp(-12 * (images.mean((1, 2, 3)) - 0.5)))
    return np.stack([1 - p, p], axis=1)
"""


def _config(folder: Path, inputs: int) -> Config:
    (folder / "bright_model.py").write_text(_MODEL)
    (folder / "model.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    sys.path.insert(0, str(folder))
    rng = np.random.default_rng(3)
    (folder / "images").mkdir()
    for i in range(inputs):
        pixels = (255 * rng.uniform(0.1, 0.45, (32, 32, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{i:02d}.png")
    return Config.check(
        {
            "model": {"path": "bright_model:predict", "sidecar": str(folder / "model.toml")},
            "generator": "pixels:grid=2",
            "data": {"images": str(folder / "images")},
            "search": {
                "solver": "random",
                "objectives": ["adversarial", "intensity"],
                "evaluations": 200,
                "population": 20,
            },
        }
    )


def _fronts(path: Path) -> dict[str, bytes]:
    with RunDirectory.read(path) as run:
        return {row.name: row.front.to_bytes() for row in run.rows() if row.front is not None}


def _place(rng: random.Random, sizes: dict[str, int]) -> tuple[str, int]:
    at = rng.randrange(sum(sizes.values()))
    for name, size in sizes.items():
        if at < size:
            return name, at
        at -= size
    raise AssertionError("the place lies in one of the files")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--inputs", type=int, default=12)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = _config(folder, options.inputs)
        Audit(config, directory=folder / "run").run()
        written = _fronts(folder / "run")
        sizes = {p.name: p.stat().st_size for p in sorted((folder / "run").iterdir()) if p.name != "run.lock"}
        count: Counter[tuple[str, str]] = Counter()
        for _ in range(options.places):
            file, at = _place(rng, sizes)
            _one(folder, file, at, rng.randrange(8), config=config, written=written, count=count)
    _print(count, sizes)
    return int(any(count["all", what] for what in ("shown wrong", "foreign errors", "other fronts")))


def _one(
    folder: Path,
    file: str,
    at: int,
    bit: int,
    *,
    config: Config,
    written: dict[str, bytes],
    count: Counter[tuple[str, str]],
) -> None:
    copy = shutil.copytree(folder / "run", folder / "copy")
    content = bytearray((copy / file).read_bytes())
    content[at] ^= 1 << bit
    (copy / file).write_bytes(content)
    seen = ["places"]
    try:
        seen += ["shown wrong"] if _fronts(copy) != written else []
    except CfsearchError:
        seen.append("found by reading")
    except Exception as error:  # noqa: BLE001 - what must not come is counted
        print(f"{file} at {at}: {type(error).__name__}: {error}")
        seen.append("foreign errors")
    try:
        if changed_files(copy):
            seen.append("found by checksums")
    except CfsearchError:
        seen.append("found by checksums")
    try:
        again: list[int] = []
        Audit(config, directory=copy, watch=lambda state: again.append(state.done)).run()
        searched = len(written) - again[0]
        seen += ["searched again"] * searched
        seen += ["other fronts"] if _fronts(copy) != written else []
    except CfsearchError as error:
        print(f"{file} at {at}: refused to go on: {error}")
        seen.append("refused")
    except Exception as error:  # noqa: BLE001 - what must not come is counted
        print(f"{file} at {at}: {type(error).__name__}: {error}")
        seen.append("foreign errors")
    for what in seen:
        count[file, what] += 1
        count["all", what] += 1
    shutil.rmtree(copy)


def _print(count: Counter[tuple[str, str]], sizes: dict[str, int]) -> None:
    columns = ("places", "found by reading", "found by checksums", "shown wrong", "foreign errors")
    after = ("searched again", "other fronts", "refused")
    print(f"{'file':22} {'bytes':>9}" + "".join(f"  {column}" for column in (*columns, *after)))
    for file in (*sizes, "all"):
        size = sum(sizes.values()) if file == "all" else sizes[file]
        cells = "".join(f"  {count[file, column]:>{len(column)}}" for column in (*columns, *after))
        print(f"{file:22} {size:>9,}" + cells)


if __name__ == "__main__":
    sys.exit(main())
