"""The merit of AGE-MOEA-II, of many populations at once: spread and closeness along a front's own curve."""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.numerics.batched import power

from .solver import rows

_TINY: Final = 1e-8
_STEPS: Final = 20
"""Most steps of Newton's method; a few are enough nearly always."""

_CLOSE: Final = 1e-3
"""A step of p smaller than this is the last one."""

_LEAST_NORM: Final = 0.1
_MOST_NORM: Final = 20.0
_FLAT: Final = (0.95, 1.05)
"""Norms between these are taken for 1: the front is a plane, on which distances are Euclid's."""


def merit(f: Float[Tensor, "b n m"], first: Bool[Tensor, "b n"], *, survivors: int) -> Float[Tensor, "b n"]:
    """How much each point is worth; larger is better.

    The first front is taken for a unit sphere of some p-norm, p estimated from the front itself. On it the points get their
    merit in the order in which a greedy choice of the loneliest takes them; the corners come first. The others
    are the better, the nearer they are to the ideal point.

    Args:
        f: finite objective values, float64.
        first: the first front of each set; may be empty.
        survivors: so many of a front are ordered, the others have no merit.

    References:
        Panichella 2019, https://doi.org/10.1145/3321707.3321839.
        Panichella 2022, https://doi.org/10.1145/3512290.3528732.

    Example:
        >>> f = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.4, 0.6], [1.0, 1.0]]]).double()
        >>> first = torch.tensor([[True, True, True, True, False]])
        >>> [round(v, 2) for v in merit(f, first, survivors=4)[0].tolist()]  # corners, then by distance
        [inf, inf, 1.41, 0.71, 0.5]
    """
    m = f.shape[-1]
    few = (first.sum(1) < m)[:, None]
    least = torch.where(first[..., None], f, torch.inf).amin(dim=1, keepdim=True)
    ideal = torch.where(least.isfinite(), least, 0.0)
    on_front = torch.where(first[..., None], f - ideal, 0.0)
    corners, index = _corners(on_front, first)
    scale = _scale(on_front, index, few)
    front = on_front / scale
    p = torch.where(few, 1.0, _norm(front, corners, first))
    far = power(_power_sum(((f - ideal) / scale).abs(), p), 1.0 / p)
    spread = _spread(front, first, corners, p, survivors=survivors)
    return torch.where(first, torch.where(few, 0.0, spread), 1.0 / far.clamp(min=_TINY))


def _corners(f: Tensor, first: Tensor) -> tuple[Bool[Tensor, "b n"], Int[Tensor, "b m"]]:
    """For each objective the point nearest to its axis, each point once."""
    place = torch.arange(f.shape[1], device=f.device)
    free, found = first, []
    for j in range(f.shape[-1]):
        axis = [1.0 + 1e-6 if i == j else 1e-6 for i in range(f.shape[-1])]
        along = sum(f[..., i] * a for i, a in enumerate(axis)) / sum(a * a for a in axis)
        off = _sum([(f[..., i] - along * a) ** 2 for i, a in enumerate(axis)])
        found.append(torch.where(free, off, torch.inf).argmin(dim=1))
        free = free & (place != found[-1][:, None])
    return first & ~free, torch.stack(found, dim=1)


def _scale(f: Tensor, index: Tensor, few: Tensor) -> Float[Tensor, "b 1 m"]:
    """Where the plane through the corners cuts the axes; the range where it does not."""
    widest = f.amax(dim=1)
    widest = torch.where(widest > 0, widest, 1.0)
    plane, _ = torch.linalg.solve_ex(rows(f, index), torch.ones_like(widest))
    cut = torch.where(plane > 0, plane, 1.0).reciprocal()
    fine = (plane.isfinite() & (plane > 0) & cut.isfinite()).all(dim=1, keepdim=True) & ~few
    return torch.where(fine, cut, widest)[:, None]


def _norm(f: Tensor, corners: Tensor, first: Tensor) -> Float[Tensor, "b 1"]:
    """The p-norm of which the point nearest to the ideal point is a unit."""
    off = torch.where(first & ~corners, _sum([v**2 for v in f.unbind(-1)]), torch.inf)
    point = rows(f, off.argmin(dim=1, keepdim=True))[:, 0]
    there = (point > 0) & off.isfinite().any(dim=1, keepdim=True)
    log = torch.where(there, (point + 1e-10).log(), 0.0)
    p = torch.ones_like(log[:, :1])
    going = there.any(dim=1, keepdim=True)
    lost = ~going
    for _ in range(_STEPS):
        weight = torch.where(there, (p * log).exp(), 0.0)
        total = _sum([v[:, None] for v in weight.unbind(1)])
        slope = _sum([v[:, None] for v in (weight * log).unbind(1)]) / total
        step = total.log() / slope
        lost = lost | (going & ~((slope != 0) & step.isfinite()))
        going = going & ~lost
        p = torch.where(going, p - step, p)
        going = going & (step.abs() > _CLOSE)
        if p.device.type == "cpu" and not bool(going.any()):
            break
    return torch.where(lost | ~p.isfinite() | (p <= _LEAST_NORM), 1.0, p.clamp(max=_MOST_NORM))


def _spread(f: Tensor, first: Tensor, corners: Tensor, p: Tensor, *, survivors: int) -> Float[Tensor, "b n"]:
    """Merit of the first front in the order of a greedy choice."""
    n = f.shape[1]
    order = (~first).to(torch.uint8).sort(dim=1, stable=True).indices
    if f.device.type == "cpu":
        order = order[:, : max(1, int(first.sum(1).amax()))]
    here, corner = first.gather(1, order), corners.gather(1, order)
    gap = _gaps(rows(f, order), p)
    chosen = corner[:, None]
    one = torch.where(chosen, gap, torch.inf).amin(-1)
    # the second nearest: the nearest again, once the nearest itself is left out
    nearest = torch.where(chosen, gap, torch.inf).argmin(-1, keepdim=True)
    two = torch.where(chosen, gap, torch.inf).scatter(-1, nearest, torch.inf).amin(-1)
    score = torch.where(corner, torch.inf, torch.zeros_like(one))
    left = here & ~corner
    for _ in range(min(gap.shape[1], survivors)):
        lonely = torch.where(two.isfinite(), one + two, one)
        best = torch.where(left, lonely, -torch.inf).argmax(dim=1, keepdim=True)
        some = left.gather(1, best)
        score = score.scatter(1, best, torch.where(some, lonely.gather(1, best), score.gather(1, best)))
        left = left.scatter(1, best, False)
        new = gap.gather(2, best[..., None].expand(*gap.shape[:2], 1))[..., 0]
        two = torch.minimum(two, torch.maximum(one, new))
        one = torch.minimum(one, new)
    out = torch.zeros(first.shape, dtype=score.dtype, device=score.device)
    return out.scatter(1, order, torch.where(here, score, 0.0))[:, :n].double()


def _gaps(f: Tensor, p: Tensor) -> Float[Tensor, "b n n"]:
    """Distance of each pair of points along the curve, by way of their midpoint; over the size of the first."""
    p = p[..., None].float()
    size = power(_power_sum(f.clamp(min=0.0).float(), p[..., 0]), 1.0 / p[..., 0])
    parts = [(v.clamp(min=0.0) / torch.where(size > 0, size, 1.0)).float() for v in f.unbind(-1)]
    middle = [0.5 * v[:, :, None] + 0.5 * v[:, None] for v in parts]
    inverse = power(_sum([power(v, p) for v in middle]), -1.0 / p)
    inverse = torch.where(inverse.isfinite(), inverse, 1.0)
    half = _sum([(v[:, :, None] - w * inverse) ** 2 for v, w in zip(parts, middle, strict=True)]).sqrt()
    straight = _sum([(v[:, :, None] - v[:, None]) ** 2 for v in parts]).sqrt()
    flat = (p > _FLAT[0]) & (p < _FLAT[1])
    gap = torch.where(flat, straight, half + half.transpose(1, 2))
    whole = power(_power_sum(f.abs().float(), p[..., 0]), 1.0 / p[..., 0])
    return gap.clamp(min=_TINY) / torch.where(whole < _TINY, 1.0, whole)[..., None]


def _power_sum(f: Float[Tensor, "b n m"], p: Float[Tensor, "b 1"]) -> Float[Tensor, "b n"]:
    return _sum([power(v, p) for v in f.unbind(-1)])


def _sum(parts: list[Tensor]) -> Tensor:
    """The sum in this order, which a reduction does not promise."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
