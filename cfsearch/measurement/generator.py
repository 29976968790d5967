"""How well a generator edits: each attribute's edits as an independent classifier sees them.

Besides the edit success the four properties by which Melistas et al. compare editors of images are measured: composition
(an edit to the value that is already there changes nothing), effectiveness, realism and minimality.

References:
    Monteiro et al. 2023, Measuring axiomatic soundness of counterfactual image models (composition).
    Melistas et al. 2024, Benchmarking Counterfactual Image Generation (effectiveness, realism; minimality as
    log(0.8 exp P(S_cf <= d) + 0.2 exp P(S_f >= d)) in the classifier's features).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.contracts.trainer import Source
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.metrics.frechet import frechet_distance
from cfsearch.numerics.intervals import Interval, wilson

from .judge import AttributeJudge, balanced_accuracy, load, train_judge

FEWEST_HELD_OUT: Final = 30
"""Held-out images below which nothing is measured."""

MOST_HELD_OUT: Final = 1000
"""Held-out images that are measured at most, evenly spread."""

FEWEST_EDITS: Final = 10
"""Images of an attribute below which its edit success is not given, and of either side below which it is not judged."""

JUDGED_RIGHT: Final = 0.75
"""Balanced accuracy on photographs below which the classifier cannot judge edits of an attribute."""

_NULL_EDITS: Final = 10
_AT_ONCE: Final = 32
_CLOSER, _FARTHER = 0.8, 0.2  # weights of the two probabilities of minimality, as its authors set them


@final
@dataclass(frozen=True, slots=True)
class AttributeFigures:
    """What was measured of the edits of one attribute.

    Args:
        success: of the images on whose photograph and reconstruction the judge sees the label, the share on which it
            sees the opposite after the edit; None where the judge cannot tell, or with fewer than 10 such images.
        n: how many such images there are.
        kept: share of the attributes that the edit does not set on which the judge decides as on the photograph; None
            where it can tell none of them.
        strength: mean move of the judge's logit by the edit, over the gap between photographs with and without the
            attribute; 1 is an edit as strong as the difference that labels make.
        moved: the same of each other attribute that the judge can tell, when this one is switched on; largest first.
        judged: balanced accuracy of the judge on photographs; NaN where one side is empty.
    """

    success: Interval | None
    n: int
    kept: float | None
    strength: float | None
    moved: Mapping[str, float]
    judged: float


@final
@dataclass(frozen=True, slots=True)
class GeneratorMeasurement:
    """What was measured of a generator on images that it was not trained on.

    Args:
        generator: its fingerprint.
        images: held-out images.
        attributes: figures of each attribute, in the generator's order.
        composition: mean absolute error on [0, 1] after one and after ten edits to the values that are already there; the
            first is the error of the reconstruction.
        effectiveness: share of edits after which the judge sees the target value, mean of switching on and
            off, over the attributes that it can tell; None where it can tell none.
        realism: squared Frechet distance, in the judge's features, of photographs of one half of the images, their
            reconstructions and their edits to photographs of the other half; the first is the floor.
        minimality: mean over edits, smaller is better; 0.8 to 1 where an edit moves a picture farther than others
            of the target class lie.
    """

    generator: str
    images: int
    attributes: Mapping[str, AttributeFigures]
    composition: Mapping[int, float]
    effectiveness: float | None
    realism: Mapping[str, float]
    minimality: float | None

    @property
    def edit_success(self) -> dict[str, float]:
        """Share of edits that were seen, of each attribute where this could be measured."""
        return {k: v.success.value for k, v in self.attributes.items() if v.success is not None}

    def to_json(self) -> dict[str, Any]:  # Any: plain JSON
        """Plain JSON; shares and errors rounded to 4 decimals."""

        def plain(figures: AttributeFigures) -> dict[str, Any]:
            return {
                "success": None if figures.success is None else figures.success.to_dict(),
                "n": figures.n,
                "kept": _rounded(figures.kept),
                "strength": _rounded(figures.strength),
                "moved": {name: round(share, 4) for name, share in figures.moved.items()},
                "judged": _rounded(figures.judged),
            }

        return {
            "generator": self.generator,
            "images": self.images,
            "attributes": {name: plain(figures) for name, figures in self.attributes.items()},
            "composition": {str(times): round(error, 4) for times, error in self.composition.items()},
            "effectiveness": _rounded(self.effectiveness),
            "realism": {name: round(distance, 4) for name, distance in self.realism.items()},
            "minimality": _rounded(self.minimality),
        }


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the judge sees of ``n`` images: photograph, reconstruction, then an edit of each attribute.

    Shapes:
        ``logits`` ``(n, a + 2, a)``, ``features`` ``(n, a + 2, f)``, ``labels`` ``(n, a)``, ``errors`` ``(n, 2)``,
        ``targets`` ``(n, a, a)``: which attributes each edit sets.
    """

    logits: Float[Tensor, "n e a"]
    features: Float[Tensor, "n e f"]
    labels: Bool[Tensor, "n a"]
    errors: Float[Tensor, "n 2"]
    targets: Bool[Tensor, "n a a"]


@torch.no_grad()
def measure(
    generator: Generator[Any],  # Any: a generator's state is its own business
    *,
    training: Source,
    held_out: Source,
    seed: int = 0,
    device: str = "cpu",
    judge: AttributeJudge | None = None,
    watch: Callable[[float], None] | None = None,
) -> GeneratorMeasurement:
    """Measure a generator's edits on images that it was not trained on.

    Args:
        generator: edits attributes (``AttributeTaker``) of images.
        training: labelled images for the judge; those that the generator was trained on do.
        held_out: labelled images for the figures, at most 1,000 of which are used.
        seed: of the judge and of what is drawn.
        device: of the computation.
        judge: left out, one is trained; it tells the attributes of ``held_out``.
        watch: called with the share done.

    Raises:
        CapabilityError: the generator does not take attributes.
        ConfigError: fewer than 30 held-out images, or other attributes than the generator's.
    """
    if not isinstance(generator, AttributeTaker) or len(generator.shape) != 3:
        raise CapabilityError(
            f"measurement: expected a generator that edits attributes of images, got {generator.name!r}. "
            "Generators of rows, texts and sounds set values exactly; there is nothing to be seen."
        )
    names = tuple(generator.attribute_names)
    if tuple(held_out.attributes) != names or tuple(training.attributes) != names:
        raise ConfigError(
            f"measurement: expected images labelled with {', '.join(names)}, got {', '.join(held_out.attributes)}."
        )
    if len(held_out) < FEWEST_HELD_OUT:
        raise ConfigError(
            f"measurement: expected at least {FEWEST_HELD_OUT} held-out images, got {len(held_out)}. Give more images."
        )
    report = watch or (lambda _: None)
    if judge is None:
        with torch.enable_grad():
            judge = train_judge(training, seed=seed, device=device, watch=lambda share: report(0.8 * share))
    generator, judge = generator.to(device), judge.to(device)
    images, labels = load(held_out, most=MOST_HELD_OUT)
    seen = _seen(generator, judge, images, labels, device=device, watch=lambda s: report(0.8 + 0.2 * s))
    decided, truth = seen.logits > 0.0, seen.labels
    right = balanced_accuracy(decided[:, 0], truth)
    sides = torch.minimum(truth.sum(0), (~truth).sum(0))
    judged = (right >= JUDGED_RIGHT) & (sides >= FEWEST_EDITS)
    figures = {
        name: _attribute(seen, i, names=names, judged=judged, right=float(right[i]))
        for i, name in enumerate(names)
    }
    known = torch.nonzero(judged).flatten().tolist()
    draw = torch.Generator().manual_seed(seed)
    return GeneratorMeasurement(
        generator=generator.fingerprint,
        images=len(images),
        attributes=figures,
        composition={1: float(seen.errors[:, 0].mean()), _NULL_EDITS: float(seen.errors[:, 1].mean())},
        effectiveness=_mean([_effective(decided[:, i + 2, i], truth[:, i]) for i in known]),
        realism=_realism(seen.features, draw=draw),
        minimality=_mean([_minimality(seen, i) for i in known]),
    )


def _seen(
    generator: Generator[Any],
    judge: AttributeJudge,
    images: Tensor,
    labels: Float[Tensor, "n a"],
    *,
    device: str,
    watch: Callable[[float], None],
) -> _Seen:
    logits, features, errors, targets = [], [], [], []
    for at in range(0, len(images), _AT_ONCE):
        x = images[at : at + _AT_ONCE].to(device).float() / 255.0
        own = labels[at : at + _AT_ONCE].to(device)
        state = cast(AttributeTaker, generator).encode(x, attributes=own)
        z = _edits(generator.space(state), own > 0.5)
        made = generator.decode(state, z)
        shown = torch.cat([x[:, None], made], 1)
        flat = shown.flatten(0, 1)
        logits.append(judge(flat).view(*shown.shape[:2], -1).cpu())
        features.append(judge.features(flat).view(*shown.shape[:2], -1).cpu())
        errors.append(_null_errors(generator, x, own, once=made[:, 0]).cpu())
        targets.append((z[:, 1:] != 0.0).cpu())
        watch(min(1.0, (at + _AT_ONCE) / len(images)))
    return _Seen(torch.cat(logits), torch.cat(features), labels > 0.5, torch.cat(errors), torch.cat(targets))


def _edits(space: SearchSpace, on: Bool[Tensor, "n a"]) -> Float[Tensor, "n e a"]:
    """No change, then of each attribute the change to the other end of its range; a group's others go off."""
    n, a = on.shape
    off_end, on_end = space.lower, space.upper
    z = torch.zeros(n, a + 1, a, device=on.device, dtype=space.lower.dtype)
    for i in range(a):
        z[:, i + 1, i] = torch.where(on[:, i], off_end[:, i], on_end[:, i])
        for group in space.groups:
            members = [space.names.index(name) for name in group]
            if i in members:
                for j in (j for j in members if j != i):
                    z[:, i + 1, j] = torch.where(~on[:, i] & on[:, j], off_end[:, j], 0.0)
    return z


def _null_errors(
    generator: Generator[Any],
    x: Float[Tensor, "n c s s"],
    own: Float[Tensor, "n a"],
    *,
    once: Float[Tensor, "n c s s"],
) -> Float[Tensor, "n 2"]:
    """Mean absolute error of each image after one and after ten reconstructions."""
    again = once
    for _ in range(_NULL_EDITS - 1):
        state = cast(AttributeTaker, generator).encode(again, attributes=own)
        again = generator.decode(state, torch.zeros(len(x), 1, own.shape[1]).to(x))[:, 0]
    return torch.stack([(made - x).abs().mean((1, 2, 3)) for made in (once, again)], dim=1)


def _attribute(
    seen: _Seen, i: int, *, names: tuple[str, ...], judged: Bool[Tensor, " a"], right: float
) -> AttributeFigures:
    decided, truth = seen.logits > 0.0, seen.labels
    photo, rebuilt, edited = decided[:, 0], decided[:, 1], decided[:, i + 2]
    agreed = (photo[:, i] == truth[:, i]) & (rebuilt[:, i] == truth[:, i])
    hits, n = int((edited[:, i] != truth[:, i])[agreed].sum()), int(agreed.sum())
    others = [j for j in range(len(names)) if j != i and bool(judged[j])]
    free = ~seen.targets[:, i] & judged
    direction = torch.where(truth[:, i], -1.0, 1.0)
    change = (seen.logits[:, i + 2] - seen.logits[:, 1]) * direction[:, None]
    gap = _gap(seen)
    moves = change.mean(0) / gap
    switched_on = ~truth[:, i]
    carried = ((seen.logits[:, i + 2] - seen.logits[:, 1])[switched_on].mean(0) / gap).tolist()
    order = sorted(others, key=lambda j: -abs(carried[j])) if bool(switched_on.any()) else []
    return AttributeFigures(
        success=wilson(hits, n) if bool(judged[i]) and n >= FEWEST_EDITS else None,
        n=n,
        kept=float((edited == photo)[free].double().mean()) if bool(free.any()) else None,
        strength=float(moves[i]) if bool(judged[i]) else None,
        moved={names[j]: float(carried[j]) for j in order},
        judged=right,
    )


def _gap(seen: _Seen) -> Float[Tensor, " a"]:
    """Of each attribute, the judge's mean logit of photographs with it less that of those without."""
    photo, on = seen.logits[:, 0], seen.labels.to(seen.logits.dtype)
    return (photo * on).sum(0) / on.sum(0) - (photo * (1.0 - on)).sum(0) / (1.0 - on).sum(0)


def _effective(edited: Bool[Tensor, " n"], truth: Bool[Tensor, " n"]) -> float:
    """Share of edits after which the other value is seen, mean of both directions."""
    reached = (edited != truth).double()
    return float((reached[truth].mean() + reached[~truth].mean()) / 2.0)


def _realism(features: Float[Tensor, "n e f"], *, draw: torch.Generator) -> dict[str, float]:
    order = torch.randperm(len(features), generator=draw)
    one, two = order[: len(order) // 2], order[len(order) // 2 :]
    edit = torch.randint(2, features.shape[1], (len(features),), generator=draw)
    edits = features[torch.arange(len(features)), edit]
    photographs = features[two, 0]
    return {
        "photographs": frechet_distance(features[one, 0], photographs),
        "reconstructions": frechet_distance(features[one, 1], photographs),
        "edits": frechet_distance(edits[one], photographs),
    }


def _minimality(seen: _Seen, i: int) -> float:
    """Mean over images of log(0.8 exp P(S_cf <= d) + 0.2 exp P(S_f >= d)).

    d: distance of the edit to its photograph; S_cf: distances of the photograph to photographs of the class that
    was targeted; S_f: to those of its own class.
    """
    photo, truth = seen.features[:, 0], seen.labels[:, i]
    apart = torch.cdist(photo, photo, p=1.0)
    moved = (seen.features[:, i + 2] - photo).abs().sum(1)
    same = truth[:, None] == truth[None]
    nearer = ((apart <= moved[:, None]) & ~same).sum(1) / (~same).sum(1)
    farther = ((apart >= moved[:, None]) & same).sum(1) / same.sum(1)
    return float((_CLOSER * nearer.double().exp() + _FARTHER * farther.double().exp()).log().mean())


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 4)
