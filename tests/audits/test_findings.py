"""Where two JSON values differ first, and the document of a check."""

from typing import Any

import pytest

from cfsearch.audits.findings import Caught, CheckResult, Finding, difference
from cfsearch.errors import CfsearchError, DataError


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1, 1.0),
        (0.5, 0.5 + 1e-6),
        (1e6, 1e6 + 1.0),  # 1 in a million
        ({"a": [1, {"b": None}]}, {"a": (1, {"b": None})}),
        ({"a": None}, {}),  # what is missing is none
        ([], ()),
        (True, True),
        ("x", "x"),
    ],
)
def test_values_that_are_the_same_but_for_rounding(found: Any, expected: Any) -> None:
    assert difference(found, expected) is None
    assert difference(expected, found) is None


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (1, 2, "differs: 1 stands there, 2 follows"),
        (0.5, 0.500003, "differs: 0.5 stands there, 0.500003 follows"),
        (1e6, 1e6 + 3.0, "differs: 1000000.0 stands there, 1000003.0 follows"),
        (True, 1, "differs: True stands there, 1 follows"),
        (0, False, "differs: 0 stands there, False follows"),
        ("1", 1, "differs: '1' stands there, 1 follows"),
        (float("nan"), 1.0, "differs: nan stands there, 1.0 follows"),
        ({"b": 1, "a": 2}, {"b": 2, "a": 3}, "differ at `a`: 2 stands there, 3 follows"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "differ at `a.b[1]`: 2 stands there, 3 follows"),
        ([{"x": 1}], [{"x": 2}], "differ at `[0].x`: 1 stands there, 2 follows"),
        ([1], [1, 2], "differs: '1 entries' stands there, '2' follows"),
        ({"a": [9]}, {"a": [1, 2]}, "differ at `a`: '1 entries' stands there, '2' follows"),
        ({"a": 1}, [1], "differs: {'a': 1} stands there, [1] follows"),
    ],
)
def test_the_first_difference_is_named_with_its_place(found: Any, expected: Any, words: str) -> None:
    assert difference(found, expected) == f"{words} from what is stored"


def test_a_long_value_is_cut_at_80_letters() -> None:
    text = difference("a" * 78, "b" * 79)
    assert text == f"differs: {'a' * 78!r} stands there, '{'b' * 76}... follows from what is stored"


def test_only_errors_of_ours_are_findings() -> None:
    found: list[CfsearchError] = []
    with Caught(found.append):
        raise DataError("x.")
    assert [str(error) for error in found] == ["x."]
    with pytest.raises(ValueError, match="ours not"), Caught(found.append):
        raise ValueError("ours not")
    with Caught(found.append):
        pass
    assert len(found) == 1


def test_the_document_of_a_check() -> None:
    finding = Finding("figures", "audit.json", "It differs.")
    result = CheckResult("runs/one", (finding,), ("A note.",), {"files": 3})
    assert result.to_dict() == {
        "format": "cfsearch-check/1",
        "run": "runs/one",
        "ok": False,
        "findings": [{"check": "figures", "part": "audit.json", "message": "It differs."}],
        "notes": ["A note."],
        "checked": {"files": 3},
    }
    assert CheckResult("r", (), (), {}).to_dict()["ok"] is True
