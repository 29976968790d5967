"""The classifier of spoken digits that ships: its file, its door, its figures."""

import os
import re
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import torch

from cfsearch.contracts.provider import DifferentiableProvider
from cfsearch.datasets.sound import Spectrogram, read_spoken_digits
from cfsearch.errors import ConfigError
from cfsearch.explainers.axai import Axai
from cfsearch.explainers.subjects import image_subject
from cfsearch.models.audio_cnn import LABELS, AudioCnn
from cfsearch.providers.opening import open_provider

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
NAME = "audio_cnn_digits"


def opened() -> tuple[DifferentiableProvider, Spectrogram]:
    with as_file(files("cfsearch.models").joinpath(f"{NAME}.safetensors")) as path:
        provider = open_provider(str(path), arch="cfsearch.models.audio_cnn:build")
        assert isinstance(provider, DifferentiableProvider)
        return provider, Spectrogram.of_file(path)


def test_the_shipped_model_opens_with_its_spectrograms_and_has_gradients() -> None:
    provider, form = opened()
    assert provider.labels == LABELS and form.shape == (1, 64, 63)
    x = form(torch.rand(3, form.samples, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    x.requires_grad_(True)
    scores = provider.predict(x)
    assert scores.shape == (3, 10)
    (slope,) = torch.autograd.grad(scores.logsumexp(1).sum(), x)
    assert bool((slope != 0).any()) and slope.shape == x.shape


def test_the_file_is_small_and_its_card_gives_figures_and_licence() -> None:
    room = files("cfsearch.models")
    with as_file(room.joinpath(f"{NAME}.safetensors")) as path:
        assert path.stat().st_size < 2_000_000
    card = room.joinpath(f"{NAME}.md").read_text(encoding="utf-8")
    for part in ("CC BY-SA 4.0", "Zohar Jackson", "10.5281/zenodo.1342401", "official test part", "speaker"):
        assert part in card


def test_sounds_are_explained_by_squares_of_time_and_frequency() -> None:
    provider, form = opened()
    hum = torch.sin(2 * torch.pi * 300 * torch.arange(form.samples) / form.rate)[None]
    said = Axai(top=3).explain(form(hum), subject=image_subject(provider, form.shape))
    assert said.layout == (64, 63) and said.chosen is not None and said.segments is not None
    assert int(said.segments.max()) == 63
    assert len(set(said.segments[said.chosen].tolist())) == 3


@pytest.mark.parametrize(("rows", "frames"), [(64, 63), (40, 80), (129, 20), (8, 9)])
def test_networks_for_other_spectrograms(rows: int, frames: int) -> None:
    network = AudioCnn(rows=rows, classes=4).eval()
    assert network(torch.zeros(2, 1, rows, frames)).shape == (2, 4)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 7 rows"):
        AudioCnn(rows=3)


@pytest.mark.data
def test_its_accuracy_is_what_the_card_says() -> None:
    archive = DATA / "spoken_digits" / "spoken_digits.zip"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    provider, form = opened()
    digits = read_spoken_digits(archive, rate=form.rate, seconds=form.seconds)
    unheard = digits.pick(digits.test)
    hits = provider.predict(form(unheard.waves)).argmax(1) == unheard.digits
    card = files("cfsearch.models").joinpath(f"{NAME}.md").read_text(encoding="utf-8")
    stated = re.search(r"these weights \| ([\d.]+)%", card)
    assert stated is not None
    assert 100 * float(hits.float().mean()) == pytest.approx(float(stated[1]), abs=0.9)
