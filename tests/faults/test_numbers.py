"""Index of the numbered faults: each number from 1 to 90 that names a fault has a test that carries it."""

import re
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parents[1]
UNUSED: Final = frozenset({4, 8, 12, 20, 24, 27, 40, 41, 46, 53, 56, 57, 63, 67, 74, 79, 82, 83})
"""Numbers that name no fault."""


def carried() -> dict[int, list[str]]:
    """For each number the tests whose names carry it."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name in re.findall(r"^(?: {4})?def (test_\w*)\(", path.read_text(encoding="utf-8"), re.MULTILINE):
            for number in re.findall(r"_f(\d\d)(?=_|$)", name):
                found.setdefault(int(number), []).append(f"{path.relative_to(TESTS)}::{name}")
    return found


@pytest.mark.parametrize("number", sorted(set(range(1, 91)) - UNUSED), ids=lambda n: f"F{n:02d}")
def test_the_number_has_a_test(number: int) -> None:
    assert carried().get(number), f"no test carries _f{number:02d}_ in its name"
