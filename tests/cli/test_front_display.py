"""What ``search`` and ``show`` print of a front: the answer first, counterfactuals before the rest."""

import io
import re
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from cfsearch.cli._fronts import counts, headline, ranked, show_front
from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront

# member:      0     1     2     3     4
Z = [[0.0, 0.0], [0.9, 0.0], [0.3, 0.4], [0.6, 0.6], [0.1, 0.0]]
P_BRIGHT = [0.1, 0.6, 0.7, 0.95, 0.3]


@pytest.fixture
def front() -> ParetoFront:
    """Member 1 is the sparsest, 2 the closest, 3 flips most; 0 and 4 do not flip."""
    p = torch.tensor(P_BRIGHT)
    return ParetoFront(
        name="face.png",
        labels=("dark", "bright", "other"),
        source=0,
        target=None,
        variables=("Hair", "Eyeglasses"),
        objectives=("adversarial", "perceptual", "intensity"),
        units=("nat", "1 - SSIM", "change"),
        z=torch.tensor(Z),
        f=torch.tensor([[5.0, 0.0, 0.0], [2.0, 1.0, 1.5], [1.0, 3.0, 1.0], [0.0, 4.0, 4.0], [4.0, 0.5, 0.5]]),
        origin_values=torch.zeros(2),
        scores=torch.stack([(1 - p) * 0.99, p, (1 - p) * 0.01], dim=1).log(),
        original_scores=torch.tensor([0.8, 0.15, 0.05]).log(),
        reconstruction_scores=torch.tensor([0.8, 0.15, 0.05]).log(),
        verified=torch.tensor([False, True, True, True, False]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * 5,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([6.0, 6.0, 6.0]),
        evaluations=1200,
        queries=1305,
    )


def printed(front: ParetoFront, *, width: int, most: int = 8, only: int | None = None) -> list[str]:
    file = io.StringIO()
    show_front(Console(file=file, width=width, markup=False, highlight=False), front, most=most, only=only)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 130])
def test_the_first_lines_are_the_answer_in_words(front: ParetoFront, width: int) -> None:
    text = " ".join(" ".join(printed(front, width=width)).split())
    assert text.startswith(
        "face.png: dark (p 0.800) becomes bright (p 0.600) with 1 change +Hair 0.00 -> 0.90 "
        "3 verified counterfactuals, 2 members that do not flip the model; 1,200 candidates "
        "(1,305 queries to the model). "
    )


def test_counterfactuals_come_first_and_picks_before_them(front: ParetoFront) -> None:
    assert front.picks() == {"closest": 2, "sparsest": 1, "knee": 1}
    assert ranked(front, most=8) == [1, 2, 3, 4, 0]
    assert ranked(front, most=3) == [1, 2, 3]


def test_answers_come_before_the_picks_and_are_numbered(front: ParetoFront) -> None:
    # from 1 the others lie .72 and .67 away, at sizes of .5 and .85
    assert front.answers() == [1, 2, 3]
    assert ranked(replace(front, extra={"answers": 1}), most=3) == [1, 2, 3], "then the picks"
    text = " ".join(" ".join(printed(front, width=60)).split())
    for role in ("#1 answer 1, sparsest, knee:", "#2 answer 2, closest:", "#3 answer 3:"):
        assert role in text


def test_an_answer_that_is_an_outlier_says_so(front: ParetoFront) -> None:
    factors = torch.tensor([9.0, 1.0, 2.54, 1.4, 9.0], dtype=torch.float64)
    text = " ".join(" ".join(printed(replace(front, outlierness=factors), width=60)).split())
    assert text.count("unlike known ones") == 1
    assert "#2 answer 3, closest, unlike known ones (outlier factor 2.5):" in text


@pytest.mark.parametrize("width", [60, 80, 130])
def test_robustness_stands_as_how_many_of_how_many(front: ParetoFront, width: int) -> None:
    share = torch.tensor([torch.nan, 0.95, 0.25, torch.nan, torch.nan], dtype=torch.float64)
    extra = {**front.extra, "robustness": {"changes": 20, "what": "a nudge"}}
    text = " ".join(" ".join(printed(replace(front, robustness=share, extra=extra), width=width)).split())
    assert "19/20" in text and "5/20" in text and text.count("/20") == 2
    assert "robust: of so many small changes, how many still flip: a nudge." in text
    assert "robust" not in " ".join(printed(front, width=width))


@pytest.mark.parametrize("width", [60, 80, 130])
def test_genuineness_by_two_generators_stands_with_its_member(front: ParetoFront, width: int) -> None:
    each = torch.tensor(
        [[torch.nan] * 2, [3.0, 2.5], [4.25, 0.5], [0.75, torch.nan], [torch.nan] * 2]
    ).double()
    judged = replace(
        front,
        genuineness=each.nan_to_num(torch.inf).amin(1),
        genuineness_each=each,
        extra={"genuineness": {"threshold": 1.5}},
    )
    text = " ".join(" ".join(printed(judged, width=width)).split())
    assert "3.0, 2.5" in text and "4.2, 0.5" in text and "0.7" in text
    assert "z: genuineness by the first and by the second generator" in text
    assert "takes 1.5 of each." in text
    alone = " ".join(printed(replace(judged, genuineness_each=None), width=width))
    assert "second generator" not in alone and "3.0, 2.5" not in alone


@pytest.mark.parametrize("width", [60, 80, 130])
def test_rows_stand_in_that_order_and_those_that_do_not_flip_say_so(front: ParetoFront, width: int) -> None:
    lines = printed(front, width=width)
    starts = [re.match(r"(?:#| +)(\d) ", line) for line in lines]
    members = [found[1] for found in starts if found]
    assert members == ["1", "2", "3", "4", "0"]
    assert sum("no flip" in line for line in lines) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130])
def test_no_name_of_a_pick_or_class_is_cut(front: ParetoFront, width: int) -> None:
    text = "\n".join(printed(front, width=width))
    for word in ("sparsest", "closest", "knee", "bright (p 0.600)", "bright (p 0.950)"):
        assert word in text, (width, word)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [60, 130])
def test_objectives_stand_with_their_member(front: ParetoFront, width: int) -> None:
    text = " ".join(" ".join(printed(front, width=width, only=3)).split())
    assert "face.png: dark (p 0.800) becomes bright (p 0.950) with 2 changes" in text
    assert ("adversarial 0, perceptual 4, intensity 4" in text) == (width == 60)
    assert text.endswith("0 4 4") == (width == 130)


def test_what_is_left_out_is_counted(front: ParetoFront) -> None:
    lines = printed(front, width=80, most=2)
    assert lines[-1] == "Left out: 1 counterfactual and 2 that do not count (--rows 5 shows all)."
    assert not any("Left out" in line for line in printed(front, width=80, most=5))


def test_a_flip_that_is_not_genuine_is_no_answer(front: ParetoFront) -> None:
    judged = replace(
        front,
        genuineness=torch.tensor([0.0, 1.0, 5.0, 6.0, 0.0]),
        extra={"genuineness": {"threshold": 2.0}},
    )
    assert "becomes bright (p 0.700) with 2 changes" in headline(judged)
    assert counts(judged).startswith(
        "2 verified counterfactuals, 1 flip that is not genuine, 2 members that do not flip the model"
    )
    assert any("#1 not genuine: bright (p 0.600)" in line for line in printed(judged, width=80))


def test_nothing_found_is_reported_with_the_nearest_miss(front: ParetoFront) -> None:
    none = replace(front, verified=torch.zeros(5, dtype=torch.bool), target=1)
    lines = printed(none, width=80)
    assert lines[0] == "face.png: dark (p 0.800), no counterfactual for bright"
    assert any(line.startswith("Nothing found: ") for line in lines)
    assert "The nearest miss is member 3: it flips by less than counts as verified." in lines


def test_what_has_the_wanted_class_already_is_reported(front: ParetoFront) -> None:
    done = replace(front, verified=torch.zeros(5, dtype=torch.bool), reason=Reason.ALREADY_TARGET)
    assert headline(done) == "face.png: dark (p 0.800), the wanted class already"


def test_of_many_members_those_shown_are_spread_along_the_front(front: ParetoFront) -> None:
    n = 24
    steps = torch.arange(1.0, n + 1)
    p = torch.full((n,), 0.9)
    many = replace(
        front,
        z=torch.stack([steps / n, torch.full((n,), 0.5)], dim=1),
        f=torch.stack([steps.flip(0), steps, steps], dim=1),
        scores=torch.stack([(1 - p) * 0.99, p, (1 - p) * 0.01], dim=1).log(),
        verified=torch.ones(n, dtype=torch.bool),
        origins=("nsga2",) * n,
        reference_point=torch.full((3,), 30.0),
    )
    shown = ranked(many, most=8)
    assert len(shown) == 8
    others = [i for i in shown if i not in many.picks().values()]
    assert len(others) >= 5
    assert max(others) - min(others) >= n // 2, "not neighbours at one end"
    assert ranked(many, most=n) != sorted(range(n)) and sorted(ranked(many, most=n)) == list(range(n))


@pytest.mark.parametrize(("target", "goal"), [(None, "any other class"), (1, "bright"), (2, "other")])
def test_without_a_counterfactual_the_wanted_class_is_named(
    front: ParetoFront, target: int | None, goal: str
) -> None:
    none = replace(front, target=target, verified=torch.zeros(5, dtype=torch.bool))
    assert headline(none) == f"face.png: dark (p 0.800), no counterfactual for {goal}"
