"""Queries about many inputs, put to the audited model in few calls.

A call costs a model of rows milliseconds, nearly whatever the number of rows, and one that is queried in blocks of one
size computes a whole block for the eight rows of a single input.
"""

from collections.abc import Callable
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, answers_of

MOST_INPUTS: Final = 2048
"""Inputs that are waited for before the model is queried."""
MOST_NUMBERS: Final = 2**22
"""Numbers that are waited for at most: 16 MiB of float32, the pixels of 341 pictures of 64 x 64."""


@final
class Together:
    """Collects queries, and hands each its answers when enough have come together.

    Example:
        >>> class Half(Provider):
        ...     name, labels, fingerprint, max_batch = "half", ("low", "high"), "h", 100
        ...     def predict(self, x):
        ...         return torch.cat([0.5 - x, x - 0.5], dim=1)
        >>> seen, queries = [], Together(Half())
        >>> queries.add(torch.tensor([[0.2], [0.9]]), lambda scores: seen.append(scores.argmax(dim=1).tolist()))
        >>> queries.add(torch.tensor([[0.7]]), lambda scores: seen.append(scores.argmax(dim=1).tolist()))
        >>> queries.finish()
        >>> seen
        [[0, 1], [1]]
    """

    def __init__(self, model: Provider) -> None:
        self._model = model
        self._waiting: list[tuple[Tensor, Callable[[Tensor], None]]] = []
        self._inputs = self._numbers = 0

    def add(self, x: Float[Tensor, "n *x"], then: Callable[[Float[Tensor, "n k"]], None]) -> None:
        """Put inputs to the model, now or later.

        Args:
            x: the inputs, one or more.
            then: what takes the model's scores, on the CPU.

        Raises:
            ProviderError: the model fails.
        """
        self._waiting.append((x, then))
        self._inputs, self._numbers = self._inputs + len(x), self._numbers + x.numel()
        if self._inputs >= MOST_INPUTS or self._numbers >= MOST_NUMBERS:
            self.finish()

    @torch.no_grad()
    def finish(self) -> None:
        """Put what still waits to the model.

        Raises:
            ProviderError: the model fails.
        """
        waiting, self._waiting = self._waiting, []
        self._inputs = self._numbers = 0
        if not waiting:
            return
        x = torch.cat([part for part, _ in waiting])
        scores = answers_of(self._model, x).cpu()
        for answers, (_, then) in zip(
            torch.split(scores, [len(part) for part, _ in waiting]), waiting, strict=True
        ):
            then(answers)
