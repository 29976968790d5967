"""Guesses of codes, steps, values and gaps: what is taken for one, what is not, and the reason given."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cfsearch.datasets.tables import infer_schema
from cfsearch.datasets.tables._support import Support, support_of

DRAW = np.random.default_rng(0)
N = 2000


def mixed(rest: np.ndarray, **share: float) -> np.ndarray:
    """The numbers, of which some are replaced: ``_9`` stands for -9."""
    out = rest.copy()
    for name, part in share.items():
        out[DRAW.random(len(out)) < part] = float(name.replace("_", "-").lstrip("n"))
    return out


def guess(values: np.ndarray, *, step: float = 1.0) -> Support:
    return support_of("x", Counter(map(float, values)), step=step, whole=step == 1.0)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (mixed(DRAW.integers(33, 95, N), _9=0.1, _8=0.1), (-9, -8)),
        (mixed(DRAW.integers(0, 8, N), _9=0.05, _8=0.05, _7=0.05), (-9, -8, -7)),
        (mixed(DRAW.integers(0, 50, N), _5=0.1), (-5,)),
        (mixed(DRAW.integers(1, 51, N), _4=0.1), (-4,)),
        (mixed(DRAW.integers(0, 28, N), n999=0.9), (999,)),
        (mixed(DRAW.integers(1, 870, N), _1=0.9), (-1,)),
        (mixed(DRAW.integers(-20, 40, N), _999=0.01), (-999,)),
        (mixed(DRAW.integers(1990, 2020, N), n0=0.01), (0,)),
        (mixed(DRAW.integers(1, 6, N), n98=0.1, n99=0.1), (98, 99)),
        (mixed(DRAW.integers(0, 50, N), _9=0.1, n999=0.1), (-9, 999)),
        (mixed(DRAW.integers(0, 41_310, N), n99999=0.01), (99_999,)),
    ],
)
def test_isolated_repeated_numbers_are_codes(values: np.ndarray, codes: tuple[float, ...]) -> None:
    found = guess(values)
    assert found.codes == codes
    assert f"codes = [{', '.join(map(str, codes))}]" in found.notes[0]


@pytest.mark.parametrize(
    "values",
    [
        DRAW.integers(-2, 9, N),
        DRAW.integers(-1, 2, N),
        DRAW.integers(0, 2, N),
        DRAW.integers(0, 100, N),
        mixed(DRAW.integers(0, 50, N), _4=0.1),
        np.append(DRAW.integers(17, 91, N), [99] * 5),
        np.append(DRAW.integers(0, 50, N), [999]),
        np.round(DRAW.normal(0, 3, N)),
        np.round(DRAW.lognormal(7, 1, N)),
    ],
    ids=["-2 to 8", "-1 to 1", "0 to 1", "0 to 99", "-4 of 0 to 49", "age 99", "once", "normal", "lognormal"],
)
def test_ends_of_a_range_are_no_codes(values: np.ndarray) -> None:
    assert guess(values).codes == ()


def test_numbers_that_never_occur_are_not_gone_to() -> None:
    few = guess(DRAW.choice([0, 1, 2, 3, 6, 8], N))
    assert few.values == (0, 1, 2, 3, 6, 8) and "4, for one, never does" in few.notes[0]
    assert guess(DRAW.integers(0, 9, N)).values == ()
    assert guess(DRAW.choice([0, 1, 2, 3, 6, 8], 30)).values == (), "too few rows to say so"
    rare = guess(np.concatenate([np.zeros(500), DRAW.integers(5_000, 15_000, N)]))
    [(low, high)] = rare.gaps
    assert low == 0 and 5_000 <= high < 5_100 and "no number lies between 0 and" in rare.notes[0]


def test_steps_are_those_of_the_numbers() -> None:
    assert guess(DRAW.integers(1, 60, N) * 50).step == 50
    assert guess(np.round(DRAW.integers(0, 500, N) * 0.25, 2), step=0.01).step == 0.25
    assert guess(DRAW.integers(0, 60, N)).step == 1
    assert guess(DRAW.normal(size=N), step=0.0).step == 0


def test_a_file_with_codes_gets_a_schema_that_says_so(tmp_path: Path) -> None:
    score = mixed(DRAW.integers(40, 95, 300), _9=0.1)
    lines = "\n".join(f"{v},{i % 7}.5" for i, v in enumerate(score.tolist()))
    (tmp_path / "t.csv").write_text(f"score,other\n{lines}\n")
    found = infer_schema(tmp_path / "t.csv")
    column = found.schema.column("score")
    assert (column.codes, column.low >= 40) == ((-9.0,), True)
    assert "codes -9" in found.summary() and "note: score: -9 (" in found.summary()
