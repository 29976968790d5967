"""The recordings of a run and their counterfactuals as wave files, with a table that says what each one is."""

import tomllib
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.modality import SOUNDS
from cfsearch.datasets.sound import Spectrogram, read_each, resynthesised, wav_bytes
from cfsearch.errors import CfsearchError, RunError
from cfsearch.files import read_text, write_atomically
from cfsearch.fronts.frame import Cell
from cfsearch.fronts.front import ParetoFront

from .directory import InstanceRow, RunDirectory
from .export import to_csv
from .picked import check_empty, make_folder, pieces

TABLE: Final = "sounds.csv"


def export_sounds(run: RunDirectory, folder: Path) -> int:
    """Write each recording and its picked members as sound; returns how many files.

    A run keeps spectrograms, which is what the model takes. The sound of one is the recording itself, its phases kept
    and its loudness changed as the spectrogram says, so the recordings must still lie where the run found them.
    ``sounds.csv`` gives of each file what ``pictures.csv`` does, and ``off_db``: by how many decibels, on
    average over what is heard, the spectrogram of the sound differs from the one that the model was queried about.
    All files of one recording are of one scale.

    Args:
        run: the run, at any stage.
        folder: where to write; made if it is not there, must be empty.

    Raises:
        RunError: the folder holds something, the run holds no recordings, or these are not there as they were.
    """
    check_empty(folder)
    found = _Found(run)
    rows: list[dict[str, Cell]] = []
    for instance in run.rows():
        front = instance.front
        if front is None or front.modality.files != SOUNDS.files:
            continue
        form = _form(front)
        wave = found.wave(instance, form)
        kept = list(pieces(front))
        heard = resynthesised(wave, torch.stack([piece.stored for piece in kept]), form=form)
        loudest = heard.abs().max().clamp_min(1.0)
        if not rows:
            make_folder(folder)
        for piece, sound in zip(kept, heard, strict=True):
            name = piece.file_name(instance, ".wav")
            write_atomically(folder / name, wav_bytes(sound / loudest, rate=form.rate))
            rows.append({"file": name, **piece.row(front), "off_db": _off(sound, piece.stored, form)})
    if not rows:
        raise RunError(f"run {str(run.path)!r}: has no recordings to export.")
    write_atomically(folder / TABLE, to_csv(rows))
    return len(rows)


def _form(front: ParetoFront) -> Spectrogram:
    text = front.extra.get("spectrogram")
    return Spectrogram.from_json(text) if isinstance(text, str) else Spectrogram()


def _off(sound: Float[Tensor, " s"], stored: Float[Tensor, "1 f t"], form: Spectrogram) -> float:
    """Mean difference of spectrograms in decibels, where the stored one holds anything."""
    heard = stored > 0
    if not bool(heard.any()):
        return 0.0
    return round(float((form(sound[None])[0] - stored)[heard].abs().mean()) * form.depth, 2)


@final
class _Found:
    """The recordings that a run searched, from where its settings say."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._waves: dict[tuple[str, str], Tensor] = {}
        self._read: set[str] = set()

    def wave(self, instance: InstanceRow, form: Spectrogram) -> Float[Tensor, " s"]:
        """The clip of one instance.

        Raises:
            RunError: it is not there, or is another one now.
        """
        key = form.to_json()
        if key not in self._read:
            self._read.add(key)
            for path in self._paths():
                try:
                    clips = read_each(path, rate=form.rate, seconds=form.seconds)
                except CfsearchError as error:
                    raise self._lacking(instance, str(error)) from error
                self._waves |= {
                    (key, name): wave for name, wave in zip(clips.names, clips.waves, strict=True)
                }
        wave = self._waves.get((key, instance.name))
        if wave is None or SOUNDS.fingerprint(form(wave[None])[0]) != instance.sha256:
            what = "is not among them" if wave is None else "is another recording now"
            raise self._lacking(instance, f"{instance.name!r} {what}.")
        return wave

    def _paths(self) -> list[Path]:
        settings = tomllib.loads(read_text(self._run.path / "config.resolved.toml"))
        given = settings.get("data", {}).get("sounds", [])
        return [Path(path) for path in ([given] if isinstance(given, str) else given)]

    def _lacking(self, instance: InstanceRow, why: str) -> RunError:
        return RunError(
            f"run {str(self._run.path)!r}: a run keeps spectrograms, and the sound of {instance.name!r} needs the recording "
            f"itself: {why} Put it where the run found it, and run this from the folder where the run was started."
        )
