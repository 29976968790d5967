"""What changes contribute, in ``audit.json``, as typed objects; see ``cfsearch.audits.reading``."""

from .reading_parts import Count, Estimate, Part, Text


class CountedInputs(Part):
    """Of so many inputs how many; ``count`` and ``rate`` are None of fewer than 10."""

    count: Count | None
    n: Count
    rate: Estimate | None


class ShapleyShares(Part):
    """What a change does of all that is done, over the inputs whose smallest counterfactual makes it.

    Args:
        n: so many inputs.
        share: mean of its shares; None of fewer than 10.
        logits: mean of its Shapley values; None likewise.
        sampling_error: the largest standard error of one value by the orders that were drawn.
    """

    n: Count
    share: Estimate | None
    logits: Estimate | None
    sampling_error: float


class VariableContribution(Part):
    """One variable.

    Args:
        variable: its name.
        flips: inputs with a counterfactual that changes it.
        sufficient: of these, inputs that the change flips alone.
        necessary: of these, inputs whose counterfactual is lost without it.
        shapley: its shares.
    """

    variable: Text
    flips: Count
    sufficient: CountedInputs
    necessary: CountedInputs
    shapley: ShapleyShares


class ContributionsRow(Part):
    """The variables of one model, the most often changed first.

    Args:
        model: its id.
        inputs: that were measured.
        left_out: inputs with a counterfactual that were not, for lack of queries.
        queries: to the model.
        variables: that a counterfactual changes.
    """

    model: Text
    inputs: Count
    left_out: Count
    queries: Count
    variables: tuple[VariableContribution, ...]
