"""Genuineness of counterfactuals: whether the audited model would also flip on the true counterfactual.

A counterfactual that a generator painted can flip the audited model for two reasons: because the model reacts to the
attribute that was changed, or because it reacts to how the generator paints. Rendered faces can be rendered again and
show which; photographs cannot. What can be measured on any photograph is

- **A**, the edit itself: the edit of ten transformed copies (mirrored or not, still or shifted by one pixel) is mapped back
  and put on the photograph, with and without noise; from the mean lead goes what the error of the generator's
  *reconstruction* says of the attributes that were changed (a ridge regression over photographs);
- **B**, photographs that nobody edited: a ridge regression of the model's log-odds on attributes.

Both are estimates of the lead that the true counterfactual would have, in logits, each with a variance that was measured and
not fitted. ``z`` weighs them by their precisions: in standard errors, how far the true lead is above zero.

On a bank of 21 classifiers and four generators whose faces could be rendered again, ``z >= 1`` kept 76 % of the genuine
counterfactuals of biased models, 93 % of what it kept was genuine, and none of 540 images of unbiased models showed a false
one (``benchmarks/audit/genuineness.py`` measures it anew).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.provider import Provider, answers_of
from cfsearch.contracts.records import UNTARGETED
from cfsearch.contracts.scores import log_odds, verdict_scores
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.numerics.ridge import Ridge

FEWEST_PHOTOGRAPHS: Final = 20
"""With fewer the generator's own error is not known, and nothing is claimed."""

FEWEST_LABELLED: Final = 100
"""With fewer labelled photographs the associations (B) are left out."""

GENUINE: Final = 1.0
"""``z`` from which a counterfactual counts as genuine, in standard errors, by A and B together."""

GENUINE_BY_EDIT: Final = 1.5
"""The same by A alone."""

_NOISE: Final = 0.04
_SHIFTS: Final = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
_OFFSET_PENALTY: Final = 8.0
_ASSOCIATION_PENALTY: Final = 3.0
_LEAST_SPREAD: Final = 1e-3
"""Least standard deviation of a lead, in logits.

A model of steps (trees, rounded scores) may answer the same for ten copies and for every reconstruction. That its lead
scatters by less than was measured does not say that it is exact: a score near one half with four decimals is known to
4e-4 logits. What scatters more is left as it is.
"""
_PIECE: Final = 64
"""Edited pictures held at once, for each of ten copies."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Genuineness:
    """How far the true lead of each member is above zero.

    Args:
        z: in standard errors.
        edit: A, the lead by the edit, in logits; ``edit_variance`` its variance.
        association: B, the lead by associations in unedited photographs, in logits; None where too few are labelled.
        queries: inputs that the audited model was queried about.

    Shapes:
        each ``(n,)``, float64.
    """

    z: Float[Tensor, " n"]
    edit: Float[Tensor, " n"]
    edit_variance: Float[Tensor, " n"]
    association: Float[Tensor, " n"] | None
    queries: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The error of one generator as one model sees it, and the model's associations, measured on photographs.

    Args:
        offset: ridge regression, on attributes, of the log-odds of a reconstruction less those of its photograph.
        association: ridge regression of a photograph's log-odds on its attributes; None with fewer than 100 labelled
            photographs.
        photographs: how many were used.
        offset_sd: standard deviation of that difference, of each class.
        labelled: photographs whose labels were all known.

    Example:
        ``Calibration.fit(provider, generator, x, attributes=labels).genuineness(...)``
    """

    offset: Ridge
    association: Ridge | None
    photographs: int
    offset_sd: Float[Tensor, " k"]
    labelled: int

    @property
    def threshold(self) -> float:
        """``z`` from which a member counts as genuine."""
        return GENUINE_BY_EDIT if self.association is None else GENUINE

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        provider: Provider,
        generator: Generator[Any],  # Any: a generator's state is its own business
        x: Float[Tensor, "n c h w"],
        *,
        attributes: Float[Tensor, "n a"] | None = None,
    ) -> Self:
        """Measure a generator and a model on photographs.

        Args:
            provider: the audited model.
            generator: edits attributes (``AttributeTaker``).
            x: photographs in the generator's size, float32 RGB in [0, 1].
            attributes: their labels in [0, 1], NaN where unknown; None where nothing is known, then the generator
                estimates them and associations are left out.

        Raises:
            ConfigError: fewer than 20 photographs.
            CapabilityError: a generator that does not edit attributes, or cannot estimate what is not known.
        """
        if len(x) < FEWEST_PHOTOGRAPHS:
            raise ConfigError(
                f"genuineness: expected at least {FEWEST_PHOTOGRAPHS} photographs to measure the generator's error on, "
                f"got {len(x)}. Give more images."
            )
        origin, before, after = [], [], []
        for start in range(0, len(x), _PIECE):
            part = slice(start, start + _PIECE)
            known = None if attributes is None else attributes[part]
            state = _encoded(generator, x[part], known)
            space = generator.space(state)
            nothing = torch.zeros(space.b, 1, space.d, device=x.device, dtype=x.dtype)
            origin.append(space.origin.double().cpu())
            before.append(_odds(provider, x[part]))
            after.append(_odds(provider, generator.decode(state, nothing)[:, 0]))
        return cls.of_odds(
            torch.cat(origin),
            before=torch.cat(before),
            after=torch.cat(after),
            labelled=0 if attributes is None else int((~attributes.isnan()).all(1).sum()),
        )

    @classmethod
    def of_odds(
        cls,
        values: Float[Tensor, "n a"],
        *,
        before: Float[Tensor, "n k"],
        after: Float[Tensor, "n k"],
        labelled: int,
    ) -> Self:
        """The calibration from what a model answers for photographs and of their reconstructions.

        Args:
            values: attributes of the photographs.
            before: log-odds of each class on the photographs.
            after: the same on their reconstructions.
            labelled: how many of them have all their labels.
        """
        error = after - before
        return cls(
            offset=Ridge.fit(values, error, penalty=_OFFSET_PENALTY),
            association=Ridge.fit(values, before, penalty=_ASSOCIATION_PENALTY)
            if labelled >= FEWEST_LABELLED
            else None,
            photographs=len(values),
            offset_sd=error.std(0),
            labelled=labelled,
        )

    def to_json(self, *, labels: Sequence[str], names: Sequence[str]) -> dict[str, Any]:  # Any: plain JSON
        """Of each class the reconstruction's error and the associations, in logits.

        Args:
            labels: of the classes.
            names: of the attributes.
        """

        def by_label(values: Float[Tensor, " k"]) -> dict[str, float]:
            return {label: round(float(value), 6) for label, value in zip(labels, values, strict=True)}

        def by_attribute(fit: Ridge) -> dict[str, dict[str, float]]:
            return {name: by_label(row) for name, row in zip(names, fit.coefficients, strict=True)}

        document: dict[str, Any] = {
            "threshold": self.threshold,
            "photographs": self.photographs,
            "labelled": self.labelled,
            "reconstruction_error": {
                "sd": by_label(self.offset_sd),
                "spread": by_label(self.offset.spread),
                "intercept": by_label(self.offset.intercept),
                "by_attribute": by_attribute(self.offset),
            },
        }
        if self.association is not None:
            document["associations"] = {
                "spread": by_label(self.association.spread),
                "by_attribute": by_attribute(self.association),
            }
        return document

    @torch.no_grad()
    def genuineness(
        self,
        provider: Provider,
        generator: Generator[Any],  # Any: a generator's state is its own business
        x: Float[Tensor, "c h w"],
        *,
        origin: Float[Tensor, " a"],
        z: Float[Tensor, "n a"],
        source: int,
        target: int = UNTARGETED,
        seed: int = 0,
    ) -> Genuineness:
        """Genuineness of the counterfactuals of one photograph.

        Args:
            provider: the audited model of the calibration.
            generator: that of the calibration.
            x: the photograph, float32 RGB in [0, 1].
            origin: its attributes.
            z: changes of the members.
            source: index of the class that the model gives it.
            target: index of the class that is searched for, ``UNTARGETED`` for any other than ``source``.
            seed: of the noise.

        Raises:
            ShapeError: changes or attributes do not fit the generator.
        """
        n, a = len(z), len(self.offset.coefficients)
        if z.ndim != 2 or z.shape[1] != a or tuple(origin.shape) != (a,):
            raise ShapeError(
                f"genuineness: expected changes of shape (n, {a}) and {a} attributes, got {tuple(z.shape)} and "
                f"{tuple(origin.shape)}. Give the members of a front of the generator that was calibrated."
            )
        untargeted = target == UNTARGETED
        column, sign = (source, -1.0) if untargeted else (target, 1.0)

        def lead(pictures: Tensor) -> Float[Tensor, " m"]:
            return sign * _odds(provider, pictures)[:, column]

        draw = torch.Generator().manual_seed(seed)
        noise = (_NOISE * torch.randn(2 * len(_SHIFTS), *x.shape, generator=draw)).to(x)
        start = lead(x[None])
        noisy_start = lead((x + noise).clamp(0.0, 1.0))
        direct = torch.zeros(n, 2 * len(_SHIFTS), dtype=torch.float64)
        noisy = torch.zeros_like(direct)
        for k, edits in enumerate(_edits(generator, x, origin=origin, z=z)):
            for at, edit in edits:
                rows = slice(at, at + len(edit))
                direct[rows, k] = lead((x + edit).clamp(0.0, 1.0))
                noisy[rows, k] = start + lead((x + edit + noise[k]).clamp(0.0, 1.0)) - noisy_start[k]
        change = z.double().cpu()
        offset = sign * change @ self.offset.coefficients[:, column]
        mean = (direct.mean(1) + noisy.mean(1)) / 2.0 - offset
        least = _LEAST_SPREAD**2
        variance = (self.offset.spread[column] ** 2 + noisy.var(1)).clamp_min(least)
        queries = queries_of(n)
        if self.association is None:
            return Genuineness(mean / variance.sqrt(), mean, variance, None, queries)
        linear = start + sign * change @ self.association.coefficients[:, column]
        spread = ((self.association.spread[column] / 2.0) ** 2).clamp_min(least)
        precise = 1.0 / variance + 1.0 / spread
        score = (mean / variance + linear / spread) / precise.sqrt()
        return Genuineness(score, mean, variance, linear, queries)


def queries_of(members: int) -> int:
    """Queries that the genuineness of so many members of one front takes.

    Args:
        members: those that are verified.
    """
    copies = 2 * len(_SHIFTS)
    return 1 + copies + 2 * copies * members


def _edits(
    generator: Generator[Any],  # Any: a generator's state is its own business
    x: Float[Tensor, "c h w"],
    *,
    origin: Float[Tensor, " a"],
    z: Float[Tensor, "n a"],
) -> Iterator[list[tuple[int, Float[Tensor, "m c h w"]]]]:
    """For each of ten copies: what the edit adds to the picture, mapped back, in pieces with the place of their first row."""
    known = origin[None].to(x)
    for mirrored in (False, True):
        for shift in _SHIFTS:
            state = _encoded(generator, _moved(x[None], shift, mirrored=mirrored), known)
            unchanged = generator.decode(state, torch.zeros(1, 1, z.shape[1]).to(x))[0]
            pieces = []
            for at in range(0, len(z), _PIECE):
                decoded = generator.decode(state, z[None, at : at + _PIECE].to(x))[0]
                pieces.append((at, _moved_back(decoded - unchanged, shift, mirrored=mirrored)))
            yield pieces


def _moved(
    x: Float[Tensor, "n c h w"], shift: tuple[int, int], *, mirrored: bool
) -> Float[Tensor, "n c h w"]:
    """The picture shifted by whole pixels, its border repeated, then mirrored."""
    down, right = shift
    height, width = x.shape[-2:]
    rows = (torch.arange(height, device=x.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right).clamp(0, width - 1)
    moved = x[..., rows, :][..., columns]
    return moved.flip(-1) if mirrored else moved


def _moved_back(
    x: Float[Tensor, "n c h w"], shift: tuple[int, int], *, mirrored: bool
) -> Float[Tensor, "n c h w"]:
    return _moved(x.flip(-1) if mirrored else x, (-shift[0], -shift[1]), mirrored=False)


def _encoded(
    generator: Generator[Any], x: Tensor, attributes: Tensor | None
) -> Any:  # Any: the generator's own state
    if attributes is None or not isinstance(generator, AttributeTaker):
        return generator.encode(x)
    return cast(AttributeTaker, generator).encode(x, attributes=attributes)


def _odds(provider: Provider, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
    """Log-odds of every class, float64 on the CPU."""
    scores = verdict_scores(answers_of(provider, x), provider)
    k = scores.shape[-1]
    columns = [log_odds(scores[None], index=torch.tensor([i], device=scores.device))[0] for i in range(k)]
    return torch.stack(columns, dim=-1).cpu()
