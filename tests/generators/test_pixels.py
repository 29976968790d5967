"""Pixels: the contract, a worked grid, and the density against a closed form."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.pixels import Pixels, PixelsWithDensity
from cfsearch.objectives import Adversarial, Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeProvider, GeneratorCase


class TestPixelsContract(GeneratorCase):
    @pytest.fixture(params=[False, True], ids=["grey", "colour"])
    def generator(self, request: pytest.FixtureRequest) -> Pixels:
        return Pixels(size=(16, 12), grid=3, colour=request.param)


class TestPixelsWithDensityContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> PixelsWithDensity:
        return Pixels(size=(8, 8), grid=2).with_density(
            torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(3)), components=4
        )


def test_a_single_cell_lightens_everything_alike() -> None:
    generator = Pixels(size=(8, 8), grid=1, max_change=0.5)
    state = generator.encode(torch.full((1, 3, 8, 8), 0.3))
    x = generator.decode(state, torch.tensor([[[0.25], [0.9]]]))
    assert torch.allclose(x[0, 0], torch.full((3, 8, 8), 0.55))
    assert torch.allclose(x[0, 1], torch.ones(3, 8, 8)), "held to 1"


def test_a_cell_may_move_as_far_down_as_up() -> None:
    generator = Pixels(size=(8, 8), grid=2, max_change=0.5)
    space = generator.space(generator.encode(torch.full((2, 3, 8, 8), 0.5)))
    assert space.lower.tolist() == [[-0.5] * 4] * 2
    assert space.upper.tolist() == [[0.5] * 4] * 2
    assert space.dead_zone == pytest.approx(0.025)


def test_the_older_name_of_the_largest_change_is_still_read() -> None:
    size = [8, 8]
    new = Pixels.open(None, settings={"size": size, "max_change": 0.25})
    old = Pixels.open(None, settings={"size": size, "reach": 0.25})
    assert old.fingerprint == new.fingerprint != Pixels.open(None, settings={"size": size}).fingerprint
    both = Pixels.open(None, settings={"max_change": 0.25, "size": size, "reach": 0.5})
    assert both.fingerprint == new.fingerprint


def test_cells_are_where_their_names_say() -> None:
    generator = Pixels(size=(20, 20), grid=2)
    state = generator.encode(torch.full((1, 3, 20, 20), 0.2))
    names = generator.space(state).names
    z = torch.zeros(1, 1, 4)
    z[0, 0, names.index("row 1 column 2")] = 0.4
    change = generator.decode(state, z)[0, 0, 0] - 0.2
    row, column = divmod(int(change.argmax()), 20)
    assert row < 10 <= column


def test_density_is_that_of_a_gaussian_when_nothing_is_left_out() -> None:
    rng = torch.Generator().manual_seed(0)
    reference = torch.rand(500, 3, 4, 4, generator=rng)
    dense = Pixels(size=(4, 4), grid=2).with_density(reference, components=47)
    rows = reference.flatten(1).double().numpy()
    # with 47 of 48 components the last direction's variance is its own noise: a full Gaussian
    truth = multivariate_normal(rows.mean(0), np.cov(rows.T, bias=True))
    x = torch.rand(6, 3, 4, 4, generator=rng)
    ours = dense.realism(x[None])[0].double().numpy() * 48
    # components are limited to two thirds of the rank, so compare with that model in closed form
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    kept = 32
    noise = values[:-kept].mean()
    model = multivariate_normal(
        rows.mean(0),
        (vectors[:, -kept:] * (values[-kept:] - noise)) @ vectors[:, -kept:].T + noise * np.eye(48),
    )
    assert ours == pytest.approx(model.logpdf(x.flatten(1).double().numpy()), rel=1e-5)
    assert np.corrcoef(ours, truth.logpdf(x.flatten(1).double().numpy()))[0, 1] > 0.8


def test_references_look_more_real_than_noise_changes_of_them() -> None:
    base = torch.linspace(0, 1, 8)[None, None, None].expand(1, 3, 8, 8)
    shade = torch.rand(40, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    reference = (base * shade).expand(40, 3, 8, 8)
    dense = Pixels(size=(8, 8), grid=2).with_density(reference)
    other = (base * 0.5).flip(-1)
    assert float(dense.realism((base * 0.5)[None])[0, 0]) > float(dense.realism(other[None])[0, 0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (2, 8)}, "`size` must be at least 4 x 4, got 2 x 8"),
        ({"size": (8, 8), "grid": 9}, "`grid` must lie in 1 to 8, got 9"),
        ({"size": (8, 8), "max_change": 0.0}, r"`max_change` must lie in \(0, 1\], got 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pixels(**settings)  # type: ignore[arg-type]  # that is the fault
    with pytest.raises(ConfigError, match=message):
        Pixels.open(None, settings=settings)


def test_unknown_settings_and_a_missing_size_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'gird'; it takes size, grid, max_change, colour"):
        Pixels.open(None, settings={"size": [8, 8], "gird": 3})
    with pytest.raises(ConfigError, match="`size` = "):
        Pixels.open(None, settings={})


def test_references_must_fit() -> None:
    generator = Pixels(size=(8, 8), grid=2)
    with pytest.raises(ConfigError, match="at least 10 reference images, got 4"):
        generator.with_density(torch.rand(4, 3, 8, 8))
    with pytest.raises(ShapeError, match="reference images of shape"):
        generator.with_density(torch.rand(20, 3, 9, 8))
    with pytest.raises(ShapeError, match="expected images of shape"):
        generator.encode(torch.rand(1, 3, 9, 9))


@pytest.mark.parametrize("size", [(8, 8), (30, 20)])
def test_words_find_the_change_back_from_the_pictures(size: tuple[int, int]) -> None:
    generator = Pixels(size=size, grid=3)
    x = torch.full((1, 3, *size), 0.5)
    z = torch.zeros(1, 2, 9)
    z[0, 0, 4], z[0, 0, 2] = 0.3, -0.2
    stored = (generator.decode(generator.encode(x), z)[0] * 255).round() / 255
    changed, same = generator.words(x[0], stored)
    assert changed == ("row 2 column 2: 30 % brighter", "row 1 column 3: 20 % darker")
    assert same == ()


def test_words_of_colours_name_the_channel() -> None:
    generator = Pixels(size=(12, 12), grid=2, colour=True)
    x = torch.full((1, 3, 12, 12), 0.5)
    z = torch.zeros(1, 1, 12)
    z[0, 0, 1], z[0, 0, 10] = 0.25, -0.4
    [words] = generator.words(x[0], generator.decode(generator.encode(x), z)[0])
    assert words == ("row 2 column 1: 40 % less blue", "row 1 column 2: 25 % more red")


def test_of_a_change_that_ends_at_white_the_visible_part_is_named() -> None:
    generator = Pixels(size=(8, 8), grid=1)
    x = torch.full((1, 3, 8, 8), 0.9)
    [words] = generator.words(x[0], generator.decode(generator.encode(x), torch.full((1, 1, 1), 0.5))[0])
    assert words == ("row 1 column 1: 10 % brighter",)


def test_the_words_of_a_front_are_the_changes_of_its_members() -> None:
    search = Search(
        FakeProvider(), Pixels(size=(16, 16), grid=2, max_change=0.3), [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population), evaluations=60,
        population=20, pruning=0.0,
    )  # fmt: skip
    [front] = search.run(torch.full((1, 3, 16, 16), 0.5), names=["grey"])
    assert isinstance(front, ParetoFront)
    assert len(front) > 3 and any(front.words(i) for i in range(len(front)))
    for i in range(len(front)):
        said = dict.fromkeys(front.variables, 0)
        for word in front.words(i):
            name, _, change = word.partition(": ")
            said[name] = int(change.split()[0]) * (1 if "brighter" in change else -1)
        for percent, z in zip(said.values(), front.z[i].tolist(), strict=True):
            assert abs(percent - 100 * z) < 1.6  # a hundredth, and less is not named
