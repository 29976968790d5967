"""What a model decides by group: towards the target, with difference, interval and p; first on page and terminal."""

from typing import Any

import pytest

from cfsearch.numerics.intervals import share_difference, wilson
from cfsearch.report.decisions import decisions, headline


def document(
    *, target: str | None, labels: tuple[str, ...] = ("no", "yes"), few: bool = False
) -> dict[str, Any]:
    """A model that says yes to 75 of 100 men and 31 of 100 women."""
    men, women = wilson(75, 100), wilson(31, 100)
    difference = share_difference(75, 100, 31, 100)
    assert men is not None and women is not None and difference is not None
    return {
        "models": [{"id": "m", "name": "m.onnx", "labels": list(labels)}],
        "search": {"target": target},
        "groups": [
            {
                "attribute": "sex",
                "model": "m",
                "groups": [
                    {"name": "male", "instances": 100, "decided": men.to_dict()},
                    {"name": "female", "instances": 100, "decided": None if few else women.to_dict()},
                ],
                "comparisons": [
                    {
                        "name": "male",
                        "against": "female",
                        "difference": {"decided": None if few else difference.to_dict()},
                        "p": {"decided": None if few else 1e-9},
                    }
                ],
            }
        ],
    }


def test_the_share_of_the_target_and_the_difference_are_given() -> None:
    [found] = decisions(document(target="yes"))
    assert found.sentence == (
        "by sex, the model says yes: male 75\u202f%, 66\u202f% to 82\u202f% of 100; female 31\u202f%, 23\u202f% to 41\u202f% of 100."
    )
    [difference] = found.differences
    assert difference.sentence == "male less female: +44 points, +31 to +55; p <0.001 after Holm"
    assert headline(found) == (
        "By sex, the model says yes for male in 75\u202f%, female in 31\u202f%: +44 points against female "
        "(95 % interval +31 to +55, p <0.001 after Holm)."
    )


def test_shares_are_turned_towards_the_other_of_two_classes() -> None:
    [found] = decisions(document(target="no"))
    assert found.label == "no"
    assert [round(share[0], 2) for _, share, _ in found.shares if share is not None] == [0.25, 0.69]
    assert found.differences[0].sentence.startswith("male less female: -44 points, -55 to -31")
    assert all(share is not None and share[1] < share[0] < share[2] for _, share, _ in found.shares)


@pytest.mark.parametrize(("target", "labels"), [(None, ("no", "yes")), ("a", ("a", "b", "c"))])
def test_without_such_a_target_it_is_the_last_class(target: str | None, labels: tuple[str, ...]) -> None:
    [found] = decisions(document(target=target, labels=labels))
    assert found.label == labels[-1]
    assert found.differences[0].value > 0


def test_small_groups_have_no_figures_and_make_no_headline() -> None:
    [found] = decisions(document(target="yes", few=True))
    assert "female too few of 100" in found.sentence and found.differences == ()
    assert headline(found) == "" and decisions({**document(target=None), "groups": []}) == ()


def test_groups_that_are_not_apart_make_no_headline() -> None:
    one = document(target="yes")
    one["groups"][0]["comparisons"][0]["p"]["decided"] = 0.2
    assert headline(decisions(one)[0]) == ""
