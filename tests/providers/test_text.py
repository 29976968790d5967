"""TextProvider: the contract on word numbers, and the way around the embedding."""

from pathlib import Path

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.text import POLARITY, Vocabulary
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.models.text_cnn import TextCnn, TextModel, save_text_model
from cfsearch.providers.text import TextProvider, live_text_model
from cfsearch.testing.provider_case import ProviderCase

VOCABULARY = Vocabulary(("good", "bad", "film", "the", "and"))


def network() -> TextCnn:
    torch.manual_seed(1)
    return TextCnn(words=VOCABULARY.size, width=4, windows=(2, 3), filters=3)


def provider_of(net: TextCnn) -> TextProvider:
    return TextProvider(net, vocabulary=VOCABULARY, labels=POLARITY, max_batch=3)


class TestTextContract(ProviderCase):
    def inputs(self, *, n: int, seed: int = 0) -> Tensor:
        ids = torch.randint(1, VOCABULARY.size, (n, 6), generator=torch.Generator().manual_seed(seed))
        ids[: n // 2, 4:] = 0
        return ids

    @pytest.fixture
    def provider(self) -> Provider:
        return provider_of(network())


def test_it_gives_what_the_network_gives_in_evaluation_and_leaves_it_alone() -> None:
    net = network()
    provider = provider_of(net)
    ids = provider.encode(["good film", "the bad film and the good"])
    answer = provider.predict(ids)
    assert net.training and torch.allclose(answer, net.eval()(ids), atol=1e-6)
    assert torch.equal(provider.predict(ids.float()), answer)  # whole numbers of any kind
    assert provider.decode(ids) == ["good film", "the bad film and the good"]
    assert provider.fingerprint != provider_of(network().double()).fingerprint


def test_the_way_around_the_embedding() -> None:
    provider = provider_of(network())
    ids = provider.encode(["good film", "the bad film"])
    u = provider.embedding[ids].requires_grad_()
    answer = provider.follow(u)
    assert torch.allclose(answer, provider.predict(ids), atol=1e-6)
    (slope,) = torch.autograd.grad(answer[:, 1].sum(), u)
    assert bool((slope[ids > 0] != 0).any()) and bool((slope[ids == 0] == 0).all())


def test_what_it_refuses() -> None:
    provider = provider_of(network())
    for wrong in (torch.tensor([[7]]), torch.tensor([[-1]]), torch.tensor([[1.5]])):
        with pytest.raises(DataError, match="between 0 and 6"):
            provider.predict(wrong)
    with pytest.raises(ShapeError, match=r"shape \(n, t\), got \(3,\)"):
        provider.predict(torch.tensor([1, 2, 3]))
    with pytest.raises(ConfigError, match="embedding of 3 rows"):
        TextProvider(network(), vocabulary=Vocabulary(("a",)), labels=POLARITY)


def test_files_and_the_one_that_ships(tmp_path: Path) -> None:
    path = save_text_model(tmp_path / "mine.safetensors", TextModel(network(), VOCABULARY, POLARITY))
    mine = TextProvider.open(path)
    assert mine.name == "mine" and mine.labels == POLARITY
    assert mine.fingerprint == TextProvider.open(str(path)).fingerprint
    ours = TextProvider.open()
    assert ours.name == "text_cnn_polarity" and ours.fingerprint != mine.fingerprint
    assert ours.predict(ours.encode(["a moving and heartfelt film ."])).argmax(1).tolist() == [1]


def test_two_pipelines_given_as_objects_have_fingerprints_of_their_own() -> None:
    texts = ["good film", "bad film", "fine work", "dull work"]
    answers = (["p", "n", "p", "n"], ["n", "p", "n", "p"], ["p", "n", "p", "n"])
    one, two, again = (
        live_text_model(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, words), texts=texts)
        for words in answers
    )
    assert one.labels == two.labels and one.fingerprint == again.fingerprint != two.fingerprint
