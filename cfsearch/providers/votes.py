"""Scores for a model that gives labels only, estimated by votes around each input."""

import hashlib
import math
from collections.abc import Callable
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.modality import modality_of
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import CapabilityError, ConfigError

from .wrapping import WrappedProvider, queries_per_input

_TIE: Final = 1e-3
"""Share of the smoothing that is moved to the input's own class, so that it wins ties."""


@final
class VotingProvider(WrappedProvider):
    """Probabilities of a labels-only model: how often each class wins near an input.

    Each input is queried ``votes`` times, first as it is and then under ``votes - 1`` Gaussian
    perturbations. The noise is the same for every input of a shape (common random numbers), so
    that two candidates differ by what they are and not by luck. A class ``j`` with ``c_j`` votes
    gets ``p_j = (c_j + s_j) / (votes + 1)``; the smoothing ``s_j`` sums to 1 and is ``1/k`` for
    each class, but for one thousandth that moves to the class of the unperturbed input: it
    wins ties, and every ``p_j`` is above 0 and finite.

    The winner of the votes may differ from the model's own label close to a boundary: who must
    know the label (to verify a flip) asks ``provider``, the model itself.

    Args:
        provider: a provider of labels only.
        votes: queries an input, >= 2.
        sigma: standard deviation of the noise, in the input's unit (images: [0, 1]), > 0;
            perturbed images are cut to [0, 1].
        seed: of the noise.
        nearby: how noise moves inputs that are no images (``RowNoise`` for rows of a table); added
            when left out.

    Raises:
        CapabilityError: the provider gives scores of its own.
        ConfigError: a setting is out of range.

    References:
        Cohen, Rosenfeld and Kolter 2019, https://arxiv.org/abs/1902.02918 (the smoothed
        classifier); Laplace's rule of succession for the smoothing.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        votes: int = 16,
        sigma: float = 0.05,
        seed: int = 0,
        nearby: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(provider)
        if provider.scores is not ScoreKind.LABELS:
            raise CapabilityError(
                f"votes: are for a model that gives labels only, but {provider.name} gives "
                f"{provider.scores.name.lower()}. Use it as it is."
            )
        if votes < 2:
            raise ConfigError(f"votes: `votes` must be at least 2, got {votes!r}.")
        if not 0 < sigma < math.inf:
            raise ConfigError(f"votes: `sigma` must be a finite number > 0, got {sigma!r}.")
        self.scores = ScoreKind.PROBABILITIES
        self.votes: Final = votes
        self.sigma: Final = sigma
        self.seed: Final = seed
        self._nearby: Final = nearby
        self._noise: dict[tuple[int, ...], Tensor] = {}

    @property
    def queries_per_input(self) -> int:
        """``votes`` times what the wrapped provider costs."""
        return self.votes * queries_per_input(self.provider)

    @property
    def fingerprint(self) -> str:
        """That of the model, with the settings of the votes."""
        return f"votes:{self.votes}:{self.sigma!r}:{self.seed}:{self.provider.fingerprint}"

    @property
    def note(self) -> str:
        """That the scores are estimates, and how they came about."""
        own = (
            f"{self.name} gives labels only: its scores are shares of {self.votes} votes, one for "
            f"the input as it is and {self.votes - 1} under Gaussian noise of standard deviation "
            f"{self.sigma:g} (seed {self.seed}). They rise in steps of 1/{self.votes + 1}."
        )
        return f"{own} {self.provider.note}".strip()

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The share of votes of each class.

        Shapes:
            ``(n, *x)`` -> ``(n, k)``, each row in (0, 1) and summing to 1; a row whose input
            the model answered with NaN stays NaN.
        """
        own = self.provider.predict(x)
        count = own.clone()
        # One pass a vote, over all rows: as many rows at once as without votes.
        for noise in self._noise_for(x):
            moved = x + noise if self._nearby is None else self._nearby(x, noise)
            count += self.provider.predict(modality_of(x.shape[1:]).bounded(moved))
        k = len(self.labels)
        smoothing = (1 - _TIE) / k + _TIE * own
        return (count + smoothing) / (self.votes + 1)

    def _noise_for(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape[1:])
        if shape not in self._noise:
            digest = hashlib.blake2b(repr((self.seed, shape)).encode(), digest_size=7).digest()
            rng = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
            self._noise[shape] = torch.randn((self.votes - 1, *shape), generator=rng) * self.sigma
        return self._noise[shape].to(device=x.device, dtype=x.dtype)
