"""What an audit says through a generator that was trained for minutes on photographs.

    python benchmarks/audit/short_generator.py --data DIR

DIR holds CelebA-HQ as images-*.zip and attributes.csv (the data stay with you). Trains, with the commands that a user has,
a generator for four minutes on 5,000 photographs (``cfsearch train generator``, which measures it on a tenth of them), and the
first paper's classifier of Male on 4,000; then audits 40 photographs of other people (``cfsearch audit``) and prints, for each attribute,
how often the edit was seen, the effect through the generator as intervals alone would read it, and what the audit
says. Fails where the audit calls any effect a finding, or where its page shows one.

No image and no weight that is made here may be published; a folder that git does not ignore is refused.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image

from cfsearch.datasets.images.celeba import CelebAHQSource

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "quality"))

from celeba_trial import make_classifier, require_ignored  # noqa: E402  # stands beside it, not installed


def run(*words: object) -> None:
    """One command of the product, its own output left out."""
    command = [sys.executable, "-m", "cfsearch", *map(str, words)]
    print("$ cfsearch " + " ".join(command[3:]), flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_photographs(data: Path, *, count: int, folder: Path) -> Path:
    """Photographs of the validation part, no person of which is in the training part."""
    source = CelebAHQSource(data, split="valid", size=128, limit=count)
    folder.mkdir(exist_ok=True)
    for row, name in enumerate(source.names):
        pixels = (source.batch([row]).images[0] * 255.0).round().to(torch.uint8)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / Path(name).with_suffix(".png").name)
    return folder


def table(document: dict[str, Any]) -> list[str]:  # Any: JSON values
    """The effects, one line each, largest first."""
    lines = [
        "| attribute | edits seen | through the generator, logits | interval off zero | the audit says |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for row in document["effects"]:
        raw = row["raw"]
        off = "yes" if raw["low"] * raw["high"] > 0 else "no"
        seen = f"{row['edit_success']:.0%}" if "edit_success" in row else "-"
        interval = f"{raw['value']:+.2f} [{raw['low']:+.2f}, {raw['high']:+.2f}]"
        lines.append(
            f"| {row['variable']} | {seen} | {interval} | {off} | {row['reading']}: {row['because']} |"
        )
    return lines


def main() -> None:
    """Train both, audit, print the table; fail where something is called a finding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "scratch" / "short")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training the generator")
    parser.add_argument("--faces", type=int, default=5_000, help="that the generator learns from")
    parser.add_argument("--photographs", type=int, default=40, help="that are audited")
    options = parser.parse_args()
    out: Path = options.out
    require_ignored(out)
    out.mkdir(parents=True, exist_ok=True)
    photographs = write_photographs(options.data, count=options.photographs, folder=out / "photographs")
    model = out / "male.onnx"
    if not model.exists():
        model = make_classifier(options.data, faces=4_000, epochs=4, out=out)
    generator = out / "short.safetensors"
    if not generator.exists():
        begun = time.monotonic()
        run(
            *("train", "generator", "--celeba", options.data, "--limit", options.faces, "--seed", 7),
            *("--minutes", options.minutes, "--out", generator),
        )
        print(f"trained and measured in {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
    audit = out / "audit"
    run(
        *("audit", "--images", photographs, "--model", model, "--generator", generator, "--seed", 7),
        *("--evaluations", 300, "--population", 50, "--solver", "smpso", "--out", audit),
    )
    document = json.loads((audit / "audit.json").read_text(encoding="utf-8"))
    print("\n".join(table(document)))
    [counts] = document["counts"]
    print(f"\n{counts['found']} of {counts['searched']} photographs have a counterfactual that holds")
    for verdict in document["verdicts"]:
        print(verdict)
    found = [row["variable"] for row in document["effects"] if row["reading"] != "cannot tell"]
    if found:
        raise SystemExit(f"short_generator: the audit says something of {', '.join(found)}")


if __name__ == "__main__":
    main()
