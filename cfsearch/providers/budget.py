"""Query counter with a budget, as a wrapper of a provider."""

import threading
from typing import Final, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.errors import BudgetExhausted, ConfigError

from .cache import CachedProvider
from .wrapping import WrappedProvider, queries_per_input


@final
class CountingProvider(WrappedProvider):
    """A provider that counts queries to the audited model, and stops before a limit is passed.

    One query is one input that the model itself sees: a provider that votes costs as many as
    it asks. Put it *inside* a cache (``CachedProvider(CountingProvider(...))``) to count only
    what was really queried. A call that would pass the limit queries nothing at all; a call that
    fails has been paid. Safe to share among threads.

    Args:
        limit: most queries, >= 0; None counts without a limit.

    Raises:
        ConfigError: ``limit`` is negative.
    """

    def __init__(self, provider: Provider, limit: int | None = None) -> None:
        super().__init__(provider)
        if limit is not None and limit < 0:
            raise ConfigError(f"budget: `limit` must be a whole number >= 0, got {limit!r}.")
        self.limit: Final = limit
        self._spent = 0
        self._lock: Final = threading.Lock()

    @property
    def batch_invariant(self) -> bool:
        """That of the wrapped provider."""
        return self.provider.batch_invariant

    @property
    def spent(self) -> int:
        """Queries made so far."""
        return self._spent

    @property
    def remaining(self) -> int | None:
        """Queries left; None without a limit."""
        return None if self.limit is None else self.limit - self._spent

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The wrapped provider's answer.

        Raises:
            BudgetExhausted: the answer would cost more queries than are left; none was made.
        """
        cost = x.shape[0] * queries_per_input(self.provider)
        with self._lock:
            if self.limit is not None and self._spent + cost > self.limit:
                raise BudgetExhausted(
                    f"{self.name}: {cost} queries were wanted, but {self.limit - self._spent} of "
                    f"{self.limit} are left. Allow more queries to search on."
                )
            self._spent += cost
        return self.provider.predict(x)


def remaining_queries(provider: Provider) -> int | None:
    """Queries that a provider may still pass on to the audited model; None without a limit.

    None as well behind a cache, whose answers may cost nothing.

    Args:
        provider: may be wrapped.
    """
    if isinstance(provider, CachedProvider) or not isinstance(provider, WrappedProvider):
        return None
    inner = remaining_queries(provider.provider)
    own = provider.remaining if isinstance(provider, CountingProvider) else None
    return min((n for n in (own, inner) if n is not None), default=None)
