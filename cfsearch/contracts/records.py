"""Records of a search: queries, candidates under evaluation, and evaluations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.errors import CapabilityError

from .space import SearchSpace

UNTARGETED = -1
"""No target class (untargeted): any class but the present one."""
NOT_EVALUATED = 1e30
"""Objectives and violation of a candidate that was not evaluated: its query rests, or the model failed for it."""


class Need(Enum):
    """A capability that an objective requires; the value says what would provide it.

    Example:
        >>> Need.IMAGE.value
        'image inputs of shape (channels, height, width)'
    """

    CRITIC = (
        "a generator with a critic (train one with `cfsearch train critic`, or give the pixels "
        "generator a folder of reference images)"
    )
    REFERENCE = "scores of reference inputs (give a folder of them with --reference)"
    SMALL_CHANGES = "inputs of which small changes are known: pictures, rows or recordings"
    IMAGE = "image inputs of shape (channels, height, width)"


class Reason(Enum):
    """Termination reason of the search of one query; the value is the sentence for the user.

    Example:
        >>> Reason.STALLED.code, Reason.STALLED.value
        ('stalled', 'stalled: the front stopped improving')
    """

    BUDGET = "budget_exhausted: all queries that were allowed have been spent"
    STALLED = "stalled: the front stopped improving"
    CONVERGED = "converged: the front no longer moved"
    EXACT = "exact: every candidate that the rules allow was evaluated"
    ALREADY_TARGET = "already_target: the model already gives the target class"
    INFEASIBLE = "constraints_infeasible: no candidate kept every constraint"
    CONSTANT = "no_cf_reason: the model's output never changed"
    FIXED = "nothing_may_change: the rules allow no change that makes another input of it"
    NOT_GENUINE = "not_genuine: the model flips on generated inputs, but on none clearly enough to be distinguished from the generator's own error"
    PROVIDER = "provider_error: the model failed while it was queried"

    @property
    def code(self) -> str:
        """The short name of the reason."""
        return self.value.split(":", 1)[0]


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Queries:
    """Batch of ``b`` instances that are searched together, with the model's scores of them.

    Shapes:
        x: ``(b, *x)`` model inputs, of images float32 RGB in [0, 1], channels first; scores: ``(b, k)`` log-probabilities or logits;
        source, target: ``(b,)`` class indices, target ``UNTARGETED`` (-1) for "any other class";
        realism: ``(b,)`` of ``x``, None without a critic; reference: ``(r, k)`` scores of
        reference inputs, None when there are none.

    Example:
        >>> from cfsearch.testing import make_queries
        >>> queries = make_queries(scores=torch.tensor([[2.0, 0.0], [0.0, 1.0]]), target=[1, UNTARGETED])
        >>> queries.source.tolist(), queries.pick(1).names
        ([0, 1], ('query1',))
    """

    names: tuple[str, ...]
    x: Float[Tensor, "b *x"]
    scores: Float[Tensor, "b k"]
    source: Int[Tensor, " b"]
    target: Int[Tensor, " b"]
    realism: Float[Tensor, " b"] | None
    reference: Float[Tensor, "r k"] | None

    def __repr__(self) -> str:
        """One line, without the numbers of tensors."""
        return f"Queries({len(self.names)} inputs of shape {tuple(self.x.shape[1:])})"

    def pick(self, i: int) -> "Queries":
        """Query ``i`` alone, with ``b = 1``.

        Args:
            i: which query.
        """
        return self.taken([i])

    def taken(self, queries: Sequence[int]) -> "Queries":
        """Some of the queries, in this order.

        Args:
            queries: which ones.
        """
        part = list(queries)
        return Queries(
            names=tuple(self.names[i] for i in part),
            x=self.x[part],
            scores=self.scores[part],
            source=self.source[part],
            target=self.target[part],
            realism=None if self.realism is None else self.realism[part],
            reference=self.reference,
        )


class Nearby(Protocol):
    """Scores of small changes of candidates of one query of a batch.

    Example:
        >>> def nearby(x, *, query, changes, seed):  # a model that small changes do not move
        ...     return torch.zeros(len(x), changes, 2)
        >>> nearby(torch.rand(3, 5), query=0, changes=4, seed=0).shape
        torch.Size([3, 4, 2])
    """

    def __call__(
        self, x: Float[Tensor, "p *x"], *, query: int, changes: int, seed: int
    ) -> Float[Tensor, "p m k"]: ...


@final
class Candidates:
    """Batch of ``n`` candidates of each of ``b`` queries; ``x``, ``scores`` and ``realism`` are computed lazily, once.

    An objective reads what it needs, and what nobody reads is never computed.

    Shapes:
        z: ``(b, n, d)`` changes; x: ``(b, n, *x)`` decoded inputs; scores: ``(b, n, k)`` as in
        ``Queries``; realism: ``(b, n)``.

    Example:
        >>> from cfsearch.testing import make_candidates
        >>> candidates = make_candidates(z=torch.tensor([[[0.5, 0.0]]]), scores=torch.tensor([[[1.0, 3.0]]]))
        >>> candidates.z.tolist(), candidates.scores.argmax(-1).tolist()
        ([[[0.5, 0.0]]], [[1]])
    """

    __slots__ = (
        *("_decode", "_nearby", "_realism", "_realism_fn", "_score", "_scores", "_x"),
        *("queries", "space", "z"),
    )

    def __init__(
        self,
        z: Float[Tensor, "b n d"],
        *,
        queries: Queries,
        space: SearchSpace,
        decode: Callable[[Tensor], Tensor],
        score: Callable[[Tensor], Tensor],
        realism: Callable[[Tensor], Tensor] | None,
        nearby: "Nearby | None" = None,
    ) -> None:
        self.z: Tensor = z
        self.queries: Queries = queries
        self.space: SearchSpace = space
        self._decode, self._score, self._realism_fn, self._nearby = decode, score, realism, nearby
        self._x: Tensor | None = None
        self._scores: Tensor | None = None
        self._realism: Tensor | None = None

    @property
    def x(self) -> Float[Tensor, "b n *x"]:
        """The decoded inputs."""
        if self._x is None:
            self._x = self._decode(self.z)
        return self._x

    @property
    def scores(self) -> Float[Tensor, "b n k"]:
        """The audited model's log-probabilities or logits of ``x``."""
        if self._scores is None:
            self._scores = self._score(self.x)
        return self._scores

    @property
    def realism(self) -> Float[Tensor, "b n"]:
        """The critic's score of ``x``; larger is more real.

        Raises:
            CapabilityError: the generator has no critic.
        """
        if self._realism is None:
            if self._realism_fn is None:
                raise CapabilityError(f"candidates: realism needs {Need.CRITIC.value}.")
            self._realism = self._realism_fn(self.x)
        return self._realism

    def nearby(self, wanted: Bool[Tensor, "b n"], *, changes: int, seed: int) -> Float[Tensor, "p m k"]:
        """The model's scores of small changes (``cfsearch.contracts.small_changes``) of some candidates; a query each.

        Args:
            wanted: of which candidates, ``p`` in all, in order.
            changes: how many of each, ``m``; the same ones for every candidate of a query.
            seed: decides what is drawn, together with the query itself.

        Raises:
            CapabilityError: nobody knows small changes of such inputs.
        """
        if self._nearby is None:
            raise CapabilityError(f"candidates: small changes need {Need.SMALL_CHANGES.value}.")
        parts = [
            self._nearby(self.x[i][wanted[i]], query=i, changes=changes, seed=seed)
            for i in range(len(wanted))
            if bool(wanted[i].any())
        ]
        return torch.cat(parts) if parts else self.scores.new_zeros(0, changes, self.scores.shape[-1])

    @property
    def reference(self) -> Float[Tensor, "r k"]:
        """Scores of the reference inputs.

        Raises:
            CapabilityError: none were given.
        """
        if self.queries.reference is None:
            raise CapabilityError(f"candidates: reference scores need {Need.REFERENCE.value}.")
        return self.queries.reference


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """Objective values, constraint violations and model scores of candidates.

    Shapes:
        z: ``(b, n, d)``; f: ``(b, n, m)``, smaller is better; violation: ``(b, n)``, 0 where
        every constraint is kept; scores: ``(b, n, k)``.

    Example:
        >>> zero = torch.zeros(1, 4)
        >>> evaluation = Evaluation(torch.zeros(1, 4, 3), torch.zeros(1, 4, 2), zero, torch.zeros(1, 4, 2))
        >>> evaluation
        Evaluation(1 queries, 4 candidates each, 2 objectives)
    """

    z: Float[Tensor, "b n d"]
    f: Float[Tensor, "b n m"]
    violation: Float[Tensor, "b n"]
    scores: Float[Tensor, "b n k"]

    def __repr__(self) -> str:
        """One line, without the numbers of tensors."""
        b, n, m = self.f.shape
        return f"Evaluation({b} queries, {n} candidates each, {m} objectives)"


def flipped(scores: Float[Tensor, "*n k"], *, source: Int[Tensor, "*n"], target: Int[Tensor, "*n"]) -> Tensor:
    """Whether the winning class is the target, or, where the target is UNTARGETED, not the source.

    Example:
        >>> scores = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> flipped(scores, source=torch.tensor([0, 0]), target=torch.tensor([UNTARGETED, 1])).tolist()
        [True, False]
    """
    winner = scores.argmax(-1)
    return torch.where(target == UNTARGETED, winner != source, winner == target)
