"""The page stays small enough to send, and says what it leaves out."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from cfsearch.fronts.front import ParetoFront
from cfsearch.report import page
from cfsearch.report.page import build_page
from cfsearch.report.plan import MOST_BYTES, PLANS, Plan, budget, ceiling, fitting, thinned

from .conftest import MakeAudit, MakeFront, parsed


def noisy(front: ParetoFront, *, size: int, seed: int) -> ParetoFront:
    """The front with pictures that hardly compress: smooth shapes and sensor noise."""
    rng = torch.Generator().manual_seed(seed)
    base = torch.nn.functional.interpolate(torch.rand(len(front), 3, 8, 8, generator=rng) * 200, size=size)
    pictures = (base + torch.randn(base.shape, generator=rng) * 4).clamp(0, 255).to(torch.uint8)
    return replace(front, images=pictures, original=pictures[0], reconstruction=pictures[0])


def test_twelve_faces_and_two_models_fit_in_three_megabytes(
    make_front: MakeFront, make_audit: MakeAudit
) -> None:
    fronts = [noisy(make_front(f"{i}.png", n=40, seed=i), size=64, seed=i) for i in range(12)]
    made = make_audit(fronts, models=("first", "second"), known=True)
    page = build_page(made.document, made.instances)
    assert len(page.encode()) < 3_000_000


@pytest.mark.slow
def test_a_thousand_pictures_of_two_hundred_members_fit_in_twenty_megabytes(
    make_front: MakeFront, make_audit: MakeAudit
) -> None:
    kinds = [noisy(make_front("x", n=200, seed=i), size=64, seed=i) for i in range(10)]
    made = make_audit([replace(kinds[i % 10], name=f"face-{i:04d}.png") for i in range(1000)])
    page = build_page(made.document, made.instances)
    assert len(page.encode()) < 20_000_000
    soup = parsed(page)
    assert len(soup.select(".picture")) == 1000
    assert "The strips hold at most" in soup.find(id="gallery").get_text()


def test_small_runs_keep_every_pixel(make_front: MakeFront, make_audit: MakeAudit) -> None:
    made = make_audit([make_front(n=30)])
    page = build_page(made.document, made.instances)
    assert "data:image/webp" not in page
    assert "are compressed" not in page


def test_the_page_says_that_pictures_are_compressed(make_front: MakeFront, make_audit: MakeAudit) -> None:
    fronts = [noisy(make_front(f"{i}.png", n=100, seed=i), size=128, seed=i) for i in range(2)]
    made = make_audit(fronts)
    page = build_page(made.document, made.instances)
    assert fitting(fronts, rerenders=False)[0].codec.kind == "webp"
    assert "Pictures on this page are compressed (WebP" in page
    assert "The strips hold at most" in page


def test_large_pictures_are_shrunk(make_front: MakeFront, make_audit: MakeAudit) -> None:
    made = make_audit([noisy(make_front(n=20), size=300, seed=0)])
    assert len(build_page(made.document, made.instances).encode()) <= ceiling(1)


def test_plans_only_get_smaller() -> None:
    for larger, smaller in pairwise(PLANS):
        assert smaller.strip <= larger.strip
        assert smaller.members <= larger.members
        assert smaller.codec.side <= larger.codec.side
    assert budget(10**6) == MOST_BYTES


@pytest.mark.parametrize("plan", PLANS, ids=range(len(PLANS)))
def test_picks_are_shown_first(make_front: MakeFront, plan: Plan) -> None:
    front = make_front(n=200, seed=3)
    picks = front.picks()
    shown = plan.shown(front, picks=picks)
    explored = plan.explored(front, first=[*shown, *picks.values()])
    assert len(shown) <= plan.strip
    answers = front.answers()
    first = min(len(answers), plan.strip)
    assert shown[:first] == answers[:first]
    assert set(shown) & set(picks.values())
    assert set(shown) | set(picks.values()) <= set(explored)
    assert bool((front.lead()[shown[first:]].diff() >= 0).all()), "the others by how far they flip"


def test_members_left_out_are_counted(make_front: MakeFront, make_audit: MakeAudit) -> None:
    front = make_front(n=1200)
    made = make_audit([front])
    page = build_page(made.document, made.instances)
    data = json.loads(parsed(page).find("script", {"type": "application/json"}).string)
    assert data["fronts"][0]["total"] == 1200
    assert len(data["fronts"][0]["index"]) < 1200
    assert "The explorer holds at most" in page


def test_thinning_keeps_both_ends() -> None:
    assert thinned(range(100), most=3) == [0, 50, 99]
    assert thinned([4, 5], most=3) == [4, 5]
    assert thinned([4, 5], most=0) == []


def test_the_plan_is_chosen_from_a_sample_and_the_page_rendered_once(
    make_front: MakeFront, make_audit: MakeAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    fronts = [make_front(f"{i}.png", n=120, seed=i % 7) for i in range(40)]
    made = make_audit(fronts)
    whole = len(build_page(made.document, made.instances).encode())
    drawn: list[tuple[int, int]] = []
    before = page._render

    def render(*words: Any, **given: Any) -> str:  # Any: passed on as they come
        text = before(*words, **given)
        drawn.append((len(words[1]), len(text.encode())))
        return text

    monkeypatch.setattr(page, "_render", render)
    monkeypatch.setattr(page, "ceiling", lambda _: whole // 2)
    monkeypatch.setattr(page, "fitting", lambda *_, **__: PLANS)
    made_smaller = page.build_page(made.document, made.instances)
    assert len(made_smaller.encode()) <= whole // 2
    assert [n for n, _ in drawn].count(40) == 1
    assert {n for n, _ in drawn} <= {0, 16, 40}


def test_the_table_of_inputs_ends_somewhere_and_says_so(
    make_front: MakeFront, make_audit: MakeAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_audit([make_front(f"{i}.png", n=2) for i in range(5)])
    monkeypatch.setattr(page, "MOST_LISTED", 3)
    text = page.build_page(made.document, made.instances, left_out=7)
    tables = parsed(text).find(id="tables").get_text()
    assert "The first 3 are listed here, all of them in audit.json." in tables
    assert "7 fronts more are in the run directory" in text
    monkeypatch.setattr(page, "MOST_LISTED", 5)
    assert "are listed here" not in page.build_page(made.document, made.instances)
