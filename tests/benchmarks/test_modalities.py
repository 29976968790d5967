"""Which places are counted as deciding by the kind of an input, and how many there are at most."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "house" / "modalities.py"
pytestmark = pytest.mark.checkout
MOST: Final = 32
"""Places in the package (75 before the count; seven of these came beside it, in what measures columns and judges rows).
Write a smaller number here when there are fewer, never a larger one."""


@pytest.fixture(scope="module")
def modalities() -> ModuleType:
    spec = importlib.util.spec_from_file_location("modalities", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["modalities"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("image = generator.modality is PICTURES", 1),
        ("if front.rows is None or front.row is None: done()", 1),
        ("sounds = None if config.data.sounds is None else opened()", 1),
        ("moved = x.clamp(0, 1) if x.ndim == 4 else x", 1),
        ("table: TableInput\nif table is not None: use(table)", 1),
        ("table = read()\nif table is not None: use(table)", 0),  # some other table
        ("if x.ndim != 4: raise ShapeError('expected pictures')", 0),
        ("if data.texts is None: raise ConfigError('expected texts')", 0),
        ("pad = x[None] if x.ndim == 1 else x", 0),
        ("rows = every if config.data.rows is None else some", 0),  # which rows, not whether rows
        ("if not modality.pictured: return", 0),
    ],
)
def test_what_counts(modalities: ModuleType, code: str, count: int) -> None:
    assert len(list(modalities.places(code))) == count


def test_a_place_is_found_by_file_and_line(modalities: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives" / "one.py").write_text('"""One."""\n\nif front.modality is ROWS:\n    pass\n')
    assert modalities.every_place(tmp_path) == [("objectives/one.py", 3, "if front.modality is ROWS:")]


def test_no_more_places_than_before_decide_by_the_kind_of_input(modalities: ModuleType) -> None:
    found = modalities.every_place()
    assert len(found) <= MOST, "\n".join(map(str, found))
