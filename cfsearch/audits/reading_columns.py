"""The protected columns of ``audit.json`` as typed objects; see ``cfsearch.audits.reading``."""

from .reading_parts import Count, Estimate, FlipsAlone, Leaning, Part, Share, Text


class ColumnEffect(Part):
    """Change of the model's answer with a protected column, or with what goes with it."""

    logits: Estimate | None
    probability: Estimate | None
    n: Count
    p: Share | None = None
    reading: Leaning | None = None
    because: Text = ""
    column: Text = ""
    name: Text = ""


class ColumnComparison(Part):
    """One group of a protected column against another, or against all others."""

    name: Text
    against: Text
    effect: ColumnEffect | None
    by_group: tuple[ColumnEffect, ...]
    linked: ColumnEffect | None
    through: ColumnEffect
    proxies: tuple[ColumnEffect, ...]


class MemberShare(Part):
    """A share among verified counterfactuals, averaged over rows."""

    n: Count
    rate: Estimate | None


class MemberShares(Part):
    """How many verified counterfactuals change a column, need that change, and need nothing else."""

    changed: MemberShare
    necessary: MemberShare
    sufficient: MemberShare


class CostGroup(Part):
    """What the nearest flip costs in one group."""

    name: Text
    n: Count
    mean: Estimate | None


class CostGap(Part):
    """The same of one group less another."""

    name: Text
    against: Text
    difference: Estimate | None
    p: Share | None


class Cost(Part):
    """What the nearest flip costs, by group."""

    groups: tuple[CostGroup, ...]
    comparisons: tuple[CostGap, ...]


class Through(Part):
    """What one can say of a column's effect through the other columns."""

    reading: Leaning
    because: Text


class ColumnRow(Part):
    """A protected column of a table."""

    model: Text
    column: Text
    guessed: bool
    taken: bool
    label: Text
    n: Count
    unknown: Count
    left_out: tuple[Text, ...]
    linked: tuple[Text, ...]
    comparisons: tuple[ColumnComparison, ...]
    flips_alone: FlipsAlone | None
    members: MemberShares | None
    cost: Cost | None
    reading: Leaning
    because: Text
    through: Through
