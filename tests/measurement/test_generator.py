"""The measurement of a generator, on pictures whose attributes are two patches and edits whose success is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.measurement import AttributeJudge, measure, train_judge
from cfsearch.measurement.judge import balanced_accuracy
from cfsearch.testing import FakeGenerator

NAMES = ("Lamp", "Window")
PLACES = ((slice(2, 7), slice(2, 7)), (slice(9, 14), slice(9, 14)))
SIZE = 16


class Batch(NamedTuple):
    images: Tensor
    labels: Tensor


def painted(noise: Float[Tensor, "n 3 s s"], strength: Float[Tensor, "n a"]) -> Tensor:
    x = noise.clone()
    for i, (rows, columns) in enumerate(PLACES):
        x[:, :, rows, columns] += 0.5 * strength[:, i, None, None, None]
    return x.clamp(0.0, 1.0)


class Patches:
    """Noisy grey pictures with two patches that are lit or not."""

    def __init__(self, n: int, *, seed: int, attributes: tuple[str, ...] = NAMES) -> None:
        self.attributes = attributes
        draw = torch.Generator().manual_seed(seed)
        self.labels = (torch.rand(n, 2, generator=draw) < 0.5).float()
        noise = 0.2 + 0.1 * torch.rand(n, 3, SIZE, SIZE, generator=draw)
        self.images = (painted(noise, self.labels) * 255.0).round().to(torch.uint8)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Any) -> Batch:
        return Batch(self.images[list(indices)], self.labels[list(indices)])


class State(NamedTuple):
    x: Tensor
    origin: Tensor


class Painter(Generator[State], AttributeTaker):
    """Lights patches: ``mix[i][j]`` is how much of patch ``j`` an edit of attribute ``i`` paints; ``fade`` dims all."""

    name = "painter"

    def __init__(self, mix: tuple[tuple[float, float], ...], *, fade: float = 0.0) -> None:
        self.shape = (3, SIZE, SIZE)
        self.attribute_names = NAMES
        self.mix, self.fade = torch.tensor(mix), fade

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Painter":
        return cls(((1.0, 0.0), (0.0, 1.0)))

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> State:
        assert attributes is not None
        return State(x, attributes)

    def space(self, state: State) -> SearchSpace:
        return SearchSpace(names=NAMES, lower=-state.origin, upper=1.0 - state.origin, origin=state.origin)

    def decode(self, state: State, z: Tensor) -> Tensor:
        moved = z @ self.mix
        flat = moved.flatten(0, 1)
        x = state.x[:, None].expand(-1, z.shape[1], -1, -1, -1).flatten(0, 1)
        made = painted(x * (1.0 - self.fade), flat)
        return made.view(*z.shape[:2], *self.shape)

    def select(self, state: State, i: int) -> State:
        return State(state.x[i : i + 1], state.origin[i : i + 1])

    def to(self, device: str) -> "Painter":
        return self

    @property
    def fingerprint(self) -> str:
        return "painter"


@pytest.fixture(scope="module")
def judge() -> AttributeJudge:
    torch.set_num_threads(1)
    return train_judge(Patches(400, seed=1), seed=3, steps=120)


def measured(painter: Painter, judge: AttributeJudge) -> Any:
    held = Patches(120, seed=2)
    return measure(painter, training=held, held_out=held, judge=judge)


def test_edits_that_paint_what_they_say_are_all_seen_and_move_nothing_else(judge: AttributeJudge) -> None:
    found = measured(Painter(((1.0, 0.0), (0.0, 1.0))), judge)
    assert found.edit_success == {"Lamp": 1.0, "Window": 1.0}
    assert found.effectiveness == 1.0
    for name, other in (NAMES, NAMES[::-1]):
        figures = found.attributes[name]
        assert figures.kept == 1.0
        assert figures.strength == pytest.approx(1.0, abs=0.1)
        assert abs(figures.moved[other]) < 0.1
        assert figures.judged == 1.0
    assert found.composition == {1: pytest.approx(0.0, abs=1e-6), 10: pytest.approx(0.0, abs=1e-6)}


def test_edits_that_cannot_be_seen_have_no_success(judge: AttributeJudge) -> None:
    found = measured(Painter(((1.0, 0.0), (0.0, 0.0))), judge)
    assert found.edit_success == {"Lamp": 1.0, "Window": 0.0}
    assert found.attributes["Window"].strength == 0.0
    assert found.effectiveness == 0.5


def test_what_an_edit_drags_along_is_measured(judge: AttributeJudge) -> None:
    clean = measured(Painter(((1.0, 0.0), (0.0, 1.0))), judge)
    found = measured(Painter(((1.0, 1.0), (0.0, 1.0))), judge)
    held = Patches(120, seed=2)
    # Lamp on lights the window too, except where it is lit already; Lamp off darkens it only where it was lit
    on, window = held.labels[:, 0] > 0.5, held.labels[:, 1] > 0.5
    assert found.attributes["Lamp"].kept == pytest.approx(float((on != window).float().mean()), abs=0.02)
    lit = float((~window)[~on].float().mean())
    assert found.attributes["Lamp"].moved["Window"] > 0.8 * lit
    assert found.attributes["Window"] == clean.attributes["Window"]
    assert found.minimality > clean.minimality


def test_a_reconstruction_that_fades_is_the_composition_error(judge: AttributeJudge) -> None:
    found = measured(Painter(((1.0, 0.0), (0.0, 1.0)), fade=0.1), judge)
    x = Patches(120, seed=2).images.float() / 255.0
    assert found.composition[1] == pytest.approx(float((0.1 * x).mean()), rel=1e-4)
    assert found.composition[10] == pytest.approx(float(((1.0 - 0.9**10) * x).mean()), rel=1e-4)
    assert found.realism["reconstructions"] > found.realism["photographs"]


def test_an_attribute_that_the_judge_cannot_tell_has_no_figure(judge: AttributeJudge) -> None:
    held = Patches(120, seed=2)
    held.labels[:, 1] = (torch.rand(120, generator=torch.Generator().manual_seed(5)) < 0.5).float()
    found = measure(Painter(((1.0, 0.0), (0.0, 1.0))), training=held, held_out=held, judge=judge)
    assert found.edit_success == {"Lamp": 1.0}
    assert found.attributes["Window"].success is None
    assert found.attributes["Window"].judged == pytest.approx(0.5, abs=0.15)
    assert found.to_json()["attributes"]["Window"]["success"] is None


def test_a_rare_side_is_not_judged(judge: AttributeJudge) -> None:
    held = Patches(60, seed=2)
    held.labels[:, 1] = 1.0
    held.labels[:9, 1] = 0.0
    held.images = (painted(torch.full((60, 3, SIZE, SIZE), 0.25), held.labels) * 255.0).to(torch.uint8)
    found = measure(Painter(((1.0, 0.0), (0.0, 1.0))), training=held, held_out=held, judge=judge)
    assert set(found.edit_success) == {"Lamp"}
    assert found.attributes["Window"].judged == 1.0


def test_what_cannot_be_measured_is_refused(judge: AttributeJudge) -> None:
    few = Patches(29, seed=1)
    painter = Painter(((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(ConfigError, match="at least 30 held-out images, got 29"):
        measure(painter, training=few, held_out=few, judge=judge)
    with pytest.raises(CapabilityError, match="edits attributes"):
        measure(FakeGenerator(shape=(3, 4, 4)), training=few, held_out=few, judge=judge)
    other = Patches(40, seed=1, attributes=("Window", "Lamp"))
    with pytest.raises(ConfigError, match="labelled with Lamp, Window, got Window, Lamp"):
        measure(painter, training=other, held_out=other, judge=judge)


def test_the_judge_is_the_same_for_a_seed_and_leaves_the_random_numbers_alone() -> None:
    source = Patches(60, seed=1)
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    first, again = (train_judge(source, seed=4, steps=3) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    other = train_judge(source, seed=5, steps=3)
    x = source.images[:4].float() / 255.0
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), other(x))


def test_balanced_accuracy_is_scikit_learns() -> None:
    from sklearn.metrics import balanced_accuracy_score

    draw = torch.Generator().manual_seed(0)
    decided, truth = (torch.rand(50, 1, generator=draw) < share for share in (0.4, 0.3))
    assert float(balanced_accuracy(decided, truth)[0]) == pytest.approx(
        balanced_accuracy_score(truth[:, 0], decided[:, 0])
    )
