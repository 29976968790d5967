"""Makes ten small runs with the code of two revisions, and compares their stored fronts.

    uv run python benchmarks/house/old_runs.py --revision 88a64e4 [--against e85924b~1]

Without ``--against`` the second is this checkout.

Pictures (attributes, pixels), rows of a table (linear and forest, with and without training rows, ranges and levels), texts
and sounds; fixed seeds, one thread, models that ship or are trained here. The older code is taken from a fresh worktree of
its commit, built as a wheel and put in front of the path; packages that it needs are those of this environment.
Fronts are compared as the store gives them: each tensor (z, f, scores, inputs, ...) to the last bit, and what else a
front says by name. Exits with 1 where a tensor differs, a front is missing or a run fails in one of the two.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import wave
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import skops.io
from PIL import Image
from safetensors.numpy import load as tensors_of
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cfsearch.demo import demo_faces
from cfsearch.runs.compact import expanded

ROOT: Final = Path(__file__).resolve().parents[2]
SMALL: Final = (
    "--evaluations",
    "300",
    "--population",
    "20",
    "--seed",
    "3",
    "--threads",
    "1",
    "--no-isolation",
)
MODELS: Final = ROOT / "models"
TREES: Final = ("--trust", "sklearn.tree._tree.Tree")  # skops does not know it to be safe
RUNS: Final[dict[str, tuple[str, ...]]] = {
    "attributes, nsga2": (
        "--images", "faces", "--model", str(MODELS / "gender_natural.onnx"), "--generator", "faces64",
    ),
    "attributes, spea2, Male fixed": (
        "--images", "faces", "--model", str(MODELS / "gender_without_blond_women.onnx"), "--generator", "faces64",
        "--solver", "spea2", "--immutable", "Male",
    ),
    "pixels, nsga2": ("--images", "faces", "--model", str(MODELS / "gender_natural.onnx"), "--limit", "2"),
    "pixels, gde3, two objectives": (
        "--images", "faces", "--model", str(MODELS / "gender_balanced.onnx"), "--limit", "2",
        "--solver", "gde3", "--objective", "adversarial", "--objective", "intensity:norm=l1",
    ),
    "rows, linear": ("--data", "people.csv", "--label", "paid", "--model", "linear.skops", "--limit", "4"),
    "rows, linear, training rows": (
        "--data", "people.csv", "--label", "paid", "--model", "linear.skops", "--limit", "4", "--reference", "people.csv",
    ),
    "rows, forest, age fixed": (
        "--data", "people.csv", "--label", "paid", "--model", "forest.skops", *TREES, "--limit", "3", "--immutable", "age",
    ),
    "rows, forest, agemoea2, target": (
        "--data", "people.csv", "--label", "paid", "--model", "forest.skops", *TREES, "--limit", "3",
        "--solver", "agemoea2", "--target", "1",
    ),
    "texts": ("--texts", "texts.txt"),
    "sounds": ("--sounds", "sounds"),
}  # fmt: skip


class Front(NamedTuple):
    """A stored front: its tensors, and what else it says."""

    tensors: dict[str, bytes]
    says: dict[str, object]


def make_inputs(folder: Path) -> None:
    """Pictures, a table with two models of it, texts and sounds; the same ones each time.

    Args:
        folder: where they go.
    """
    (folder / "faces").mkdir()
    for i, pixels in enumerate(demo_faces(4).images):
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(folder / "faces" / f"{i}.png")
    rng = np.random.default_rng(0)
    age, income = rng.integers(18, 80, 300), rng.uniform(5, 120, 300).round(1)
    debts = rng.poisson(1.5, 300).clip(0, 9)
    paid = (0.04 * income - 0.9 * debts + 0.01 * age + rng.normal(0, 0.5, 300) > 1.2).astype(int)
    lines = [f"{a},{b},{c},{d}" for a, b, c, d in zip(age, income, debts, paid, strict=True)]
    (folder / "people.csv").write_text("\n".join(["age,income,debts,paid", *lines]) + "\n")
    x = np.stack([age, income, debts], axis=1).astype(float)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, paid)
    skops.io.dump(linear, folder / "linear.skops")
    skops.io.dump(
        RandomForestClassifier(12, max_depth=5, random_state=0).fit(x, paid), folder / "forest.skops"
    )
    texts = (
        "A dull, lifeless film with a weak script.",
        "A warm and funny story.",
        "The plot is slow and sad.",
    )
    (folder / "texts.txt").write_text("\n".join(texts) + "\n")
    (folder / "sounds").mkdir()
    t = np.arange(4000) / 8000
    for name, tones in (("low", (220.0, 440.0)), ("high", (900.0, 1800.0))):
        samples = sum(np.sin(2 * np.pi * tone * t) for tone in tones) * np.exp(-6 * t) / len(tones)
        with wave.open(str(folder / "sounds" / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((0.9 * 32767 * samples).astype("<i2").tobytes())


@contextlib.contextmanager
def built(revision: str, *, folder: Path) -> Iterator[Path]:
    """The package of a revision in a folder of its own, from a fresh worktree.

    Args:
        revision: as git names it.
        folder: for the worktree and the package.
    """
    tree, package = folder / f"tree-{revision}", folder / f"package-{revision}"
    subprocess.run(
        ["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(tree), revision], check=True
    )
    try:
        command = ["uv", "pip", "install", "-q", "--no-deps", "--target", str(package), str(tree)]
        subprocess.run(command, check=True)
        code = "import cfsearch; print(cfsearch.__file__)"
        env = {**os.environ, "PYTHONPATH": str(package)}
        found = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=True
        )
        if not Path(found.stdout.strip()).is_relative_to(package):
            raise RuntimeError(f"the code of {revision} is not what is imported: {found.stdout.strip()}")
        yield package
    finally:
        subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


def run(options: Sequence[str], *, where: Path, out: str, package: Path | None) -> str:
    """Make one run; what it printed where it failed.

    Args:
        options: of ``cfsearch audit``.
        where: the folder of the inputs.
        out: the run directory below it.
        package: the older code; None for this checkout's.
    """
    command = [sys.executable, "-m", "cfsearch", "audit", *options, *SMALL, "--out", out]
    path = {} if package is None else {"PYTHONPATH": str(package)}
    env = {**os.environ, **path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]


def stored(path: Path) -> dict[str, Front]:
    """The fronts of a run from its store, by input.

    Args:
        path: the run directory.
    """
    store = sqlite3.connect(f"file:{path / 'run.sqlite'}?mode=ro", uri=True)
    with contextlib.closing(store):
        rows = store.execute("SELECT name, front FROM instances WHERE front IS NOT NULL").fetchall()
    return {name: front_of(expanded(blob)) for name, blob in rows}


def front_of(blob: bytes) -> Front:
    """A stored front in its parts.

    Args:
        blob: safetensors.
    """
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    says: dict[str, object] = {}
    for name, text in header.get("__metadata__", {}).items():
        says |= flat(json.loads(text), name)
    arrays = tensors_of(blob)
    return Front({name: repr(a.shape).encode() + a.tobytes() for name, a in arrays.items()}, says)


def flat(value: object, name: str) -> dict[str, object]:
    """Nested values by a dotted name.

    Args:
        value: plain JSON.
        name: of the whole.
    """
    if not isinstance(value, dict):
        return {name: value}
    return {key: one for part, inner in value.items() for key, one in flat(inner, f"{name}.{part}").items()}


def differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Names whose values differ, or that only one of the two has.

    Args:
        one: by name.
        other: likewise.
    """
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def compared(before: dict[str, Front], after: dict[str, Front]) -> tuple[int, Counter[str], Counter[str]]:
    """How many fronts are equal in all tensors, and how often a tensor or another part differs.

    Args:
        before: fronts by input.
        after: likewise.
    """
    equal, tensors, says = 0, Counter[str](), Counter[str]()
    for name in before.keys() | after.keys():
        if name not in before or name not in after:
            tensors["no front"] += 1
            continue
        moved = differing(dict(before[name].tensors), dict(after[name].tensors))
        tensors.update(moved)
        says.update(differing(before[name].says, after[name].says))
        equal += not moved
    return equal, tensors, says


def main() -> int:
    """Make and compare the runs, one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revision", required=True, help="the older commit")
    parser.add_argument("--against", default="", help="a later commit (this checkout)")
    parser.add_argument("--only", default="", help="runs whose name holds this text")
    given = parser.parse_args()
    total, same, failed = 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        with contextlib.ExitStack() as stack:
            package = stack.enter_context(built(given.revision, folder=folder))
            later = stack.enter_context(built(given.against, folder=folder)) if given.against else None
            for number, (title, options) in enumerate(RUNS.items()):
                if given.only not in title:
                    continue
                outs = f"before-{number}", f"after-{number}"
                errors = [
                    run(options, where=folder, out=out, package=code)
                    for out, code in zip(outs, (package, later), strict=True)
                ]
                if any(errors):
                    failed += 1
                    print(f"{title}: failed: {' | '.join(error or 'the other did not' for error in errors)}")
                    continue
                before, after = (stored(folder / out) for out in outs)
                equal, tensors, says = compared(before, after)
                total, same = total + len(before.keys() | after.keys()), same + equal
                parts = ", ".join(f"{part} {n}" for part, n in tensors.items()) or "none"
                others = ", ".join(f"{part} {n}" for part, n in says.items()) or "none"
                print(
                    f"{title}: {equal} of {len(before)} fronts equal; tensors that differ: {parts}; else: {others}",
                    flush=True,
                )
    print(f"fronts equal in every tensor to the bit: {same} of {total}; runs that failed: {failed}")
    return int(same < total or failed > 0 or not total)


if __name__ == "__main__":
    sys.exit(main())
