"""No stored counterfactual of a table breaks a rule: all solvers, all explainers, all ways between them."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Need
from cfsearch.datasets.tables import Encoding, Table, TableSchema
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.fronts import explained, seeds_of
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.subjects import row_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.registry import installed, load
from cfsearch.testing.tables import broken_rules, random_schema, random_table

SOLVERS = tuple(installed("solvers"))
EXPLAINERS = tuple(installed("explainers"))
OBJECTIVES = (Adversarial(), Gower(), Changed())
QUICK = {
    "emap": Emap(surrogate="subject", epochs=20, batch=20, rate=5e-3, hidden=(32,), size_weight=0.01),
    "gradient": Gradient(step=0.1, growth=1.5),
    "gradual": Gradual(steps=10),
    "pgd": Pgd(steps=5),
    "wachter": Wachter(steps=15, rounds=4, refinements=2, rate=0.4),
}
"""Settings that make the slow ones quick; the others are made as they are."""


@final
@dataclass(frozen=True, eq=False)
class Linear(Provider):
    """A linear model on encoded rows that gives "yes" to the upper half of some rows."""

    encoding: Encoding
    weight: Float[Tensor, " w"]
    bias: float
    name: str = "linear"
    labels: tuple[str, ...] = ("no", "yes")
    scores: ScoreKind = ScoreKind.LOGITS
    max_batch: int = 1024

    def network(self, u: Float[Tensor, "n w"]) -> Float[Tensor, "n 2"]:
        lead = (u * self.weight.to(u)).sum(1) + self.bias
        return torch.stack([torch.zeros_like(lead), lead], dim=1)

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        return self.network(self.encoding.apply(x.double())).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        return "linear"


@final
class Wild(Explainer):
    """Moves every number far and at random, heedless of what may change; the domain has to set it right."""

    name: ClassVar[str] = "wild"

    def propose(self, task: Task) -> Proposal:
        noise = torch.randn(task.u.shape, generator=task.rng)
        return Proposal(counterfactuals=task.project(task.u + 3.0 * noise))


@final
@dataclass(frozen=True, eq=False)
class Case:
    """A random schema with 3 immutable, 2 monotone and 1 linked pair of columns, and a model of it."""

    schema: TableSchema
    table: Table
    provider: Linear
    subject: Subject

    @property
    def x(self) -> Tensor:
        return self.table.x[:4]

    def search(self, solver: str, *, seeds: bool = True) -> Search:
        made, generator = load("solvers", solver), Rows(self.schema)
        wild = seeds_of([Wild()], subject=self.subject)
        near = NearestRows(generator, self.table, count=3)

        def both(problem: Problem) -> list[Tensor]:
            return [torch.cat(pair) for pair in zip(wild(problem), near(problem), strict=True)]

        return Search(
            self.provider,
            generator,
            OBJECTIVES,
            lambda population: made(population=population),
            evaluations=64,
            population=16,
            pruning=0.25,
            capacity=20,
            seeds=both if seeds else None,
        )


def case(seed: int) -> Case:
    draw = np.random.default_rng([2026, seed])
    schema = random_schema(draw, columns=8, immutable=3, monotone=2, links=1)
    assert sum(c.immutable for c in schema.columns) == 3
    assert sum(c.monotone != 0 for c in schema.columns) == 2 and len(schema.links) == 1
    table = random_table(schema, n=40, draw=draw)
    encoding = Encoding.standard(schema, table.x)
    weight = torch.from_numpy(draw.normal(size=encoding.width))
    provider = Linear(encoding, weight, -float((encoding.apply(table.x) @ weight).median()))
    table = table.labelled(provider.predict(table.x).argmax(1))
    return Case(schema, table, provider, row_subject(provider, encoding, provider.network, white_box=True))


def faults(schema: TableSchema, before: Tensor, after: Tensor) -> list[str]:
    """All rules that rows ``(n, d)`` break which came of one row ``(d,)``."""
    return [f for row in after.tolist() for f in broken_rules(schema, before=before.tolist(), after=row)]


def kept(case: Case, fronts: list[ParetoFront]) -> int:
    """Checks every stored member, and its words; how many there are that changed something."""
    for front, before in zip(fronts, case.x, strict=True):
        assert front.rows is not None
        assert faults(case.schema, before, front.rows) == []
        for i, row in enumerate(front.rows.tolist()):
            assert front.words(i) == case.schema.words(before.tolist(), row)
    return sum(int(front.changed.any(1).sum()) for front in fronts)


def found(case: Case, solver: str, *, seeds: bool = True) -> list[ParetoFront]:
    results = case.search(solver, seeds=seeds).run(case.x, names=[f"row {i}" for i in range(len(case.x))])
    return [one for one in results if isinstance(one, ParetoFront)]


def explainer(name: str, case: Case) -> Explainer:
    made: Explainer = QUICK[name] if name in QUICK else load("explainers", name)()
    return made.fit(case.subject, case.table.x) if Need.REFERENCE in made.needs else made


def test_every_shipped_solver_and_explainer_is_here() -> None:
    assert {"agemoea2", "bayesian", "gde3", "nsga2", "nsga3", "random", "smpso", "spea2"} <= set(SOLVERS)
    assert {"axai", "emap", "gradient", "gradual", "pgd", "wachter"} <= set(EXPLAINERS)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_solver_stores_a_row_that_breaks_a_rule(solver: str) -> None:
    made = [case(seed) for seed in range(2)]
    assert sum(kept(one, found(one, solver)) for one in made) > 0


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_schema_no_rule_is_broken(seed: int) -> None:
    one = case(100 + seed)
    alone, seeded = found(one, "nsga2", seeds=False), found(one, "smpso")
    assert kept(one, alone) + kept(one, seeded) > 0
    merged = [a.merge(b) for a, b in zip(alone, seeded, strict=True)]
    assert kept(one, merged) > 0
    assert kept(one, [ParetoFront.from_bytes(front.to_bytes()) for front in merged]) > 0


@pytest.mark.parametrize("name", EXPLAINERS)
def test_no_explainer_proposes_a_row_that_breaks_a_rule(name: str) -> None:
    moved = 0
    for seed in range(4):
        one = case(200 + seed)
        told = explainer(name, one).explain(one.x, subject=one.subject)
        if told.counterfactuals is None:  # it says which columns count, and changes none
            assert told.attributions is not None
            moved = -1
            continue
        for before, after in zip(one.x, told.counterfactuals, strict=True):
            assert faults(one.schema, before, after[None]) == []
        moved += int((told.counterfactuals != one.x).any(1).sum())
    assert moved != 0


@pytest.mark.parametrize("name", [*EXPLAINERS, "wild"])
def test_no_rule_is_broken_where_explainers_and_searches_share_a_front(name: str) -> None:
    members = 0
    for seed in range(2):
        one = case(300 + seed)
        made = Wild() if name == "wild" else explainer(name, one)
        told = made.explain(one.x, subject=one.subject)
        if told.counterfactuals is None:
            pytest.skip(f"{name} gives no counterfactuals by design")
        search = one.search("nsga2")
        names = [f"row {i}" for i in range(len(one.x))]
        problem = Problem(
            one.x, names=names, provider=one.provider, generator=search.generator, objectives=OBJECTIVES
        )
        shown = explained(told, problem=problem)
        members += kept(one, shown)
        again = replace(search, seeds=seeds_of([made], subject=one.subject)).run(one.x, names=names)
        fronts = [front for front in again if isinstance(front, ParetoFront)]
        kept(one, [a.merge(b) for a, b in zip(fronts, shown, strict=True)])
    assert members > 0


def test_the_judge_sees_what_a_careless_domain_would_do() -> None:
    one = case(0)
    draw = np.random.default_rng(5)
    careless = one.table.x[4:] + torch.from_numpy(draw.normal(size=one.table.x[4:].shape))
    assert len(faults(one.schema, one.x[0], careless)) > len(careless)
