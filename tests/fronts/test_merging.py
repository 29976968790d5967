"""One front of two: which members stay, and what is kept of each front."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from cfsearch.errors import ConfigError
from cfsearch.fronts.front import ParetoFront

from .four import front

THRESHOLD = {"threshold": 1.5, "photographs": 20, "associations": False}


def other(**parts: Any) -> ParetoFront:
    """Two members of the second kind of front: the first dominates the last of ``front``, the second is dominated."""
    known = front()
    taken = {name: getattr(known, name)[2:].clone() for name in ("z", "f", "scores", "verified", "images")}
    taken["f"] = torch.tensor([[-3.5, 0.9, 1.3], [-0.5, 0.9, 0.9]])
    return replace(
        known,
        origins=("gradual",) * 2,
        **(taken | {"reference_point": torch.tensor([1.0, 1.0, 3.0])} | parts),
    )


def test_members_that_none_dominates_stay_with_all_that_belongs_to_them() -> None:
    one, two = front(), other()
    both = one.merge(two)
    assert both.f.tolist() == [*one.f[:3].tolist(), two.f[0].tolist()]
    assert both.z.tolist() == [*one.z[:3].tolist(), two.z[0].tolist()]
    assert both.scores.tolist() == [*one.scores[:3].tolist(), two.scores[0].tolist()]
    assert both.verified.tolist() == [False, True, True, True]
    assert both.origins == ("nsga2", "nsga2", "nsga2", "gradual")
    assert both.images is not None and one.images is not None and two.images is not None
    assert torch.equal(both.images, torch.cat([one.images[:3], two.images[:1]]))
    assert both.reference_point.tolist() == [1.0, 2.0, 3.0]


def test_what_was_spent_is_added_up() -> None:
    one, two = replace(front(), queries=30, seeding=4), other(queries=12, seeding=1, evaluations=7)
    both = one.merge(two)
    assert (both.queries, both.seeding, both.evaluations) == (42, 5, 107)
    assert one.merge(other()).queries is None, "one of them did not count"
    assert front().merge(two).queries is None


def test_notes_are_those_of_both_each_once() -> None:
    assert replace(front(), note=("a", "b")).merge(other(note=("b", "c"))).note == ("a", "b", "c")


def test_members_of_a_front_without_measurement_hold_beside_measured_ones_as_unmeasured() -> None:
    z = torch.tensor([3.0, 4.0]).double()
    extra = {"seed": 8, "genuineness": THRESHOLD}
    both = front().merge(other(genuineness=z, extra=extra))
    assert both.genuineness is not None
    assert (
        both.genuineness.isnan().tolist() == [True, True, True, False] and float(both.genuineness[3]) == 3.0
    )
    assert both.valid.tolist() == [False, False, False, True]
    assert both.extra == {"seed": 7, "genuineness": THRESHOLD}, (
        "settings of the first, the threshold of the measured"
    )
    measured = replace(front(), genuineness=torch.full((4,), 2.0).double(), extra=extra)
    assert measured.merge(other(extra={"seed": 9})).extra == extra
    assert front().merge(other()).genuineness is None


def test_words_are_kept_where_both_have_them() -> None:
    words = (("a",), ("b",), ("c",), ("d",))
    both = replace(front(), described=words).merge(other(described=(("e",), ("f",))))
    assert both.described == (("a",), ("b",), ("c",), ("e",))
    assert replace(front(), described=words).merge(other()).described == ()


def test_pictures_are_kept_where_both_have_them() -> None:
    assert front().merge(other(images=None)).images is None


@pytest.mark.parametrize(
    "parts",
    [{"name": "b"}, {"labels": ("no", "maybe")}, {"target": 1}, {"variables": ("hat", "scarf", "tie")},
     {"objectives": ("adversarial", "plausibility", "changed")}],
    ids=lambda parts: next(iter(parts)),
)  # fmt: skip
def test_fronts_of_another_query_do_not_merge(parts: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must share query, target, labels, variables and objectives"):
        front().merge(other(**parts))
