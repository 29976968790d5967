"""Numbers in the type that a model takes, and which of them that type cannot hold."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WHOLE_NUMBERS: Final[dict[str, tuple[int, int]]] = {"bool": (0, 1)} | {
    name: (int(np.iinfo(name).min), int(np.iinfo(name).max))
    for name in ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
}
"""Types without fractions and without a missing number, and the ends of their ranges."""


def cast_exactly(values: NDArray[Any], kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers in another type, and where that type holds another number; NaN only floats hold.

    Args:
        values: numbers or truth values.
        kind: "float32", "int64", "bool", ...; floats may round, but not to infinity.

    Example:
        >>> cast_exactly(np.array([3.0, 3.7, 300.0, np.nan]), "uint8")[1].tolist()
        [False, True, True, True]
    """
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(kind)
        if kind not in WHOLE_NUMBERS:
            return cast, np.isinf(cast) & np.isfinite(values)
        low, high = WHOLE_NUMBERS[kind]
        inside = (values >= low) & (values <= high)
        return cast, ~(inside & (cast.astype(values.dtype) == values) & _below(values, high))


def _below(values: NDArray[Any], high: int) -> NDArray[np.bool_]:
    """Whether floats lie below the next power of two, to which the ends of large types are rounded."""
    if values.dtype.kind != "f":
        return np.ones(values.shape, dtype=np.bool_)
    return values < float(high + 1)
