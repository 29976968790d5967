"""Training of the text classifier that ships: it learns what is there, and its card tells the truth."""

import os
import sys
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.datasets.text import POLARITY, Part, Sentences, part_of, read_polarity
from cfsearch.errors import DataError
from cfsearch.models.text_cnn import read_text_model

QUALITY = Path(__file__).parents[2] / "benchmarks" / "quality"
if not QUALITY.is_dir():
    pytest.skip("the benchmarks are not in a wheel", allow_module_level=True)
sys.path.insert(0, str(QUALITY))
MODULE: Any = import_module("text_cnn_training")  # Any: from the folder above, which mypy does not see
TextRecipe = MODULE.TextRecipe
accuracy = MODULE.accuracy
train_text_model = MODULE.train_text_model

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.checkout


def reviews(n: int) -> Sentences:
    """Lines whose class is their first word."""
    texts = [f"{('bad', 'good')[i % 2]} film number {i}" for i in range(n)]
    return Sentences(tuple(texts), tuple(i % 2 for i in range(n)), POLARITY)


def test_training_learns_what_is_there_and_the_same_twice() -> None:
    data = reviews(120)
    before = torch.random.get_rng_state()
    recipe = TextRecipe(epochs=3, batch=10, rate=5e-3)
    first, second = (train_text_model(data, recipe=recipe) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert accuracy(first, data.part(Part.TEST)) == 1.0
    ids = first.vocabulary.encode(data.texts)
    assert torch.equal(first.network(ids), second.network(ids))
    held_out = next(t for t in data.texts if part_of(t) is Part.TEST)
    assert held_out.split()[-1] not in first.vocabulary.words  # its words are of the training part
    with pytest.raises(DataError, match="every class"):
        train_text_model(Sentences(("good film",), (1,), POLARITY))


@pytest.mark.data
def test_the_shipped_classifier_is_as_good_as_its_card_says() -> None:
    with as_file(files("cfsearch.models") / "text_cnn_polarity.safetensors") as path:
        model = read_text_model(path)
    card = (files("cfsearch.models") / "text_cnn_polarity.md").read_text(encoding="utf-8")
    found = accuracy(model, read_polarity(DATA / "polarity").part(Part.TEST))
    assert f"this file (seed 0) | {found:.1%} |" in card and found > 0.75
