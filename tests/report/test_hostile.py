"""Names and labels that try to get out of their place are shown as text, and nothing runs."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from cfsearch.report import wording
from cfsearch.report.notebook import front_html
from cfsearch.report.page import build_page

from .conftest import HOSTILE, build_front, build_hostile, parsed


class Tags(HTMLParser):
    """Collects what a browser would make elements of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> str:
    hostile = build_hostile()
    return build_page(hostile.document, hostile.instances)


def tags(page: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return iter(parser.found)


def test_the_page_has_no_element_of_theirs(page: str) -> None:
    found = list(tags(page))
    assert sum(tag == "script" for tag, _ in found) == 2
    assert not [tag for tag, _ in found if tag in ("b", "i", "iframe", "object", "embed")]
    for tag, attributes in found:
        assert not [a for a in attributes if a.startswith("on")], tag
        assert attributes.get("src", "data:image/") is not None
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")


@pytest.mark.parametrize("name", HOSTILE, ids=["markup", "script", "template", "bidi", "long", "newline"])
def test_f72_names_are_shown_in_full(page: str, name: str) -> None:
    soup = parsed(page)
    shown = [n.get_text() for n in soup.select("#articles .name bdi")]
    expected = name.replace("\u202e", "⟨U+202E⟩").replace("\n", "⟨U+000A⟩")
    assert expected in shown


def test_nothing_hidden_is_left_in_the_page(page: str) -> None:
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", page)
    assert page.encode()
    assert "⟨U+001B⟩[31m⟨U+D800⟩ &lt;i&gt;file&lt;/i&gt;" in page


def test_templates_in_names_are_not_evaluated(page: str) -> None:
    text = parsed(page).get_text()
    assert "{{7*7}}" in text
    assert "{{ config }}" in text


def test_data_block_cannot_be_closed_from_inside(page: str) -> None:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block
    assert not set("<>&") & set(block[1])
    assert json.loads(block[1])["spaces"][0]["labels"][1] == "</script><script>alert(1)</script>"


@pytest.mark.parametrize("name", HOSTILE)
def test_the_notebook_view_is_as_safe(name: str) -> None:
    page = front_html(build_front(name, labels=("<b>", "</table><script>alert(1)</script>")))
    assert not [tag for tag, _ in tags(page) if tag in ("script", "b")]
    assert not [a for _, attributes in tags(page) for a in attributes if a.startswith("on")]


def test_joiners_of_real_names_stay() -> None:
    names = "\u0645\u06cc\u200c\u062e\u0648 \U0001f469\u200d\U0001f52c"
    assert wording.mark(names) == names


def test_every_hidden_character_is_named() -> None:
    assert wording.mark("a\u202eb\x00c\u2028d") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+2028⟩d"
