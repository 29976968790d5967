"""What the gallery draws of each front, field by field."""

import math
from typing import Any

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.gallery import (
    Article,
    Entry,
    Gallery,
    Group,
    Piece,
    Strip,
    Tile,
    build_gallery,
    changes_of,
    explorer_picture,
    grouped,
    probabilities,
    status_of,
)
from cfsearch.report.pictures import Codec, data_uri, difference, heat_png, heat_top
from cfsearch.report.plan import Plan

CODEC = Codec("png", 100, 128)
PLAN = Plan(CODEC, strip=8, pictured=10, members=10)
ABOUT = {
    "name": "a.png",
    "sha256": "00",
    "status": "found",
    "reason_text": "the budget is spent",
    "truth": "no",
}
ORIGINAL = torch.full((3, 4, 4), 100, dtype=torch.uint8)
MEMBERS = torch.stack([ORIGINAL, ORIGINAL + 10, ORIGINAL + 60])


def front(**parts: Any) -> ParetoFront:
    """Three members: nothing changed; a beard grown, and a little younger; both in full."""
    return ParetoFront(
        **{
            "name": "a.png", "labels": ("no", "yes"), "source": 0, "target": None, "variables": ("No_Beard", "Young"),
            "objectives": ("adversarial", "intensity"), "units": ("nat", "L2"),
            "z": torch.tensor([[0.0, 0.0], [-0.5, 0.01], [-0.875, 0.75]]), "f": torch.zeros(3, 2),
            "origin_values": torch.tensor([0.875, 0.125]),
            "scores": torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), "original_scores": torch.tensor([2.0, 0.0]),
            "reconstruction_scores": torch.tensor([1.5, 0.0]), "verified": torch.tensor([False, True, True]),
            "images": MEMBERS, "original": ORIGINAL, "reconstruction": ORIGINAL + 1,
            "origins": ("random", "nsga2", "near\u202eest"), "reason": Reason.BUDGET, "reference_point": torch.ones(2),
            "evaluations": 10, **parts,
        }
    )  # fmt: skip


def entry(made: ParetoFront | None = None, **parts: Any) -> Entry:
    made = front() if made is None else made
    return Entry(
        **{
            "key": "m/a.png", "model": "m", "front": made, "genuine": None, "rerenders": None, "about": ABOUT,
            "p": probabilities(made.scores), "picks": {"sparsest": 1, "closest": 1, "knee": 2},
            "shown": tuple(range(len(made))), "explored": tuple(range(len(made))), **parts,
        }
    )  # fmt: skip


def gallery(*entries: Entry, plan: Plan = PLAN, models: dict[str, str] | None = None) -> Gallery:
    return build_gallery(grouped(entries), plan=plan, models={"m": "net"} if models is None else models)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_gallery_as_a_whole() -> None:
    found = gallery(entry())
    gaps = [difference(member, ORIGINAL) for member in MEMBERS]
    top = heat_top(gaps)
    heat = [data_uri(heat_png(gap, top=top), "png") for gap in gaps]

    def tile(i: int, p: float, **parts: Any) -> Tile:
        return Tile(
            **{
                "index": i, "image": CODEC.uri(MEMBERS[i]), "heat": heat[i], "rerender": None, "p": f"{p:.2f}",
                "bar": round(100 * p, 1), **parts,
            }
        )  # fmt: skip

    tiles = (
        tile(0, sigmoid(-1), now="no", status="unverified", picks=(), changes=(), smaller=0, origin="random"),
        tile(
            1, sigmoid(1), now="yes", status="verified", picks=("sparsest", "closest"),
            changes=(("Beard added", "0.12 → 0.62"),), smaller=1, origin="nsga2",
        ),
        tile(
            2, sigmoid(3), now="yes", status="verified", picks=("knee",),
            changes=(("Beard added", "0.12 → 1.00"), ("Young added", "0.12 → 0.88")), smaller=0, origin="near⟨U+202E⟩est",
        ),
    )  # fmt: skip
    strip = Strip(
        number=0, key="m/a.png", model="net", wanted="yes", source="no", before=f"{sigmoid(-2):.2f}",
        bar=round(100 * sigmoid(-2), 1), reconstruction=f"{sigmoid(-1.5):.2f}", reconstruction_flips=False, status="found",
        reason="the budget is spent", tiles=tiles, members=3, best=tiles[1], genuine=None, cells=None, several=False,
    )  # fmt: skip
    assert found == Gallery(
        articles=(
            Article(
                number=0, name="a.png", original=CODEC.uri(ORIGINAL), reconstruction=CODEC.uri(ORIGINAL + 1), tiny=True,
                strips=(strip,), text=None, truth="no",
            ),
        ),
        top=top,
    )  # fmt: skip
    assert (
        tiles[1].words == "Beard added, 1 smaller"
        and tiles[1].alt == "Counterfactual 1: Beard added, 1 smaller"
    )
    assert tiles[0].words == "nothing changed" and tiles[2].words == "Beard added, Young added"
    assert strip.became == "" and found.first == 0


def test_the_wanted_class() -> None:
    three = {
        "labels": ("no", "yes", "so"),
        "scores": torch.eye(3),
        "original_scores": torch.eye(3)[0],
        "reconstruction_scores": torch.eye(3)[0],
    }
    assert entry().wanted == 1
    assert entry(front(source=1)).wanted == 0
    assert entry(front(target=1)).wanted == 1
    assert entry(front(**three)).wanted == 0
    assert entry(front(**three, source=2)).wanted == 2
    assert entry(front(**three, target=2)).wanted == 2


def test_several_classes_name_what_it_became() -> None:
    three = {
        "labels": ("no", "yes", "so"),
        "scores": torch.eye(3),
        "original_scores": torch.eye(3)[0],
        "reconstruction_scores": torch.eye(3)[0],
    }
    [article] = gallery(entry(front(**three))).articles
    assert article.strips[0].became == "yes" and article.strips[0].several
    [article] = gallery(entry(front(**three), picks={})).articles
    assert article.strips[0].became == "so"  # without picks the last tile
    [article] = gallery(entry(front(**three), shown=())).articles
    assert (article.strips[0].best, article.strips[0].became) == (None, "")


@pytest.mark.parametrize(
    ("verified", "genuineness", "genuine", "status"),
    [
        (False, None, None, "unverified"), (False, 9.0, True, "unverified"), (True, None, None, "verified"),
        (True, 2.0, None, "verified"), (True, 1.9, None, "doubtful"), (True, 1.9, True, "genuine"), (True, None, False, "artefact"),
    ],
)  # fmt: skip
def test_the_status_of_a_member(
    verified: bool, genuineness: float | None, genuine: bool | None, status: str
) -> None:
    made = front(
        verified=torch.tensor([verified] * 3), extra={"genuineness": {"threshold": 2.0}},
        genuineness=None if genuineness is None else torch.full((3,), genuineness),
    )  # fmt: skip
    assert status_of(entry(made, genuine=None if genuine is None else (None, None, genuine)), 2) == status


def test_rerenders_and_genuine_flips_are_counted_where_they_are_known() -> None:
    again = 255 - MEMBERS
    one = entry(genuine=(None, True, False), rerenders=again)
    [article] = gallery(one).articles
    [strip] = article.strips
    assert strip.genuine == "1 of 2"
    assert [tile.rerender for tile in strip.tiles] == [CODEC.uri(picture) for picture in again]
    assert [tile.status for tile in strip.tiles] == ["unverified", "genuine", "artefact"]
    without = Plan(CODEC, strip=8, pictured=1, members=1, heat=False, rerenders=False)
    found = gallery(one, plan=without)
    assert [(tile.rerender, tile.heat) for tile in found.articles[0].strips[0].tiles] == [(None, None)] * 3
    assert found.top == heat_top([])
    [article] = gallery(entry(genuine=(True, None, None))).articles
    assert article.strips[0].genuine is None  # only verified members count


@pytest.mark.parametrize(
    ("parts", "status", "flips"),
    [
        ({}, "found", False), ({"reconstruction_scores": torch.tensor([0.0, 1.0])}, "found", True),
        ({"reconstruction_scores": torch.tensor([0.0, 1.0])}, "already_target", False),
        ({"reconstruction_scores": torch.tensor([0.0, 1.0]), "target": 1}, "found", True), ({"target": 1}, "found", False),
        ({"target": 0}, "found", True), ({"target": 0}, "already_target", False),
    ],
)  # fmt: skip
def test_a_reconstruction_that_flips_is_marked(parts: dict[str, Any], status: str, flips: bool) -> None:
    [article] = gallery(entry(front(**parts), about={**ABOUT, "status": status})).articles
    assert article.strips[0].reconstruction_flips is flips


def test_fronts_of_one_picture_stand_together_one_a_model() -> None:
    one, other, again = entry(), entry(model="o", key="o/a.png"), entry(key="m/a.png 2")
    named = entry(about={**ABOUT, "name": "b.png"})
    elsewhere = entry(model="o", about={**ABOUT, "sha256": "11"})
    third = entry(key="m/a.png 3")
    found = grouped([one, other, again, named, elsewhere, third])
    assert [(group.name, group.entries) for group in found] == [
        ("a.png", [one, other]), ("a.png", [again]), ("b.png", [named]), ("a.png", [elsewhere]), ("a.png", [third]),
    ]  # fmt: skip
    both = gallery(one, other, models={})
    assert [(s.number, s.model) for s in both.articles[0].strips] == [(0, "m"), (1, "o")]
    apart = gallery(one, again)
    assert [(a.number, [s.number for s in a.strips]) for a in apart.articles] == [(0, [0]), (1, [1])]


@pytest.mark.parametrize(("side", "tiny"), [(47, True), (48, False)])
def test_tiny_pictures_are_enlarged(side: int, tiny: bool) -> None:
    one = torch.zeros(3, 4, side, dtype=torch.uint8)
    [article] = gallery(
        entry(front(original=one, reconstruction=one, images=one.repeat(3, 1, 1, 1)))
    ).articles
    assert article.tiny is tiny


def test_changes_are_sorted_by_size_and_small_ones_are_not_named() -> None:
    made = front(z=torch.tensor([[0.0625, 0.25], [0.02, -0.3], [0.3, 1e-7]]))
    assert changes_of(made, 0) == [("Young increased", "0.12 → 0.38"), ("Beard reduced", "0.12 → 0.06")]
    assert [words for words, _ in changes_of(made, 1)] == ["Young reduced"]
    assert [words for words, _ in changes_of(made, 2)] == ["Beard reduced"]
    described = front(described=(("a -> b",), (), ("c -> d", "e\u202e")))
    assert changes_of(described, 2) == [("c → d", ""), ("e⟨U+202E⟩", "")]
    assert changes_of(described, 1) == []


def test_three_changes_are_named_and_the_others_counted() -> None:
    words = tuple(f"{name} -> x" for name in "abcde")
    [article] = gallery(entry(front(described=(words, words[:3], words[:2])))).articles
    tiles = article.strips[0].tiles
    assert [(len(t.changes), t.smaller) for t in tiles] == [(3, 2), (3, 0), (2, 0)]
    assert tiles[0].words == "a → x, b → x, c → x, 2 smaller"


def test_texts_are_cut_where_they_change() -> None:
    before = ("A", " good", " old", "  film", "!")
    after = (before, ("A", " bad", " old", "  film", "!"), ("A", " good", " old", "", "?\u202e"))
    made = front(images=None, original=None, reconstruction=None, text=before, texts=after)
    found = gallery(entry(made))
    [article] = found.articles
    assert (article.text, article.original, article.reconstruction, article.tiny) == (
        "A good old  film!",
        None,
        None,
        False,
    )
    pieces = [tile.text for tile in article.strips[0].tiles]
    assert pieces == [
        (Piece("A good old  film!", "A good old  film!"),),
        (Piece("A", "A"), Piece(" ", " "), Piece("good", "bad"), Piece(" old  film!", " old  film!")),
        (Piece("A good old", "A good old"), Piece("  ", "  "), Piece("film", ""), Piece("!", "?⟨U+202E⟩")),
    ]
    assert [(t.image, t.heat) for t in article.strips[0].tiles] == [(None, None)] * 3
    assert explorer_picture(entry(made), 0, codec=CODEC) is None


def test_the_first_that_shows_anything_is_open() -> None:
    text = {
        "images": None,
        "original": None,
        "reconstruction": None,
        "text": ("a",),
        "texts": (("a",), ("b",), ("c",)),
    }
    empty, full = entry(front(**text), shown=(), key="1"), entry(front(**text), key="2")
    assert gallery(empty, full).first == 1
    assert gallery(empty).first == 0
    assert gallery(entry(shown=()), entry(key="2")).first == 0


def test_softmax_and_bars() -> None:
    assert probabilities(torch.tensor([1000.0, 1000.0])).tolist() == [0.5, 0.5]
    p = probabilities(torch.tensor([[0.0, 1.0], [3.0, 0.0]]))
    assert p[:, 1].tolist() == pytest.approx([sigmoid(1), sigmoid(-3)])
    made = front(scores=torch.tensor([[0.0, 0.0], [-80.0, 80.0], [float("nan"), 0.0]]))
    [article] = gallery(entry(made)).articles
    assert [tile.bar for tile in article.strips[0].tiles] == [50.0, 100.0, 0.0]


def test_the_explorer_gets_bare_bytes() -> None:
    one = entry()
    assert explorer_picture(one, 2, codec=CODEC) == CODEC.uri(MEMBERS[2]).removeprefix(
        "data:image/png;base64,"
    )
    assert one.is_genuine(0) is None
    assert entry(genuine=(True, None, False)).is_genuine(2) is False
    assert Group("x").entries == []


def test_robustness_stands_on_each_card_and_is_defined_once() -> None:
    share = torch.tensor([torch.nan, 0.95, 0.5], dtype=torch.float64)
    tried = front(robustness=share, extra={"robustness": {"changes": 20, "what": "a nudge & more"}})
    made = build_gallery([Group("a.png", [entry(tried)])], plan=PLAN, models={})
    assert made.small_changes == "a nudge & more"
    assert {tile.index: tile.robust for tile in made.articles[0].strips[0].tiles} == {
        0: "",
        1: "19/20",
        2: "10/20",
    }
    none = build_gallery([Group("a.png", [entry()])], plan=PLAN, models={})
    assert none.small_changes == "" and {t.robust for t in none.articles[0].strips[0].tiles} == {""}
