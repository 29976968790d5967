"""Numbers as tables write them, and their steps."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+", re.ASCII)


_SIGNED: Final = re.compile(
    r"[(+-]?\s*(?:[A-Z]{3}\s|[^\w\s().,+-]\s*)?[+-]?(\d[\d,]*(?:\.\d+)?)\s*([^\W\d_][^\s\d,;()]{0,9}|[^\w\s().,;:/-])?\)?"
)
"""A number with a sign or a unit before or behind it: ``14.2%``, ``$98,000``, ``(1,200)``, ``EUR 5``, ``70.5 kg``."""
_NEARLY: Final = 0.9


def signed_example(cells: Sequence[str]) -> str | None:
    """One of the numbers that stand beside a sign or a unit; None of cells that are something else.

    Args:
        cells: of one column, each once.

    Example:
        >>> signed_example(["14.2%", "7%"]), signed_example(["A11", "A12"]), signed_example(["2 kg", "1 lb"])
        ('14.2%', None, None)
    """
    found = [(cell, match) for cell in cells if (match := _SIGNED.fullmatch(cell)) is not None]
    signed = [(cell, match) for cell, match in found if not is_number(cell)]
    around = {(match[0][: match.start(1)].strip(" (+-"), match[2] or "") for _, match in signed}
    enough = len(found) >= _NEARLY * len(cells) and signed
    return signed[0][0] if enough and len(around) == 1 else None


@lru_cache(maxsize=1024)
def decimals_of(step: float) -> int | None:
    """Decimals of a step, which each text of each cell of a column needs; None of 0.

    Args:
        step: of a column.
    """
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return None if step == 0.0 else max(0, -int(exponent))


def on_grid(values: Float[Tensor, "*n"], *, step: float, decimals: int | None) -> Float[Tensor, "*n"]:
    """The nearest multiples of ``step``, each the float64 that its decimal text reads as."""
    values = values.double()
    if step == 0.0:
        return values
    nearest = torch.round(values / step) * step
    return torch.round(nearest * 10.0**decimals) / 10.0**decimals if decimals else nearest


def is_number(cell: str) -> bool:
    """Whether a text is a finite number as tables write them."""
    return NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))


def plain(cell: float | int | str) -> str:
    """A number as a level's name: 1.0 and 1 are both "1"."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
