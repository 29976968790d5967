"""AXAI: attribution to the segments that an adversarial attack changes most densely."""

from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Task
from cfsearch.errors import ConfigError, ShapeError

from .l2_attack import L2Attack
from .segments import Grid, Quickshift, Segmenter


@final
class Axai(Explainer):
    """AXAI explainer: attributes a class to the segments with the largest share of strongly attacked pixels.

    An L2 attack leaves the class (or, where a target is given, seeks it). Numbers that it
    lowers below the lower tail of its own changes or raises above the upper one were attacked
    strongly. A segment's density is the share of its numbers that were; the ``top`` segments of
    highest density are the explanation, and a feature's attribution is its segment's density.

    Segments are squares of time and frequency for spectrograms and other pictures of one channel,
    QuickShift's for colour pictures, and single features (columns, words) elsewhere.

    Args:
        top: how many segments explain, >= 1; fewer where fewer have any density.
        tail: share of the changes in each tail, in (0, 0.5).
        radius: of the attack's L2 ball, in the domain's numbers.
        steps: of the attack.
        bounded: whether the attack keeps numbers in their ranges, see ``L2Attack``.
        segmenter: how pictures are cut; chosen as above when None.

    Raises:
        ConfigError: a setting outside its range.

    References:
        Rahnama and Tseng 2021, An adversarial approach for explaining the predictions of deep
        neural networks, CVPR workshops.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> explanation = Axai(steps=5).explain(torch.full((1, 3, 4, 4), 0.4), subject=subject)
        >>> explanation.counterfactuals is None, explanation.chosen.shape
        (True, torch.Size([1, 16]))
    """

    name: ClassVar[str] = "axai"

    def __init__(
        self,
        *,
        top: int = 5,
        tail: float = 0.15,
        radius: float = 1.0,
        steps: int = 20,
        bounded: bool = True,
        segmenter: Segmenter | None = None,
    ) -> None:
        if top < 1:
            raise ConfigError(f"axai: `top` must be at least 1, got {top!r}.")
        if not 0.0 < tail < 0.5:
            raise ConfigError(f"axai: `tail` must lie between 0 and 0.5, got {tail!r}.")
        self.top = top
        self.tail = tail
        self.attack: L2Attack = L2Attack(radius=radius, steps=steps, bounded=bounded)
        self.segmenter = segmenter

    def propose(self, task: Task) -> Proposal:
        """Attack, keep the tails, count them by segment."""
        domain = task.subject.domain
        change = self.attack.on(task)
        still = int((change.flatten(1) == 0).all(1).sum())
        if still:
            task.notes.append(
                f"The model's answer has no slope at {still} of {len(change)} inputs, which are not explained."
            )
        segments = self._segments(task)
        strong = tails(change.flatten(1), share=self.tail).view_as(change)
        hits = domain.pooled(strong.float())
        sizes = domain.pooled(torch.ones_like(change))
        strength = domain.pooled(change.abs())
        density = _by_segment(hits, segments) / _by_segment(sizes, segments).clamp_min(1.0)
        mean = _by_segment(strength, segments) / _by_segment(sizes, segments).clamp_min(1.0)
        picked = _first(density, then=mean, top=self.top)
        return Proposal(
            attributions=density.gather(1, segments),
            chosen=picked.gather(1, segments),
            segments=segments,
        )

    def _segments(self, task: Task) -> Int[Tensor, "b f"]:
        layout = task.subject.domain.layout
        if len(layout) == 1:
            return torch.arange(layout[0], device=task.u.device).expand(len(task.u), -1)
        pictures = _pictures(task)
        segmenter = self.segmenter or (Quickshift() if pictures.shape[1] == 3 else Grid())
        found = segmenter(pictures)
        if found.shape != (len(pictures), *layout):
            raise ShapeError(
                f"axai: the segmenter must give a segment for each pixel, {(len(pictures), *layout)}, got "
                f"{tuple(found.shape)}."
            )
        return found.flatten(1)


def tails(changes: Float[Tensor, "b d"], *, share: float) -> Bool[Tensor, "b d"]:
    """Mask of the numbers that an attack changed strongly: outside two percentiles of its own changes.

    A number counts if it was lowered and lies below the percentile ``100 * share``, or was raised
    and lies above ``100 * (1 - share)``; percentiles are interpolated linearly, row by row.
    """
    ends = quantiles(changes, shares=(share, 1.0 - share))
    low, high = ends[:, :1], ends[:, 1:]
    return ((changes < low) & (changes < 0)) | ((changes > high) & (changes > 0))


def quantiles(values: Float[Tensor, "b d"], *, shares: tuple[float, ...]) -> Float[Tensor, "b q"]:
    """Quantiles of each row, interpolated linearly, for rows of any length."""
    # torch.quantile refuses more than 2**24 numbers, which a batch of photographs has
    ranked = values.sort(dim=1).values
    places = torch.tensor(shares, dtype=torch.float64, device=values.device) * (values.shape[1] - 1)
    below = places.floor().long()
    above = places.ceil().long()
    part = (places - below).to(values.dtype)
    return torch.lerp(ranked[:, below], ranked[:, above], part)


def _pictures(task: Task) -> Float[Tensor, "b c h w"]:
    """The inputs at the features' resolution: means over the pixels of each feature."""
    u, domain = task.u, task.subject.domain
    if u.ndim != 4 or len(domain.layout) != 2:
        raise ShapeError(
            f"axai: expected pictures of (channels, height, width) or one line of features, got numbers of "
            f"shape {tuple(u.shape[1:])} laid out as {domain.layout}."
        )
    plane = domain.owner[0].flatten().to(u.device)
    count = torch.zeros(domain.features, device=u.device).index_add(
        0, plane, torch.ones_like(plane, dtype=u.dtype)
    )
    sums = u.new_zeros(*u.shape[:2], domain.features).index_add(2, plane, u.flatten(2))
    return (sums / count).view(*u.shape[:2], *domain.layout)


def _by_segment(values: Float[Tensor, "b f"], segments: Int[Tensor, "b f"]) -> Float[Tensor, "b s"]:
    """Sums over the features of each segment."""
    width = int(segments.amax()) + 1 if segments.numel() else 0
    return values.new_zeros(len(values), width).scatter_add(1, segments, values)


def _first(density: Float[Tensor, "b s"], *, then: Float[Tensor, "b s"], top: int) -> Bool[Tensor, "b s"]:
    """The ``top`` segments of each row by density, ties by ``then`` and by number; none of density 0."""
    order = then.argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, density.gather(1, order).argsort(dim=1, descending=True, stable=True))
    picked = torch.zeros_like(density, dtype=torch.bool)
    return picked.scatter(1, order[:, :top], True) & (density > 0)
