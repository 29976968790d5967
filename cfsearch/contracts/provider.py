"""The contract of providers: the audited model as a black box that answers with scores."""

from abc import ABC, abstractmethod
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor


class ScoreKind(Enum):
    """Kind of scores that a provider answers with; the value is the sentence for the user.

    Example:
        >>> ScoreKind.LOGITS.value
        'logits: unbounded, larger means more of the class'
    """

    LOGITS = "logits: unbounded, larger means more of the class"
    PROBABILITIES = "probabilities: in [0, 1], summing to 1 over the classes"
    LABELS = "labels only: one for the chosen class, zero for the others"


class Provider(ABC):
    """The audited model as a black box.

    ``predict`` takes model inputs (images: float32 RGB in [0, 1], channels first, any size that the
    provider can bring to its own) and answers in its own kind of numbers,
    always with ``k = len(labels) >= 2`` columns: a model with a single output is widened to
    two classes by its provider. ``scores`` says which kind; ``cfsearch.engine.problem`` turns each
    kind into the log-probabilities or logits that objectives receive. No call of it has more inputs than
    ``max_batch``: whoever has more takes ``answers_of``.

    Example:
        >>> import torch
        >>> from cfsearch.testing import FakeProvider
        >>> model = FakeProvider()  # "bright" from a mean of 0.5
        >>> model.labels, model.predict(torch.full((1, 3, 4, 4), 0.75)).tolist()
        (('dark', 'bright'), [[0.0, 3.0]])
    """

    name: str
    labels: tuple[str, ...]
    scores: ScoreKind
    max_batch: int

    @abstractmethod
    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer for each input, row by row, on the device of ``x``.

        Raises:
            ProviderError: the model failed, or did not answer in time.
            ShapeError: the inputs are not what the model takes and cannot be brought there.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the model and of its preprocessing."""

    @property
    def batch_invariant(self) -> bool:
        """True if outputs are bitwise batch-invariant: the same whatever else is in the call.

        True of trees, False of most networks: libraries choose their kernels by the size of a batch.
        """
        return False

    @property
    def note(self) -> str:
        """Warnings about the scores for the reader of a result; empty if none."""
        return ""


def answers_of(provider: Provider, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
    """A provider's answers to any number of inputs, at most ``max_batch`` of them a call, joined in order.

    Args:
        provider: the audited model.
        x: the inputs.

    Raises:
        ProviderError, ShapeError: as ``Provider.predict``.

    Example:
        >>> import torch
        >>> from cfsearch.testing import FakeProvider
        >>> answers_of(FakeProvider(), torch.full((3, 3, 4, 4), 0.75)).shape
        torch.Size([3, 2])
    """
    most = max(1, provider.max_batch)
    if len(x) <= most:
        return provider.predict(x)
    return torch.cat([provider.predict(piece) for piece in torch.split(x, most)])


class DifferentiableProvider(Provider):
    """Marker: ``predict`` is differentiable with respect to ``x``.

    Example:
        >>> import torch
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> x = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
        >>> FakeWhiteBox(FakeProvider()).predict(x)[0, 1].backward()
        >>> round(x.grad.sum().item(), 4)  # 12 for a change of every value by 1
        12.0
    """
