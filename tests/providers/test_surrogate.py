"""A surrogate in the place of the model: the contract, its file, and who has the last word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cfsearch.contracts import network as networks
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding
from cfsearch.distill.searching import with_surrogate
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError, ModelFileError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.surrogate_file import Surrogate, is_surrogate
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider, ProviderCase
from cfsearch.testing.tables import random_rows, random_schema

LABELS = ("dark", "bright")
ABOUT: Mapping[str, Any] = {"fidelity": {"value": 0.95, "low": 0.9, "high": 0.97}}


def untrained(name: str, shape: tuple[int, ...], *, encoding: Encoding | None = None) -> Surrogate:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = networks.build(name, shape=shape, classes=2)
    return Surrogate(name, module.eval(), shape, LABELS, encoding, FakeProvider().fingerprint, ABOUT)


def table() -> tuple[Encoding, torch.Tensor]:
    draw = np.random.default_rng(1)
    schema = random_schema(draw)
    x = random_rows(schema, n=30, draw=draw)
    return Encoding.standard(schema, x), x


def of_rows() -> Surrogate:
    encoding, _ = table()
    return untrained("mlp_64_64", (encoding.width,), encoding=encoding)


class TestImageContract(ProviderCase):
    @pytest.fixture(params=["lenet5", "compact"])
    def provider(self, request: pytest.FixtureRequest) -> Provider:
        return SurrogateProvider(untrained(request.param, (3, 32, 32)))


class TestRowContract(ProviderCase):
    @pytest.fixture
    def provider(self) -> Provider:
        type(self).shape = (table()[1].shape[1],)
        return SurrogateProvider(of_rows())

    def inputs(self, *, n: int, seed: int = 0) -> torch.Tensor:
        encoding, _ = table()
        return random_rows(encoding.schema, n=n, draw=np.random.default_rng(seed))


@pytest.mark.parametrize("made", [of_rows(), untrained("digits_1", (1, 28, 28))], ids=["rows", "images"])
def test_a_file_gives_identical_answers(tmp_path: Path, made: Surrogate) -> None:
    path = made.save(tmp_path / "s.safetensors")
    assert is_surrogate(path)
    again = SurrogateProvider.open(path)
    x = table()[1] if made.encoding else torch.rand(5, 1, 28, 28)
    assert torch.equal(again.predict(x), SurrogateProvider(made).predict(x))
    assert again.fingerprint == SurrogateProvider(made).fingerprint
    assert again.encoding == made.encoding
    assert dict(again.surrogate.about) == dict(ABOUT)


def test_it_tells_what_it_is_and_whom_it_stands_for() -> None:
    surrogate = SurrogateProvider(untrained("lenet5", (3, 16, 16)), audited=FakeProvider())
    assert surrogate.learned_from
    assert "not the audited model's. Both gave the same class for 95.0\u202f%" in surrogate.note
    other = SurrogateProvider(untrained("lenet5", (3, 16, 16)), audited=FakeProvider(bias=(0.0, -5.0)))
    assert not other.learned_from
    assert "distilled from another model" in other.note
    with pytest.raises(ConfigError, match="its classes are dark, bright, those of fake are yes, no"):
        SurrogateProvider(untrained("lenet5", (3, 16, 16)), audited=FakeProvider(labels=("yes", "no")))


def test_gradients_reach_encoded_categories() -> None:
    provider = SurrogateProvider(of_rows())
    assert provider.encoding is not None
    u = provider.encoding.apply(table()[1]).float().requires_grad_()
    answer = provider.network(u)
    assert torch.equal(answer.detach().double(), provider.predict(table()[1]))
    answer[:, 1].sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    assert u.grad is not None
    assert bool((u.grad != 0).any(0).all())
    with pytest.raises(ShapeError, match="expected inputs of shape"):
        provider.network(u[:, 1:])


def test_files_that_are_no_surrogates_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, other)
    assert not is_surrogate(other)
    with pytest.raises(ModelFileError, match="got other weights"):
        SurrogateProvider.open(other)
    with pytest.raises(ModelFileError, match="gone"):
        SurrogateProvider.open(tmp_path / "gone.safetensors")
    whole = of_rows().save(tmp_path / "whole.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError):
        SurrogateProvider.open(cut)
    made = of_rows()
    wrong = Surrogate("linear", made.module, made.shape, LABELS, made.encoding, "other", {})
    with pytest.raises(ModelFileError, match="does not fit the network of linear"):
        SurrogateProvider.open(wrong.save(tmp_path / "wrong.safetensors"))


def test_networks_are_found_by_name() -> None:
    assert {"lenet5", "compact", "digits_1", "mlp_64_64", "linear"} <= set(networks.names())
    with pytest.raises(ConfigError, match=r"unknown network 'lenet'. Did you mean 'lenet5'\?"):
        networks.build("lenet", shape=(1, 28, 28), classes=10)
    with pytest.raises(ConfigError, match="16 pixels or more a side"):
        networks.build("lenet5", shape=(1, 8, 8), classes=10)
    with pytest.raises(ConfigError, match="cannot be built for inputs of shape"):
        networks.build("lenet5", shape=(12,), classes=2)
    with pytest.raises(
        ConfigError, match=r"'mlp_64_64': does not take inputs of shape \(3, 32, 32\).*: lenet5, digits_1"
    ):
        networks.build("mlp_64_64", shape=(3, 32, 32), classes=2)
    for shape in ((1, 28, 28), (3, 32, 32), (3, 100, 100), (3, 128, 128), (14,)):
        for name in (*networks.suited(shape), *networks.suited_in_paper(shape)):
            if "faces_1" not in name or shape[-1] == 100:  # tens of millions of weights
                made = networks.build(name, shape=shape, classes=3).eval()
                assert made(torch.rand(2, *shape)).shape == (2, 3)


def test_a_search_with_a_surrogate_believes_the_audited_model_alone(tmp_path: Path) -> None:
    audited = FakeProvider(scores=ScoreKind.LABELS)
    path = untrained("lenet5", (3, 16, 16)).save(tmp_path / "s.safetensors")
    search = Search(
        audited,
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=100,
    )
    moved = with_surrogate(search, path)
    assert isinstance(moved.provider, SurrogateProvider)
    assert moved.verifier is audited
    [front] = moved.run(torch.full((1, 3, 16, 16), 0.4), names=["dark grey"])
    assert isinstance(front, ParetoFront)
    assert any("surrogate's, not the audited model's" in note for note in front.note)
    assert front.images is not None
    truth = audited.predict(front.images.float() / 255.0).argmax(1)
    assert torch.equal(front.scores.argmax(1), truth)
    assert torch.equal(front.verified, truth != front.source)
