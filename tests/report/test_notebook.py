"""The view of a front in a notebook."""

import re
from dataclasses import replace

import pytest
import torch

from cfsearch.report.notebook import MOST_BYTES, front_html

from .conftest import MakeFront, parsed
from .test_size import noisy


def test_it_is_small_and_runs_nothing(make_front: MakeFront) -> None:
    front = noisy(make_front(n=200), size=256, seed=0)
    page = front._repr_html_()
    assert len(page.encode()) < MOST_BYTES
    assert "<script" not in page
    assert page == front_html(front)


def test_strip_table_and_chart(make_front: MakeFront) -> None:
    soup = parsed(front_html(make_front(n=20)))
    assert len(soup.find_all("img")) == 7
    assert len(soup.select("tbody tr")) == 12
    assert len(soup.select("circle")) == 20
    assert {t.get_text() for t in soup.select("svg text")} >= {"adversarial", "plausibility"}
    assert not soup.select("svg bdi")
    assert "8 members more" in soup.get_text()
    assert {"closest", "sparsest", "knee"} <= set(soup.find("table").get_text(" ").replace(",", " ").split())


def test_points_lie_between_the_axes_and_reach_their_ends(make_front: MakeFront) -> None:
    [svg] = parsed(front_html(make_front(n=20))).select("svg")
    width, height = (float(svg[side]) for side in ("width", "height"))
    left, top, low, right = (float(v) for v in re.findall(r"[0-9.]+", svg.path["d"]))
    xs, ys = ([float(c[key]) for c in svg.select("circle")] for key in ("cx", "cy"))
    assert (min(xs), max(xs), max(ys)) == (left, right, low)
    assert top < min(ys) < low < height and right < width


@pytest.mark.parametrize("n", [0, 1])
def test_fronts_of_no_or_one_member(make_front: MakeFront, n: int) -> None:
    assert f"{n} member" in parsed(front_html(make_front(n=n))).get_text()


def test_fronts_without_pictures(make_front: MakeFront) -> None:
    assert "<img" not in front_html(make_front(images=False))


def test_recordings_are_drawn_as_spectrograms(make_front: MakeFront) -> None:
    silent, loud = torch.zeros(1, 8, 8), torch.ones(5, 1, 8, 8)
    front = replace(make_front(images=False), sound=silent, sounds=loud)
    drawn = parsed(front_html(front)).find_all("img")
    assert len(drawn) == 6  # the original and five members
    assert drawn[0]["src"] != drawn[1]["src"] == drawn[5]["src"]


def test_missing_numbers_are_dashes(make_front: MakeFront) -> None:
    front = make_front()
    front.f[:, 1] = torch.tensor(float("nan"))
    assert "nan" not in front_html(front).lower()


def test_huge_pictures_are_left_out_rather_than_too_much_sent(make_front: MakeFront) -> None:
    front = noisy(make_front("x" * 5000, n=200), size=64, seed=0)
    assert len(front_html(front).encode()) < MOST_BYTES
