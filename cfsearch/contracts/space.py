"""Search space: bounds, kinds of variables, and rules.

A point ``z`` is a *change*: ``z = 0`` is the query itself, and the value that a variable takes
is ``origin + scale * z``; ``scale`` is 1 where ``z`` has the variable's own unit. All tensors carry the
queries of a batch first: ``(b, d)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, Self, final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.registry import unknown

from .exclusive import ON, one_raised

_SLACK = 1e-3
"""A value this near to a step, in steps, is that step: tenths have no exact floating point form."""

_EXACT = {True: 1e-10, False: 1e-6}
"""Two values this near, in scales, are one value: in float64, and in float32."""


class Kind(Enum):
    """Kind of a search variable: real, integer or categorical.

    Example:
        >>> [kind.value for kind in Kind]
        ['real', 'integer', 'categorical']
    """

    REAL = "real"
    INTEGER = "integer"
    CATEGORICAL = "categorical"


class Rule(Protocol):
    """Joint rule on the values of a point, beyond the rules of each variable alone.

    Example:
        >>> class Whole:
        ...     def __call__(self, values, *, origin, lower, upper, least):
        ...         return values.round()
        ...     def query(self, i):
        ...         return self
        ...     def to(self, device):
        ...         return self
        >>> rule: Rule = Whole()
        >>> zero = torch.zeros(1, 1, 2)
        >>> rule(torch.tensor([[[0.4, 1.6]]]), origin=zero, lower=zero, upper=zero + 2, least=zero[0, 0]).tolist()
        [[[0.0, 2.0]]]
    """

    def __call__(
        self,
        values: Float[Tensor, "b n d"],
        *,
        origin: Float[Tensor, "b 1 d"],
        lower: Float[Tensor, "b 1 d"],
        upper: Float[Tensor, "b 1 d"],
        least: Float[Tensor, " d"],
    ) -> Float[Tensor, "b n d"]:
        """The nearest values that keep it; those that do are given back as they are.

        Args:
            values: in each variable's own unit, within bounds and on their steps.
            origin: those of the queries.
            lower: least values.
            upper: largest values.
            least: smallest change of each variable that counts as one.
        """
        ...

    def query(self, i: int) -> "Rule":
        """The rule of query ``i`` alone.

        Args:
            i: which query.
        """
        ...

    def to(self, device: torch.device | str) -> "Rule":
        """The same rule for tensors on another device.

        Args:
            device: which one.
        """
        ...


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SearchSpace:
    """Bounds and rules of ``d`` search variables for ``b`` queries.

    Args:
        names: one name a variable, unique.
        lower: smallest change, per query.
        upper: largest change, per query; ``lower <= 0 <= upper`` so that "no change" is inside.
        origin: the value of each variable at the query (``z = 0``); zeros when left out.
        kinds: real (default), integer or categorical (an index); the *value* is what is whole.
        immutable: names that must not change at all.
        monotone: name -> +1 (may only rise) or -1 (may only fall).
        groups: sets of names of which at most one may be *switched on* (value above 0.5).
        scale: what a change of 1 means in each variable's own unit, > 0; ones when left out. A
            table's columns are scaled by their ranges, so that solvers treat them alike.
        steps: values are multiples of this, 0 for any value; when left out 1 for integers and
            categories, 0 for real variables. A value of the query that is none may stay.
        dead_zone: real changes smaller than this in magnitude become no change, so that a
            counterfactual does not carry a dozen invisible edits.
        rule: what variables keep together; None for nothing.

    Shapes:
        ``lower``, ``upper``, ``origin``: ``(b, d)``; ``scale``, ``steps``: ``(d,)``; points: ``(b, n, d)``.

    Raises:
        ConfigError: a name is unknown or doubled, bounds are crossed, not finite, or exclude 0; a
            scale is not positive, a step negative.
        ShapeError: tensors that do not fit the names.

    Example:
        >>> one = torch.ones(1, 2)
        >>> space = SearchSpace(names=("age", "job"), lower=-one, upper=one, monotone=(("age", 1),))
        >>> space.repair(torch.tensor([[[-0.5, 2.0]]])).tolist()  # age may only rise, job ends at 1
        [[[0.0, 1.0]]]
    """

    names: tuple[str, ...]
    lower: Float[Tensor, "b d"]
    upper: Float[Tensor, "b d"]
    origin: Float[Tensor, "b d"] = field(default_factory=lambda: torch.empty(0))
    kinds: tuple[Kind, ...] = ()
    immutable: frozenset[str] = frozenset()
    monotone: tuple[tuple[str, int], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    dead_zone: float = 0.0
    rule: Rule | None = None
    scale: Float[Tensor, " d"] = field(default_factory=lambda: torch.empty(0))
    steps: Float[Tensor, " d"] = field(default_factory=lambda: torch.empty(0))
    # what `repair` would otherwise read from a device, or send to it, at every call
    _whole: Tensor = field(init=False)
    _in_steps: bool = field(init=False)
    _members: tuple[Tensor, ...] = field(init=False)

    def __post_init__(self) -> None:
        d = len(self.names)
        if d == 0 or len(set(self.names)) != d:
            raise ConfigError(f"search space: names must be unique and at least one, got {self.names!r}.")
        if self.lower.ndim != 2 or self.lower.shape != self.upper.shape or self.lower.shape[1] != d:
            raise ShapeError(
                f"search space: expected bounds of shape (b, {d}), got {tuple(self.lower.shape)} "
                f"and {tuple(self.upper.shape)}."
            )
        origin = self.origin if self.origin.numel() else torch.zeros_like(self.lower)
        if origin.shape != self.lower.shape:
            raise ShapeError(
                f"search space: expected an origin of shape {tuple(self.lower.shape)}, "
                f"got {tuple(origin.shape)}."
            )
        kinds = self.kinds or (Kind.REAL,) * d
        if len(kinds) != d:
            raise ShapeError(f"search space: expected {d} kinds, got {len(kinds)}.")
        if not (torch.isfinite(self.lower).all() and torch.isfinite(self.upper).all()):
            raise ConfigError("search space: bounds must be finite.")
        if not 0.0 <= self.dead_zone < np.inf:
            raise ConfigError(f"search space: `dead_zone` must be finite and >= 0, got {self.dead_zone!r}.")
        self._check_names(self.immutable, "immutable")
        self._check_names([name for name, _ in self.monotone], "monotone")
        self._check_names([name for group in self.groups for name in group], "groups")
        if any(sign not in (-1, 1) for _, sign in self.monotone):
            raise ConfigError(f"search space: monotone signs are +1 or -1, got {self.monotone!r}.")
        lower, upper = self.lower.clone(), self.upper.clone()
        places = {name: at for at, name in reversed(list(enumerate(self.names)))}
        held = [places[name] for name in self.immutable]
        lower[:, held] = 0.0
        upper[:, held] = 0.0
        for name, sign in self.monotone:
            bound = lower if sign > 0 else upper
            bound[:, places[name]] = 0.0
        if not ((lower <= 0).all() and (upper >= 0).all()):
            raise ConfigError("search space: bounds must contain 0 (no change) for every variable.")
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "kinds", kinds)
        self._set_units()

    def __repr__(self) -> str:
        """One line: queries, variables, and how many rules of each kind."""
        rules = {"immutable": self.immutable, "monotone": self.monotone, "groups": self.groups}
        held = "".join(f", {len(rule)} {what}" for what, rule in rules.items() if rule)
        shown = ", ".join(self.names[:3]) + (", ..." if self.d > 3 else "")
        return f"SearchSpace({self.b} queries, {self.d} variables: {shown}{held})"

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the variables whose values have no order."""
        return tuple(n for n, k in zip(self.names, self.kinds, strict=True) if k is Kind.CATEGORICAL)

    def _set_units(self) -> None:
        scale = self.scale if self.scale.numel() else torch.ones_like(self.lower[0])
        whole = torch.tensor([float(k is not Kind.REAL) for k in self.kinds]).to(self.lower)
        steps = self.steps if self.steps.numel() else whole
        for what, tensor in (("scale", scale), ("steps", steps)):
            if tuple(tensor.shape) != (self.d,):
                raise ShapeError(
                    f"search space: expected {what} of shape ({self.d},), got {tuple(tensor.shape)}."
                )
        if not (bool((torch.isfinite(scale) & (scale > 0)).all()) and bool((steps >= 0).all())):
            raise ConfigError("search space: `scale` must be positive and finite, `steps` >= 0.")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "steps", steps)
        device = scale.device
        whole = torch.tensor([k is not Kind.REAL for k in self.kinds]).to(device)
        members = [torch.tensor([self.names.index(n) for n in group]).to(device) for group in self.groups]
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_in_steps", bool((steps > 0).any()))
        object.__setattr__(self, "_members", tuple(members))

    def _check_names(self, used: Sequence[str] | frozenset[str], what: str) -> None:
        strange = [name for name in used if name not in self.names]
        if strange:
            raise ConfigError(f"search space: {what} names {unknown('variable', strange[0], self.names)}")

    @property
    def b(self) -> int:
        """Number of queries."""
        return int(self.lower.shape[0])

    @property
    def d(self) -> int:
        """Number of search variables."""
        return len(self.names)

    def query(self, i: int) -> Self:
        """The space of query ``i`` alone, with ``b = 1``."""
        return self._part([i], rule=None if self.rule is None else self.rule.query(i))

    def bounds_of(self, queries: Sequence[int]) -> Self:
        """Bounds, kinds and units of some queries, without their rule: for what moves no candidates.

        Args:
            queries: which ones, in their order.
        """
        return self._part(queries, rule=None)

    def _part(self, queries: Sequence[int], *, rule: Rule | None) -> Self:
        """Some queries; what was checked of all of them holds of each."""
        made = object.__new__(type(self))
        part = {"rule": rule, **{n: getattr(self, n)[list(queries)] for n in ("lower", "upper", "origin")}}
        for name in self.__dataclass_fields__:
            object.__setattr__(made, name, part[name] if name in part else getattr(self, name))
        return made

    def restrict(
        self,
        *,
        immutable: Sequence[str] = (),
        monotone: Sequence[tuple[str, int]] = (),
    ) -> Self:
        """The same space with more variables held fixed or bound to one direction."""
        return self._with(
            immutable=self.immutable | frozenset(immutable), monotone=(*self.monotone, *monotone)
        )

    def to(self, device: torch.device | str) -> Self:
        """The same space with its tensors on another device."""
        return self._with(
            lower=self.lower.to(device),
            upper=self.upper.to(device),
            origin=self.origin.to(device),
            scale=self.scale.to(device),
            steps=self.steps.to(device),
            rule=None if self.rule is None else self.rule.to(device),
        )

    def _with(
        self,
        *,
        lower: Tensor | None = None,
        upper: Tensor | None = None,
        origin: Tensor | None = None,
        scale: Tensor | None = None,
        steps: Tensor | None = None,
        immutable: frozenset[str] | None = None,
        monotone: tuple[tuple[str, int], ...] | None = None,
        rule: Rule | None = None,
    ) -> Self:
        return type(self)(
            names=self.names,
            lower=self.lower if lower is None else lower,
            upper=self.upper if upper is None else upper,
            origin=self.origin if origin is None else origin,
            kinds=self.kinds,
            immutable=self.immutable if immutable is None else immutable,
            monotone=self.monotone if monotone is None else monotone,
            groups=self.groups,
            dead_zone=self.dead_zone,
            rule=self.rule if rule is None else rule,
            scale=self.scale if scale is None else scale,
            steps=self.steps if steps is None else steps,
        )

    def sample(self, n: int, *, rngs: Sequence[np.random.Generator]) -> Float[Tensor, "b n d"]:
        """Uniform points within bounds, repaired; query ``i`` draws from ``rngs[i]`` alone."""
        if len(rngs) != self.b:
            raise ShapeError(f"search space: expected {self.b} random generators, got {len(rngs)}.")
        unit = np.stack([rng.random((n, self.d)) for rng in rngs])
        u = torch.from_numpy(unit).to(self.lower)
        return self.repair(self.lower[:, None] + u * (self.upper - self.lower)[:, None])

    def clamp(self, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The nearest points within bounds."""
        self._check_points(z)
        return torch.maximum(torch.minimum(z, self.upper[:, None]), self.lower[:, None])

    def repair(self, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The nearest points that keep every rule; leaves permitted points as they are.

        In order: bounds, steps, dead zone, exclusive groups (the member that was
        switched on most strongly stays, the others are switched off), bounds again, and the rule.
        """
        z = self.clamp(z)
        if self._in_steps:
            z = self._stepped(z)
        if self.dead_zone > 0.0:
            z = torch.where((z.abs() < self.dead_zone) & ~self._whole, 0.0, z)
        for index in self._members:
            z = self._exclusive(z, index)
        return z if self.rule is None else self._ruled(z, self.rule, self._whole)

    def _ruled(self, z: Tensor, rule: Rule, whole: Tensor) -> Tensor:
        """What the rule leaves of each change; where it leaves the value, the change keeps its very bits."""
        origin, scale = self.origin[:, None], self.scale
        values = origin + scale * z
        kept = rule(
            values,
            origin=origin,
            lower=origin + scale * self.lower[:, None],
            upper=origin + scale * self.upper[:, None],
            least=torch.where(whole, 0.0, self.dead_zone * scale),
        )
        slack = _EXACT[z.dtype is torch.float64] * scale
        moved = torch.where((kept - values).abs() <= slack, z.to(kept.dtype), (kept - origin) / scale)
        return torch.where(kept == origin, 0.0, moved).to(z.dtype)

    def _stepped(self, z: Tensor) -> Tensor:
        """Whole steps; a query's own value stays where nothing is changed, also if it is no step."""
        low, high = self.lower[:, None], self.upper[:, None]
        origin, step = self.origin[:, None], torch.where(self.steps > 0, self.steps, 1.0)
        slack = _SLACK * step
        home, nearest = torch.round(origin / step), torch.round((origin + self.scale * z) / step)
        still = (z == 0) | ((nearest == home) & ((home * step - origin).abs() <= slack))
        moved = torch.where(still, 0.0, (nearest * step - origin) / self.scale)
        # an end that is a step is inside, whichever way it was rounded
        outside = (moved < low - slack / self.scale) | (moved > high + slack / self.scale)
        moved = torch.where(outside, 0.0, torch.maximum(torch.minimum(moved, high), low))
        return torch.where(self.steps > 0, moved, z)

    def _exclusive(self, z: Tensor, index: Tensor) -> Tensor:
        """At most one member of a group switched on; points that keep this keep their very bits."""
        scale, steps = self.scale[index], self.steps[index]
        own = z.index_select(-1, index)
        part, base = own * scale, self.origin[:, None, index]
        on = base + part > ON
        raised = (part > 0) & on
        several = raised.any(-1) & (on.sum(-1) > 1)
        if z.device.type == "cpu":  # where few points break a rule, only these are looked at
            query, row = several.nonzero(as_tuple=True)
            if not len(query):
                return z
            low = self.lower[query[:, None], index] * scale
            kept = one_raised(part[query, row], base[query, 0], low, raised[query, row], steps)
            return z.index_put((query[:, None], row[:, None], index), (kept / scale).to(z.dtype))
        kept = one_raised(part, base, self.lower[:, None, index] * scale, raised, steps) / scale
        return z.index_copy(-1, index, torch.where(several[..., None], kept.to(z.dtype), own))

    def contains(self, z: Float[Tensor, "b n d"], *, tolerance: float = 1e-6) -> Bool[Tensor, "b n"]:
        """Whether each point keeps every rule, up to ``tolerance``."""
        self._check_points(z)
        return ((z - self.repair(z)).abs() <= tolerance).all(-1)

    def _check_points(self, z: Tensor) -> None:
        if z.ndim != 3 or z.shape[0] != self.b or z.shape[2] != self.d:
            raise ShapeError(
                f"search space: expected points of shape (b={self.b}, n, d={self.d}), got {tuple(z.shape)}."
            )
