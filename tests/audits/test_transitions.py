"""Which class became which, counted by hand."""

import dataclasses

import pytest
import torch

from cfsearch.audits.transitions import transitions, true_class
from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront

LABELS = ("three", "five", "eight")


def front(source: int, *winners: int, flips: bool = False) -> ParetoFront:
    """Members that turn one, two, three... variables and end in these classes, all verified."""
    n, d = len(winners), 4
    z = torch.tril(torch.ones(n, d))
    original = torch.eye(3)[source] * 5
    return ParetoFront(
        name="a",
        labels=LABELS,
        source=source,
        target=None,
        variables=tuple("abcd"),
        objectives=("adversarial", "intensity"),
        units=("", ""),
        z=z,
        f=torch.stack([torch.arange(n).float().flip(0), torch.arange(n).float()], 1),
        origin_values=torch.zeros(d),
        scores=torch.eye(3)[list(winners)] * 5,
        original_scores=original,
        reconstruction_scores=original.roll(1) if flips else original,
        verified=torch.ones(n, dtype=torch.bool),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * n,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([9.0, 9.0]),
        evaluations=10,
    )


def test_the_sparsest_flip_of_each_instance_is_counted_by_both_classes() -> None:
    fronts = [front(0, 2, 1), front(0, 2), front(0, 1, 2), front(2, 1), front(1, 0, flips=True)]
    assert transitions("m", fronts) == [
        {"model": "m", "from": "three", "to": "five", "count": 1},
        {"model": "m", "from": "three", "to": "eight", "count": 2},
        {"model": "m", "from": "eight", "to": "five", "count": 1},
    ]


def test_what_is_not_verified_became_nothing() -> None:
    unverified = dataclasses.replace(front(0, 2), verified=torch.tensor([False]))
    assert transitions("m", [unverified]) == []
    assert transitions("m", []) == []


@pytest.mark.parametrize(
    ("name", "truth"),
    [("4/a.png", "4"), ("test/9/a.png", "9"), ("9/other/a.png", None), ("4.png", None), ("cat/a.png", None)],
)
def test_the_true_class_is_the_folder_of_an_image(name: str, truth: str | None) -> None:
    assert true_class(name, ("4", "9")) == truth
