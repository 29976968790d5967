"""Whether the parts of a front fit each other."""

from typing import TYPE_CHECKING

from cfsearch.errors import ShapeError

if TYPE_CHECKING:
    from .front import ParetoFront


def check_parts(front: "ParetoFront") -> None:
    """Refuses a front whose parts have other shapes than its members, variables, objectives and labels ask for.

    Args:
        front: as it was put together.

    Raises:
        ShapeError: names the part, its shape and the expected one.
    """
    n, d, m, k = len(front.z), len(front.variables), len(front.objectives), len(front.labels)
    expected = {
        "z": (n, d),
        "f": (n, m),
        "scores": (n, k),
        "original_scores": (k,),
        "reconstruction_scores": (k,),
        "verified": (n,),
        "origin_values": (d,),
        "reference_point": (m,),
    }
    for part, shape in expected.items():
        came = tuple(getattr(front, part).shape)
        if came != shape:
            raise ShapeError(f"front {front.name!r}: expected {part} of shape {shape}, got {came}.")
    if len(front.origins) != n or len(front.units) != m:
        raise ShapeError(
            f"front {front.name!r}: expected {n} origins and {m} units, got {len(front.origins)} "
            f"and {len(front.units)}."
        )
    if front.described and len(front.described) != n:
        raise ShapeError(f"front {front.name!r}: expected {n} descriptions, got {len(front.described)}.")
    for part in ("rows", "texts", "sounds"):
        kept = getattr(front, part)
        if kept is not None and len(kept) != n:
            raise ShapeError(f"front {front.name!r}: expected {n} {part}, got {len(kept)}.")
    for part in ("genuineness", "outlierness", "robustness"):
        kept = getattr(front, part)
        if kept is not None and tuple(kept.shape) != (n,):
            raise ShapeError(
                f"front {front.name!r}: expected {part} of shape ({n},), got {tuple(kept.shape)}."
            )
    each = front.genuineness_each
    if each is not None and (front.genuineness is None or tuple(each.shape) != (n, 2)):
        raise ShapeError(
            f"front {front.name!r}: expected genuineness_each of shape ({n}, 2) beside genuineness, got {tuple(each.shape)}."
        )
    if front.scale is not None and tuple(front.scale.shape) != (d,):
        raise ShapeError(
            f"front {front.name!r}: expected scale of shape ({d},), got {tuple(front.scale.shape)}."
        )
