"""From changed spectrograms back to sound: the recording itself, and tones whose loudness is known."""

import io

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from cfsearch.datasets.sound import Spectrogram, resynthesised, wav_bytes

T = torch.arange(8000) / 8000
LOW, HIGH = 0.4 * torch.sin(2 * torch.pi * 500 * T), 0.4 * torch.sin(2 * torch.pi * 2500 * T)


@pytest.mark.parametrize("mels", [64, 0])
def test_without_a_change_the_recording_comes_back(mels: int) -> None:
    form = Spectrogram(mels=mels)
    wave = LOW + HIGH
    [again] = resynthesised(wave, form(wave[None]), form=form)
    assert torch.allclose(again, wave, atol=1e-4)


@pytest.mark.parametrize("mels", [64, 0])
@pytest.mark.parametrize("decibels", [-20.0, -6.0, 6.0])
def test_a_band_is_changed_by_as_much_as_the_spectrogram_says(mels: int, decibels: float) -> None:
    form = Spectrogram(mels=mels)
    own = form((LOW + HIGH)[None])
    above = (form.frequencies > 1200)[None, None, :, None]
    changed = torch.where(above & (own > 0), own + decibels / form.depth, own)
    [sound] = resynthesised(LOW + HIGH, changed, form=form)
    middle = slice(1000, 7000)
    expected = (LOW + HIGH * 10 ** (decibels / 20))[middle]
    assert (sound[middle] - expected).abs().max() < 0.02
    assert (form(sound[None]) - changed).abs()[own > 0.5].mean() * form.depth < 0.5


def test_a_wave_file_keeps_what_it_holds() -> None:
    rate, read = wavfile.read(io.BytesIO(wav_bytes(torch.tensor([0.0, 0.5, -1.0, 2.0]), rate=16000)))
    assert rate == 16000 and read.dtype == np.int16
    assert read.tolist() == [0, 16384, -32767, 32767]
