"""Letters that nobody sees, in messages, on the page and in labels: one rule, and joiners of real spelling stay."""

import pytest

from cfsearch.contracts.labels import indistinct
from cfsearch.errors import DataError, is_hidden, visible
from cfsearch.report import wording

SPELT = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648",
    "Hindi": "\u0915\u094d\u200d\u0937",
    "Malayalam, at the end of a word": "\u0d05\u0d35\u0d28\u0d4d\u200d",
    "a scientist": "\U0001f469\u200d\U0001f52c",
    "one of dark skin": "\U0001f469\U0001f3ff\u200d\U0001f52c",
    "a heart on fire": "\u2764\ufe0f\u200d\U0001f525",
    "a head that shakes": "\U0001f642\u200d\u2194\ufe0f",
}
NOT_SEEN = {
    "Latin": "pay\u200dpal",
    "Greek": "\u03b1\u200c\u03b2",
    "Chinese": "\u662f\u200d\u975e",
    "at the beginning": "\u200d\u0645\u06cc",
    "at the end": "\u0645\u06cc\u200d",
    "beside a space": "\u0645\u200c \u06cc",
    "two": "\u0645\u200c\u200c\u06cc",
    "alone": "\u200c",
}


@pytest.mark.parametrize("text", SPELT.values(), ids=SPELT)
def test_a_joiner_of_real_spelling_stays_everywhere(text: str) -> None:
    assert (
        visible(text)
        == str(DataError(text))
        == wording.mark(text)
        == wording.mark_all(text, keep="\n")
        == text
    )
    without = text.replace("\u200c", "").replace("\u200d", "")
    assert indistinct((text, without)) == ""


@pytest.mark.parametrize("text", NOT_SEEN.values(), ids=NOT_SEEN)
def test_a_joiner_that_nobody_sees_is_written_out_everywhere(text: str) -> None:
    plain = text.replace("\u200c", r"\u200c").replace("\u200d", r"\u200d")
    assert visible(text) == str(DataError(text)) == plain
    marked = text.replace("\u200c", "⟨U+200C⟩").replace("\u200d", "⟨U+200D⟩")
    assert wording.mark(text) == wording.mark_all([text])[0] == marked
    assert indistinct((text, text.replace("\u200c", "").replace("\u200d", ""))) != ""


@pytest.mark.parametrize(
    ("text", "plain", "marked"),
    [
        ("a\U000e0001b", r"a\U000e0001b", "a⟨U+E0001⟩b"),
        ("a\u202eb", r"a\u202eb", "a⟨U+202E⟩b"),
        ("a\x1bb", r"a\u001bb", "a⟨U+001B⟩b"),
        ("a\ud800b", r"a\ud800b", "a⟨U+D800⟩b"),
    ],
    ids=ascii,
)
def test_what_is_hidden_is_written_by_its_code_point(text: str, plain: str, marked: str) -> None:
    assert visible(text) == plain and wording.mark(text) == marked
    assert [is_hidden(text, at) for at in range(3)] == [False, True, False]
    if text != "a\ud800b":
        assert plain.encode().decode("unicode_escape") == text  # as Python reads it


def test_lines_that_are_kept_stay() -> None:
    assert wording.mark_all({"a": "x\ny\u202e"}, keep="\n") == {"a": "x\ny⟨U+202E⟩"}
