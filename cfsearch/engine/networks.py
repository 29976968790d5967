"""The generator, the model and the critic as a search calls them: in pieces, timed, and with checked answers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Critic, Generator
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import Candidates, Need, Queries
from cfsearch.contracts.scores import objective_scores
from cfsearch.contracts.small_changes import knows_small_changes, perturber_of
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CapabilityError

from .clock import Clock
from .finiteness import Finiteness
from .plugin_checks import check_finite_answer, generated, queried


@final
@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """What turns changes into inputs, and inputs into scores.

    Args:
        provider: the model that is queried.
        generator: decodes, and judges where it is a critic.
        clock: where time is added up; None for no clock.
    """

    provider: Provider
    generator: Generator[Any]  # Any: a generator's state is its own business
    clock: Clock | None
    checks: Finiteness = field(default_factory=Finiteness)
    """When answers are looked at."""
    beside: Counter[int] = field(default_factory=Counter)
    """Small changes that the provider was queried about, by query."""

    @property
    def _who(self) -> str:
        return f"generator {self.generator.name!r}"

    def decode(self, z: Float[Tensor, "b n d"], state: Any) -> Float[Tensor, "b n *x"]:  # Any: as above
        """The inputs that changes lead to.

        Args:
            z: the changes.
            state: of the generator, for these queries.
        """
        return generated(
            self._who,
            lambda: self._time("decode", lambda: self.generator.decode(state, z)),
            expected=(*z.shape[:2], *self.generator.shape),
            what="decode",
            device=z.device,
            checks=self.checks,
            missing=bool(self.generator.missing_as),
        )

    def score(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's scores of inputs, as objectives see them.

        Args:
            x: the inputs.
        """
        return self.understood(torch.cat(list(self.pieces(x))))

    def pieces(self, x: Float[Tensor, "n *x"]) -> Iterator[Float[Tensor, "p k"]]:
        """Raw answers, to at most ``max_batch`` inputs each.

        Args:
            x: the inputs.
        """
        for piece in torch.split(x, self.provider.max_batch):
            yield self._time("provider", partial(queried, self.provider, piece))

    def understood(self, answer: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Scores from raw answers.

        Args:
            answer: of the provider.

        Raises:
            NonFiniteError: a row is not finite.
        """
        check_finite_answer(answer, self.provider, self.checks)
        return objective_scores(answer, kind=self.provider.scores)

    def realism(self, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n"]:
        """How real inputs look to the critic.

        Args:
            x: the inputs.

        Raises:
            CapabilityError: the generator is no critic.
        """
        critic = self.generator
        if not isinstance(critic, Critic):
            raise CapabilityError(f"{self._who} has no critic; this needs {Need.CRITIC.value}.")
        return generated(
            self._who,
            lambda: self._time("critic", lambda: critic.realism(x)),
            expected=tuple(x.shape[:2]),
            what="realism",
            device=x.device,
            checks=self.checks,
        )

    def candidates(
        self,
        z: Float[Tensor, "b n d"],
        *,
        queries: Queries,
        space: SearchSpace,
        state: Any,  # Any: as above
        x: Float[Tensor, "b n *x"] | None = None,
        scores: Float[Tensor, "b n k"] | None = None,
        first: int = 0,
    ) -> Candidates:
        """Candidates as objectives see them.

        Args:
            z: their changes.
            queries: whose they are.
            space: of these queries.
            state: of the generator, for these queries.
            x: the inputs that they decode to, where they are known.
            scores: the model's scores of these, likewise.
            first: place of the first of these queries in its batch.
        """

        def score(inputs: Tensor) -> Tensor:
            if scores is not None:
                return scores
            return self.score(inputs.flatten(0, 1)).reshape(*inputs.shape[:2], -1)

        def nearby(x: Tensor, *, query: int, changes: int, seed: int) -> Tensor:
            return self.nearby(x, of=queries.x[query], at=first + query, changes=changes, seed=seed)

        return Candidates(
            z,
            queries=queries,
            space=space,
            decode=lambda points: self.decode(points, state) if x is None else x,
            score=score,
            realism=self.realism if isinstance(self.generator, Critic) else None,
            nearby=nearby if knows_small_changes(self.generator) else None,
        )

    def nearby(
        self, x: Float[Tensor, "p *x"], *, of: Float[Tensor, " *x"], at: int, changes: int, seed: int
    ) -> Float[Tensor, "p m k"]:
        """The model's scores of small changes of candidates, which are the same for all candidates of a query.

        Args:
            x: the candidates.
            of: their query.
            at: its place in the batch.
            changes: how many of each candidate.
            seed: decides what is drawn, together with the query.
        """
        perturb, _ = perturber_of(self.generator)
        modality = self.generator.modality
        drawn = (int(modality.fingerprint(of)[:8], 16) + seed) % 2**32
        kept = modality.restored(modality.stored(x)).to(x)
        moved = generated(
            self._who,
            lambda: self._time("decode", lambda: perturb(kept, changes=changes, seed=drawn)),
            expected=(len(x), changes, *self.generator.shape),
            what="small changes",
            device=x.device,
            checks=self.checks,
        )
        scores = self.score(moved.flatten(0, 1))
        self.beside[at] += len(scores)
        return scores.reshape(len(x), changes, -1)

    def _time(self, what: str, work: Callable[[], Tensor]) -> Tensor:
        return work() if self.clock is None else self.clock.timed(what, work)


def encoded(
    generator: Generator[Any],  # Any: a generator's state is its own business
    x: Float[Tensor, "b *x"],
    attributes: Float[Tensor, "b a"] | None,
) -> Any:  # Any: as above
    """The state of a generator for queries.

    Args:
        generator: that encodes them.
        x: the queries.
        attributes: what is known of them, for a generator that takes it.

    Raises:
        CapabilityError: the generator takes no attributes.
    """
    if attributes is None:
        return generator.encode(x)
    if not isinstance(generator, AttributeTaker):
        raise CapabilityError(
            f"generator {generator.name!r} takes no attributes of an input; leave them out, or "
            "give a generator of attributes such as attgan."
        )
    return cast(AttributeTaker, generator).encode(x, attributes=attributes)
