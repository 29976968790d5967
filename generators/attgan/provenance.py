"""What a training learns and by what, as its checkpoints state it: another one does not go on in its folder."""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from torch import nn

from cfsearch.datasets.fingerprint import label_bytes, source_fingerprint
from cfsearch.errors import CfsearchWarning, RunError

from .data import FaceSource
from .recipe import TrainingConfig

_FREE: Final = ("steps", "minutes", "until", "log_every", "sheet_every", "checkpoint_every")
_SHOWN: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Provenance:
    """Data, settings and subject of a training.

    Args:
        images: how many there are.
        source: digest of the images and their labels.
        frozen: digest of the generator whose critic learns; empty where the generator learns itself.
        settings: plain values of those that a training may not change on its way.
    """

    images: int
    source: str
    frozen: str
    settings: dict[str, Any]  # Any: plain JSON

    def to_json(self) -> dict[str, Any]:  # Any: plain JSON
        """Plain values for a checkpoint."""
        return dataclasses.asdict(self)


def provenance(source: FaceSource, training: TrainingConfig, *, frozen: nn.Module | None) -> Provenance:
    """That of a training.

    Args:
        source: its data.
        training: its settings.
        frozen: the generator whose critic learns; None where the generator learns itself.
    """
    settings = json.loads(json.dumps(dataclasses.asdict(training)))
    digest = hashlib.sha256()
    for name, value in frozen.state_dict().items() if frozen is not None else ():
        digest.update(name.encode() + label_bytes(value))
    return Provenance(
        images=len(source),
        source=source_fingerprint(source),
        frozen="" if frozen is None else digest.hexdigest(),
        settings={key: value for key, value in settings.items() if key not in _FREE},
    )


def check_provenance(folder: Path, state: Mapping[str, object], now: Provenance, *, stage_over: bool) -> None:
    """Refuse to go on in a folder with another training than the one that it holds.

    Args:
        folder: of the training.
        state: of its checkpoint.
        now: the training of today.
        stage_over: whether today's training is a stage that the checkpoint has passed, see ``TrainingConfig.until``.

    Raises:
        RunError: they differ; says where.
    """
    before = state.get("provenance")
    if not isinstance(before, dict):
        warnings.warn(
            f"attgan training: the checkpoint in {str(folder)!r} is of an older version and does not say what it was trained "
            "on; the training goes on, and its images and settings cannot be compared with these.",
            CfsearchWarning,
            stacklevel=2,
        )
        return
    settings_too = not stage_over and not state.get("stage_over")
    changes: list[str] = []
    if before["frozen"] != now.frozen:
        changes.append(
            "the critic of another generator" if now.frozen and before["frozen"] else _subject(before)
        )
    if before["images"] != now.images:
        changes.append(f"{before['images']:,} images instead of {now.images:,}")
    elif before["source"] != now.source:
        changes.append("other images or labels")
    old = before["settings"]
    differing = [key for key, value in now.settings.items() if settings_too and old.get(key) != value]
    changes += [f"{key} was {old.get(key)!r}, now {now.settings[key]!r}" for key in differing[:_SHOWN]]
    if changes:
        raise RunError(
            f"attgan training: {str(folder)!r} holds another training ({'; '.join(changes)}). Name another --out or "
            "--folder, give what it was begun with, or remove that folder to begin anew."
        )


def _subject(before: dict[str, Any]) -> str:  # Any: plain JSON
    return "the critic of a frozen generator" if before["frozen"] else "a generator with its critic"
