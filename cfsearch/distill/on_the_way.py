"""A surrogate for a model of rows that gives no gradients, distilled where one is needed and not kept."""

from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import DataError
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import TabularProvider

from .distilling import DistillRequest, Report, distil
from .recipe import BEST, Tuning

QUERIES: Final = 5_000
"""Most queries to the audited model."""
MOST_ROWS: Final = 2_000
"""Rows that it learns from at most; the rest of the queries goes to mixtures of them."""
_FEWEST: Final = 20


def surrogate_of_rows(
    model: TabularProvider,
    x: Float[Tensor, "m d"],
    *,
    queries: int = QUERIES,
    seed: int = 0,
    device: str = "cpu",
    report: Report = lambda _what, _share: None,
) -> SurrogateProvider:
    """A surrogate of a model of rows, learned from its answers about mixtures of ``x``.

    Its ``note`` says how often both agree on a fifth of the rows, which it does not learn from. No settings are
    searched: for a surrogate that is used more than once ``distil`` takes more care.

    Args:
        model: the audited model; only queried.
        x: rows in canonical form, 20 or more; those that lack a number are left out.
        queries: most queries to the model, those about held-out rows included.
        seed: decides everything that is drawn.
        device: of the training.
        report: called with the progress.

    Raises:
        DataError: there are fewer rows.
        CfsearchError: as ``distil``.

    Example:
        Followed by a method that needs gradients::

            surrogate = surrogate_of_rows(model, table.x)
            subject = table_subject(model, surrogate=surrogate)
            Gradual().fit(subject, table.x).explain(table.x[17:18], subject=subject)
    """
    whole = x[~torch.isnan(x).any(dim=1)]
    if len(whole) < _FEWEST:
        raise DataError(
            f"{model.name}: gives no gradients, and a surrogate that does must be distilled from {_FEWEST} rows or "
            f"more, got {len(whole)}. Give more rows: --reference TABLE.csv; or --surrogate FILE."
        )
    recipe = replace(BEST, tuning=Tuning(trials=0))
    request = DistillRequest(recipe=recipe, queries=queries, held_out=0.2, seed=seed, device=device)
    made = distil(whole[:MOST_ROWS], model, request=request, schema=model.schema, report=report)
    return SurrogateProvider(made.surrogate, audited=model, device=device)
