"""EMAP: known boundaries, rules of tables, what is kept and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Encoding, TableSchema
from cfsearch.errors import (
    CapabilityError,
    ConfigError,
    DataError,
    ModelFileError,
    NonFiniteError,
    PluginError,
)
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.emap.partitioned_gumbel import PartitionedGumbel
from cfsearch.explainers.emap.steps import Bounds, Perturber, moved
from cfsearch.explainers.pixel_domain import PixelDomain
from cfsearch.explainers.row_domain import RowDomain
from cfsearch.explainers.uncertainty import sizes, uncertain
from cfsearch.providers.callable import CallableProvider
from cfsearch.testing.fakes import FakeProvider
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

_WEIGHT = (1.0, 2.0, -2.0)
_QUICK = Emap(rounds=1, epochs=12, surrogate_epochs=12, batch=64)


def blind(u: Tensor) -> Tensor:
    """A network that is never followed."""
    return torch.zeros(len(u), 2)


def real_columns(n: int) -> TableSchema:
    return TableSchema(
        columns=tuple(Column(name=f"x{i}", kind=ColumnKind.REAL, low=-50.0, high=50.0) for i in range(n))
    )


def linear() -> Subject:
    """A plane through the origin, in three numbers."""
    provider = FakeProvider(weight=((0.0, 0.0, 0.0), _WEIGHT), bias=(0.0, 0.0), scores=ScoreKind.LABELS)
    return Subject(provider, blind, RowDomain(Encoding.plain(real_columns(3))))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


@cache
def fitted() -> Emap:
    return _QUICK.fit(linear(), normal(1200, 3), seed=1)


def test_perturbations_of_a_linear_model_follow_its_weights() -> None:
    x = normal(500, 3, seed=9)
    explanation = fitted().explain(x, subject=linear())
    assert explanation.flipped is not None and explanation.attributions is not None
    assert float(explanation.flipped.float().mean()) > 0.97
    weight = torch.tensor(_WEIGHT, dtype=torch.float32)
    towards = torch.where(explanation.source == 1, -1.0, 1.0)
    cosine = torch.cosine_similarity(explanation.attributions, towards[:, None] * weight, dim=1)
    assert float(cosine.mean()) > 0.95
    distance = (x.float() @ weight).abs() / weight.norm()
    assert float(torch.corrcoef(torch.stack([distance, sizes(explanation)]))[0, 1]) > 0.9
    assert explanation.surrogate and explanation.queries == 2 * len(x)


def test_the_smallest_perturbations_lie_nearest_to_the_boundary() -> None:
    x = normal(500, 3, seed=9)
    explanation = fitted().explain(x, subject=linear())
    distance = (x.float() @ torch.tensor(_WEIGHT)).abs() / 3.0
    marked = uncertain(explanation, share=0.1)
    assert int(marked.sum()) == 50
    assert float(distance[marked].mean()) < 0.35 * float(distance.mean())
    assert not bool(uncertain(explanation, share=0.0).any()) and bool(uncertain(explanation, share=1.0).all())
    with pytest.raises(ConfigError, match="share"):
        uncertain(explanation, share=1.5)
    with pytest.raises(ConfigError, match="no perturbations"):
        sizes(replace(explanation, attributions=None))


def test_an_input_of_the_target_class_stays() -> None:
    x = normal(40, 3, seed=2)
    explanation = fitted().explain(x, subject=linear(), target="bright")
    assert explanation.counterfactuals is not None and explanation.attributions is not None
    already = explanation.source == 1
    assert bool(already.any()) and not bool(already.all())
    assert torch.equal(explanation.counterfactuals[already], x[already])
    assert not bool(explanation.attributions[already].any())
    assert bool((explanation.attributions[~already] != 0).any(1).all())


def test_one_at_a_time_is_the_same_as_a_batch() -> None:
    x = normal(17, 3, seed=3)
    whole = fitted().explain(x, subject=linear()).counterfactuals
    assert whole is not None
    for i in range(len(x)):
        alone = fitted().explain(x[i : i + 1], subject=linear()).counterfactuals
        assert alone is not None and torch.allclose(alone[0], whole[i], rtol=1e-5, atol=1e-5)
    none = fitted().explain(x[:0], subject=linear())
    assert none.counterfactuals is not None and len(none) == len(none.counterfactuals) == 0


def test_the_same_seed_learns_the_same_and_random_state_is_left_alone() -> None:
    emap, x = Emap(epochs=1, surrogate_epochs=1), normal(200, 3)
    before = torch.get_rng_state()
    made = [emap.fit(linear(), x, seed=seed).explain(x, subject=linear()).attributions for seed in (4, 4, 5)]
    assert torch.equal(before, torch.get_rng_state())
    first, again, other = (part for part in made if part is not None)
    assert torch.equal(first, again) and not torch.allclose(first, other)
    assert emap.fitted is None  # fitting gives a new explainer


def test_what_was_saved_explains_alike(tmp_path: Path) -> None:
    x = normal(30, 3, seed=5)
    path = fitted().save(tmp_path / "emap.safetensors")
    again = Emap.load(path)
    assert again.epochs == _QUICK.epochs and again.hidden == _QUICK.hidden
    a, b = (e.explain(x, subject=linear()) for e in (fitted(), again))
    assert a.attributions is not None and b.attributions is not None
    assert torch.equal(a.attributions, b.attributions)
    u = linear().domain.encode(x)
    assert torch.equal(fitted().follow(linear()).network(u), again.follow(linear()).network(u))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match="expected what `Emap.save` writes"):
        Emap.load(path)
    with pytest.raises(ModelFileError, match="nothing_here"):
        Emap.load(tmp_path / "nothing_here.safetensors")


def test_before_it_was_fitted_it_says_what_it_needs(tmp_path: Path) -> None:
    for attempt in (
        lambda: Emap().explain(normal(2, 3), subject=linear()),
        lambda: Emap().save(tmp_path / "emap.safetensors"),
        lambda: Emap().follow(linear()),
    ):
        with pytest.raises(CapabilityError, match="emap: this method needs .* Call `fit`"):
            attempt()


def test_it_explains_only_what_it_was_fitted_to() -> None:
    provider = FakeProvider(weight=((0.0,) * 2, (1.0, 1.0)), bias=(0.0, 0.0))
    other = Subject(provider, blind, RowDomain(Encoding.plain(real_columns(2))))
    with pytest.raises(ConfigError, match=r"fitted for numbers of shape \(3,\), got \(2,\)"):
        fitted().explain(normal(2, 2), subject=other)


def test_reference_inputs_must_show_two_classes() -> None:
    with pytest.raises(DataError, match="no reference inputs"):
        Emap().fit(linear(), normal(0, 3))
    with pytest.raises(DataError, match="all 9 reference inputs the class 'bright'"):
        Emap().fit(linear(), normal(9, 3).abs() * torch.tensor(_WEIGHT))


def test_a_model_that_answers_nan_is_named() -> None:
    broken = CallableProvider(
        lambda x: np.full((len(x), 2), np.nan), labels=("a", "b"), scores=ScoreKind.LOGITS, name="broken"
    )
    with pytest.raises(NonFiniteError, match="broken"):
        Emap().fit(replace(linear(), provider=broken), normal(9, 3))


def test_learning_that_diverged_is_reported() -> None:
    def endless(u: Tensor) -> Tensor:
        return torch.stack([u.sum(1), u.sum(1) * torch.inf], dim=1)

    with pytest.raises(PluginError, match="learning diverged"):
        Emap(surrogate="subject", epochs=1).fit(replace(linear(), network=endless), normal(50, 3))


def test_the_subjects_own_network_can_be_followed_and_is_left_alone() -> None:
    network = torch.nn.Linear(3, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.0, 0.0, 0.0], _WEIGHT]))
        network.bias.zero_()
    subject = replace(linear(), network=network, white_box=True)
    emap = replace(_QUICK, surrogate="subject").fit(subject, normal(1000, 3), seed=0)
    explanation = emap.explain(normal(200, 3, seed=1), subject=subject)
    assert explanation.flipped is not None and float(explanation.flipped.float().mean()) > 0.95
    assert all(p.grad is None for p in network.parameters())
    assert emap.follow(subject) is subject and not explanation.surrogate


def test_with_three_classes_the_target_is_reached() -> None:
    corners = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    provider = CallableProvider(
        lambda x: x @ corners.T, labels=("a", "b", "c"), scores=ScoreKind.LOGITS, name="corners"
    )
    subject = Subject(provider, lambda u: torch.zeros(len(u), 3), RowDomain(Encoding.plain(real_columns(2))))
    emap = replace(_QUICK, epochs=20).fit(subject, normal(1000, 2), seed=0)
    x = normal(150, 2, seed=1)
    lengths = {}
    for target in ("a", "b", "c", None):
        explanation = emap.explain(x, subject=subject, target=target)
        assert explanation.flipped is not None
        assert float(explanation.flipped.float().mean()) > 0.9
        lengths[target] = sizes(explanation)
    named = torch.stack([lengths[target] for target in ("a", "b", "c")])
    assert float(lengths[None].mean()) < float(named.amax(0).mean())  # away is the nearer of the two


def category_rule(schema: TableSchema) -> Callable[[np.ndarray], np.ndarray]:
    """A model of rows in which every column that has levels or a range counts."""
    spans = np.array([len(c.levels) - 1.0 if c.has_levels else c.high - c.low for c in schema.columns])
    lows = np.array([0.0 if c.has_levels else c.low for c in schema.columns])

    def scores(rows: np.ndarray) -> np.ndarray:
        share = ((rows - lows) / np.maximum(spans, 1.0)).mean(1) - 0.5
        return np.stack([-share, share], axis=1)

    return scores


@pytest.mark.parametrize("seed", range(6))
def test_rules_of_tables_are_kept(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    x = random_rows(schema, n=300, draw=draw)
    provider = CallableProvider(category_rule(schema), labels=("no", "yes"), scores=ScoreKind.LOGITS)
    subject = Subject(provider, blind, RowDomain(Encoding.standard(schema, x)))
    emap = Emap(rounds=2, epochs=3, surrogate_epochs=4, batch=32, change_weight=0.1, size_weight=0.01)
    explanation = emap.fit(subject, x, seed=seed).explain(x, subject=subject)
    assert explanation.counterfactuals is not None and explanation.attributions is not None
    schema.check(explanation.counterfactuals)
    for before, after in zip(x.tolist(), explanation.counterfactuals.tolist(), strict=True):
        assert not broken_rules(schema, before=before, after=after)
    assert bool((explanation.counterfactuals != x).any())
    held = ~subject.domain.free(x)
    assert bool(held.any()) and not bool(explanation.attributions[held].any())


def test_a_category_that_decides_alone_is_the_one_that_changes() -> None:
    levels = ("red", "green", "blue")
    schema = TableSchema(
        columns=(
            Column(name="size", kind=ColumnKind.REAL, low=-9.0, high=9.0),
            Column(name="colour", kind=ColumnKind.CATEGORICAL, levels=levels),
            Column(name="shape", kind=ColumnKind.CATEGORICAL, levels=("round", "square")),
        )
    )
    draw = np.random.default_rng(0)
    columns = [draw.normal(size=1200), draw.integers(3, size=1200), draw.integers(2, size=1200)]
    x = torch.from_numpy(np.stack(columns, axis=1).astype(float))
    provider = CallableProvider(
        lambda rows: np.stack([rows[:, 1] != 1, rows[:, 1] == 1], axis=1).astype(float),
        labels=("no", "yes"),
        scores=ScoreKind.PROBABILITIES,
    )
    subject = Subject(provider, blind, RowDomain(Encoding.standard(schema, x)))
    emap = Emap(rounds=1, epochs=25, surrogate_epochs=10, batch=64, change_weight=1.0)
    explanation = emap.fit(subject, x, seed=0).explain(x[:200], subject=subject)
    assert explanation.flipped is not None and explanation.attributions is not None
    assert float(explanation.flipped.float().mean()) > 0.97
    size, colour, shape = explanation.attributions.abs().mean(0).tolist()
    assert colour > 0.97 and shape < 0.1 and size < 0.2


def test_bounds_and_fixed_numbers_hold_while_learning_too() -> None:
    categories = PartitionedGumbel(((2, 3),), width=5)
    u = torch.tensor([[0.5, 0.5, 0.0, 1.0, 0.0], [0.5, 0.5, 1.0, 0.0, 0.0]])
    free = torch.tensor([[True, False, True, True, True], [True, True, False, False, False]])
    low, high = torch.zeros(2, 5), torch.ones(2, 5)
    high[:, 4] = 0.0  # a level that may not be gone to
    answer = torch.tensor([[2.0, -2.0, 0.0, 0.0, 99.0], [-3.0, 0.2, 0.0, 99.0, 99.0]])
    for rng in (None, torch.Generator().manual_seed(0)):
        after = moved(
            u, answer, bounds=Bounds(free, low, high), categories=categories, temperature=0.5, rng=rng
        )
        assert torch.allclose(after.u[:, :2], torch.tensor([[1.0, 0.5], [0.0, 0.7]]))
        assert not bool(after.u[:, 4].any()) and torch.equal(after.u[1, 2:], u[1, 2:])
        assert float(after.changed[1]) == 0.0
        # steps beyond a bound still cost, fixed numbers do not
        assert torch.allclose(after.size, torch.tensor([2.0, float(np.hypot(3.0, 0.2))]))


def test_later_rounds_correct_a_surrogate_that_is_fooled_where_no_inputs_are() -> None:
    draw = torch.Generator().manual_seed(0)
    brightness = torch.rand(600, 1, 1, 1, generator=draw) * 0.6 + 0.2
    x = brightness + 0.1 * torch.rand(600, 3, 4, 4, generator=draw)  # close to one line of 48 numbers
    asked: list[int] = []

    def bright(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        lead = 12.0 * (pixels.mean((1, 2, 3)) - 0.5)
        return np.stack([-lead, lead], axis=1)

    provider = CallableProvider(bright, labels=("dark", "bright"), scores=ScoreKind.LOGITS, max_batch=1000)
    subject = Subject(provider, blind, PixelDomain((3, 4, 4), block=2))
    flips, right = [], []
    for rounds, epochs in ((1, 30), (6, 10)):
        asked.clear()
        emap = Emap(rounds=rounds, epochs=epochs, surrogate_epochs=epochs, batch=64)
        emap = emap.fit(subject, x, seed=0)
        assert sum(asked) == rounds * len(x)
        explanation = emap.explain(x[:200], subject=subject)
        assert explanation.flipped is not None and explanation.counterfactuals is not None
        flips.append(float(explanation.flipped.float().mean()))
        assert float(explanation.counterfactuals.amin()) >= 0.0
        assert float(explanation.counterfactuals.amax()) <= 1.0
        assert explanation.attributions is not None and explanation.attributions.shape == (200, 4)
        signs = torch.where(explanation.source == 0, 1.0, -1.0)  # the dark are lightened
        right.append(float((explanation.attributions.sum(1).sign() == signs).float().mean()))
    assert right[1] > 0.9  # chance is 0.5; another CPU rounds another way and 190 of 200 come out
    assert flips[0] < 0.4 and flips[1] > 0.85


def test_units_are_left_out_while_learning_only() -> None:
    network = Perturber(width=4, classes=2, hidden=(50,), dropout=0.5)
    u, target = torch.randn(8, 4), torch.full((8,), -1)
    assert torch.equal(network(u, target), network(u, target))
    rng = torch.Generator().manual_seed(0)
    draws = torch.stack([network(u, target, rng) for _ in range(4000)])
    assert not torch.equal(draws[0], draws[1])
    assert torch.allclose(draws.mean(0), network(u, target), atol=0.03)  # linear after one hidden layer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"surrogate": "mine"}, "`surrogate` must be 'fit' or 'subject'"),
        ({"size_weight": -1.0}, "`size_weight` must be a finite number >= 0"),
        ({"change_weight": float("nan")}, "`change_weight` must be a finite number >= 0"),
        ({"learn_from": "some"}, "`learn_from` must be 'recovered' or 'all'"),
        ({"size_start": 0.5}, "`size_start` must be a finite number >= 1"),
        ({"weight_decay": -1.0}, "`weight_decay` must be a finite number >= 0"),
        ({"temperature": 0.0}, "`temperature` must be a finite number > 0"),
        ({"rate": float("inf")}, "`rate` must be a finite number > 0"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"rounds": 0}, "`rounds` must be at least 1"),
        ({"batch": 0}, "`batch` must be at least 1"),
        ({"hidden": (100, 0)}, "needs a unit"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Emap(**settings)  # type: ignore[arg-type]  # wrong on purpose
