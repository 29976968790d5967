"""Texts under explanation: words in, words out."""

import pytest
import torch

from cfsearch.datasets.text import FIRST, PADDING, POLARITY, UNKNOWN, Vocabulary
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.text_subject import text_subject
from cfsearch.explainers.token_domain import TokenDomain
from cfsearch.models.text_cnn import TextCnn
from cfsearch.providers.text import TextProvider

WORDS = tuple(f"w{i}" for i in range(30))
PLANE = torch.tensor([[0.0, 0.0], [0.1, 0.1], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
"""Padding, unknown, and three words: east, north, west."""


def test_the_nearest_word_at_touched_places_alone() -> None:
    domain = TokenDomain(PLANE, length=4)
    x = torch.tensor([[2, 3, UNKNOWN, PADDING]])
    u = domain.encode(x)
    assert torch.equal(domain.project(u, origin=x), x)
    u[0, 0] = torch.tensor([-0.2, 0.1])  # nearest of all is padding, then unknown, then west
    u[0, 2] = torch.tensor([0.1, 0.8])
    u[0, 3] = torch.tensor([9.0, 9.0])  # after the end
    assert domain.project(u, origin=x).tolist() == [[4, 3, 3, PADDING]]
    u[0, 0] = torch.tensor([0.9, 0.2])  # touched, but its own word is nearest
    assert domain.project(u, origin=x).tolist() == [[2, 3, 3, PADDING]]


def test_a_feature_is_a_place() -> None:
    domain = TokenDomain(PLANE, length=3)
    assert domain.features == 3 and domain.layout == (3,)
    x = torch.tensor([[2, 3, PADDING]])
    assert domain.free(x).tolist() == [[True, True, False]]
    assert domain.pooled(torch.ones(1, 3, 2)).tolist() == [[2.0, 2.0, 2.0]]
    low, high = domain.bounds(x)
    assert low[0].tolist() == [[-1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]
    assert high[0].tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(ShapeError, match="word numbers"):
        domain.encode(torch.tensor([2, 3]))
    with pytest.raises(ConfigError, match="a word or more"):
        TokenDomain(PLANE[:FIRST], length=3)


def provider(seed: int) -> TextProvider:
    torch.manual_seed(seed)
    network = TextCnn(words=FIRST + len(WORDS), width=8, windows=(1, 2), filters=8)
    with torch.no_grad():
        network.embedding.weight.mul_(4.0)
        network.dense.weight.mul_(4.0)
        ids = torch.randint(UNKNOWN, FIRST + len(WORDS), (64, 7))
        logits = network.eval()(ids)
        network.dense.bias.sub_(logits.median(0).values)  # both classes occur
    return TextProvider(network, vocabulary=Vocabulary(WORDS), labels=POLARITY)


@pytest.mark.parametrize("seed", range(4))
def test_counterfactual_texts_are_made_of_words(seed: int) -> None:
    model = provider(seed)
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(UNKNOWN, FIRST + len(WORDS), (12, 7), generator=rng)
    x[:6, 5:] = PADDING
    method = Gradual(tau=0.6, steps=20).fit(text_subject(model, length=7), x)
    answer = method.explain(x, subject=text_subject(model, length=7), seed=seed)
    after, chosen, flipped = answer.counterfactuals, answer.chosen, answer.flipped
    assert after is not None and chosen is not None and flipped is not None
    changed = after != x
    assert after.dtype == torch.long and bool((after[changed] >= FIRST).all())
    assert bool((after[changed] < FIRST + len(WORDS)).all())
    assert bool((after[x == PADDING] == PADDING).all())
    assert not bool((changed & ~chosen).any())
    assert bool((changed.sum(1) <= chosen.sum(1)).all())
    assert float(flipped.float().mean()) > 0.5
    assert torch.equal(flipped, model.predict(after).argmax(1) != answer.source)


def test_stretching_reaches_a_word_where_the_plain_change_reaches_none() -> None:
    # three words on a line, one apart; the composite stops half-way where the logits agree
    plane = torch.tensor([[0.0, 0.0], [0.0, 5.0], [-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(5, 2, padding_idx=PADDING, _weight=plane.clone())

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.from_embeddings(self.embedding(ids))

        def from_embeddings(self, u: torch.Tensor) -> torch.Tensor:
            lead = 4.0 * u[..., 0].sum(1) - 1.0
            return torch.stack([-lead, lead], dim=1)

    model = TextProvider(Line(), vocabulary=Vocabulary(("west", "middle", "east")), labels=POLARITY)
    x = model.encode(["middle"])
    subject = text_subject(model, length=1)
    centres = torch.tensor([[1.0, -1.0], [-0.6, 0.6]])  # "positive" at a lead of 0.6: at 0.4 on the line
    plain = Gradual(centres=centres, tau=0.6, steps=150, near=0.0, stretch=(1.0,)).explain(x, subject=subject)
    assert plain.counterfactuals is not None and model.decode(plain.counterfactuals) == ["middle"]
    assert "did not reach a probability of 0.6" in plain.note[0]
    stretched = Gradual(centres=centres, tau=0.6, steps=150, near=0.0).explain(x, subject=subject)
    assert stretched.counterfactuals is not None and model.decode(stretched.counterfactuals) == ["east"]
    with pytest.raises(ConfigError, match="`stretch`"):
        Gradual(stretch=(0.0,))
