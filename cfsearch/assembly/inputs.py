"""Texts and recordings that a search is run on, read once and under names.

Pictures are found and read one by one (``images``), rows belong to a table (``table``).
"""

import hashlib
from abc import ABC
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.config import Config
from cfsearch.contracts.modality import SOUNDS, TEXTS, Modality
from cfsearch.datasets.sound import Spectrogram, holds_recordings, read_all, read_recordings
from cfsearch.datasets.text import FEWEST_TEXTS, TextLine, WordVectors, read_texts, texts_of_file
from cfsearch.errors import ConfigError, DataError, ModelFileError
from cfsearch.places import is_file, is_there

if TYPE_CHECKING:
    from cfsearch.datasets.tables import RowGroups

_PROBES: Final = 32
_MOST_REFERENCES: Final = 500


@final
@dataclass(frozen=True, slots=True, eq=False)
class InputRecord:
    """One input under its name.

    Args:
        name: unique in a run.
        x: as the model takes it.
        sha256: of its stored form.
        notes: what was done to it.
        failure: why it could not be read; ``x`` is then of no use.
    """

    name: str
    x: Float[Tensor, " *x"]
    sha256: str
    notes: tuple[str, ...] = ()
    failure: DataError | None = None


class Inputs(ABC):
    """All inputs of a search that are in memory, of one modality."""

    modality: ClassVar[Modality]
    records: tuple[InputRecord, ...]
    notes: tuple[str, ...]
    """What a reader must know."""
    probes: Tensor
    """Inputs to ask a model about at first contact, all different."""
    unreadable: str = ""
    """SHA-256 that stands for an input that cannot be read; empty where each can be."""

    @property
    def extra(self) -> dict[str, Any]:  # Any: plain JSON
        """What each front keeps of how the inputs were read."""
        return {}

    @property
    def files(self) -> dict[str, dict[str, Any]]:  # Any: plain values
        """What a run keeps of how the inputs were read, by file name."""
        return {}

    def groups(self) -> "tuple[RowGroups, ...]":
        """The inputs by what the settings compare them by; none where it is no part of them."""
        return ()

    @property
    def readable(self) -> tuple[InputRecord, ...]:
        """Those that could be read."""
        return tuple(record for record in self.records if record.failure is None)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(record.name for record in self.records)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of what stands in them."""
        return self.hashes_without(frozenset())

    def hashes_without(self, names: Container[str]) -> dict[str, str]:
        """SHA-256 of what stood in them while some could not be read.

        Args:
            names: of those.
        """
        every = "\n".join(
            self.unreadable if record.name in names else record.sha256 for record in self.records
        )
        return {self.modality.name: hashlib.sha256(every.encode()).hexdigest()}


@final
class TextInputs(Inputs):
    """Texts, and the near words of theirs.

    Args:
        lines: the texts.
        reference: texts of the same kind; near words are learned from them where they are enough.
        note: what a reader must know of how they were read.
    """

    modality: ClassVar[Modality] = TEXTS

    def __init__(self, lines: Sequence[TextLine], *, reference: Sequence[str] = (), note: str = "") -> None:
        if len({line.name for line in lines}) != len(lines):
            raise ConfigError("texts: two texts have the same name.")
        self.texts: tuple[str, ...] = tuple(line.text for line in lines)
        self.reference: tuple[str, ...] = tuple(reference)
        self._lines = tuple(lines)
        shown = "near words are those of " + self.vectors.source
        self.notes: tuple[str, ...] = (f"{shown[0].upper()}{shown[1:]}.", *([note] if note else []))

    @cached_property
    def vectors(self) -> WordVectors:
        """Which words are near: learned from the reference, or those of film reviews."""
        if len(self.reference) < FEWEST_TEXTS:
            return WordVectors.shipped()
        return WordVectors.of(self.reference, source=f"{len(self.reference):,} reference texts")

    def encoded(self, x: Float[Tensor, "n t"], *, varied: Float[Tensor, "v t"]) -> "TextInputs":
        """The same with the numbers of a lexicon, as a model takes them.

        Args:
            x: one row a text, in order.
            varied: these texts with some words replaced, to ask a model about at first contact.
        """
        self.records: tuple[InputRecord, ...] = tuple(
            InputRecord(line.name, row, _text_hash(line.text))
            for line, row in zip(self._lines, x, strict=True)
        )
        self.probes: Tensor = _different(torch.cat([x, varied]))
        return self


@final
class SoundInputs(Inputs):
    """Recordings, and the spectrograms that the model takes of them.

    Args:
        form: of the spectrograms.
        paths: wave files, folders or zips.
        reference: recordings of the same kind; None for none.
        limit: at most so many, the first ones.
    """

    modality: ClassVar[Modality] = SOUNDS

    def __init__(
        self,
        form: Spectrogram,
        paths: Sequence[str | Path],
        *,
        reference: str | Path | None = None,
        limit: int | None = None,
    ) -> None:
        self.form = form
        found = read_all([Path(path) for path in paths], rate=form.rate, seconds=form.seconds, limit=limit)
        self.waves: Tensor = found.waves
        x = form(self.waves)
        self.records: tuple[InputRecord, ...] = tuple(
            InputRecord(
                name, one, SOUNDS.fingerprint(one), (f"{note}.",) if note else (), found.failures.get(name)
            )
            for name, one, note in zip(found.names, x, found.notes, strict=True)
        )
        self.unreadable: str = SOUNDS.fingerprint(form(torch.zeros(1, self.waves.shape[1]))[0])
        self.notes: tuple[str, ...] = ()
        x = torch.stack([record.x for record in self.readable])
        self.probes: Tensor = _different(torch.cat([x, *(x * share for share in (0.9, 0.8, 0.7, 0.6, 0.5))]))
        self.reference: Tensor | None = None if reference is None else _spectrograms(form, Path(reference))

    @property
    def extra(self) -> dict[str, Any]:  # Any: plain JSON
        return {"spectrogram": self.form.to_json()}


def open_texts(config: Config) -> TextInputs:
    """The texts that ``[data]`` names.

    Args:
        config: all settings.

    Raises:
        ConfigError, DataError: a file cannot be read, or holds no text.
    """
    data = config.data
    if data.texts is None:
        raise ConfigError("inputs: expected `data.texts`, got another kind. Give --text or --texts.")
    if isinstance(data.texts, str):
        found = texts_of_file(data.texts, column=data.column)
        lines, note = found.lines, found.note
    else:
        note = ""
        lines = tuple(TextLine(f"text {i}", text) for i, text in enumerate(data.texts))
        if any(not text.strip() for text in data.texts):
            raise DataError("texts: expected one word or more in each text, got an empty one. Leave it out.")
    reference = () if data.reference is None else read_texts(data.reference, column=None)
    return TextInputs(lines[: data.limit], reference=[line.text for line in reference], note=note)


def open_sounds(config: Config) -> SoundInputs:
    """The recordings that ``[data]`` names, as the model's spectrograms.

    Args:
        config: all settings.

    Raises:
        ConfigError, DataError: nothing is there, or a file cannot be read.
    """
    data = config.data
    if data.sounds is None:
        raise ConfigError("inputs: expected `data.sounds`, got another kind. Give --sounds or a wave file.")
    paths = (data.sounds,) if isinstance(data.sounds, str) else data.sounds
    return SoundInputs(spectrogram_of(config.model.path), paths, reference=data.reference, limit=data.limit)


def settings_of_inputs(x: object) -> dict[str, tuple[str, ...]] | None:
    """The setting of ``[data]`` that stands for inputs given in Python, where these are texts or recordings.

    Args:
        x: a text, a list of texts, wave files, or a folder or zip of these; a text that is the name of
            an existing file is taken for the file.

    Returns:
        ``{"texts": ...}``, ``{"sounds": ...}``, or None for pictures, rows and whatever else.
    """
    every: list[object] = list(x) if isinstance(x, list | tuple) else [x]
    if not every or not all(isinstance(one, str | Path) for one in every):
        return None
    if all(holds_recordings(Path(str(one))) for one in every):
        return {"sounds": tuple(map(str, every))}
    words = [str(one) for one in every if isinstance(one, str) and len(one.split()) > 1]
    if len(words) == len(every) and not any(map(is_there, words)):
        return {"texts": tuple(words)}
    return None


def spectrogram_of(model: str) -> Spectrogram:
    """Spectrogram settings of a model: as its weights declare, else the default.

    Args:
        model: as the user wrote it.
    """
    path = shipped_sound_model() if model == SHIPPED_SOUND else Path(model)
    if path.suffix != ".safetensors":
        return Spectrogram()
    try:
        return Spectrogram.of_file(path)
    except ModelFileError:
        if not is_file(path):
            raise
        return Spectrogram()


SHIPPED_SOUND: Final = "audio_cnn_digits"
"""The classifier of spoken digits that is part of the package."""
SHIPPED_SOUND_ARCH: Final = "cfsearch.models.audio_cnn:build"


def shipped_sound_model() -> Path:
    """Path of the weights of the shipped classifier of spoken digits."""
    from importlib.resources import files

    return Path(str(files("cfsearch.models") / f"{SHIPPED_SOUND}.safetensors"))


def _spectrograms(form: Spectrogram, path: Path) -> Float[Tensor, "r 1 f t"]:
    found = read_recordings(path, rate=form.rate, seconds=form.seconds)
    return form(found.waves[:_MOST_REFERENCES])


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _different(x: Float[Tensor, "n *x"]) -> Float[Tensor, "p *x"]:
    """At most 32 different inputs, the first ones."""
    kept: dict[bytes, Tensor] = {}
    for one in x:
        kept.setdefault(one.numpy().tobytes(), one)
        if len(kept) == _PROBES:
            break
    return torch.stack(list(kept.values()))
