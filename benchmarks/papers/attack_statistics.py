"""How an attack spreads its changes over an input: the statistics on which AXAI rests.

Rahnama and Tseng 2021, section 3.2, tables 1 to 4: the changes of one input are a sample; are the
samples of many inputs symmetric, of one mean, and of one family; and which part of them turns the
model?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.explainer_task import Subject
from cfsearch.errors import ConfigError
from cfsearch.explainers.axai import quantiles
from cfsearch.explainers.l2_attack import L2Attack
from cfsearch.numerics.intervals import Interval, wilson

SYMMETRIC: Final = 0.5
"""A skewness below this in magnitude counts as approximately symmetric (Bulmer 1979)."""

PERCENTS: Final = tuple((np.arange(1, 51) / 100).tolist())
"""Tails from 1 to 50 %."""

_NEWTON: Final = 30


@final
@dataclass(frozen=True, slots=True, eq=False)
class BetaFit:
    """A beta distribution fitted to each row.

    Args:
        p, q: the two shapes.
        low, high: the ends of the support, which are given, not fitted.
        distance: largest gap between the row's own distribution function and the fitted one
            (Kolmogorov and Smirnov), in [0, 1].
        normal_distance: the same for a normal distribution of the row's mean and deviation.

    Shapes:
        all ``(b,)`` float64.
    """

    p: Float[Tensor, " b"]
    q: Float[Tensor, " b"]
    low: Float[Tensor, " b"]
    high: Float[Tensor, " b"]
    distance: Float[Tensor, " b"]
    normal_distance: Float[Tensor, " b"]


@final
@dataclass(frozen=True, slots=True)
class PairTests:
    """Tests of equal location over pairs of rows: mean p-values, and how often p < 0.05."""

    t_mean: float
    t_rejected: Interval
    rank_mean: float
    rank_rejected: Interval


def skewness(changes: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """The Fisher-Pearson coefficient of each row; 0 where a row does not vary."""
    x = changes.double()
    away = x - x.mean(dim=1, keepdim=True)
    second = away.square().mean(dim=1)
    third = away.pow(3).mean(dim=1)
    return torch.where(second > 0, third / second.clamp_min(1e-300).pow(1.5), 0.0)


def asymmetric(changes: Float[Tensor, "b d"], *, limit: float = SYMMETRIC) -> Interval | None:
    """The share of rows with a skewness of ``limit`` or more in magnitude; None without rows."""
    return wilson(int((skewness(changes).abs() >= limit).sum()), len(changes))


def fit_beta(
    changes: Float[Tensor, "b d"],
    *,
    low: Float[Tensor, " b"] | None = None,
    high: Float[Tensor, " b"] | None = None,
) -> BetaFit:
    """The beta distribution of each row by maximum likelihood, and how well it fits.

    Args:
        changes: rows that vary.
        low: lower end of the support; a row's least value when None. Values on its ends are moved
            inwards by half a place in ``d``, where the likelihood is finite.
        high: upper end of the support, treated alike; a row's greatest value when None.

    Raises:
        ConfigError: a row that does not vary, or has values outside the support.

    References:
        Smithson and Verkuilen 2006, A better lemon squeezer, for values on the ends.
    """
    x = changes.double()
    d = x.shape[1]
    low = x.amin(dim=1) if low is None else low.double()
    high = x.amax(dim=1) if high is None else high.double()
    if bool((high <= low).any()) or bool((x.amin(1) == x.amax(1)).any()):
        raise ConfigError("beta fit: every row must vary, and its support must not be empty.")
    y = (x - low[:, None]) / (high - low)[:, None]
    if bool((y < 0).any()) or bool((y > 1).any()):
        raise ConfigError("beta fit: some values lie outside `low` and `high`. Widen the support.")
    y = torch.where((y <= 0) | (y >= 1), (y * (d - 1) + 0.5) / d, y)
    p, q = _likeliest(y)
    return BetaFit(p, q, low, high, _gap_to_beta(y, p, q), _gap_to_normal(x))


def pair_tests(changes: Float[Tensor, "b d"], *, pairs: int = 1_000, seed: int = 0) -> PairTests | None:
    """Do two inputs' changes differ in mean (t-test) or mean rank (Mann-Whitney U)?

    Args:
        changes: one row an input.
        pairs: of different rows, drawn at random.
        seed: decides which.

    Returns:
        None with fewer than two rows or without pairs.
    """
    from scipy.stats import mannwhitneyu, ttest_ind

    if len(changes) < 2 or pairs < 1:
        return None
    rng = np.random.default_rng(seed)
    x = changes.double().cpu().numpy()
    first = rng.integers(0, len(x), pairs)
    second = (first + rng.integers(1, len(x), pairs)) % len(x)
    t = np.nan_to_num(ttest_ind(x[first], x[second], axis=1, equal_var=False).pvalue, nan=1.0)
    u = np.nan_to_num(mannwhitneyu(x[first], x[second], axis=1, method="asymptotic").pvalue, nan=1.0)
    t_rejected = wilson(int((t < 0.05).sum()), pairs)
    rank_rejected = wilson(int((u < 0.05).sum()), pairs)
    if t_rejected is None or rank_rejected is None:
        return None
    return PairTests(float(t.mean()), t_rejected, float(u.mean()), rank_rejected)


def in_tails(changes: Float[Tensor, "b *u"], *, share: float) -> Bool[Tensor, "b *u"]:
    """Which numbers lie in the two tails of their row, ``share`` of them in each, ends included."""
    flat = changes.flatten(1)
    ends = quantiles(flat, shares=(share, 1.0 - share))
    low, high = ends[:, :1], ends[:, 1:]
    return ((flat <= low) | (flat >= high)).view_as(changes)


def attack_flips(
    subject: Subject,
    u: Float[Tensor, "b *u"],
    *,
    label: Int[Tensor, " b"],
    attack: L2Attack,
    only: Bool[Tensor, "b *u"] | None = None,
    low: Float[Tensor, "b *u"] | None = None,
    high: Float[Tensor, "b *u"] | None = None,
) -> Bool[Tensor, " b"]:
    """Whether an attack on some of the numbers makes the network leave each input's class.

    Args:
        subject: whose network is attacked.
        u: model inputs.
        label: class of each input.
        attack: by which the numbers are changed.
        only: the numbers that may change; all when None.
        low: lower bounds of the numbers; none when None.
        high: upper bounds of the numbers; none when None.
    """
    change = attack.changes(subject, u, label=label, low=low, high=high, only=only)
    with torch.no_grad():
        return subject.network(u + change).argmax(1) != label


def turning_tail(
    subject: Subject,
    u: Float[Tensor, "b *u"],
    *,
    label: Int[Tensor, " b"],
    changes: Float[Tensor, "b *u"],
    attack: L2Attack,
    shares: Sequence[float] = PERCENTS,
    low: Float[Tensor, "b *u"] | None = None,
    high: Float[Tensor, "b *u"] | None = None,
) -> Float[Tensor, " b"]:
    """The smallest tail such that an attack on nothing else turns the model, NaN where none does.

    The paper re-attacks an input on its tails alone, from none on, until the prediction changes;
    the mean of these shares, 15 %, is its threshold.

    Args:
        subject: whose network is attacked.
        u: model inputs.
        label: class of each input.
        changes: of the attack on everything, which say where the tails are.
        attack: by which the numbers are changed.
        shares: of numbers in each of the two tails, rising, at most 0.5.
        low: lower bounds of the numbers; none when None.
        high: upper bounds of the numbers; none when None.

    Raises:
        ConfigError: shares that do not rise within (0, 0.5].
    """
    steps = [0.0, *shares, 0.5]
    if not shares or any(b < a for a, b in pairwise(steps)) or shares[0] <= 0:
        raise ConfigError(f"turning tail: `shares` must rise within (0, 0.5], got {tuple(shares)!r}.")
    found = torch.full((len(u),), torch.nan, dtype=torch.float64, device=u.device)
    for share in shares:
        left = found.isnan().nonzero()[:, 0]
        if not len(left):
            break
        done = attack_flips(
            subject,
            u[left],
            label=label[left],
            attack=attack,
            only=in_tails(changes[left], share=share),
            low=None if low is None else low[left],
            high=None if high is None else high[left],
        )
        found[left[done]] = share
    return found


def _likeliest(y: Float[Tensor, "b d"]) -> tuple[Tensor, Tensor]:
    """Both shapes by Newton's method on their logarithms, from the moments."""
    up, down = y.log().mean(dim=1), torch.log1p(-y).mean(dim=1)
    mean = y.mean(dim=1)
    common = (mean * (1 - mean) / y.var(dim=1).clamp_min(1e-12) - 1).clamp_min(1e-2)
    p, q = (mean * common).clamp_min(1e-2), ((1 - mean) * common).clamp_min(1e-2)
    for _ in range(_NEWTON):
        both = torch.digamma(p + q)
        g, h = both - torch.digamma(p) + up, both - torch.digamma(q) + down
        curve = torch.polygamma(1, p + q)
        a, b = curve - torch.polygamma(1, p), curve - torch.polygamma(1, q)
        # the log-likelihood is concave in (p, q); steps on the logarithms keep them positive
        det = a * b - curve * curve
        dp, dq = (b * g - curve * h) / det, (a * h - curve * g) / det
        p = p * (-dp / p).clamp(-1.0, 1.0).exp()
        q = q * (-dq / q).clamp(-1.0, 1.0).exp()
    return p, q


def _gap_to_beta(y: Float[Tensor, "b d"], p: Tensor, q: Tensor) -> Float[Tensor, " b"]:
    from scipy.special import betainc

    ranked = y.sort(dim=1).values
    expected = betainc(p.cpu().numpy()[:, None], q.cpu().numpy()[:, None], ranked.cpu().numpy())
    return _largest_gap(torch.from_numpy(expected).to(y.device))


def _gap_to_normal(x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    ranked = x.sort(dim=1).values
    z = (ranked - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True)
    return _largest_gap(torch.special.ndtr(z))


def _largest_gap(expected: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
    """Between a distribution function at the ranked values and the steps of the sample's own."""
    d = expected.shape[1]
    steps = torch.arange(d + 1, dtype=torch.float64, device=expected.device) / d
    over, under = steps[1:] - expected, expected - steps[:-1]
    return torch.maximum(over.amax(dim=1), under.amax(dim=1))
