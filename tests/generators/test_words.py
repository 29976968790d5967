"""Words: the contract, rules that always hold, wiring of each setting, and real flips."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.modality import TEXTS
from cfsearch.datasets.text import WordVectors, cut, is_content
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.generators.words import Words, WordsState, WordsWithBigrams
from cfsearch.testing import GeneratorCase

SENTENCES = ("A Dull film , with a slow plot.", "fine!", "not one dull word: FINE film")


def vectors() -> WordVectors:
    """dull is nearest to slow, then fine; plot to film."""
    angle = torch.tensor([0.0, 0.2, 0.5, 1.7, 1.8])
    values = torch.stack([angle.cos(), angle.sin()], dim=1)
    return WordVectors(("dull", "slow", "fine", "film", "plot"), values, "a test")


def made(**settings: object) -> Words:
    return Words.of_texts(SENTENCES, vectors=vectors(), settings={"least": 0.6, **settings})


def encoded(generator: Words, kind: torch.dtype = torch.float64) -> Tensor:
    return generator.lexicon.encode(SENTENCES).to(kind)


class TestWordsContract(GeneratorCase):
    @pytest.fixture(params=[False, True], ids=["replace", "delete"])
    def generator(self, request: pytest.FixtureRequest) -> Words:
        return made(delete=request.param)

    def inputs(self, generator: Words, *, b: int, seed: int = 0) -> Tensor:  # type: ignore[override]  # its own kind
        places = torch.randint(3, (b,), generator=torch.Generator().manual_seed(seed))
        places[0] = 0  # a text with words that have neighbours
        return encoded(generator, torch.float32)[places]


class TestWordsWithBigramsContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> WordsWithBigrams:
        return made().with_density(["a dull film", "a slow plot", "a fine film with a plot"])

    def inputs(self, generator: WordsWithBigrams, *, b: int, seed: int = 0) -> Tensor:  # type: ignore[override]  # as above
        places = torch.randint(3, (b,), generator=torch.Generator().manual_seed(seed))
        places[0] = 0
        return generator.lexicon.encode(SENTENCES).float()[places]


def state_of(generator: Words) -> WordsState:
    return generator.encode(encoded(generator))


def test_no_change_gives_the_texts_back_to_the_letter() -> None:
    generator = made()
    state = state_of(generator)
    x = generator.decode(state, torch.zeros(3, 1, *generator.shape, dtype=torch.float64))
    assert torch.equal(x[:, 0], encoded(generator))
    assert generator.lexicon.decode(x[:, 0]) == list(SENTENCES)
    assert generator.modality is TEXTS


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("keep", [(), ("film", "Dull")])
def test_whatever_the_change_only_words_that_may_change_become_their_near_words(
    delete: bool, keep: tuple[str, ...]
) -> None:
    generator = made(delete=delete, keep=list(keep), near=2)
    state = state_of(generator)
    space = generator.space(state)
    z = space.sample(200, rngs=[np.random.default_rng(i) for i in range(3)])
    rough = z + 0.3 * torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=z.dtype)
    allowed = {word: {other for other, _ in vectors().near(word, least=0.6)[:2]} for word in vectors().words}
    for points in (z, rough, 5 * rough):
        x = generator.decode(state, points)
        for i, text in enumerate(SENTENCES):
            for pieces in generator.spell(x[i]):
                for own, new in zip(cut(text), pieces, strict=False):
                    word = own.strip().lower()
                    if new == own:
                        continue
                    assert is_content(own) and word not in {k.lower() for k in keep}
                    assert (new == "" and delete) or new.strip().lower() in allowed[word]
                    if new:
                        assert len(new) - len(new.lstrip()) == len(own) - len(own.lstrip())
                        assert new.strip()[0].isupper() == own.strip()[0].isupper()


def test_steps_go_from_the_nearest_word_outwards_and_end_in_removal() -> None:
    generator = made(near=3, delete=True)
    state = state_of(generator)
    space = generator.space(state)
    z = torch.zeros(3, 4, space.d, dtype=torch.float64)
    for n in range(4):
        z[0, n, 1] = n / 4
    found = generator.decode(state, z)[0]
    assert generator.lexicon.decode(found)[:3] == [
        "A Dull film , with a slow plot.",
        "A Slow film , with a slow plot.",
        "A Fine film , with a slow plot.",
    ]
    assert generator.lexicon.decode(found)[3] == "A film , with a slow plot."
    assert float(space.upper[0, 1]) == 0.75 and float(space.upper[0, 0]) == 0.0
    assert generator.words(encoded(generator)[0], found) == (
        (),
        ("Dull -> Slow",),
        ("Dull -> Fine",),
        ("Dull removed",),
    )


def test_each_setting_reaches_its_place() -> None:
    base = generator_upper(made(near=2))
    assert base[0].tolist() == pytest.approx([0, 1, 0.5, 0, 0, 0, 1, 0.5, 0])
    assert generator_upper(made(near=1))[0].tolist() == pytest.approx([0, 1, 1, 0, 0, 0, 1, 1, 0])
    assert generator_upper(made(near=2, least=0.96))[0].tolist() == pytest.approx(
        [0, 0.5, 0.5, 0, 0, 0, 0.5, 0.5, 0]
    ), "fine is no longer near dull, nor slow"
    assert float(generator_upper(made(near=2, keep="dull"))[0, 1]) == 0.0
    assert float(generator_upper(made(near=1, delete=True))[0, 1]) == 1.0
    prints = {
        made(**settings).fingerprint
        for settings in ({}, {"near": 3}, {"least": 0.5}, {"delete": True}, {"keep": ["dull"]})
    }
    assert len(prints) == 5


def generator_upper(generator: Words) -> Tensor:
    return generator.space(state_of(generator)).upper


def test_plausibility_prefers_what_people_write() -> None:
    generator = made().with_density(["a dull film with a slow plot"] * 3)
    likely, odd = "A Dull film , with a slow plot.", "A Slow film , with a dull plot."
    lexicon = generator.lexicon
    x = torch.zeros(1, 2, *generator.shape, dtype=torch.float64)
    for n, text in enumerate((likely, odd)):
        pieces = [lexicon.number(piece) for piece in cut(text)]
        x[0, n, : len(pieces)] = torch.tensor(pieces, dtype=torch.float64)
    value = generator.realism(x)[0]
    assert value[0] > value[1]


def test_strong_noise_puts_the_nearest_word() -> None:
    generator = made()
    noise = torch.zeros(generator.shape)
    noise[:3] = torch.tensor([9.0, -2.0, 1.4])
    assert generator.lexicon.decode(generator.neighbour(encoded(generator)[:1], noise)) == [
        "A Slow film , with a slow plot."
    ]


def test_what_does_not_fit_is_refused() -> None:
    for settings, message in (
        ({"near": 0}, "`near` must be a whole number"),
        ({"least": 1.0}, r"`least` must lie in \[0, 1\)"),
        ({"nearest": 3}, "unknown setting 'nearest'"),
    ):
        with pytest.raises(ConfigError, match=message):
            made(**settings)
    with pytest.raises(ShapeError, match="expected texts of shape"):
        made().encode(torch.zeros(1, 2))
    with pytest.raises(ConfigError, match="made of the texts that are searched"):
        Words.open(None, settings={})


@pytest.mark.parametrize(
    ("kind", "counted"),
    [(torch.int64, torch.float64), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_the_space_of_whole_tokens_is_counted_in_double_precision(
    kind: torch.dtype, counted: torch.dtype
) -> None:
    generator = made()
    space = generator.space(generator.encode(encoded(generator, kind)))
    assert (space.lower.dtype, space.upper.dtype) == (counted, counted)


def test_the_texts_that_a_density_was_learned_from_are_part_of_the_fingerprint() -> None:
    one, other, again = (
        made().with_density(texts).fingerprint
        for texts in (
            ["a dull film", "a slow plot"],
            ["a dull film", "a fine plot"],
            ["a dull film", "a slow plot"],
        )
    )
    assert one == again != other
    assert one != made().fingerprint
