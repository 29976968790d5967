"""Recordings: found, read safely, brought to one rate, length and loudness.

Every clip is one channel of float32. Another rate is resampled by a polyphase filter
(``scipy.signal.resample_poly``); longer clips lose their end, shorter ones are filled up with
silence; then the largest sample is brought to 1 (silence stays silence).
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.errors import ConfigError, DataError

from ._find import contents, holds_recordings
from ._resynthesis import resynthesised, wav_bytes
from ._spectrogram import METADATA, Spectrogram
from ._wav import SUFFIXES, Decoded, UnreadableRecordingError, decode_wav

__all__ = [
    "METADATA",
    "SUFFIXES",
    "Decoded",
    "Recordings",
    "Spectrogram",
    "SpokenDigits",
    "UnreadableRecordingError",
    "clip_of",
    "decode_wav",
    "holds_recordings",
    "read_all",
    "read_each",
    "read_recordings",
    "read_spoken_digits",
    "resynthesised",
    "wav_bytes",
]

_DIGIT_FILE: Final = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)\.wav", re.IGNORECASE)
_OFFICIAL_TEST: Final = 5
"""Of the Free Spoken Digit Dataset: recordings 0 to 4 of each speaker and digit are for testing."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Clips of one rate and length.

    Args:
        names: the files, sorted.
        waves: the clips, largest sample 1.
        notes: for each clip what was done to it beyond loudness, empty where nothing was.
        failures: why a clip is silence instead of what its file holds, by name.

    Shapes:
        waves ``(n, s)`` in [-1, 1].
    """

    names: tuple[str, ...]
    waves: Float[Tensor, "n s"]
    notes: tuple[str, ...]
    failures: Mapping[str, UnreadableRecordingError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


@final
@dataclass(frozen=True, slots=True, eq=False)
class SpokenDigits:
    """Digits spoken by several people.

    Shapes:
        waves ``(n, s)``; digits, indices ``(n,)``.
    """

    names: tuple[str, ...]
    waves: Float[Tensor, "n s"]
    digits: Int[Tensor, " n"]
    speakers: tuple[str, ...]
    indices: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def test(self) -> Tensor:
        """Which clips belong to the official test part, ``(n,)`` bool."""
        return self.indices < _OFFICIAL_TEST

    def spoken_by(self, speaker: str) -> Tensor:
        """Which clips one person spoke, ``(n,)`` bool."""
        return torch.tensor([name == speaker for name in self.speakers])

    def pick(self, rows: Tensor) -> "SpokenDigits":
        """Some of the clips, by a mask or by their places."""
        places = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        return SpokenDigits(
            names=tuple(self.names[i] for i in places.tolist()),
            waves=self.waves[places],
            digits=self.digits[places],
            speakers=tuple(self.speakers[i] for i in places.tolist()),
            indices=self.indices[places],
        )


def read_recordings(path: Path, *, rate: int = 8_000, seconds: float = 1.0) -> Recordings:
    """The wave files of a folder or zip, or the one file given, as clips.

    Args:
        path: a folder (not its sub-folders), a zip (searched whole), or a wave file.
        rate: samples a second of every clip.
        seconds: length of every clip.

    Raises:
        DataError: nothing is there, or a file cannot be read.
    """
    found = read_each(path, rate=rate, seconds=seconds)
    for error in found.failures.values():
        raise error
    return found


def read_each(path: Path, *, rate: int = 8_000, seconds: float = 1.0) -> Recordings:
    """As ``read_recordings``, where what cannot be read fails alone: it is silence, and ``failures`` says why.

    Args:
        path: a folder (not its sub-folders), a zip (searched whole), or a wave file.
        rate: samples a second of every clip.
        seconds: length of every clip.

    Raises:
        DataError: nothing is there.
    """
    clips: list[NDArray[np.float32]] = []
    notes: dict[str, str] = {}
    failures: dict[str, UnreadableRecordingError] = {}
    for name, content in contents(path):
        try:
            heard = decode_wav(content(), name=name)
        except UnreadableRecordingError as error:
            failures[name], notes[name] = error, ""
            clips.append(np.zeros(round(rate * seconds), np.float32))
            continue
        clips.append(clip_of(heard, rate=rate, seconds=seconds))
        notes[name] = _note(heard, rate=rate, seconds=seconds)
    return Recordings(tuple(notes), torch.from_numpy(np.stack(clips)), tuple(notes.values()), failures)


def read_all(paths: Sequence[Path], *, rate: int, seconds: float, limit: int | None = None) -> Recordings:
    """The recordings under several paths, as ``read_each`` reads those under one.

    Args:
        paths: wave files, folders or zips.
        rate: samples a second of every clip.
        seconds: length of every clip.
        limit: at most so many, the first ones.

    Raises:
        ConfigError: there is no path, or two recordings have the same name.
        DataError: nothing is there, or none of the recordings can be read.
    """
    if not paths:
        raise ConfigError(
            "sounds: expected one recording or more, got none. Give wave files, a folder or a zip."
        )
    found = [read_each(path, rate=rate, seconds=seconds) for path in paths]
    names = [name for part in found for name in part.names][:limit]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise ConfigError(
            f"sounds: two recordings have the same name ({twice!r}), under which results are kept. Give them other names."
        )
    taken = set(names)
    failures = {name: e for part in found for name, e in part.failures.items() if name in taken}
    if len(failures) == len(names):
        raise failures[names[0]]
    notes = [note for part in found for note in part.notes][:limit]
    return Recordings(tuple(names), torch.cat([part.waves for part in found])[:limit], tuple(notes), failures)


def read_spoken_digits(path: Path, *, rate: int = 8_000, seconds: float = 1.0) -> SpokenDigits:
    """Recordings named ``{digit}_{speaker}_{index}.wav``, as in the Free Spoken Digit Dataset.

    Raises:
        DataError: nothing is there, a file cannot be read, or has another name.

    References:
        Jackson and others, Free Spoken Digit Dataset, https://doi.org/10.5281/zenodo.1342401,
        CC BY-SA 4.0.
    """
    clips = read_recordings(path, rate=rate, seconds=seconds)
    parts = [_DIGIT_FILE.fullmatch(PurePosixPath(name).name) for name in clips.names]
    strange = [name for name, part in zip(clips.names, parts, strict=True) if part is None]
    if strange:
        raise DataError(
            f"sound: {str(path)!r}: expected names like '7_jackson_32.wav' (digit, speaker, index), got "
            f"{strange[0]!r}{f' and {len(strange) - 1} more' if strange[1:] else ''}."
        )
    found = [part.groupdict() for part in parts if part is not None]
    return SpokenDigits(
        names=clips.names,
        waves=clips.waves,
        digits=torch.tensor([int(part["digit"]) for part in found]),
        speakers=tuple(part["speaker"] for part in found),
        indices=torch.tensor([int(part["index"]) for part in found]),
    )


def clip_of(heard: Decoded, *, rate: int, seconds: float) -> Float[np.ndarray, " s"]:
    """A recording at another rate, of a given length, with its largest sample at 1."""
    wave: NDArray[np.float64] = heard.wave.astype(np.float64)
    if heard.rate != rate:
        from scipy.signal import resample_poly

        common = math.gcd(heard.rate, rate)
        # only what is kept is resampled; the filter reaches ten samples of the slower rate
        keep = math.ceil((seconds + 20.0 / min(rate, heard.rate)) * heard.rate)
        wave = resample_poly(wave[:keep], rate // common, heard.rate // common)
    samples = round(rate * seconds)
    clip = np.zeros(samples)
    clip[: len(wave)] = wave[:samples]
    peak = float(np.abs(clip).max(initial=0.0))
    return (clip / peak if peak > 0 else clip).astype(np.float32)


def _note(heard: Decoded, *, rate: int, seconds: float) -> str:
    length = len(heard.wave) / heard.rate
    done: Sequence[str] = [
        *([f"{heard.channels} channels mixed to one"] if heard.channels > 1 else []),
        *([f"resampled from {heard.rate:,} Hz"] if heard.rate != rate else []),
        *([f"cut from {length:.2f} s"] if length > seconds else []),
    ]
    return "; ".join(done)
