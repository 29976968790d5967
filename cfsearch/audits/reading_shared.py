"""The shared changes of ``audit.json`` as typed objects; see ``cfsearch.audits.reading``."""

from pydantic import Field

from .reading_parts import Count, Estimate, Part, Share, Text


class Coverage(Part):
    """How many inputs are flipped; the share is None of fewer than 10."""

    count: Count
    n: Count
    rate: Estimate | None


class SharedChangeRow(Part):
    """One change, and what it does on the half of the inputs that it was not chosen on.

    Args:
        words: what changes.
        variables: whose names those are.
        alone: inputs that it flips.
        together: inputs that it or one before it flips.
        cost: mean distance of those that it flips to what it makes of them.
        held_back: inputs whose rules leave less of it.
    """

    words: Text
    variables: tuple[Text, ...]
    alone: Coverage
    together: Coverage
    cost: Estimate | None
    held_back: Count


class SharedSet(Part):
    """The changes chosen for all inputs of a class (``attribute`` and ``name`` are empty), or for one group."""

    attribute: Text
    name: Text
    chosen_on: Count
    n: Count
    changes: tuple[SharedChangeRow, ...]


class SharedGroup(Coverage):
    """What the changes chosen for all do in one group."""

    attribute: Text
    name: Text


class SharedComparison(Part):
    """The same in one group less another."""

    attribute: Text
    name: Text
    against: Text
    difference: Estimate | None
    p: Share | None


class SharedRow(Part):
    """Shared changes of the inputs of one class."""

    model: Text
    source: Text = Field(alias="from")
    target: str | None = Field(alias="to")
    chosen_on: Count
    measured_on: Count
    left_out: Count
    candidates: Count
    queries: Count
    sets: tuple[SharedSet, ...] = Field(min_length=1)
    groups: tuple[SharedGroup, ...]
    comparisons: tuple[SharedComparison, ...]
