"""Training examples of a surrogate: inputs with the provider's answers."""

from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.modality import PICTURES
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding
from cfsearch.errors import NonFiniteError

_PIECE: Final = 4096


@final
@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs in the form in which a network takes them, and how probable each class is.

    Images are kept in 8 bits, rows encoded; ``inputs`` gives both as float32.

    Shapes:
        ``kept`` ``(n, c, h, w)`` uint8 or ``(n, w)`` float32; ``y`` ``(n, k)``.
    """

    kept: Tensor
    y: Float[Tensor, "n k"]

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return tuple(self.kept.shape[1:])

    @property
    def classes(self) -> Int[Tensor, " n"]:
        """The provider's class of each input."""
        return self.y.argmax(1)

    def inputs(self, rows: Tensor | slice) -> Float[Tensor, "n *u"]:
        """These inputs as the network takes them."""
        return as_taken(self.kept[rows])

    def take(self, rows: Tensor) -> Self:
        """These examples alone."""
        return type(self)(self.kept[rows], self.y[rows])

    def joined(self, other: Self) -> Self:
        """Both, one after the other."""
        return type(self)(torch.cat([self.kept, other.kept]), torch.cat([self.y, other.y]))


def as_kept(x: Float[Tensor, "n *x"], *, encoding: Encoding | None) -> Tensor:
    """Inputs as examples store them: images in 8 bits, rows encoded."""
    if encoding is not None:
        return encoding.apply(x).float()
    return PICTURES.stored(x)


def as_taken(kept: Tensor) -> Float[Tensor, "n *u"]:
    """What examples keep, as a network takes it."""
    return PICTURES.restored(kept) if kept.dtype is torch.uint8 else kept


def queried(
    x: Float[Tensor, "n *x"], provider: Provider, *, encoding: Encoding | None, soft: bool
) -> Examples:
    """Examples of the provider's answers to inputs.

    Args:
        x: images as float32 RGB in [0, 1], channels first, or rows in column units; each is one query, or
            none where a cache knows it.
        provider: counts and keeps answers by its wrappers.
        encoding: of rows; None for images.
        soft: keep probabilities where the provider gives any; else the class alone.

    Raises:
        NonFiniteError: it answered NaN or infinity.
        BudgetExhausted: no queries are left.
        ProviderError: it failed.
    """
    pieces = []
    with torch.no_grad():
        for at in range(0, len(x), _PIECE):
            part = x[at : at + _PIECE]
            answer = provider.predict(part)
            bad = int((~torch.isfinite(answer)).any(1).sum())
            if bad:
                raise NonFiniteError(
                    f"{provider.name}: {bad} of {len(part)} answers are not finite. A surrogate needs a class for "
                    "each input; leave out the inputs on which the model fails."
                )
            pieces.append(Examples(as_kept(part, encoding=encoding), _chances(answer, provider, soft=soft)))
    made = pieces[0]
    for piece in pieces[1:]:
        made = made.joined(piece)
    return made


def gives_chances(provider: Provider) -> bool:
    """Whether its answers are more than the class alone."""
    return provider.scores is not ScoreKind.LABELS


def _chances(answer: Tensor, provider: Provider, *, soft: bool) -> Float[Tensor, "n k"]:
    if soft and provider.scores is ScoreKind.LOGITS:
        return answer.double().softmax(1).float().cpu()
    if soft and provider.scores is ScoreKind.PROBABILITIES:
        return answer.float().cpu()
    return torch.nn.functional.one_hot(answer.argmax(1), answer.shape[1]).float().cpu()
