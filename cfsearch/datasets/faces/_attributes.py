"""Joint distributions of the thirteen face attributes."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfsearch.datasets.face_attributes import ATTRIBUTES, EXCLUSIVE_GROUPS
from cfsearch.errors import ConfigError, ShapeError

F32: TypeAlias = NDArray[np.float32]
Joint: TypeAlias = Literal["natural", "independent"]

# Natural rates, women then men; hair colours are black, blond, brown, none of them.
_MALE = 0.42
_YOUNG = (0.80, 0.65)
_BALD_YOUNG, _BALD_OLD = (0.002, 0.06), (0.01, 0.24)
_BANGS = (0.24, 0.09)
_HAIR = ((0.22, 0.35, 0.30, 0.13), (0.38, 0.05, 0.36, 0.21))
_BUSHY = (0.06, 0.26)
_GLASSES_YOUNG, _GLASSES_OLD = (0.03, 0.09), (0.12, 0.24)
_OPEN = (0.54, 0.42)
_BEARD = (0.002, 0.40)
_MUSTACHE_WITH_BEARD = 0.40
_PALE = (0.08, 0.05)

# Independent rates of the states of the exclusive groups; all others are fair coins.
_TOP = (1 / 3, 1 / 3, 1 / 3)  # bald, bangs, neither
_COLOUR = (0.25, 0.25, 0.25, 0.25)  # black, blond, brown, none of them
_FACIAL = (0.25, 0.50, 0.25)  # moustache with beard, no beard, beard alone


def column(name: str) -> int:
    """Position of attribute ``name`` in ``ATTRIBUTES``."""
    if name not in ATTRIBUTES:
        raise ConfigError(
            f"faces: expected one of the attributes {', '.join(ATTRIBUTES)}, got {name!r}. "
            "Check the spelling and the capitals."
        )
    return ATTRIBUTES.index(name)


def sample_attributes(n: int, *, rng: np.random.Generator, joint: Joint = "natural") -> F32:
    """Binary attributes of ``n`` faces, free of conflicts.

    ``natural`` has the correlations of portraits: 42 % are men; 35 % of the women and 5 % of
    the men are blond; bald, bearded and moustached people are nearly all men; the old wear
    glasses more often. ``independent`` has none, beside the exclusion within a group: bald,
    bangs or neither a third each; the three hair colours and none of them a quarter each; no
    beard a half, beard with and without a moustache a quarter each; all others fair coins.

    Args:
        n: number of faces, >= 0.
        rng: source of randomness.
        joint: which distribution.

    Shapes:
        -> ``(n, 13)``, columns in the order of ``ATTRIBUTES``.

    Raises:
        ConfigError: ``n`` is negative or ``joint`` is unknown.
    """
    require_count(n)
    if joint == "natural":
        return _natural(n, rng)
    if joint == "independent":
        return _independent(n, rng)
    raise ConfigError(f"sample_attributes: `joint` must be 'natural' or 'independent', got {joint!r}.")


def sample_planted(n: int, *, rng: np.random.Generator, attribute: str, rho: float) -> F32:
    """Attributes in which one correlates with Male by ``rho`` and all else is independent.

    Male and the planted attribute are on in half of the faces each, by quota and not by
    chance, so that their sample correlation is ``rho`` up to rounding (4 / n). The others
    are drawn as in the independent joint. Where the planted attribute has rivals in an
    exclusive group (hair colours, Bald and Bangs, Mustache and No_Beard), these share what it
    leaves over and correlate with Male a little, the other way: exclusion leaves no choice.

    Args:
        n: number of faces, >= 0.
        rng: source of randomness.
        attribute: what to plant; not Male.
        rho: wanted correlation, -1 to 1.

    Shapes:
        -> ``(n, 13)``.

    Raises:
        ConfigError: ``attribute`` is unknown or Male, or ``rho`` is outside its range.
    """
    require_count(n)
    index = column(attribute)
    if attribute == "Male":
        raise ConfigError(
            "sample_planted: expected an attribute to correlate with Male, got Male itself. "
            "Choose another one."
        )
    if not -1.0 <= rho <= 1.0:
        raise ConfigError(f"sample_planted: `rho` must lie in [-1, 1], got {rho!r}.")

    men = n // 2
    agree_men, agree_women = (round(m * (1.0 + rho) / 2.0) for m in (men, n - men))
    male = np.arange(n) < men
    planted = np.where(male, np.arange(n) < agree_men, np.arange(n) - men >= agree_women)
    order = rng.permutation(n)
    male, planted = male[order], planted[order]

    attributes = _independent(n, rng)
    attributes[:, column("Male")] = male
    for group, rates in zip(EXCLUSIVE_GROUPS, (_TOP, _COLOUR, _FACIAL), strict=True):
        if attribute in group:
            rivals = _without_state(n, rng, rates, skip=group.index(attribute))
            attributes[:, [column(g) for g in group]] = np.where(planted[:, None], 0.0, rivals)
    attributes[:, index] = planted
    return attributes


def do(attributes: F32, *, name: str, value: float) -> F32:
    """The faces after an intervention on one attribute; rivals in its group give way.

    Rivals (Bald and Bangs; the hair colours; Mustache and No_Beard) are lowered to at most
    ``1 - value``: switched on, an attribute clears them; switched off, it leaves them alone;
    between, the result moves continuously.

    Args:
        attributes: strengths in [0, 1]; not changed.
        name: which attribute to set.
        value: its new strength, 0 to 1.

    Shapes:
        ``(..., 13)`` -> ``(..., 13)``.

    Raises:
        ConfigError: ``name`` is unknown or ``value`` is outside its range.
        ShapeError: ``attributes`` has not 13 columns.
    """
    index = column(name)
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"do: `value` of {name} must lie in [0, 1], got {value!r}.")
    if attributes.ndim < 1 or attributes.shape[-1] != len(ATTRIBUTES):
        raise ShapeError(
            f"do: expected attributes of shape (..., {len(ATTRIBUTES)}), got "
            f"{attributes.shape}. Give one column for each name in ATTRIBUTES."
        )
    done = np.array(attributes, dtype=np.float32)
    for group in EXCLUSIVE_GROUPS:
        if name in group:
            rivals = [column(g) for g in group if g != name]
            done[..., rivals] = np.minimum(done[..., rivals], np.float32(1.0 - value))
    done[..., index] = value
    return done


def without(attributes: F32, *, where: Mapping[str, float]) -> NDArray[np.bool_]:
    """Mask of the faces that are *not* as described, to keep them.

    Args:
        attributes: strengths; at least 0.5 counts as on.
        where: attribute -> 1 or 0; a face is left out if all of them hold.

    Shapes:
        ``(n, 13)`` -> ``(n,)``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> a = sample_attributes(1000, rng=rng)
        >>> a = a[without(a, where={"Blond_Hair": 1, "Male": 0})]  # no blond women
        >>> women = a[a[:, ATTRIBUTES.index("Male")] == 0]
        >>> float(women[:, ATTRIBUTES.index("Blond_Hair")].max())
        0.0
    """
    require_attributes(attributes, who="without")
    described = np.ones(len(attributes), dtype=np.bool_)
    for name, value in where.items():
        described &= (attributes[:, column(name)] >= 0.5) == (value >= 0.5)
    return ~described


def require_count(n: int) -> None:
    """Refuse a negative number of faces."""
    if n < 0:
        raise ConfigError(f"faces: the number of faces must be >= 0, got {n!r}.")


def require_attributes(attributes: F32, *, who: str) -> None:
    """Refuse attributes that are not an ``(n, 13)`` table of numbers in [0, 1]."""
    if attributes.ndim != 2 or attributes.shape[1] != len(ATTRIBUTES):
        raise ShapeError(
            f"{who}: expected attributes of shape (n, {len(ATTRIBUTES)}), got "
            f"{attributes.shape}. Give one column for each name in ATTRIBUTES."
        )
    if not bool(np.all((attributes >= 0.0) & (attributes <= 1.0))):
        raise ConfigError(
            f"{who}: attributes must be strengths in [0, 1], got values outside it or NaN. "
            "Clip them first; the search's bounds may be wider than the renderer's."
        )


def _natural(n: int, rng: np.random.Generator) -> F32:
    out = np.zeros((n, len(ATTRIBUTES)), dtype=np.float32)
    male = rng.random(n) < _MALE

    def chance(women_men: tuple[float, float]) -> NDArray[np.bool_]:
        return rng.random(n) < np.where(male, women_men[1], women_men[0])

    young = chance(_YOUNG)
    bald = np.where(young, chance(_BALD_YOUNG), chance(_BALD_OLD))
    beard = chance(_BEARD)
    out[:, column("Male")] = male
    out[:, column("Young")] = young
    out[:, column("Bald")] = bald
    out[:, column("Bangs")] = chance(_BANGS) & ~bald
    out[:, column("Bushy_Eyebrows")] = chance(_BUSHY)
    out[:, column("Eyeglasses")] = np.where(young, chance(_GLASSES_YOUNG), chance(_GLASSES_OLD))
    out[:, column("Mouth_Slightly_Open")] = chance(_OPEN)
    out[:, column("Mustache")] = beard & (rng.random(n) < _MUSTACHE_WITH_BEARD)
    out[:, column("No_Beard")] = ~beard
    out[:, column("Pale_Skin")] = chance(_PALE)
    colours = [column(name) for name in EXCLUSIVE_GROUPS[1]]
    out[:, colours] = np.where(male[:, None], _one_of(n, rng, _HAIR[1]), _one_of(n, rng, _HAIR[0]))
    return out


def _independent(n: int, rng: np.random.Generator) -> F32:
    out = (rng.random((n, len(ATTRIBUTES))) < 0.5).astype(np.float32)
    for group, rates in zip(EXCLUSIVE_GROUPS, (_TOP, _COLOUR, _FACIAL), strict=True):
        out[:, [column(g) for g in group]] = _one_of(n, rng, rates)
    return out


def _one_of(n: int, rng: np.random.Generator, rates: tuple[float, ...]) -> F32:
    """One-hot rows; the last rate is that of no column at all."""
    state = rng.choice(len(rates), size=n, p=rates)
    return np.eye(len(rates), dtype=np.float32)[state, :-1]


def _without_state(n: int, rng: np.random.Generator, rates: tuple[float, ...], *, skip: int) -> F32:
    kept = np.array([0.0 if i == skip else rate for i, rate in enumerate(rates)])
    return _one_of(n, rng, tuple(kept / kept.sum()))
