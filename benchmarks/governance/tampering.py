"""Twelve kinds of tampering with a finished audit: which of them `check` finds; and untouched runs that it accuses.

    python benchmarks/governance/tampering.py [--runs 50] [--seed 0]

Audits pictures of random brightness (a run of 20 pictures with groups for the tampering; ``--runs`` runs of 3, of other settings each,
left as they are). Each kind is tried on a copy of the run twice: as it is, and with the checksums of the files written again,
as whoever can write the directory could. Prints which check found it, and how many untouched runs were accused (must be 0). Exits
with 1 where a kind was not found or a run accused.
"""

import argparse
import json
import random
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from cfsearch.audits.checking import check_run
from cfsearch.audits.pages import write_report
from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.runs import checksums

_MODEL: Final = """
import numpy as np

def predict(images):
    p = 1 / (1 + np.exp(-12 * (images.mean((1, 2, 3)) - 0.5)))
    return np.stack([1 - p, p], axis=1)
"""
Tamper = Callable[[Path], None]


def _json(file: str, change: Callable[[dict[str, Any]], object]) -> Tamper:
    def tamper(run: Path) -> None:
        document = json.loads((run / file).read_text())
        change(document)
        (run / file).write_text(json.dumps(document, indent=2))

    return tamper


def _text(file: str, old: str, new: str) -> Tamper:
    def tamper(run: Path) -> None:
        text, count = re.subn(old, new, (run / file).read_text(), count=1)
        if not count:
            raise ValueError(f"{file} holds no {old}")
        (run / file).write_text(text)

    return tamper


def _store(statement: str) -> Tamper:
    def tamper(run: Path) -> None:
        store = sqlite3.connect(run / "run.sqlite")
        with store:
            store.execute(statement)
        store.close()

    return tamper


def _reordered(run: Path) -> None:
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(reversed(lines)))


KINDS: Final[dict[str, Tamper]] = {
    "a rate": _json("audit.json", lambda d: d["counts"][0].update(found=d["counts"][0]["found"] - 1)),
    "a group's figure": _json("audit.json", lambda d: d["groups"][0]["with"].update(instances=99)),
    "an input left out": _json("audit.json", lambda d: d["instances"].pop()),
    "the model's fingerprint": _json("audit.json", lambda d: d["models"][0].update(fingerprint="onnx:0")),
    "a hash": _json("manifest.json", lambda d: d["hashes"].update(model="onnx:0")),
    "the seed": _json("manifest.json", lambda d: d.update(seed=8)),
    "a front": _store("UPDATE instances SET front = substr(front, 1, 900) || x'00' || substr(front, 902)"),
    "a record": _store("UPDATE instances SET status = 'not_found'"),
    "an event": _text("events.jsonl", '"started"', '"resumed"'),
    "the order of events": _reordered,
    "the settings": _text("config.resolved.toml", "evaluations = ", "evaluations = 1"),
    "a sentence of the page": _text("report.html", "</main>", "<p>This model is fair.</p></main>"),
}


def _audit(folder: Path, name: str, *, pictures: int, seed: int, grid: int, groups: bool) -> Path:
    images = folder / f"{name}-images"
    images.mkdir()
    rng = np.random.default_rng(seed)
    rows = ["file,Bright"]
    for i in range(pictures):
        light = int(rng.integers(40, 200))
        Image.fromarray(rng.integers(0, light, (8, 8, 3)).astype(np.uint8)).save(images / f"{i:02d}.png")
        rows.append(f"{i:02d}.png,{int(i % 2)}")
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    grouped = {"attributes": str(folder / f"{name}.csv"), "by": ["Bright"]} if groups else {}
    config = Config.check(
        {
            "model": {"path": "bright_model:predict", "sidecar": str(folder / "model.toml")},
            "generator": f"pixels:grid={grid}",
            "data": {"images": str(images), **grouped},
            "search": {
                "solver": "random",
                "objectives": ["adversarial", "intensity"],
                "evaluations": 40,
                "population": 10,
                "seed": seed,
            },
        }
    )
    Audit(config, directory=folder / name).run()
    write_report(folder / name)
    return folder / name


def _found(run: Path, copy: Path, tamper: Tamper, *, renewed: bool) -> str:
    shutil.copytree(run, copy)
    tamper(copy)
    if renewed:
        checksums.seal(copy)
    found = ", ".join(sorted({finding.check for finding in check_run(copy).findings}))
    shutil.rmtree(copy)
    return found


def main() -> int:
    """Run both parts and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    missed = accused = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bright_model.py").write_text(_MODEL)
        (folder / "model.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
        sys.path.insert(0, name)
        run = _audit(folder, "kept", pictures=20, seed=given.seed, grid=2, groups=True)
        print(f"{'changed':<26} {'found by':<34} with renewed checksums")
        for kind, tamper in KINDS.items():
            as_it_is, renewed = (
                _found(run, folder / "copy", tamper, renewed=again) for again in (False, True)
            )
            missed += (not as_it_is) + (not renewed)
            print(f"{kind:<26} {as_it_is or 'NOT FOUND':<34} {renewed or 'NOT FOUND'}", flush=True)
        draw = random.Random(given.seed)
        for number in range(given.runs):
            one = _audit(
                folder, f"run{number}", pictures=3, seed=number, grid=draw.randint(1, 3), groups=False
            )
            accused += bool(check_run(one).findings)
    print(
        f"{len(KINDS)} kinds, each twice: {missed} not found; {given.runs} untouched runs: {accused} accused"
    )
    return int(bool(missed or accused))


if __name__ == "__main__":
    sys.exit(main())
