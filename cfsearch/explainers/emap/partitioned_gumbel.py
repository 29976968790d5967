"""Categories as numbers that gradients can follow: a Gumbel-softmax for each run of one-hot numbers."""

from collections.abc import Sequence
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError

_CLOSED: Final = -1e9
"""Logit of a level that may not be taken."""


@final
class PartitionedGumbel:
    """Runs of logits among other numbers, each the distribution of one category.

    Args:
        runs: begin and size of each run, see ``Domain.one_hot``.
        width: how many numbers there are in all.

    Raises:
        ConfigError: runs overlap, are empty, or leave the numbers.

    References:
        Jang, Gu and Poole 2016, https://arxiv.org/abs/1611.01144; Chapman-Rounds et al. 2019, eq. 4.
    """

    def __init__(self, runs: Sequence[tuple[int, int]], *, width: int) -> None:
        taken = torch.zeros(width, dtype=torch.long)
        largest = max((size for _, size in runs), default=0)
        places = torch.zeros(len(runs), largest, dtype=torch.long)
        real = torch.zeros(len(runs), largest, dtype=torch.bool)
        for i, (at, size) in enumerate(runs):
            if size < 1 or at < 0 or at + size > width:
                raise ConfigError(
                    f"partitioned gumbel: runs must lie among the {width} numbers, got begin {at} and "
                    f"size {size}."
                )
            taken[at : at + size] += 1
            places[i, :size] = torch.arange(at, at + size)
            real[i, :size] = True
        if int(taken.amax()) > 1 if width else False:
            raise ConfigError(f"partitioned gumbel: runs must not overlap, got {tuple(runs)!r}.")
        self.runs: Final = tuple(runs)
        self.width: Final = width
        self.member: Final[Bool[Tensor, " w"]] = taken > 0
        """Which numbers belong to a run."""
        self._places, self._real = places, real

    def sample(
        self,
        logits: Float[Tensor, "n w"],
        *,
        temperature: float,
        rng: torch.Generator,
        allowed: Bool[Tensor, "n w"] | None = None,
    ) -> Float[Tensor, "n w"]:
        """One relaxed draw of each category; it sums to 1 in each run and is 0 outside of runs.

        Gradients reach the logits through the draw. Towards temperature 0 it becomes the one-hot
        vector of a draw from ``softmax(logits)``.

        Args:
            logits: log-probabilities up to a constant of each run; numbers outside are not read.
            temperature: > 0; large ones make every draw alike.
            rng: decides the draw.
            allowed: levels that may be drawn.
        """
        noise = torch.empty_like(logits).exponential_(generator=rng).clamp_min(1e-30).log()
        return self._scattered(self._runs_of(logits - noise, allowed).div(temperature).softmax(-1))

    def likeliest(
        self, logits: Float[Tensor, "n w"], *, allowed: Bool[Tensor, "n w"] | None = None
    ) -> Float[Tensor, "n w"]:
        """The likeliest level of each category as one-hot numbers, 0 outside of runs."""
        if not self.runs:
            return torch.zeros_like(logits)
        runs = self._runs_of(logits, allowed)
        hot = torch.nn.functional.one_hot(runs.argmax(-1), runs.shape[-1])
        return self._scattered(hot.to(logits.dtype))

    def distances(self, a: Float[Tensor, "n w"], b: Float[Tensor, "n w"]) -> Float[Tensor, "n r"]:
        """Half the sum of absolute differences in each run: 0 for the same level, 1 for another."""
        gaps = (a - b).abs()[:, self._places.to(a.device)]
        return (gaps * self._real.to(a.device)).sum(-1) / 2

    def _runs_of(self, logits: Tensor, allowed: Tensor | None) -> Float[Tensor, "n r s"]:
        if allowed is not None:
            logits = logits.masked_fill(~allowed, _CLOSED)
        runs = logits[:, self._places.to(logits.device)]
        return runs.masked_fill(~self._real.to(logits.device), -torch.inf)

    def _scattered(self, runs: Float[Tensor, "n r s"]) -> Float[Tensor, "n w"]:
        real = self._real.to(runs.device)
        out = runs.new_zeros(len(runs), self.width)
        return out.index_copy(1, self._places.to(runs.device)[real], runs[:, real])
