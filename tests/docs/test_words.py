"""The package speaks the field's words: the command that lists our own finds none, and finds what it should."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.checkout


def _command() -> ModuleType:
    if "house_words" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "house_words", ROOT / "benchmarks" / "house" / "words.py"
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules["house_words"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["house_words"]


if not (ROOT / "benchmarks" / "house" / "words.py").is_file():
    pytest.skip("the command lies in the checkout", allow_module_level=True)
words = _command()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_asked", ["asked"]),
        ("ToldTwice", ["told"]),
        ("PUBLISHED_REACH", ["reach"]),
        ("row_wise", ["row_wise"]),
        ("AWAY", ["AWAY"]),
        ("household", []),
        ("masked_fill", []),
        ("reached", []),
        ("indoor", []),
    ],
)
def test_a_name_is_split_into_its_words(name: str, expected: list[str]) -> None:
    assert list(words.in_name(name)) == expected


def test_prose_is_searched_for_whole_words_in_either_case() -> None:
    assert list(words.in_prose("Asked once.\nHouseholds are masked; the class to reach\nis told.")) == [
        (0, "Asked"),
        (2, "told"),
    ]


def test_code_comments_and_strings_are_searched_and_of_tests_the_names_alone() -> None:
    source = 'def wish(x: int) -> str:\n    """Told."""\n    # the house\n    return f"{x} doors"\n'
    assert sorted(words.in_python(source)) == [(1, "wish"), (2, "Told"), (3, "house"), (4, "doors")]
    assert list(words.in_python(source, prose=False)) == [(1, "wish")]


def test_a_file_with_a_word_fails_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert words.main(["benchmarks/house/words.py"]) == 0
    assert "0 words" in capsys.readouterr().out


def test_no_word_of_our_own_is_left_and_every_exception_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert words.main([]) == 0, capsys.readouterr().out
