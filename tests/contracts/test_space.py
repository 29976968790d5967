"""SearchSpace: what repair promises, for every space that can be built; values by hand; refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.errors import ConfigError, ShapeError

NAMES = ("a", "b", "c", "d", "e", "f")
ON = 0.5


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces of one to three queries with any mixture of rules."""
    d, b = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    names = NAMES[:d]
    kinds = tuple(draw(st.sampled_from(list(Kind))) for _ in names)
    whole = torch.tensor([kind is not Kind.REAL for kind in kinds])
    origin = torch.from_numpy(rng.uniform(-3, 3, (b, d))).float()
    origin = torch.where(whole & torch.tensor(draw(st.booleans())), origin.round(), origin)
    immutable = draw(st.frozensets(st.sampled_from(names)))
    monotone = tuple((name, draw(st.sampled_from([-1, 1]))) for name in draw(st.sets(st.sampled_from(names))))
    group = tuple(draw(st.permutations(names)))[: draw(st.integers(0, d))]
    return SearchSpace(
        names=names,
        lower=-torch.from_numpy(rng.uniform(0, 4, (b, d))).float(),
        upper=torch.from_numpy(rng.uniform(0, 4, (b, d))).float(),
        origin=origin,
        kinds=kinds,
        immutable=immutable,
        monotone=tuple(sorted(monotone)),
        groups=(group,) if group else (),
        dead_zone=draw(st.sampled_from([0.0, 0.05, 0.3])),
    )


@st.composite
def points(draw: st.DrawFn) -> tuple[SearchSpace, Tensor]:
    """A space and points in and far outside its bounds."""
    space = draw(spaces())
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    spread = draw(st.sampled_from([0.5, 3.0, 10.0]))
    return space, torch.from_numpy(rng.normal(0, spread, (space.b, 7, space.d))).float()


@given(points())
def test_repair_twice_is_repair_once(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    once = space.repair(z)
    torch.testing.assert_close(space.repair(once), once, rtol=0, atol=1e-6)


@given(points())
def test_repaired_points_are_contained(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    assert bool(space.contains(space.repair(z)).all())


@given(points())
def test_repair_keeps_the_bounds(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    assert bool((fixed >= space.lower[:, None]).all())
    assert bool((fixed <= space.upper[:, None]).all())


@given(spaces())
def test_no_change_is_always_allowed(space: SearchSpace) -> None:
    zero = torch.zeros(space.b, 1, space.d)
    assert torch.equal(space.repair(zero), zero)
    assert bool(space.contains(zero).all())


@given(points())
def test_immutable_variables_do_not_change(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    for name in space.immutable:
        assert bool((fixed[..., space.names.index(name)] == 0).all())


@given(points())
def test_monotone_variables_go_one_way(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    for name, sign in space.monotone:
        assert bool((sign * fixed[..., space.names.index(name)] >= 0).all())


@given(points())
def test_what_changed_is_whole_where_it_must_be(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    value = space.origin[:, None] + fixed
    for i, kind in enumerate(space.kinds):
        if kind is not Kind.REAL:
            changed = fixed[..., i] != 0
            part = value[..., i][changed]
            torch.testing.assert_close(part, part.round(), rtol=0, atol=1e-5)


@given(points())
def test_small_real_changes_become_none(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    in_group = {name for group in space.groups for name in group}
    for i, (name, kind) in enumerate(zip(space.names, space.kinds, strict=True)):
        if kind is Kind.REAL and name not in in_group:
            part = fixed[..., i]
            assert bool(((part == 0) | (part.abs() >= space.dead_zone)).all())


@given(points())
def test_at_most_one_member_of_a_group_is_raised(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    for group in space.groups:
        index = [space.names.index(name) for name in group]
        part = fixed[..., index]
        value = space.origin[:, None, index] + part
        assert bool((((part > 0) & (value > ON)).sum(-1) <= 1).all())


@given(points())
def test_a_raised_member_is_the_only_one_that_is_on(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    fixed = space.repair(z)
    for group in space.groups:
        index = [space.names.index(name) for name in group]
        part = fixed[..., index]
        on = space.origin[:, None, index] + part > ON
        raised = (part > 0) & on
        assert bool((~raised.any(-1) | (on.sum(-1) == 1)).all())


@given(points())
def test_queries_do_not_see_each_other(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    together = space.repair(z)
    for i in range(space.b):
        assert torch.equal(space.query(i).repair(z[i : i + 1]), together[i : i + 1])


@given(points())
def test_points_and_space_are_left_alone(given_points: tuple[SearchSpace, Tensor]) -> None:
    space, z = given_points
    before = [t.clone() for t in (z, space.lower, space.upper, space.origin)]
    space.repair(z)
    space.contains(z)
    assert all(
        torch.equal(a, b) for a, b in zip((z, space.lower, space.upper, space.origin), before, strict=True)
    )


@given(spaces(), st.integers(0, 2**16))
def test_samples_are_contained_and_repeatable(space: SearchSpace, seed: int) -> None:
    drawn = [
        space.sample(5, rngs=[np.random.default_rng([seed, i]) for i in range(space.b)]) for _ in range(2)
    ]
    assert drawn[0].shape == (space.b, 5, space.d)
    assert torch.equal(drawn[0], drawn[1])
    assert bool(space.contains(drawn[0]).all())


def attributes(origin: list[float], *, groups: tuple[tuple[str, ...], ...] = ()) -> SearchSpace:
    value = torch.tensor([origin])
    return SearchSpace(names=NAMES[: len(origin)], lower=-value, upper=1 - value, origin=value, groups=groups)


@pytest.mark.parametrize(
    ("origin", "asked", "repaired"),
    [
        ([0.0, 0.0, 0.0], [0.9, 0.7, 0.2], [0.9, 0.0, 0.2]),
        ([1.0, 0.0, 0.0], [0.0, 0.8, 0.0], [-1.0, 0.8, 0.0]),
        ([1.0, 0.0, 0.0], [-0.2, 0.3, 0.0], [-0.2, 0.3, 0.0]),
    ],
    ids=["the strongest stays, and what stays off is free", "what was on goes off", "nothing is switched on"],
)
def test_groups_by_hand(origin: list[float], asked: list[float], repaired: list[float]) -> None:
    space = attributes(origin, groups=(("a", "b", "c"),))
    torch.testing.assert_close(space.repair(torch.tensor([[asked]]))[0, 0], torch.tensor(repaired))


def test_a_member_that_cannot_go_off_refuses_the_others() -> None:
    one = torch.ones(1, 2)
    space = SearchSpace(
        names=("a", "b"),
        lower=torch.tensor([[0.0, -1.0]]),
        upper=one,
        origin=torch.tensor([[1.0, 0.0]]),
        groups=(("a", "b"),),
    )
    assert space.repair(torch.tensor([[[0.0, 0.9]]])).tolist() == [[[0.0, 0.0]]]


def test_a_whole_member_whose_bounds_end_above_zero_cannot_go_off() -> None:
    # found by a property: it was left at 1.4 - 1.2 = 0.2, which is no whole value
    space = SearchSpace(
        names=("a", "b"),
        lower=torch.tensor([[-1.0, -1.2]]),
        upper=torch.ones(1, 2),
        origin=torch.tensor([[0.0, 1.4]]),
        kinds=(Kind.REAL, Kind.INTEGER),
        groups=(("a", "b"),),
    )
    assert space.repair(torch.tensor([[[0.9, 0.0]]])).tolist() == [[[0.0, 0.0]]]


def test_whole_values_by_hand() -> None:
    # 2 + 0.4 -> 2, 2 + 0.6 -> 3; 2.5 is no whole value and stays until something is asked
    space = SearchSpace(
        names=("a", "b"),
        lower=-torch.ones(1, 2) * 2,
        upper=torch.ones(1, 2) * 2,
        origin=torch.tensor([[2.0, 2.5]]),
        kinds=(Kind.INTEGER, Kind.CATEGORICAL),
    )
    z = torch.tensor([[[0.4, 0.0], [0.6, 0.6]]])
    torch.testing.assert_close(space.repair(z), torch.tensor([[[0.0, 0.0], [1.0, 0.5]]]))


def test_restrict_adds_rules() -> None:
    space = attributes([0.5, 0.5, 0.5]).restrict(immutable=["a"], monotone=[("b", -1)])
    assert space.repair(torch.full((1, 1, 3), 0.4)).tolist()[0][0] == pytest.approx([0.0, 0.0, 0.4])


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"immutable": frozenset({"x"})}, "immutable names unknown variable 'x'. Known: a, b."),
        ({"monotone": (("x", 1),)}, "monotone names unknown variable 'x'"),
        ({"monotone": (("a", 2),)}, r"monotone signs are \+1 or -1"),
        ({"groups": (("a", "x"),)}, "groups names unknown variable 'x'"),
        ({"dead_zone": -0.1}, "`dead_zone` must be finite and >= 0, got -0.1"),
        ({"lower": torch.ones(1, 2)}, "bounds must contain 0"),
        ({"upper": torch.full((1, 2), float("inf"))}, "bounds must be finite"),
        ({"names": ("a", "a")}, "names must be unique"),
    ],
    ids=["immutable", "monotone", "sign", "groups", "dead zone", "no zero", "infinite", "doubled"],
)
def test_wrong_rules_are_refused(rules: dict[str, object], complaint: str) -> None:
    settings: dict[str, object] = {"names": ("a", "b"), "lower": -torch.ones(1, 2), "upper": torch.ones(1, 2)}
    with pytest.raises(ConfigError, match=complaint):
        SearchSpace(**{**settings, **rules})  # type: ignore[arg-type]  # wrong on purpose


def test_wrong_shapes_are_refused() -> None:
    space = attributes([0.0, 0.0])
    with pytest.raises(ShapeError, match=r"expected points of shape \(b=1, n, d=2\), got \(1, 2\)"):
        space.repair(torch.zeros(1, 2))
    with pytest.raises(ShapeError, match="expected 1 random generators, got 0"):
        space.sample(3, rngs=[])
    with pytest.raises(ShapeError, match=r"expected bounds of shape \(b, 2\)"):
        SearchSpace(names=("a", "b"), lower=torch.zeros(1, 3), upper=torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="expected 2 kinds, got 1"):
        SearchSpace(names=("a", "b"), lower=torch.zeros(1, 2), upper=torch.zeros(1, 2), kinds=(Kind.REAL,))
    with pytest.raises(ShapeError, match="expected an origin of shape"):
        SearchSpace(
            names=("a", "b"), lower=torch.zeros(1, 2), upper=torch.zeros(1, 2), origin=torch.ones(1, 3)
        )


def test_the_dead_zone_is_for_real_variables_alone() -> None:
    ten = torch.tensor([0.1, 0.1, 0.1])
    space = SearchSpace(
        names=("whole", "level", "real"),
        lower=-torch.ones(1, 3),
        upper=torch.ones(1, 3),
        kinds=(Kind.INTEGER, Kind.CATEGORICAL, Kind.REAL),
        scale=torch.tensor([10.0, 10.0, 10.0]),
        dead_zone=0.2,
    )
    # a change of 0.1 is one whole step of 10 ranges: smaller than the dead zone, and a change all the same
    assert space.repair(ten[None, None])[0, 0].tolist() == pytest.approx([0.1, 0.1, 0.0])
