"""Run folder of a training: metrics, sample sheets, atomic checkpoints.

::

    FOLDER/metrics.jsonl                one JSON object a line
    FOLDER/samples/step-00000500.png    rows faces; columns original, reconstruction, flips
    FOLDER/checkpoints/step-00000500/   weights.safetensors, optimizers.pt, state.json

A checkpoint is written under another name and renamed when it is complete, so that a folder
with its final name is whole.
"""

import contextlib
import io
import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cfsearch.contracts.modality import PICTURES
from cfsearch.errors import ModelFileError, RunError
from cfsearch.files import read_file, write_atomically
from cfsearch.parsing import parse_json

_KEEP = 2


@final
@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Checkpoint of a training: weights, optimizers and ``state`` (plain JSON)."""

    step: int
    weights: dict[str, Tensor]
    optimizers: dict[str, Any]  # Any: the state of a torch optimizer, its own business
    state: dict[str, object]


@final
@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Run folder that a training writes to."""

    path: Path

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            RunError: it cannot be written to.
        """
        try:
            (self.path / "samples").mkdir(parents=True, exist_ok=True)
            (self.path / "checkpoints").mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(
                f"attgan training: cannot write to {self.path} ({error.strerror}). "
                "Name a folder that can be written to."
            ) from error

    def log(self, line: Mapping[str, object]) -> None:
        """Append one line of metrics."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def rewind(self, step: int) -> None:
        """Drop metrics after a step: the training goes on from there."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # a line that a kill cut short
                if parse_json(line)["step"] <= step:
                    kept.append(line + "\n")
        write_atomically(path, "".join(kept))

    def sheet(self, step: int, rows: Tensor) -> Path:
        """Write a sample sheet: ``rows`` ``(r, c, 3, s, s)`` on [0, 1]."""
        path = self.path / "samples" / f"step-{step:08d}.png"
        write_sheet(path, rows)
        return path

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then drop all but the last two."""
        parent = self.path / "checkpoints"
        final_name = parent / f"step-{checkpoint.step:08d}"
        if final_name.exists():
            return
        draft = parent / f".draft-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in checkpoint.weights.items()},
            draft / "weights.safetensors",
        )
        torch.save(checkpoint.optimizers, draft / "optimizers.pt")
        (draft / "state.json").write_text(json.dumps({"step": checkpoint.step, **checkpoint.state}))
        for file in draft.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        draft.replace(final_name)
        for old in self._complete()[:-_KEEP]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self) -> Checkpoint | None:
        """The last complete checkpoint, if there is one.

        Raises:
            ModelFileError: it is damaged.
        """
        complete = self._complete()
        if not complete:
            return None
        path = complete[-1]
        try:
            state = parse_json(read_file(path / "state.json"))
            return Checkpoint(
                step=int(state.pop("step")),
                weights=load_file(path / "weights.safetensors"),
                optimizers=torch.load(path / "optimizers.pt", weights_only=True),
                state=state,
            )
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            SafetensorError,
            pickle.UnpicklingError,
        ) as error:
            raise ModelFileError(
                f"attgan training: the checkpoint {path} is damaged ({type(error).__name__}). "
                "Delete that folder to go on from the one before."
            ) from error

    def _complete(self) -> list[Path]:
        return sorted((self.path / "checkpoints").glob("step-????????"))


def write_sheet(path: Path, rows: Tensor) -> None:
    """A PNG of images in rows: ``(r, c, 3, s, s)`` on [0, 1], two white pixels between."""
    r, c, _, s, _ = rows.shape
    sheet = np.full((r * (s + 2) + 2, c * (s + 2) + 2, 3), 255, dtype=np.uint8)
    pixels = PICTURES.stored(rows.float()).permute(0, 1, 3, 4, 2).cpu().numpy()
    for i in range(r):
        for j in range(c):
            y, x = 2 + i * (s + 2), 2 + j * (s + 2)
            sheet[y : y + s, x : x + s] = pixels[i, j]
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, format="PNG")
    write_atomically(path, png.getvalue())
