"""From a changed spectrogram back to sound: the recording's own phases under changed magnitudes."""

import io

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ._spectrogram import Spectrogram


def resynthesised(
    wave: Float[Tensor, " s"],
    changed: Float[Tensor, "n 1 f t"],
    *,
    form: Spectrogram,
) -> Float[Tensor, "n s"]:
    """A recording with the loudness of changed spectrograms of it.

    Each place of the recording's Fourier transform is made louder or softer by as many decibels as the changed
    spectrogram differs there from the recording's own (bands on the mel scale are spread over their frequencies by
    the bands' own weights) and keeps its phase; overlapping windows are added up by least squares. Where nothing
    differs the recording comes back. A spectrogram that no sound has is met as nearly as that allows.

    Args:
        wave: the clip that ``form`` was applied to.
        changed: spectrograms of the same form.
        form: what a spectrogram is.

    References:
        Griffin and Lim 1984, Signal estimation from modified short-time Fourier transform, for the least squares.
    """
    own = form(wave[None])
    decibels = (changed - own)[:, 0] * form.depth
    if form.mels:
        weight = form.filters().to(wave.device)
        total = weight.sum(0)
        spread = weight.T @ decibels / total.clamp_min(1e-12)[:, None]
        heard = torch.nonzero(total > 1e-6).flatten()
        nearest = heard[(torch.arange(len(total))[:, None] - heard).abs().argmin(1)]
        decibels = spread[:, nearest]  # beyond the first and the last band, as there
    turned = form.transform(wave)[None] * 10.0 ** (decibels / 20.0)
    sound: Tensor = torch.istft(
        turned,
        n_fft=form.size,
        hop_length=form.hop,
        win_length=form.window,
        window=form.hann(wave.device),
        center=True,
        length=len(wave),
    )
    return sound


def wav_bytes(wave: Float[Tensor, " s"], *, rate: int) -> bytes:
    """A clip as a wave file of 16 bits.

    Args:
        wave: in [-1, 1]; beyond that it is cut.
        rate: samples a second.
    """
    from scipy.io import wavfile

    stream = io.BytesIO()
    samples = (wave.clamp(-1.0, 1.0) * 32767.0).round().cpu().numpy().astype(np.int16)
    wavfile.write(stream, rate, samples)
    return stream.getvalue()
