"""Base class of providers whose model answers raw numbers: batching, conversion, fingerprint."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider

from .answers import ask_in_pieces, scores_of
from .preprocessing import Preprocessing


def labels_part(labels: Sequence[str]) -> str:
    """The part of a fingerprint that tells labels, and their order, apart.

    Args:
        labels: one a class.

    Example:
        >>> labels_part(["no", "yes"])
        'labels-3d361a2b45c2f2d2'
    """
    return f"labels-{hashlib.sha256(repr(tuple(labels)).encode()).hexdigest()[:16]}"


class AnsweringProvider(Provider, ABC):
    """Provider base class on top of ``raw``: the model's own numbers for at most ``max_batch`` inputs.

    A subclass sets these and the attributes of a ``Provider``:

    - ``family``: "torch", "callable"; the first part of the fingerprint.
    - ``source``: a hash of the model itself.
    - ``preprocessing``: how images are brought to it; None gives it the inputs as they come.
    - ``notes``: what the reader of a result must know about the scores.
    """

    family: str
    source: str
    preprocessing: Preprocessing | None
    notes: str

    @abstractmethod
    def raw(self, x: Float[Tensor, "n *x"]) -> Tensor:
        """The model's own numbers for at most ``max_batch`` inputs, one row each."""

    def in_pieces(self, x: Float[Tensor, "n *x"]) -> Tensor:
        """The model's own numbers for any number of inputs, one row each."""
        return ask_in_pieces(x, max_batch=self.max_batch, ask=self.raw)

    @property
    def fingerprint(self) -> str:
        """Hash of the model, of its preprocessing, of what its numbers are and of its labels."""
        before = self.preprocessing.fingerprint if self.preprocessing else "as it comes"
        numbers = self.scores.name.lower()
        return f"{self.family}:{self.source}:{before[:16]}:{numbers}:{labels_part(self.labels)}"

    @property
    def note(self) -> str:
        """Warnings about settings that were inferred, not declared."""
        return self.notes

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """One row of scores an input, one column a label; see ``Provider``."""
        answer = ask_in_pieces(x, max_batch=self.max_batch, ask=self._scored)
        return answer.to(device=x.device, dtype=x.dtype if x.is_floating_point() else torch.float32)

    def _scored(self, x: Tensor) -> Tensor:
        return scores_of(self.raw(x), n=len(x), labels=self.labels, kind=self.scores, who=self.name)
