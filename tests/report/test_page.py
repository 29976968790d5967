"""The page: complete, self-contained, and true to the numbers it was given."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.report.gallery import changes_of
from cfsearch.report.page import ReportInstance, build_page

from .conftest import Audit, MakeAudit, MakeFront, parsed


def policy(soup: Any) -> dict[str, str]:
    content = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    return dict(part.strip().split(" ", 1) for part in content.split(";"))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_f73_policy_allows_exactly_this_script_and_this_style(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    rules = policy(soup)
    scripts = [s for s in soup.find_all("script") if s.get("type") != "application/json"]
    assert len(scripts) == 1
    assert len(soup.find_all("style")) == 1
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["script-src"] == digest(scripts[0].string)
    assert rules["style-src"] == digest(soup.find("style").string)


def test_f73_nothing_is_fetched_from_anywhere(audit: Audit) -> None:
    page = build_page(audit.document, audit.instances)
    soup = parsed(page)
    for node in soup.find_all(True):
        for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            value = node.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (node.name, value)
        assert not [a for a in node.attrs if a.startswith("on") or a == "style"]
    assert not re.findall(r"url\(|@import", page)
    assert {u for u in re.findall(r"https?://[^\s\"'<>]+", page) if "w3.org" not in u} == set()


def test_f76_every_chart_has_a_table_twin(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    charts = soup.select("[data-table]")
    assert {c["id"] for c in charts} == {"chart-effects", "chart-changes", "explore"}
    for chart in charts:
        twin = soup.find(id=chart["data-table"])
        assert twin.name == "details"
        assert twin.find("table").find("caption")
    rows = soup.select("#chart-effects-table tbody tr")
    assert len(rows) == 6
    assert "\u22122.00" in rows[0].get_text()
    assert "\u22122.40 to \u22121.60" in rows[0].get_text()


def test_every_section_of_the_report_is_there(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    sections = [s["id"] for s in soup.find_all("section")]
    assert sections == [
        "summary", "audited", "reacts", "gallery", "explorer", "failures", "method", "reproduce", "tables",
    ]  # fmt: skip
    for link in soup.select("nav a"):
        assert soup.find(id=link["href"][1:])
    assert soup.find("html")["lang"] == "en"
    ids = [n["id"] for n in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert all(i.get("alt") for i in soup.find_all("img"))


def test_two_models_stand_side_by_side(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    assert soup.find("h2").get_text() == "Blond hair pushes the two models in opposite directions."
    panels = soup.select("#chart-effects .panel")
    assert [p.find("h4").get_text() for p in panels] == ["Model first", "Model second"]
    rows = [[r.get_text() for r in p.select(".row .label")] for p in panels]
    assert rows[0] == rows[1]
    assert len(soup.select("#chart-effects .mark.truth")) == 1 + 4


def test_cannot_tell_is_written_where_the_interval_includes_zero(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    text = soup.select_one(".findings").get_text()
    assert "Cannot tell (the interval includes 0): Eyeglasses." in text
    assert "compliant" not in soup.get_text()
    assert "supports evidence for" in soup.get_text()


def test_an_effect_of_what_is_hardly_edited_says_nothing(audit: Audit) -> None:
    """Its interval lies apart from 0 and from the other model's, and still it is no finding."""
    effects = audit.document["effects"]
    for effect in effects:
        effect["edit_success"] = 0.07 if effect["variable"] == "Blond_Hair" else 0.9
    soup = parsed(build_page(audit.document, audit.instances))
    said = soup.select_one(".findings").get_text().replace("\u202f", " ").replace("\u00a0", " ")
    assert "hardly edits it" in said
    assert "Blond hair (7 %)" in said
    assert "Blond hair \u2212" not in said
    assert "opposite directions" not in soup.find("h2").get_text()
    readings = {
        row.find("th").get_text(): [cell.get_text() for cell in row.select("td")]
        for row in soup.select("#chart-effects-table tbody tr")
    }
    assert readings["Blond hair"][-1] == "hardly edited"
    assert readings["Young"][-1] == "lowers"
    assert any("90" in cell for cell in readings["Young"])


def test_artefacts_are_read_first(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    said = [li.get_text() for li in soup.select(".readfirst li")]
    assert said[0].startswith("Model first: 2 of 3 flips did not survive a true re-render.")
    assert said[-1] == "Few pictures."


def test_strips_show_words_probabilities_and_badges(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    tiles = soup.select("#picture-0 .tile")
    assert len(tiles) == 10
    states = [t.select_one(".state").get_text(strip=True) for t in tiles[:5]]
    assert states == ["artefact", "genuine ✓", "no flip", "no flip", "no flip"], "the answers come first"
    values = [t.select_one(".v").get_text() for t in tiles[:5]]
    assert values == ["0.82", "0.95", "0.05", "0.18", "0.50"]
    front = audit.instances[0].front
    for tile in tiles[:5]:
        i = int(re.search(r"\d+$", tile.select_one("a img")["id"])[0])  # type: ignore[index]  # there is one
        assert [b.get_text() for b in tile.select(".words li > bdi")] == [w for w, _ in changes_of(front, i)][
            :3
        ]
    answers = {f"answer {k + 1}" for k in range(len(front.answers()))}
    assert {k.get_text() for k in soup.select("#picture-0 .picks span")} == {*front.picks(), *answers}


def test_changes_too_small_to_see_are_counted(make_front: MakeFront, make_audit: MakeAudit) -> None:
    front = make_front(n=1)
    small = replace(front, z=torch.tensor([[0.9, -0.02, 0.0, 0.00003]]))
    made = make_audit([small])
    words = parsed(build_page(made.document, made.instances)).select_one(".tile .words")
    assert [li.get_text() for li in words.select("li")] == ["Blond hair added (0.02 → 0.92)", "2 smaller"]


def test_words_of_the_generator_go_before_ours(make_front: MakeFront, make_audit: MakeAudit) -> None:
    front = replace(make_front(n=1), described=(("colour red -> blue", "age +4"),))
    made = make_audit([front])
    soup = parsed(build_page(made.document, made.instances))
    assert [li.get_text() for li in soup.select(".tile .words li")] == ["colour red → blue", "age +4"]
    data = json.loads(soup.find("script", {"type": "application/json"}).string)
    assert data["fronts"][0]["words"] == [["colour red → blue", "age +4"]]


def test_payload_holds_what_the_fronts_hold(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    data = json.loads(soup.find("script", {"type": "application/json"}).string)
    assert len(data["fronts"]) == 6
    front, instance = data["fronts"][1], audit.instances[3]
    assert front["key"] == "second/0.png"
    assert front["f"][0] == pytest.approx(instance.front.column("adversarial").tolist(), rel=1e-3)
    assert front["p"] == pytest.approx(instance.front.p[:, 1].tolist(), rel=1e-3)
    assert front["status"] == "uuuag"
    for flat, z in zip(front["z"], instance.front.z.tolist(), strict=True):
        rebuilt = [0.0] * len(z)
        for j, change in zip(flat[::2], flat[1::2], strict=True):
            rebuilt[j] = change
        assert rebuilt == pytest.approx(z, rel=1e-2)


def test_explorer_finds_a_picture_for_every_member(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    data = json.loads(soup.find("script", {"type": "application/json"}).string)
    assert any(front["index"] for front in data["fronts"])
    for number, front in enumerate(data["fronts"]):
        assert soup.find(id=f"o{front['group']}")["src"]
        for member in front["index"]:
            assert str(member) in front["pictures"] or soup.find(id=f"p{number}-{member}")


def test_numbers_that_are_missing_are_dashes(audit: Audit) -> None:
    document = audit.document
    document["effects"][0]["estimate"] = {"value": None, "low": None, "high": None}
    document["effects"][1]["estimate"] = None
    document["counts"][0] |= {"found_rate": None, "searched": 0, "found": 0}
    document["genuine"][0] |= {"n": 0, "count": 0, "rate": None}
    nan = torch.full_like(audit.instances[0].front.f, float("nan"))
    instances = [replace(i, front=replace(i.front, f=nan)) for i in audit.instances]
    page = build_page(document, instances)
    assert not re.search(r"\b(NaN|nan|inf|Infinity|None|null)\b", parsed(page).get_text().split("{", 1)[0])
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
        assert "NaN" not in block
        assert "Infinity" not in block


def test_the_emptiest_audit_still_makes_a_page(make_audit: MakeAudit) -> None:
    made = make_audit([])
    for name in ("changes", "effects", "genuine", "instances", "warnings"):
        made.document[name] = []
    soup = parsed(build_page(made.document, []))
    assert soup.find("h2").get_text() == "Nothing was searched, so this page can say nothing about the model."
    assert not soup.select("#reacts")
    assert "no front to explore" in soup.find(id="explorer").get_text()


@pytest.mark.parametrize("n", [0, 1])
def test_fronts_of_no_or_one_member(make_front: MakeFront, make_audit: MakeAudit, n: int) -> None:
    made = make_audit([make_front(n=n)])
    soup = parsed(build_page(made.document, made.instances))
    assert len(soup.select(".tile")) == n
    assert len(soup.select("#failures tbody tr")) == 1 - n


def test_fronts_without_pictures_show_words_alone(make_front: MakeFront, make_audit: MakeAudit) -> None:
    made = make_audit([make_front(images=False)])
    soup = parsed(build_page(made.document, made.instances))
    assert not soup.find_all("img")
    assert len(soup.select(".tile .words")) == 5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_and_coloured_pictures(make_front: MakeFront, make_audit: MakeAudit, channels: int) -> None:
    made = make_audit([make_front(channels=channels)])
    assert parsed(build_page(made.document, made.instances)).select(".tile img")


@pytest.mark.parametrize("target", [None, 2])
def test_more_than_two_classes(make_front: MakeFront, make_audit: MakeAudit, target: int | None) -> None:
    front = make_front(labels=("cat", "dog", "cow"), target=target)
    made = make_audit([front])
    shown = parsed(build_page(made.document, made.instances)).select_one(".striphead").get_text()
    assert f"p({'cat' if target is None else 'cow'})" in shown


def test_a_miss_says_how_near_it_was_and_what_to_relax(make_front: MakeFront, make_audit: MakeAudit) -> None:
    front = make_front(target=1)
    missed = replace(front, scores=front.scores * 0 - torch.tensor([[0.0, 0.4]]), verified=torch.zeros(5) > 0)
    made = make_audit([missed])
    made.document["search"]["constraints"] = ["flip with margin 0.9"]
    row = parsed(build_page(made.document, made.instances)).select_one("#failures tbody tr").get_text()
    assert "0.20 in probability short of the flip" in row
    assert "Allow more evaluations, or let Young change, or relax the constraint flip with margin 0.9." in row


def test_the_same_audit_gives_the_same_page(audit: Audit) -> None:
    assert build_page(audit.document, audit.instances) == build_page(audit.document, audit.instances)


def test_the_document_is_left_alone(audit: Audit) -> None:
    before = json.dumps(audit.document)
    build_page(audit.document, audit.instances)
    assert json.dumps(audit.document) == before


def test_reproduce_keeps_its_lines(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    assert [c.get_text() for c in soup.select("#reproduce pre code")] == [
        "cfsearch audit --seed 7",
        "a = 1\nb = 2",
    ]


def test_a_document_of_another_format_is_refused(audit: Audit) -> None:
    with pytest.raises(ConfigError, match="expected a document of format 'cfsearch-audit/1', got 'other'"):
        build_page(audit.document | {"format": "other"}, audit.instances)


def test_a_key_stands_for_one_front(audit: Audit) -> None:
    with pytest.raises(DataError, match=r"got 'first/0\.png' twice"):
        build_page(audit.document, [audit.instances[0]] * 2)


def test_a_model_must_be_in_the_document(audit: Audit) -> None:
    stranger = replace(audit.instances[0], model="third")
    with pytest.raises(DataError, match="model 'third', which the document does not list"):
        build_page(audit.document, [stranger])


def test_marks_must_fit_the_members(make_front: MakeFront) -> None:
    with pytest.raises(ShapeError, match="expected 5 entries of genuine, one a member, got 2"):
        ReportInstance(key="a", model="m", front=make_front(), genuine=(True, None))


def test_entities_are_not_escaped_twice(audit: Audit) -> None:
    audit.document["title"] = "R&D <audit>"
    page = build_page(audit.document, audit.instances)
    assert parsed(page).find("h1").get_text() == "R&D <audit>"
    assert html.escape("R&D <audit>") in page


@pytest.mark.slow
def test_f75_a_thousand_fronts_of_two_hundred_members_stay_under_20_mb(
    make_front: MakeFront, make_audit: MakeAudit
) -> None:
    audit = make_audit([make_front(f"face-{i}", n=200) for i in range(1000)])
    page = build_page(audit.document, audit.instances)
    assert len(page.encode()) <= 20_000_000
    assert "face-999" in page


def test_long_names_break_after_underscores_and_are_escaped() -> None:
    from cfsearch.report.page import breaking

    assert str(breaking("percent_<b>_x")) == "percent_<wbr>&lt;b&gt;_<wbr>x"
