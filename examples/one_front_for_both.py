"""A model without gradients: distil it, explain it, search it, and put both on one front.

Run: ``uv run python examples/one_front_for_both.py``
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from cfsearch import ParetoFront, ScoreKind, Search
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.distill import BEST, DistillRequest, Tuning, distil
from cfsearch.engine.problem import Problem
from cfsearch.explainers.fronts import explained
from cfsearch.explainers.subjects import row_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.solvers.genetic import Nsga2

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=80, unit="years", monotone=1),
        Column(name="income", kind=ColumnKind.REAL, low=0, high=90_000, unit="EUR", step=500),
        Column(name="debt", kind=ColumnKind.REAL, low=0, high=60_000, unit="EUR", step=500),
        Column(name="home", kind=ColumnKind.CATEGORICAL, levels=("rented", "owned"), immutable=True),
    )
)


def bank(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The audited model: it gives labels only, and nobody sees what stands here."""
    _, income, debt, home = rows.T
    approved = income - 0.8 * debt + 4_000 * home > 30_000
    return np.stack([~approved, approved], axis=1).astype(np.float64)


def main() -> None:
    """What would have to change for an applicant to be approved?"""
    rng = np.random.default_rng(0)
    people = np.stack(
        [
            rng.integers(18, 81, 300),
            rng.integers(0, 181, 300) * 500,
            rng.integers(0, 121, 300) * 500,
            rng.integers(0, 2, 300),
        ],
        axis=1,
    )
    known = torch.from_numpy(people.astype(np.float64))
    model = CallableProvider(bank, labels=("refused", "approved"), scores=ScoreKind.LABELS)

    recipe = replace(BEST, tuning=Tuning(trials=0))  # a toy needs no search of learning rates
    request = DistillRequest(recipe=recipe, queries=3000, seed=0)
    made = distil(known, model, request=request, schema=SCHEMA)
    agreed = made.fidelity
    if agreed is not None:
        print(
            f"the surrogate agrees with the model on {100 * agreed.value:.0f} % of held-out rows, at least {100 * agreed.low:.0f} %"
        )
    surrogate = SurrogateProvider(made.surrogate, audited=model)

    applicant = torch.tensor([[40.0, 31_000.0, 12_000.0, 0.0]], dtype=torch.float64)
    encoding = surrogate.encoding
    if encoding is None:
        raise SystemExit("this surrogate takes no rows")
    subject = row_subject(model, encoding, surrogate.network)
    explanation = Wachter().fit(subject, known).explain(applicant, subject=subject, target="approved")

    objectives = [Adversarial(), Gower(), Changed()]
    search = Search(
        surrogate,
        Rows(SCHEMA),
        objectives,
        lambda population: Nsga2(population=population),
        evaluations=1500,
        population=50,
        target="approved",
        verifier=model,
    )
    [front] = search.run(applicant, names=["applicant"])
    if not isinstance(front, ParetoFront):
        raise SystemExit(str(front.error))
    problem = Problem(
        applicant,
        names=["applicant"],
        provider=surrogate,
        generator=Rows(SCHEMA),
        objectives=objectives,
        target="approved",
    )
    [explainer] = explained(explanation, problem=problem, verifier=model)
    both = front.merge(explainer)
    print(
        f"{len(both)} members: {both.origins.count('nsga2')} of the search, {both.origins.count('wachter')} of wachter"
    )
    theirs = [i for i, origin in enumerate(both.origins) if origin == "wachter"]
    for how, i in [*both.picks().items(), *(("wachter", i) for i in theirs)]:
        print(f"{how:<9} {', '.join(both.described[i])}")


if __name__ == "__main__":
    main()
