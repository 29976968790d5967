"""What the terminal says of an explanation."""

from types import SimpleNamespace

from cfsearch.cli._render_explanation import _which
from cfsearch.report.explanations import Word


def test_at_most_three_words_are_named_the_strongest_first() -> None:
    strengths = {"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.7, "e": 0.0}
    words = [Word(text, strength=strength) for text, strength in strengths.items()]
    explained = SimpleNamespace(attributions=object())
    assert _which(explained, words) == (  # type: ignore[arg-type] # it looks at the attributions alone
        "Counts most: b (90% of the most), d (70% of the most), c (50% of the most).",
    )
    assert _which(explained, words[-1:]) == ("No word counts.",)  # type: ignore[arg-type] # likewise
