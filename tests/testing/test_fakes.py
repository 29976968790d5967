"""The fakes keep the contracts, and their answers are those worked out by hand."""

import math
from pathlib import Path

import pytest
import torch

from cfsearch.contracts.generator import Critic
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.testing import (
    FakeGenerator,
    FakeProvider,
    FakeWhiteBox,
    GeneratorCase,
    ProviderCase,
    WithoutCritic,
)
from cfsearch.testing.generator_case import AnyGenerator

VECTOR = FakeProvider(weight=((1.0, 0.0), (0.0, 2.0)), bias=(0.0, -1.0), labels=("no", "yes"))


class TestFakeProviderContract(ProviderCase):
    @pytest.fixture(params=[*ScoreKind], ids=lambda kind: str(kind.name))
    def provider(self, request: pytest.FixtureRequest) -> Provider:
        return FakeProvider(scores=request.param)


class TestFakeWhiteBoxContract(ProviderCase):
    @pytest.fixture
    def provider(self) -> Provider:
        return FakeWhiteBox(FakeProvider(scores=ScoreKind.PROBABILITIES))


class TestFakeProviderOnVectorsContract(ProviderCase):
    shape = (2,)

    @pytest.fixture
    def provider(self) -> Provider:
        return VECTOR


class TestFakeGeneratorContract(GeneratorCase):
    @pytest.fixture(params=[(3, 16, 16), (1, 12, 8), (5,)], ids=str)
    def generator(self, request: pytest.FixtureRequest) -> AnyGenerator:
        return FakeGenerator(shape=request.param)


class TestWithoutCriticContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> AnyGenerator:
        return WithoutCritic(FakeGenerator())


def test_an_image_is_bright_by_its_mean() -> None:
    x = torch.stack([torch.full((3, 4, 4), level) for level in (0.25, 0.5, 0.75)])
    assert FakeProvider().predict(x).diff(dim=-1).flatten().tolist() == [-3.0, 0.0, 3.0]
    p = FakeProvider(scores=ScoreKind.PROBABILITIES).predict(x)[:, 1]
    assert p.tolist() == pytest.approx([1 / (1 + math.exp(3.0)), 0.5, 1 / (1 + math.exp(-3.0))])


def test_labels_are_one_hot() -> None:
    x = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    assert FakeProvider(scores=ScoreKind.LABELS).predict(x).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_vector_is_classified_by_its_entries() -> None:
    assert VECTOR.predict(torch.tensor([[3.0, 2.0]])).tolist() == [[3.0, 3.0]]


def test_a_vector_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected 2 features, got inputs of shape \(1, 3\)"):
        VECTOR.predict(torch.zeros(1, 3))


def test_weights_must_fit_the_labels() -> None:
    with pytest.raises(
        ConfigError, match="as many rows of weight and bias as labels, at least 2, got 2, 2 and 3"
    ):
        FakeProvider(labels=("a", "b", "c"))


def test_a_white_box_of_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="labels have no gradient"):
        FakeWhiteBox(FakeProvider(scores=ScoreKind.LABELS))


def test_other_settings_have_another_fingerprint() -> None:
    found = {
        FakeProvider().fingerprint,
        FakeProvider(bias=(0.0, -5.0)).fingerprint,
        FakeProvider(scores=ScoreKind.LABELS).fingerprint,
        FakeGenerator().fingerprint,
        FakeGenerator(prototype=0.25).fingerprint,
    }
    assert len(found) == 5


def test_each_variable_does_what_its_name_says() -> None:
    generator = FakeGenerator(shape=(3, 3, 2))
    state = generator.encode(torch.full((1, 3, 3, 2), 0.5))
    assert generator.space(state).names == ("red", "green", "blue", "slope")
    green, slope = torch.tensor([[0.0, 0.25, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0, 0.5]])
    x = generator.decode(state, torch.stack([green, slope], dim=1))
    assert x[0, 0].mean((-2, -1)).tolist() == [0.5, 0.75, 0.5]
    assert x[0, 1, 0, :, 0].tolist() == [0.0, 0.5, 1.0]


def test_no_change_decodes_to_the_query() -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    generator = FakeGenerator(shape=(3, 8, 8))
    assert torch.equal(generator.decode(generator.encode(x), torch.zeros(2, 1, 4))[:, 0], x)


def test_realism_is_minus_the_squared_distance_to_the_prototype() -> None:
    x = torch.tensor([[[0.5, 0.5], [1.5, 0.0]]])
    assert FakeGenerator(shape=(2,)).realism(x).tolist() == [[0.0, -1.25]]


def test_hiding_a_critic_leaves_the_rest() -> None:
    hidden = WithoutCritic(FakeGenerator())
    assert not isinstance(hidden, Critic)
    assert hidden.fingerprint == FakeGenerator().fingerprint


def test_a_generator_opens_from_its_settings() -> None:
    generator = FakeGenerator.open(None, settings={"shape": (1, 4, 4), "prototype": 0.0})
    assert generator == FakeGenerator(shape=(1, 4, 4), prototype=0.0)
    assert not isinstance(WithoutCritic.open(None, settings={}), Critic)


def test_a_generator_opens_no_file_and_no_other_setting() -> None:
    with pytest.raises(
        ConfigError, match=r"takes no file and the settings shape and prototype, got None and"
    ):
        FakeGenerator.open(None, settings={"size": 3})
    with pytest.raises(ConfigError, match=r"takes no file .*, got a\.bin and \[\]"):
        FakeGenerator.open(Path("a.bin"), settings={})
