"""What is known of a search while it runs, and of a query whose search failed."""

from dataclasses import dataclass
from typing import Protocol, final

from cfsearch.errors import CfsearchError


class Watcher(Protocol):
    """Callback after every generation; must not change anything."""

    def __call__(self, progress: "Progress", /) -> None: ...


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """State of a batch after a generation.

    Args:
        generation: generations that are done.
        generations: how many there will be at most.
        queries: how many are searched together.
        flipped: for how many of them a candidate flips.
        evaluations: candidates that were evaluated, of all queries together.
    """

    generation: int
    generations: int
    queries: int
    flipped: int
    evaluations: int


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A query without a front, and why.

    Args:
        name: of the query.
        error: what went wrong; a plug-in's own exception is its cause.
    """

    name: str
    error: CfsearchError

    def __repr__(self) -> str:
        """One line: name, kind of error, and its message."""
        return f"Failure({self.name!r}, {type(self.error).__name__}: {self.error})"
