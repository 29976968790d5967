"""The text classifier: windows, padding that does not count, its file, and the one that ships."""

import json
import os
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from cfsearch.datasets.text import POLARITY, Vocabulary
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.models.text_cnn import TextCnn, TextModel, read_text_model, save_text_model

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
WORDS = ("good", "bad", "film", "the", "and")


def network(*, windows: tuple[int, ...] = (2, 3), seed: int = 0) -> TextCnn:
    torch.manual_seed(seed)
    made = TextCnn(words=2 + len(WORDS), width=4, windows=windows, filters=3)
    return made.eval().requires_grad_(False)


def by_hand(net: TextCnn, ids: list[int]) -> Tensor:
    """Every window that holds a word, one after the other."""
    rows = [net.embedding.weight[i] for i in ids]
    maxima = []
    for w, convolution in zip(net.windows, net.convolutions, strict=True):
        padded = [torch.zeros(4)] * (w - 1) + rows + [torch.zeros(4)] * (w - 1)
        weight, bias = convolution.weight, convolution.bias
        assert isinstance(weight, Tensor) and isinstance(bias, Tensor)
        sums = [
            bias + sum(weight[:, :, j] @ padded[i + j] for j in range(w)) for i in range(len(rows) + w - 1)
        ]
        maxima.append(torch.stack(sums).relu().amax(0))
    return net.dense(torch.cat(maxima))  # type: ignore[no-any-return]  # a layer's call is untyped


@pytest.mark.parametrize("ids", [[2], [3, 4], [2, 5, 6, 3, 4]])
def test_its_logits_by_hand(ids: list[int]) -> None:
    net = network()
    assert torch.allclose(net(torch.tensor([ids]))[0], by_hand(net, ids), atol=1e-6)


def test_padding_does_not_count() -> None:
    net = network()
    short, long = torch.tensor([[2, 3, 4]]), torch.tensor([[2, 3, 4, 0, 0, 0, 0]])
    both = torch.tensor([[2, 3, 4, 0, 0], [3, 3, 2, 5, 6]])
    for other in (net(long), net(both)[:1], net.from_embeddings(net.embedding(long))):
        assert torch.allclose(other, net(short), atol=1e-6)


def test_gradients_reach_embeddings_of_words_alone() -> None:
    net = network()
    u = net.embedding(torch.tensor([[2, 3, 0, 0]])).requires_grad_()
    (slope,) = torch.autograd.grad(net.from_embeddings(u)[0, 1], u)
    assert bool((slope[0, :2] != 0).any(-1).all()) and bool((slope[0, 2:] == 0).all())


def test_a_file_gives_the_model_back(tmp_path: Path) -> None:
    model = TextModel(network(), Vocabulary(WORDS), POLARITY, {"accuracy": 0.5})
    path = save_text_model(tmp_path / "model.safetensors", model)
    again = read_text_model(path)
    assert (
        again.vocabulary == model.vocabulary and again.labels == POLARITY and again.card == {"accuracy": 0.5}
    )
    ids = torch.tensor([[2, 3, 4, 5]])
    assert torch.allclose(again.network(ids), model.network(ids), atol=2e-3)  # half precision
    assert len(again.source) == 64 and not again.network.training


def test_a_file_is_read_without_a_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_text_model(
        tmp_path / "model.safetensors", TextModel(network(), Vocabulary(WORDS), POLARITY, {})
    )
    drawn: list[str] = []
    monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, *_: drawn.append("normal"))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = read_text_model(path)
    assert drawn == [], "on the meta device it imports torch's compiler"
    assert torch.equal(torch.get_rng_state(), before)
    assert again.network.embedding.padding_idx == network().embedding.padding_idx


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="found none"):
        read_text_model(tmp_path / "nothing.safetensors")
    path = tmp_path / "model.safetensors"
    save_text_model(path, TextModel(network(), Vocabulary(WORDS), POLARITY))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match="cut short"):
        read_text_model(path)
    state = {name: value.contiguous() for name, value in network().state_dict().items()}
    path.write_bytes(save(state, {"format": "other"}))
    with pytest.raises(ModelFileError, match="expected the format"):
        read_text_model(path)
    said = {
        "format": "cfsearch.text_cnn/1",
        "settings": json.dumps(network().settings),
        "words": json.dumps(WORDS),
        "labels": json.dumps(POLARITY),
    }
    path.write_bytes(save(state, said | {"words": "{"}))
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_text_model(path)
    path.write_bytes(save(state, said | {"words": json.dumps(WORDS[:3])}))
    with pytest.raises(ModelFileError, match="made for 7 words"):
        read_text_model(path)
    path.write_bytes(save(state, said | {"settings": json.dumps({**network().settings, "filters": 10**9})}))
    with pytest.raises(ModelFileError, match="do not fit"):
        read_text_model(path)
    path.write_bytes(save({**state, "dense.bias": torch.tensor([torch.nan, 0.0])}, said))
    with pytest.raises(ModelFileError, match="not finite"):
        read_text_model(path)


def test_settings_that_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs a unit"):
        TextCnn(words=9, filters=0)
    with pytest.raises(ConfigError, match="made for 7 words and 2 classes, got 3 and 2"):
        TextModel(network(), Vocabulary(("a",)), POLARITY)


def shipped() -> TextModel:
    with as_file(files("cfsearch.models") / "text_cnn_polarity.safetensors") as path:
        assert path.stat().st_size < 3_000_000
        return read_text_model(path)


def test_the_shipped_classifier_reads_plain_sentences() -> None:
    model = shipped()
    texts = ["a wonderful , moving and heartfelt film .", "a dull , tedious and pointless mess ."]
    answer = model.network(model.vocabulary.encode(texts)).softmax(1)
    assert (
        model.labels == POLARITY and answer.argmax(1).tolist() == [1, 0] and float(answer.amax(1).min()) > 0.9
    )
