"""Deletion and insertion curves: how fast a class goes, and comes, with the pixels that explain it.

Pixels are taken from the most important on. Deletion replaces them by a baseline and a good order
makes the class's probability fall fast (small area under the curve); insertion puts them into the
baseline and a good order makes it rise fast (large area). Petsiuk, Das and Saenko 2018 (RISE).
"""

from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.explainer import Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.scores import log_odds
from cfsearch.explainers.axai import Axai

STEPS: Final = 20
_PIECE: Final = 2_000


def slope(subject: Subject, x: Float[Tensor, "n c h w"], label: Int[Tensor, " n"]) -> Tensor:
    """Plain gradient saliency: the magnitude of the log-odds' gradient, over channels, ``(n, h * w)``."""
    at = x.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(log_odds(subject.network(at), label).sum(), at)
    return found.abs().sum(1).flatten(1)


def by_segment(values: Float[Tensor, "n p"], segments: Int[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """Each pixel's value replaced by the mean of its segment."""
    width = int(segments.max()) + 1
    sums = values.new_zeros(len(values), width).scatter_add(1, segments, values)
    count = values.new_zeros(len(values), width).scatter_add(1, segments, torch.ones_like(values))
    return (sums / count.clamp_min(1)).gather(1, segments)


def segment_order(
    first: Float[Tensor, "n p"], then: Float[Tensor, "n p"], segments: Int[Tensor, "n p"]
) -> Int[Tensor, "n p"]:
    """Pixels from the most important segment on; ties of segments by ``then``, pixels of one together."""
    order = segments.argsort(dim=1, stable=True)
    for values in (then, first):
        order = order.gather(1, values.gather(1, order).argsort(dim=1, descending=True, stable=True))
    return order


def orders(
    axai: Axai, subject: Subject, x: Float[Tensor, "n c h w"], *, explanation: Explanation, seed: int
) -> dict[str, Int[Tensor, "n p"]]:
    """Pixels in the order of each method: by AXAI's segments, and one by one."""
    if explanation.segments is None or explanation.attributions is None:
        raise AssertionError("axai gives segments and attributions")
    cut = explanation.segments
    rng = torch.Generator().manual_seed(seed)
    low, high = subject.domain.bounds(x) if axai.attack.bounded else (None, None)
    change = axai.attack.changes(subject, x, label=explanation.source, low=low, high=high)
    strength = change.abs().sum(1).flatten(1)
    steep = slope(subject, x, explanation.source)
    chance = torch.rand(len(x), int(cut.max()) + 1, generator=rng).gather(1, cut)
    pixels = torch.rand(strength.shape, generator=rng)
    return {
        "AXAI, segments": segment_order(explanation.attributions, by_segment(strength, cut), cut),
        "random, segments": segment_order(chance, chance, cut),
        "gradient, segments": segment_order(by_segment(steep, cut), chance, cut),
        "AXAI's attack, pixels": strength.argsort(dim=1, descending=True, stable=True),
        "gradient, pixels": steep.argsort(dim=1, descending=True, stable=True),
        "random, pixels": pixels.argsort(dim=1),
    }


@torch.no_grad()
def areas(
    subject: Subject,
    x: Float[Tensor, "n c h w"],
    *,
    label: Int[Tensor, " n"],
    order: Int[Tensor, "n p"],
    baseline: Float[Tensor, "c h w"],
) -> Mapping[str, Float[Tensor, " n"]]:
    """Areas under the curves of deletion and insertion of each input, in [0, 1]."""
    n, p = order.shape
    place = torch.empty_like(order).scatter_(1, order, torch.arange(p).expand(n, p))
    found: dict[str, list[Tensor]] = {"deletion": [], "insertion": []}
    for step in range(STEPS + 1):
        taken = (place < round(p * step / STEPS)).view(n, 1, *x.shape[2:])
        for name, mix in (
            ("deletion", torch.where(taken, baseline, x)),
            ("insertion", torch.where(taken, x, baseline)),
        ):
            scores = torch.cat([subject.network(part) for part in mix.split(_PIECE)])
            found[name].append(scores.softmax(1).gather(1, label[:, None])[:, 0].double())
    return {
        name: torch.trapezoid(torch.stack(curve, dim=1), dx=1.0 / STEPS, dim=1)
        for name, curve in found.items()
    }
