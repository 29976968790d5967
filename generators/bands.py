"""A generator for recordings: gains in bands of time and frequency of their spectrogram."""

import hashlib
import json
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.generator import Critic, Describer, Generator
from cfsearch.contracts.modality import SOUNDS, Modality
from cfsearch.contracts.small_changes import MOST_CHANGES, Perturber
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets.sound import Spectrogram
from cfsearch.errors import ConfigError, ShapeError

_SETTINGS: Final = ("times", "bands", "soften", "raise")
_FEWEST: Final = 10
_HEARD: Final = 3.0
"""Decibels below which a change of one band is hardly heard."""


_ERROR: Final = 0.5
"""Decibels by which a recording of the same sound may differ; one decibel is hardly heard."""
_TIMES: Final = (1, -1)
"""Frames by which it may begin later."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class BandsState:
    """The queries' own spectrograms, ``(b, 1, f, t)``."""

    x: Float[Tensor, "b 1 f t"]


class _Bands(Generator[BandsState], Describer, Perturber, ABC):
    """What the generators of recordings share: x' = clamp(x + gain / depth) in each cell of a grid."""

    batch_invariant: ClassVar[bool] = True
    small_changes: ClassVar[str] = (
        "all louder or softer by up to 0.5 dB, noise of up to 0.5 dB in each cell of the spectrogram, and a shift by one "
        "frame earlier or later, in turn"
    )

    def __init__(
        self,
        form: Spectrogram,
        *,
        times: int = 6,
        bands: int = 6,
        soften: float = 40.0,
        amplify: float = 6.0,
    ) -> None:
        _, rows, frames = form.shape
        if not (1 <= times <= frames and 1 <= bands <= rows):
            raise ConfigError(
                f"bands: `times` must lie in 1 to {frames} and `bands` in 1 to {rows}, got {times!r} and {bands!r}."
            )
        if not 0.0 < soften <= form.depth or not 0.0 <= amplify <= form.depth:
            raise ConfigError(
                f"bands: `soften` must lie in (0, {form.depth:g}] and `raise` in [0, {form.depth:g}] decibels, got "
                f"{soften!r} and {amplify!r}."
            )
        self.form = form
        self.shape: tuple[int, ...] = form.shape
        self._times, self._bands = times, bands
        self._soften, self._amplify = float(soften), float(amplify)
        self._names = tuple(self._name(b, t) for b in range(bands) for t in range(times))

    @property
    def modality(self) -> Modality:
        return SOUNDS

    def encode(self, x: Float[Tensor, "b 1 f t"]) -> BandsState:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            raise ShapeError(
                f"bands: expected spectrograms of shape (b, {', '.join(map(str, self.shape))}), got "
                f"{tuple(x.shape)}."
            )
        return BandsState(x.clone())

    def select(self, state: BandsState, i: int) -> BandsState:
        return BandsState(state.x[i : i + 1])

    def space(self, state: BandsState) -> SearchSpace:
        d = self._bands * self._times
        lower = state.x.new_full((len(state.x), d), -1.0)
        scale = state.x.new_full((d,), self._soften)
        return SearchSpace(
            names=self._names,
            lower=lower,
            upper=torch.full_like(lower, self._amplify / self._soften),
            scale=scale,
            steps=torch.ones_like(scale),  # whole decibels
            dead_zone=_HEARD / self._soften,
        )

    def decode(self, state: BandsState, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n 1 f t"]:
        b, n, _ = z.shape
        gains = (z * self._soften / self.form.depth).reshape(b, n, self._bands, self._times)
        gains = gains[..., _cells(self.shape[1], self._bands), :][..., _cells(self.shape[2], self._times)]
        x = state.x[:, None, 0]
        # what lies below the depth is not known, so there is nothing that could be made louder
        changed = torch.where((x > 0) & (gains != 0), (x + gains).clamp(0.0, 1.0), x)
        return changed[:, :, None]

    def words(
        self, x: Float[Tensor, "1 f t"], others: Float[Tensor, "n 1 f t"]
    ) -> tuple[tuple[str, ...], ...]:
        gap = (others - x)[:, 0] * self.form.depth
        rows, columns = _cells(self.shape[1], self._bands), _cells(self.shape[2], self._times)
        # at a clamped place less is changed than the gain says: the largest change is the gain
        cell = (rows[:, None] * self._times + columns[None]).flatten().to(gap.device)
        flat = gap.flatten(1)
        most = flat.new_zeros(len(flat), len(self._names))
        least = most.scatter_reduce(1, cell.expand_as(flat), flat, "amin")
        most = most.scatter_reduce(1, cell.expand_as(flat), flat, "amax")
        gains = torch.where(most > -least, most, least).round()
        return tuple(
            tuple(
                f"{self._names[j]}: {int(gain[j]):+d} dB"
                for j in gain.abs().argsort(descending=True, stable=True).tolist()
                if gain[j] != 0
            )
            for gain in gains
        )

    def gains(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n f t"]:
        """The gain of each place of the spectrogram, in decibels.

        Args:
            z: changes.
        """
        grid = (z * self._soften).reshape(len(z), self._bands, self._times)
        return grid[:, _cells(self.shape[1], self._bands)][:, :, _cells(self.shape[2], self._times)]

    def perturbed(
        self, x: Float[Tensor, "n 1 f t"], *, changes: int, seed: int
    ) -> Float[Tensor, "n m 1 f t"]:
        """Small changes of recordings: gains, noise and shifts by a frame, of which there are two; then noise again.

        Args:
            x: spectrograms.
            changes: how many of each; the first ones of more are the same.
            seed: decides what is drawn.
        """
        made = []
        for j in range(changes):
            turn, kind = divmod(j, 3)
            draw = torch.Generator().manual_seed((seed * MOST_CHANGES + j) % 2**63)
            if kind == 2 and turn < len(_TIMES):
                still = x[..., :1] if _TIMES[turn] > 0 else x[..., -1:]
                parts = (still, x[..., :-1]) if _TIMES[turn] > 0 else (x[..., 1:], still)
                made.append(torch.cat(parts, dim=-1))
                continue
            shape = (1, 1, 1) if kind == 0 else tuple(x.shape[1:])
            off = (2.0 * torch.rand(shape, generator=draw) - 1.0).to(x) * (_ERROR / self.form.depth)
            # what lies below the depth is not known, so it is neither louder nor softer
            made.append(torch.where(x > 0, (x + off).clamp(0.0, 1.0), x))
        return torch.stack(made, dim=1) if made else x[:, None][:, :0]

    def to(self, device: str) -> Self:
        return self

    def _name(self, band: int, time: int) -> str:
        """From where to where a cell goes: "0.20 to 0.40 s, 1 to 2 kHz"."""
        rows = (_cells(self.shape[1], self._bands) == band).nonzero()[:, 0]
        columns = (_cells(self.shape[2], self._times) == time).nonzero()[:, 0]
        edges = self.form.edges
        seconds = torch.linspace(0.0, self.form.seconds, self.shape[2] + 1)
        low, high = float(edges[int(rows[0])]), float(edges[int(rows[-1]) + 1])
        begin, end = float(seconds[int(columns[0])]), float(seconds[int(columns[-1]) + 1])
        return f"{begin:.2f} to {end:.2f} s, {_kilo(low)} to {_kilo(high)} kHz"

    def _print(self, *parts: str) -> str:
        settings = [self.form.to_json(), self._times, self._bands, self._soften, self._amplify, *parts]
        return hashlib.sha256(json.dumps(["bands/1", *settings]).encode()).hexdigest()


@final
class Bands(_Bands):
    """Makes bands of time and frequency softer, or a little louder.

    One search variable a cell of a coarse grid: its gain in whole decibels, 0 for no change. What
    lies at the bottom of the spectrogram's depth stays there. Has no critic: for plausibility give it
    reference recordings (``with_density``).

    Args:
        form: what the spectrogram of a recording is.
        times: cells along time.
        bands: cells along frequency.
        soften: greatest attenuation, in decibels.
        amplify: greatest amplification, in decibels; ``raise`` among the settings.

    Shapes:
        ``z`` ``(b, n, bands * times)`` in shares of ``soften`` -> ``(b, n, 1, f, t)`` in [0, 1].

    Raises:
        ConfigError: a setting is out of range.

    Example:
        >>> import torch
        >>> from cfsearch.datasets.sound import Spectrogram
        >>> form = Spectrogram()
        >>> generator = Bands(form=form, times=2, bands=3)
        >>> state = generator.encode(torch.rand(1, *form.shape, generator=torch.Generator().manual_seed(0)))
        >>> len(generator.space(state).names)  # 2 x 3 cells
        6
    """

    name: ClassVar[str] = "bands"

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Bands":  # Any: as the contract
        """The generator of the spectrograms of a model's weights.

        Args:
            source: the ``.safetensors`` file that says what spectrograms it takes; None for the usual ones.
            settings: as for the class.
        """
        return cls.of_spectrograms(
            Spectrogram() if source is None else Spectrogram.of_file(source), settings=settings
        )

    @classmethod
    def of_spectrograms(
        cls, form: Spectrogram, *, settings: Mapping[str, Any]
    ) -> "Bands":  # Any: as the contract
        """The generator of a form of spectrograms.

        Args:
            form: what the spectrogram of a recording is.
            settings: as for the class.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        unknown = [key for key in settings if key not in _SETTINGS]
        if unknown:
            raise ConfigError(f"bands: unknown setting {unknown[0]!r}; it takes {', '.join(_SETTINGS)}.")
        given = {("amplify" if key == "raise" else key): value for key, value in settings.items()}
        return cls(form, **given)

    def with_density(self, reference: Float[Tensor, "r 1 f t"]) -> "BandsWithDensity":
        """The same with a plausibility: nearness to the loudness of reference recordings.

        Args:
            reference: spectrograms of at least 10 recordings.
        """
        return BandsWithDensity(
            self.form,
            reference=reference,
            times=self._times,
            bands=self._bands,
            soften=self._soften,
            amplify=self._amplify,
        )

    @property
    def fingerprint(self) -> str:
        return self._print()


@final
class BandsWithDensity(_Bands, Critic):
    """``Bands`` with a plausibility: log-density of the cells' mean loudness under reference recordings.

    Each cell has a mean and a variance over the reference; cells count as independent.

    Args:
        form, times, bands, soften, amplify: as for ``Bands``.
        reference: spectrograms of at least 10 recordings.

    Raises:
        ConfigError: too few reference recordings.
        ShapeError: of another shape.
    """

    name: ClassVar[str] = "bands"
    critic_kind = "log-density of the mean loudness of each band under the reference recordings"

    def __init__(
        self,
        form: Spectrogram,
        *,
        reference: Float[Tensor, "r 1 f t"],
        times: int = 6,
        bands: int = 6,
        soften: float = 40.0,
        amplify: float = 6.0,
    ) -> None:
        super().__init__(form, times=times, bands=bands, soften=soften, amplify=amplify)
        if tuple(reference.shape[1:]) != self.shape:
            raise ShapeError(
                f"bands: expected reference spectrograms of shape (r, {', '.join(map(str, self.shape))}), got "
                f"{tuple(reference.shape)}."
            )
        if len(reference) < _FEWEST:
            raise ConfigError(
                f"bands: a density needs at least {_FEWEST} reference recordings, got {len(reference)}."
            )
        loud = self._loudness(reference.double())
        self._mean, self._variance = loud.mean(0), loud.var(0, correction=0).clamp_min(1e-4)

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "BandsWithDensity":  # Any: contract
        raise ConfigError("bands: a density is made with Bands.with_density(reference).")

    def realism(self, x: Float[Tensor, "b n 1 f t"]) -> Float[Tensor, "b n"]:
        loud = self._loudness(x.flatten(0, 1).double())
        mean, variance = self._mean.to(x.device), self._variance.to(x.device)
        each = -0.5 * ((loud - mean) ** 2 / variance + variance.log())
        return each.mean(1).reshape(x.shape[:2]).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        return self._print(repr(self._mean.tolist()), repr(self._variance.tolist()))

    def _loudness(self, x: Float[Tensor, "n 1 f t"]) -> Float[Tensor, "n d"]:
        rows, columns = _cells(self.shape[1], self._bands), _cells(self.shape[2], self._times)
        cell = (rows[:, None] * self._times + columns[None]).flatten().to(x.device)
        flat = x.flatten(1)
        sums = flat.new_zeros(len(flat), len(self._names)).index_add(1, cell, flat)
        return sums / torch.bincount(cell, minlength=len(self._names))


def _cells(n: int, cells: int) -> Int[Tensor, " n"]:
    """Which of ``cells`` equal parts each of ``n`` places belongs to."""
    return torch.arange(n) * cells // n


def _kilo(hertz: float) -> str:
    return f"{hertz / 1000:.1f}".removesuffix(".0")
