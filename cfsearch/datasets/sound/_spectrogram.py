"""Mel spectrograms of waves, as pictures of time and frequency."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from cfsearch.errors import ConfigError, ModelFileError, ShapeError
from cfsearch.parsing import parse_json

METADATA: Final = "spectrogram"
"""Under this name a model's weights say what pictures they were trained on."""


@final
@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Loudness over time and frequency, as pictures of one channel in [0, 1].

    Decibels below a sine of full scale: 1 is as loud as the sine, 0 is ``depth`` decibels or more
    below it. Row 0 is the lowest frequency, column 0 the beginning.

    Args:
        rate: samples a second.
        seconds: length of every clip.
        window: samples under one Hann window.
        hop: samples from one window to the next.
        size: samples of one Fourier transform, the window and zeros.
        mels: bands on the mel scale from 0 to half the rate; 0 keeps the transform's own
            frequencies, ``size / 2 + 1`` of them.
        depth: decibels between 1 and 0.

    Shapes:
        waves ``(n, samples)`` in [-1, 1] -> ``(n, 1, rows, frames)`` float32.

    Raises:
        ConfigError: a setting makes no sense, or so many bands that one is empty.

    References:
        Stevens, Volkmann and Newman 1937 for the mel scale, here 2595 log10(1 + f / 700).
    """

    rate: int = 8_000
    seconds: float = 1.0
    window: int = 256
    hop: int = 128
    size: int = 512
    mels: int = 64
    depth: float = 80.0

    def __post_init__(self) -> None:
        if min(self.rate, self.hop, self.window) < 1 or not 0 < self.seconds < math.inf:
            raise ConfigError(
                "spectrogram: `rate`, `seconds`, `window` and `hop` must be positive, got "
                f"{self.rate!r}, {self.seconds!r}, {self.window!r}, {self.hop!r}."
            )
        if self.size < self.window or self.size % 2:
            raise ConfigError(
                f"spectrogram: `size` must be even and at least `window` ({self.window}), got {self.size!r}."
            )
        if self.mels < 0 or not 0 < self.depth < math.inf:
            raise ConfigError(
                f"spectrogram: `mels` must be 0 or more and `depth` positive, got {self.mels!r}, {self.depth!r}."
            )
        if self.mels and not bool((self.filters().sum(1) > 0).all()):
            raise ConfigError(
                f"spectrogram: {self.mels} `mels` are too many for a `size` of {self.size}: some would be "
                "empty. Take fewer, or a larger `size`."
            )

    @classmethod
    def of_file(cls, weights: Path) -> "Spectrogram":
        """What a model was trained on, as its ``.safetensors`` file says.

        Raises:
            ModelFileError: the file cannot be read, or says nothing of spectrograms.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(weights, framework="pt") as file:
                declared = (file.metadata() or {}).get(METADATA)
        except (OSError, SafetensorError) as error:
            raise ModelFileError(
                f"{weights}: expected a safetensors file, but it cannot be read ({error}). Copy it again."
            ) from error
        if declared is None:
            raise ModelFileError(
                f"{weights}: does not say which spectrograms it takes. Give them in Python: Spectrogram(...)."
            )
        try:
            return cls.from_json(declared)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFileError(f"{weights}: its settings of spectrograms are damaged: {error}.") from error

    @classmethod
    def from_json(cls, text: str) -> "Spectrogram":
        """The settings that ``to_json`` wrote; keys of later versions are passed over.

        Args:
            text: JSON.

        Raises:
            ValueError, TypeError, AttributeError: it is none.
            ConfigError: the settings make no sense.
        """
        declared = parse_json(text)
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in declared.items() if name in known})

    def to_json(self) -> str:
        """The settings, for the metadata of a model's weights."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return round(self.rate * self.seconds)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, frequencies and frames of a picture."""
        return (1, self.mels or self.size // 2 + 1, 1 + self.samples // self.hop)

    @property
    def frequencies(self) -> Float[Tensor, " rows"]:
        """The frequency in the middle of each row, in Hz."""
        if self.mels:
            return self._edges()[1:-1]
        return torch.arange(self.size // 2 + 1) * (self.rate / self.size)

    @property
    def edges(self) -> Float[Tensor, " e"]:
        """Frequencies between the rows, in Hz: ``rows + 1`` of them, halfway between the middles."""
        middle = self.frequencies
        between = 0.5 * (middle[:-1] + middle[1:])
        top = torch.tensor([self.rate / 2.0])
        return torch.cat([torch.zeros(1), between, top])

    @property
    def times(self) -> Float[Tensor, " frames"]:
        """The time in the middle of each column, in seconds."""
        return torch.arange(self.shape[2]) * (self.hop / self.rate)

    def power(self, waves: Float[Tensor, "n s"]) -> Float[Tensor, "n rows frames"]:
        """Power in each row and frame; over all rows a sine of full scale has 1.

        Raises:
            ShapeError: the waves are not clips of ``samples``.
        """
        if waves.ndim != 2 or waves.shape[1] != self.samples:
            raise ShapeError(
                f"spectrogram: expected waves of shape (n, {self.samples}), got {tuple(waves.shape)}. Read them "
                "with cfsearch.datasets.sound, which brings them to one length."
            )
        hann, spectrum = self.hann(waves.device), self.transform(waves)
        # Parseval: the bins of a windowed sine of amplitude 1 sum to size * sum(hann ** 2) / 4
        power = spectrum.abs().square() / (0.25 * self.size * hann.square().sum())
        return self.filters().to(waves.device) @ power if self.mels else power

    def hann(self, device: torch.device) -> Float[Tensor, " window"]:
        """The window of each frame.

        Args:
            device: where it lies.
        """
        return torch.hann_window(self.window, dtype=torch.float32, device=device)

    def transform(self, waves: Float[Tensor, "*n s"]) -> Complex[Tensor, "*n bins frames"]:
        """Short-time Fourier transform of waves.

        Args:
            waves: of any length.
        """
        return torch.stft(
            waves.float(),
            n_fft=self.size,
            hop_length=self.hop,
            win_length=self.window,
            window=self.hann(waves.device),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )

    def __call__(self, waves: Float[Tensor, "n s"]) -> Float[Tensor, "n 1 rows frames"]:
        decibels = 10.0 * self.power(waves).clamp_min(1e-20).log10()
        return (1.0 + decibels / self.depth).clamp(0.0, 1.0)[:, None]

    def _edges(self) -> Float[Tensor, " e"]:
        """Frequencies at which bands begin, peak and end: ``mels + 2`` of them, even in mels."""
        top = 2595.0 * math.log10(1.0 + self.rate / 2 / 700.0)
        mels = torch.linspace(0.0, top, self.mels + 2, dtype=torch.float64)
        return (700.0 * (10.0 ** (mels / 2595.0) - 1.0)).float()

    def filters(self) -> Float[Tensor, "mels bins"]:
        """Triangles of height 1, which sum to 1 between the first peak and the last."""
        edges = self._edges()
        bins = torch.arange(self.size // 2 + 1) * (self.rate / self.size)
        low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        return torch.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)).clamp_min(0.0)
