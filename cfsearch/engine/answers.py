"""The model's answers to many inputs at once, as far as they come, and to each original alone."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import BudgetExhausted, CfsearchError, ProviderError, QueryError

from .networks import Networks

QUERY_FAILURES: Final = (ProviderError, QueryError)
"""Errors that end the search of one query; the others go on."""


def first_answers(networks: Networks, x: Float[Tensor, "n *x"]) -> Float[Tensor, "p k"]:
    """Raw answers to the first inputs, up to where the model fails or the budget ends.

    What is missing is to be queried one by one, which shows for which query the model fails.

    Args:
        networks: the model.
        x: the inputs.
    """
    answers: list[Tensor] = []
    try:
        answers.extend(networks.pieces(x))
    except (*QUERY_FAILURES, BudgetExhausted):
        pass  # the caller queries what is missing
    return torch.cat(answers) if answers else x.new_zeros(0, len(networks.provider.labels))


def original_scores(
    networks: Networks, x: Float[Tensor, "b *x"], *, failures: dict[int, CfsearchError]
) -> Float[Tensor, "b k"]:
    """Scores of the queries, each on its own; zeros for one that fails.

    Args:
        networks: the model.
        x: the queries.
        failures: by query; those that fail here are added.
    """
    k = len(networks.provider.labels)
    together = networks.provider.batch_invariant and len(x) > 0
    answers = first_answers(networks, x) if together else x.new_zeros(0, k)
    rows: list[Tensor] = []
    for i in range(len(x)):
        one = slice(i, i + 1)
        try:
            rows.append(networks.understood(answers[one]) if i < len(answers) else networks.score(x[one]))
        except (*QUERY_FAILURES, BudgetExhausted) as error:
            failures[i] = error
            rows.append(torch.zeros(1, k, device=x.device))
    return torch.cat(rows)
