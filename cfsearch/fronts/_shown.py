"""What there is to look at and to read of a front: members along it, a strip of pictures, changes in words."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8

from cfsearch.errors import DataError

from .picks import least_change
from .predicted import predicted_words

if TYPE_CHECKING:
    from .front import ParetoFront


def strip(front: "ParetoFront", *, most: int) -> UInt8[np.ndarray, "h w c"]:
    """The original, then members along the front; see ``ParetoFront.strip``.

    Args:
        front: with pictures.
        most: members at most.

    Raises:
        DataError: the front holds nothing to look at.
    """
    every = [front.picture, *(front.picture_of(i) for i in front.along(most=most))]
    tiles = [picture for picture in every if picture is not None]
    if len(tiles) < len(every):
        raise DataError(f"front {front.name!r}: no images to draw, its inputs are {front.modality.name}.")
    gap = torch.full((tiles[0].shape[0], tiles[0].shape[1], 2), 255, dtype=torch.uint8)
    row = [part for tile in tiles for part in (tile, gap)][:-1]
    return torch.cat(row, dim=2).permute(1, 2, 0).numpy()


def one_line(front: "ParetoFront") -> str:
    """Name, class or predicted number, target, members, verified ones, why the search stopped.

    Args:
        front: that is shown.
    """
    now = predicted_words(front.labels, front.original_scores) or front.labels[front.source]
    goal = "any other class" if front.target is None else front.labels[front.target]
    return (
        f"ParetoFront({front.name!r}, {now} -> {goal}, {len(front)} member{'s' * (len(front) != 1)}, "
        f"{int(front.verified.sum())} verified, {front.reason.code})"
    )


def along(front: "ParetoFront", *, most: int) -> list[int]:
    """Members evenly spread by how far they flip; see ``ParetoFront.along``.

    Args:
        front: whose members they are.
        most: how many at most.
    """
    order = torch.argsort(front.lead(), stable=True).tolist()
    if len(order) <= most:
        return order
    at = np.unique(np.linspace(0, len(order) - 1, most).round().astype(int))
    return [order[i] for i in at]


def words(front: "ParetoFront", i: int) -> tuple[str, ...]:
    """Changes of a member in words, strongest first; see ``ParetoFront.words``.

    Args:
        front: whose member it is.
        i: the member.

    Raises:
        IndexError: there is no such member.
    """
    if not -len(front) <= i < len(front):
        held = f"{len(front)} members" if len(front) else f"none ({front.reason.value})"
        raise IndexError(f"front {front.name!r}: there is no member {i}, it has {held}.")
    if front.described:
        return front.described[i]
    z, value = front.z[i], front.values[i]
    order = torch.argsort(z.abs(), descending=True, stable=True)
    return tuple(
        f"{'+' if z[j] > 0 else '-'}{front.variables[j]} {front.origin_values[j]:.2f} -> {value[j]:.2f}"
        for j in order.tolist()
        if abs(float(z[j])) > least_change(z)
    )
