"""What providers that stand around another one have in common."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind


class WrappedProvider(Provider):
    """A provider around another, whose name, labels and kind of scores it keeps."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.name: str = provider.name
        self.labels: tuple[str, ...] = provider.labels
        self.scores: ScoreKind = provider.scores
        self.max_batch: int = provider.max_batch

    @property
    def fingerprint(self) -> str:
        """That of the wrapped provider."""
        return self.provider.fingerprint

    @property
    def note(self) -> str:
        """That of the wrapped provider."""
        return self.provider.note

    @property
    def queries_per_input(self) -> int:
        """Queries to the audited model for one input."""
        return queries_per_input(self.provider)

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The wrapped provider's answer."""
        return self.provider.predict(x)


def queries_per_input(provider: Provider) -> int:
    """Queries to an audited model for one input: one, unless a wrapper votes."""
    return provider.queries_per_input if isinstance(provider, WrappedProvider) else 1


def queries_to(model: Provider, *, through: Provider) -> int:
    """Queries to ``model`` where ``through`` answers for one input; 0 of a surrogate of it.

    Both may be wrapped: one model is known by its fingerprint.
    """
    same = _bare(through).fingerprint == _bare(model).fingerprint
    return queries_per_input(through) if same else 0


def queries_of_a_search(model: Provider, *, through: Provider, candidates: int, stored: int) -> int:
    """Queries to ``model`` when ``through`` searches one input: the input, its candidates, and what is kept.

    Args:
        model: the audited model.
        through: the provider of the search, the model itself or what wraps it.
        candidates: that the search evaluated.
        stored: members of the front, queried again beside the input and its unchanged form.
    """
    return queries_to(model, through=through) * (1 + candidates) + queries_per_input(model) * (stored + 2)


def _bare(provider: Provider) -> Provider:
    return _bare(provider.provider) if isinstance(provider, WrappedProvider) else provider
