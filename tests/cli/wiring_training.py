"""Where the value of each option of ``cfsearch train`` must arrive."""

from pathlib import Path
from typing import Final

from .wiring_row import THREADS, Read, Row, argument, first_argument, last_part

GENERATED: Final = "train generator --data faces --out {here}/g.safetensors"
CRITICISED: Final = "train critic --generator w.pth --data faces --out {here}/g.safetensors"
_REQUEST: Final = "cfsearch.contracts.trainer.TrainingRequest"
_TRAINER: Final = "cfsearch.contracts.trainer.open_trainer"
_SOURCE: Final = "cfsearch.cli._sources.open_source"


def _chosen(part: str, name: str) -> Read:
    """One setting of a request for a training."""
    return lambda call: call[part][name]


def training() -> dict[tuple[str, str], Row]:
    """The rows of both commands that train."""
    rows: dict[tuple[str, str], Row] = {}
    networks = {"critic_width": 3, "critic_hidden": 5}
    own = {"layers": 3, "width": 5, "max_width": 7, "upsampling": "resize", "scale": 1.5, "size": 128}
    training = {
        "steps": 9, "minutes": 0.5, "batch": 6, "seed": 4, "rate": 0.01, "critic_rate": 0.02,
        "precision": "float32", "log_every": 2, "sheet_every": 3, "checkpoint_every": 4,
    }  # fmt: skip
    for command, base in (("train generator", GENERATED), ("train critic", CRITICISED)):
        generates = command == "train generator"
        for part, chosen in (
            ("networks", networks | (own if generates else {})),
            ("training", training | ({"uniform": 0.3, "single": 0.4} if generates else {})),
        ):
            for name, value in chosen.items():
                option = f"--{name.replace('_', '-')}"
                rows[command, option] = Row(
                    f"{base} {option} {value}", _REQUEST, _chosen(part, name), value
                )  # fmt: skip
        rows |= {
            (command, "--recipe"): Row(
                f"{base} --recipe published", _REQUEST, argument("recipe"), "published"
            ),
            (command, "--device"): Row(f"{base} --device cuda:1", _REQUEST, argument("device"), "cuda:1"),
            (command, "--folder"): Row(f"{base} --folder f", _REQUEST, last_part(argument("folder")), "f"),
            (command, "--out"): Row(base, _REQUEST, last_part(argument("out")), "g.safetensors"),
            (command, "--family"): Row(f"{base} --family mine", _TRAINER, argument("name"), "mine"),
            (command, "--threads"): Row(f"{base} --threads 1", THREADS, first_argument, 1),
        }
    images = {
        "--data": ("", "data", "faces"),
        "--attributes": ("--attributes a.csv", "table", Path("a.csv")),
        "--celeba": ("--celeba root", "celeba", Path("root")),
        "--people": ("--people 12", "people", 12),
        "--limit": ("--limit 3", "limit", 3),
    }
    for option, (words, name, value) in images.items():
        rows["train generator", option] = Row(f"{GENERATED} {words}", _SOURCE, argument(name), value)
        given = f"train critic --generator {{weights}} --data faces --out {{here}}/g.safetensors {words}"
        rows["train critic", option] = Row(given, _SOURCE, argument(name), value)
    rows |= _measuring(images)
    rows["train generator", "--names"] = Row(
        f"{GENERATED} --names 'A, B'", _SOURCE, argument("names"), ("A", "B")
    )
    return rows


def _measuring(images: dict[str, tuple[str, str, object]]) -> dict[tuple[str, str], Row]:
    """The rows of the measurement, and the switch that leaves it out of a training."""
    base = "measure generator {weights} --data faces"
    rows: dict[tuple[str, str], Row] = {
        ("train generator", "--measure"): Row(
            f"{GENERATED} --people 300 --measure", "cfsearch.cli.train.held_out", first_argument, 300
        ),
        ("measure generator", "--threads"): Row(f"{base} --threads 1", THREADS, first_argument, 1),
        ("measure generator", "--family"): Row(f"{base} --family mine", _TRAINER, argument("name"), "mine"),
    }
    for option, (words, name, value) in images.items():
        rows["measure generator", option] = Row(f"{base} {words}", _SOURCE, argument(name), value)
    for option, words, value in (
        ("--seed", "--seed 4", 4), ("--device", "--device cuda:1", "cuda:1"), ("--write", "--no-write", False),
    ):  # fmt: skip
        given = f"{base} --people 60 {words}"
        name = option.removeprefix("--")
        rows["measure generator", option] = Row(
            given, "cfsearch.cli._measured.measured", argument(name), value
        )
    return rows
