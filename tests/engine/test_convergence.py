"""Convergence: a front stands still when its hypervolume does."""

import torch

from cfsearch.engine.archive import Archive
from cfsearch.engine.convergence import Convergence


def archive(*f: tuple[float, float], violation: float = 0.0) -> Archive:
    n = len(f)
    return Archive(torch.zeros(n, 1), torch.tensor(f), torch.full((n,), violation), torch.zeros(n, 2))


def fed(patience: int, *archives: Archive) -> bool:
    convergence = Convergence(patience)
    for one in archives:
        convergence.add(one, reference=(1.0, 1.0))
    return convergence.still


def test_worked_by_hand() -> None:
    # volumes from (1, 1): 0.25, 0.2501, 0.3
    a, b, c = archive((0.5, 0.5)), archive((0.5, 0.4998)), archive((0.5, 0.4))
    assert not fed(2, a, b), "two generations say nothing about a growth over two"
    assert fed(1, a, b), "0.04 % over one generation"
    assert not fed(1, a, c)
    assert not fed(2, a, b, c)
    assert fed(2, a, c, c, c)


def test_no_patience_never_stops() -> None:
    assert not fed(0, *[archive((0.5, 0.5))] * 9)


def test_what_breaks_a_constraint_is_no_part_of_the_volume() -> None:
    bad = archive((0.0, 0.0), violation=1.0)
    assert not fed(1, bad, bad), "no volume yet is no end"
    assert not fed(1, bad, archive((0.5, 0.5)))
