"""Counts of a group and their shares, against scipy."""

import pytest
from scipy.stats import binomtest, fisher_exact

from cfsearch.audits.shares import Part, Share, Shares, plain
from cfsearch.numerics.intervals import Interval, share_difference

from .fronts import front_of, instance


def test_a_share_has_wilsons_interval_from_so_many_inputs_on() -> None:
    assert (Share(3, 10).reported, Share(3, 9).reported, Share(3, 9, 9).reported) == (True, False, True)
    low, high = binomtest(3, 10).proportion_ci(method="wilson")
    assert Share(3, 10).rate == {
        "value": 0.3, "low": pytest.approx(low, abs=1e-6), "high": pytest.approx(high, abs=1e-6)
    }  # fmt: skip
    assert Share(3, 9).rate is None


def test_two_shares_are_compared_where_both_are_reported() -> None:
    one, other, few = Share(3, 10), Share(9, 12), Share(1, 9)
    difference = share_difference(3, 10, 9, 12)
    assert difference is not None and one.minus(other) == difference.to_dict()
    assert one.p(other) == pytest.approx(fisher_exact([[3, 7], [9, 3]]).pvalue)
    assert (one.minus(few), few.minus(one), one.p(few), few.p(one)) == (None, None, None, None)


def test_a_part_counts_decisions_searches_flips_and_classes() -> None:
    part = Part()
    part.add(instance(0, front_of(source=0)), 0)
    part.add(instance(1, front_of(source=1, scores=[[2.0, 0.0]], verified=[False]), "not_found"), None)
    part.add(instance(2, front_of([], source=1), "already_target"), None)
    part.add(instance(3, None, "failed"), None)
    assert (part.last, part.kept, part.hits, part.searched, part.changes.n) == (2, 3, 1, 2, 1)
    assert part.classes == {0: 1, 1: 2}
    inner = Part()
    inner.add(instance(0, front_of(source=0)), 0)
    rest = part.less(inner)
    assert (rest.last, rest.kept, rest.hits, rest.searched, rest.changes.n) == (2, 2, 0, 1, 0)
    shares = part.shares(3)
    assert shares == Shares(Share(2, 3, 3), Share(1, 2, 3))
    assert shares.figures() == {
        "instances": 3, "decided": Share(2, 3, 1).rate, "searched": 2, "found_rate": None
    }  # fmt: skip


def test_both_figures_of_a_group_are_compared() -> None:
    one, other = Shares(Share(3, 10), Share(1, 11)), Shares(Share(9, 12), Share(8, 13))
    assert one.minus(other) == {
        "decided": Share(3, 10).minus(Share(9, 12)), "found_rate": Share(1, 11).minus(Share(8, 13))
    }  # fmt: skip
    assert one.p(other) == {
        "decided": Share(3, 10).p(Share(9, 12)),
        "found_rate": Share(1, 11).p(Share(8, 13)),
    }
    assert plain(None) is None
    assert plain(Interval(0.5, 0.25, 0.75)) == {"value": 0.5, "low": 0.25, "high": 0.75}
