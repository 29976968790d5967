"""Query selection: which inputs are queried, all at once or by rounds of active learning.

With one round this is algorithm 1 of Haffar et al. 2022. With more, the surrogate so far looks at
several times as many candidates as may be queried and picks those it is least sure of: there
the provider's answer teaches most.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Encoding, TableSchema

from .augment import count, in_8_bits, mixer_for, mixup
from .examples import Examples, as_kept, queried
from .recipe import Hyper, Recipe
from .training import Lesson, StoppedError, Watch, answers

_PIECE: Final = 2048


@final
@dataclass(frozen=True, slots=True, eq=False)
class QueryPlan:
    """Plan of the queries to the audited model: inputs, how they are augmented, and a budget.

    Args:
        x: the user's inputs: images as float32 RGB in [0, 1], channels first, or rows in column units.
        recipe: how they are multiplied.
        queries: most inputs that are queried; None for ``m + C(m, 2)``.
        schema: of rows; None for images.
        encoding: of rows; None for images.
        seed: decides all that is drawn.
    """

    x: Float[Tensor, "m *x"]
    recipe: Recipe
    queries: int | None
    schema: TableSchema | None = None
    encoding: Encoding | None = None
    seed: int = 0

    @property
    def total(self) -> int:
        """How many inputs will be queried."""
        return count(len(self.x)) if self.queries is None else min(self.queries, self._most)

    @property
    def _most(self) -> int:
        """Jittered pictures never run out; mixtures do."""
        return 2**62 if self._jitters or self.recipe.rounds > 1 else count(len(self.x))

    @property
    def _jitters(self) -> bool:
        return self.recipe.jitter is not None and self.schema is None

    def run(
        self,
        provider: Provider,
        *,
        lesson: Lesson,
        watch: Watch | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Examples:
        """The examples that the queries brought.

        Args:
            provider: the model that is queried.
            lesson: how the surrogate between rounds is trained.
            watch: called with how many inputs were queried, of how many.
            stop: called between pieces of the queries and passes of the surrogate; True ends the work.

        Raises:
            StoppedError: by ``stop``.
            BudgetExhausted, ProviderError, NonFiniteError: as ``queried``.
        """
        notify = watch or (lambda _done, _total: None)

        def check() -> None:
            if stop():
                raise StoppedError

        def ask(x: Tensor) -> Examples:
            check()
            return queried(x, provider, encoding=self.encoding, soft=self.recipe.soft)

        if self.recipe.rounds == 1 and not self._jitters:
            parts = []
            for piece in self._mixtures(self.total, seed=self.seed):
                parts.append(ask(piece))
                notify(sum(map(len, parts)), self.total)
            return _all(parts)
        own = min(len(self.x), self.total)
        known = ask(in_8_bits(self.x[:own]) if self.schema is None else self.x[:own])
        network: nn.Module | None = None
        for turn in range(self.recipe.rounds):
            left = self.total - len(known)
            wanted = left // (self.recipe.rounds - turn)
            if wanted <= 0:
                break
            if turn and self.recipe.unsure:
                hyper = Hyper(lesson.hyper.rate, self.recipe.round_epochs, lesson.hyper.batch)
                between = replace(lesson, hyper=hyper, seed=lesson.seed + turn)
                network = between.learn(known, network=network, watch=lambda _done, _total: check())
            new = [
                ask(part) for part in self._chosen(wanted, turn=turn, network=network, device=lesson.device)
            ]
            if not new:
                break
            known = _all([known, *new])
            notify(len(known), self.total)
        return known

    def _chosen(
        self, wanted: int, *, turn: int, network: nn.Module | None, device: str
    ) -> Iterator[Float[Tensor, "n *x"]]:
        """New inputs of one round: of every piece of candidates its share, so that no pool is kept."""
        seed = self.seed + 7919 * (turn + 1)
        sure = network is None or not self.recipe.unsure
        many = wanted if sure else math.ceil(wanted * self.recipe.spread)
        if not self._jitters:
            many = min(many, math.comb(len(self.x), 2))
        wanted = min(wanted, many)
        draw = np.random.default_rng([seed, 1])
        seen = given = 0
        for piece in self._candidates(many, seed=seed):
            seen += len(piece)
            quota = wanted * min(seen, many) // many - given
            given += quota
            if sure or network is None or quota >= len(piece):
                part = piece[:quota]
            else:
                p = answers(network, as_kept(piece, encoding=self.encoding), device=device).softmax(1)
                part = piece[_least_sure(p, quota, share=self.recipe.unsure, draw=draw)]
            if len(part):
                yield part

    def _candidates(self, n: int, *, seed: int) -> Iterator[Tensor]:
        """``n`` inputs besides the user's own: jittered ones and mixtures."""
        m = len(self.x)
        jitter = self.recipe.jitter
        if jitter is None or self.schema is not None:
            made = self._mixtures(n + m, seed=seed)
            skipped = 0
            for piece in made:
                rest = piece[max(0, m - skipped) :]
                skipped += len(piece)
                if len(rest):
                    yield rest
            return
        rng = torch.Generator().manual_seed(seed)
        draw = np.random.default_rng(seed)
        mixer = mixer_for(self.schema)
        for at in range(0, n, _PIECE):
            size = min(_PIECE, n - at)
            a = jitter(self.x[torch.from_numpy(draw.integers(m, size=size))], rng=rng)
            b = jitter(self.x[torch.from_numpy(draw.integers(m, size=size))], rng=rng)
            share = self.recipe.image_shares.draw(size, rng=draw)
            alone = torch.from_numpy(draw.random(size) >= self.recipe.mixed)
            share[alone] = 1.0
            yield mixer(a, b, share=share, draw=draw)

    def _mixtures(self, limit: int, *, seed: int) -> Iterator[Tensor]:
        shares = self.recipe.image_shares if self.schema is None else self.recipe.row_shares
        x = in_8_bits(self.x) if self.schema is None else self.x
        return mixup(x, mixer=mixer_for(self.schema), shares=shares, limit=limit, seed=seed, piece=_PIECE)


def _least_sure(
    p: Float[Tensor, "n k"], wanted: int, *, share: float, draw: np.random.Generator
) -> Int[Tensor, " m"]:
    """Rows with the smallest lead of the first class over the second, filled up with others drawn evenly."""
    best = p.topk(2, dim=1).values
    by_lead = (best[:, 0] - best[:, 1]).argsort(stable=True)
    picked = by_lead[: round(wanted * share)]
    others = by_lead[len(picked) :]
    drawn = torch.from_numpy(draw.permutation(len(others))[: wanted - len(picked)])
    return torch.cat([picked, others[drawn]])


def _all(parts: list[Examples]) -> Examples:
    return Examples(torch.cat([p.kept for p in parts]), torch.cat([p.y for p in parts]))
