"""Pruning: simpler where it flips, stronger where it does not, always within the rules."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.pruning import pruned, pruned_together

SPACE = SearchSpace(
    names=("a", "b", "c", "d"),
    lower=-torch.ones(1, 4),
    upper=torch.ones(1, 4),
    origin=torch.tensor([[0.0, 0.0, 0.9, 0.0]]),
    groups=(("b", "c"),),
)


def test_each_change_is_dropped_alone_and_the_smallest_together() -> None:
    z = torch.tensor([[0.5, 0.2, -0.9, 0.7]])
    found = {tuple(row) for row in pruned(z, lead=torch.tensor([0.1]), space=SPACE, n=20).tolist()}
    kept = {tuple(value != 0 for value in row) for row in found}
    assert kept == {
        (True, False, True, True),
        (False, True, True, True),
        (True, True, True, False),
        (True, True, False, True),
        (False, False, True, True),
        (False, False, True, False),
    }, "b, a, d, c alone; b and a; b, a and d"


def test_members_that_do_not_flip_are_not_simplified_but_pushed() -> None:
    z = torch.tensor([[0.2, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
    found = pruned(z, lead=torch.tensor([-0.4, -0.1]), space=SPACE, n=3)
    assert found[:, 0].tolist() == torch.tensor([0.5 * 1.15, 0.5 * 1.3, 0.5 * 1.5]).tolist()


@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_rules_are_kept_and_changes_never_added(seed: int, n: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    z = SPACE.repair(2 * torch.rand(1, 5, 4, generator=rng) - 1)[0]
    lead = torch.rand(5, generator=rng) - 0.5
    found = pruned(z, lead=lead, space=SPACE, n=n)
    assert len(found) <= n and len({tuple(row) for row in found.tolist()}) == len(found)
    assert bool(SPACE.contains(found[None]).all())
    if bool((lead > 0).any()):
        assert int((found != 0).sum(1).max()) <= int((z != 0).sum(1).max())


def test_what_was_evaluated_before_is_no_idea() -> None:
    z = torch.tensor([[0.5, 0.2, 0.0, 0.0]])
    lead = torch.tensor([0.1])
    both = pruned(z, lead=lead, space=SPACE, n=20)
    assert both[:, :2].tolist() == torch.tensor([[0.5, 0.0], [0.0, 0.2]]).tolist(), (
        "the weaker one goes first"
    )
    left = pruned(z, lead=lead, space=SPACE, n=1, known=lambda ideas: ideas[:, 0] == 0.5)
    assert left[:, :2].tolist() == torch.tensor([[0.0, 0.2]]).tolist()
    assert (
        len(pruned(z, lead=lead, space=SPACE, n=20, known=lambda ideas: torch.ones(len(ideas)).bool())) == 0
    )


def test_the_first_ideas_that_are_left_are_those_of_all_at_once() -> None:
    rng = torch.Generator().manual_seed(4)
    z = SPACE.repair(2 * torch.rand(1, 60, 4, generator=rng) - 1)[0]
    lead = torch.ones(60)
    every = pruned(z, lead=lead, space=SPACE, n=1000)
    assert len(every) > 60
    looked_at: list[int] = []

    def known(ideas: torch.Tensor) -> torch.Tensor:
        looked_at.append(len(ideas))
        return (ideas[:, None] == every[:40]).all(-1).any(-1)

    assert torch.equal(pruned(z, lead=lead, space=SPACE, n=7, known=known), every[40:47])
    assert max(looked_at) <= 14 and sum(looked_at) < len(every), "the others are never looked at"


def test_several_queries_have_each_its_own_ideas() -> None:
    two = SearchSpace(
        names=SPACE.names, lower=-torch.ones(2, 4), upper=torch.ones(2, 4), origin=SPACE.origin.repeat(2, 1),
        groups=SPACE.groups,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(5)
    z = SPACE.repair(2 * torch.rand(1, 30, 4, generator=rng) - 1)[0]
    members = {0: (z[:20], torch.ones(20)), 1: (z[20:], -torch.ones(10))}
    found = pruned_together(members, space=two, n=12)
    for i, (own, lead) in members.items():
        assert torch.equal(found[i], pruned(own, lead=lead, space=SPACE, n=12))
    assert list(pruned_together({1: members[1]}, space=two, n=3)) == [1]
    assert pruned_together({}, space=two, n=3) == {}


def test_very_many_variables_are_dropped_without_holding_all_candidates() -> None:
    d = 20_000  # all at once would be 2 x 2 x 20,000 x 20,000 numbers, 6.4 GB
    names = tuple(map(str, range(d)))
    space = SearchSpace(names=names, lower=-torch.ones(1, d), upper=torch.ones(1, d))
    z = torch.linspace(0.1, 1.0, d).repeat(2, 1)
    z[1] *= 0.5  # of two with as many changes the smaller one comes first
    found = pruned(z, lead=torch.tensor([0.1, 0.1]), space=space, n=3)
    assert (found != 0).sum(1).tolist() == [d - 1, d - 1, d - 2]
    assert [(row == 0).nonzero().flatten().tolist() for row in found] == [[0], [1], [0, 1]]
    assert float(found[0, -1]) == 0.5


def test_a_member_without_changes_is_its_own_idea() -> None:
    z = torch.zeros(2, 4)
    assert pruned(z, lead=torch.tensor([0.1, 0.2]), space=SPACE, n=5).tolist() == [[0.0] * 4]
