"""Queries that an audit makes beside its searches."""

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker
from cfsearch.contracts.provider import ScoreKind

from .effects import MOST_MEASURED
from .genuineness import FEWEST_PHOTOGRAPHS, queries_of
from .genuineness_check import MOST_PHOTOGRAPHS
from .shares import LEAST


def queries_beside(assembly: Assembly, *, inputs: int, members: int) -> dict[str, int]:
    """The most queries that an audit makes beside its searches, by what they are for; only what there is.

    Protected columns of tables are not foreseen.

    Args:
        assembly: the search with its model and generator.
        inputs: how many there are.
        members: the most that a front holds.
    """
    config, generator = assembly.config, assembly.search.generator
    found: dict[str, int] = {"robustness": inputs * assembly.search.afterwards}
    if not assembly.modality.own_variables:
        found["contributions"] = config.audit.contribution_queries
    if inputs >= 2 * LEAST and not assembly.modality.own_variables:
        found["shared changes"] = config.audit.shared_queries
    if assembly.records is None and isinstance(generator, AttributeEstimator | AttributeTaker):
        attributes = len(generator.attribute_names)
        found["effects"] = min(inputs, MOST_MEASURED) * (1 + 2 * attributes)
        if (
            inputs >= FEWEST_PHOTOGRAPHS
            and isinstance(generator, AttributeTaker)
            and assembly.model.scores is not ScoreKind.LABELS
        ):
            marked = inputs * queries_of(members) if config.search.genuineness else 0
            generators = 1 if assembly.second_generator is None else 2
            found["genuineness"] = generators * (2 * min(inputs, MOST_PHOTOGRAPHS) + marked)
    return {what: n for what, n in found.items() if n}
