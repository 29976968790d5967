"""Explainers and searches on one front, and explainers as seeds."""

from dataclasses import replace
from functools import reduce

import moocore
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.contracts.objective import Objective
from cfsearch.datasets.tables import TableSchema
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.errors import CapabilityError, ConfigError, NonFiniteError, ShapeError
from cfsearch.explainers.fronts import as_pictures, explained, seeds_of
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.subjects import image_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.numerics import pareto
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.perceptual import Perceptual
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.genetic import Nsga2
from cfsearch.testing import FakeGenerator, FakeProvider, FakeWhiteBox

from .walks import table_subject

ROWS: list[Objective] = [Adversarial(), Gower(), Changed()]
LOOKS: list[Objective] = [Adversarial(), Plausibility(), Perceptual(), Intensity()]


def nsga2(population: int) -> Nsga2:
    return Nsga2(population=population)


def table(seed: int, *, n: int = 4) -> tuple[Subject, TableSchema, Tensor, Search, Problem]:
    subject, schema, x = table_subject(seed, n=12)
    x = x[:n]
    search = Search(
        subject.provider,
        Rows(schema, dead_zone=0.0),
        ROWS,
        nsga2,
        evaluations=200,
        population=20,
        pruning=0.0,
    )
    problem = Problem(
        x,
        names=[f"row {i}" for i in range(n)],
        provider=subject.provider,
        generator=search.generator,
        objectives=ROWS,
    )
    return subject, schema, x, search, problem


def kept(results: list[object]) -> list[ParetoFront]:
    assert all(isinstance(r, ParetoFront) for r in results)
    return [r for r in results if isinstance(r, ParetoFront)]


@pytest.mark.parametrize("seed", [3, 5])
def test_a_search_and_two_explainers_share_one_front(seed: int) -> None:
    subject, _, x, search, problem = table(seed)
    found = kept(list(search.run(x, names=problem.queries.names)))
    told = [explained(e.explain(x, subject=subject), problem=problem) for e in (Gradient(), Wachter())]
    seen = set()
    for i, front in enumerate(found):
        both = reduce(ParetoFront.merge, [told[0][i], told[1][i]], front)
        assert bool(moocore.is_nondominated(both.f.numpy(), keep_weakly=False).all())
        assert both.hypervolume() >= front.hypervolume(both.reference_point) - 1e-9
        seen |= set(both.origins)
        assert both.rows is not None
        # each member is the row that its change leads to, and its verdict the provider's own
        decoded = problem.decode(both.z[None], query=i)
        assert torch.equal(decoded.double(), both.rows)
        lead = subject.provider.predict(both.rows).softmax(1)[:, 1 - both.source] - 0.5
        assert torch.equal(both.verified, lead * 2 >= 1e-4)
        mine = [j for j, origin in enumerate(both.origins) if origin != "nsga2"]
        assert bool(both.verified[mine].all())
        # and its values are those that the search would have measured
        again = problem.evaluate(both.z[None].expand(problem.b, -1, -1)).f[i]
        torch.testing.assert_close(again.float(), both.f.float())
        assert ParetoFront.from_bytes(both.to_bytes()).digest == both.digest
        assert len(both.described) == len(both)
    assert seen > {"nsga2"}


def test_members_of_an_explainer_are_its_own_rows() -> None:
    subject, _, x, _, problem = table(5)
    told = Gradient().explain(x, subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None
    for i, front in enumerate(explained(told, problem=problem)):
        assert front.rows is not None
        assert len(front) == int(told.flipped[i])
        if len(front):
            assert torch.allclose(front.rows[0], told.counterfactuals[i].double(), rtol=1e-12, atol=1e-9)
            assert front.origins == ("gradient",)


def test_what_already_is_the_target_gives_an_empty_front() -> None:
    subject, _, x, _, _ = table(5)
    one = x[:1]
    has = subject.provider.labels[int(subject.provider.predict(one).argmax())]
    problem = Problem(
        one,
        names=["a"],
        provider=subject.provider,
        generator=Rows(subject.domain.schema),  # type: ignore[attr-defined]  # a domain of rows
        objectives=ROWS,
        target=has,
    )
    [front] = explained(Gradient().explain(one, subject=subject, target=has), problem=problem)
    assert len(front) == 0 and front.reason.code == "already_target"


def looks(x: Tensor) -> tuple[FakeWhiteBox, Search, Problem, list[str]]:
    provider, names = FakeWhiteBox(FakeProvider()), [f"image {i}" for i in range(len(x))]
    search = Search(provider, FakeGenerator(), LOOKS, nsga2, evaluations=200, population=20, target="bright")
    problem = Problem(
        x, names=names, provider=provider, generator=FakeGenerator(), objectives=LOOKS, target="bright"
    )
    return provider, search, problem, names


def test_images_of_both_are_measured_as_pictures() -> None:
    x = 0.3 + 0.1 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    provider, search, problem, names = looks(x)
    subject = image_subject(provider, (3, 16, 16))
    told = Pgd().explain(x, subject=subject, target="bright")
    for i, front in enumerate(kept(list(search.run(x, names=names)))):
        [mine, theirs] = [explained(told, problem=problem)[i], as_pictures(front, problem=problem, query=i)]
        both = theirs.merge(mine)
        assert set(both.origins) == {"nsga2", "pgd"} and both.variables == ("pixels",)
        assert both.images is not None and both.original is not None
        assert bool(moocore.is_nondominated(both.f.numpy(), keep_weakly=False).all())
        # by hand: root mean square of what is stored, and the same measure as the objective "intensity"
        apart = (both.images.double() - both.original.double()) / 255.0
        torch.testing.assert_close(
            both.z[:, 0].double(), apart.square().mean((1, 2, 3)).sqrt(), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(both.column("intensity"), both.z[:, 0])
        again = provider.predict(both.images.float() / 255.0).softmax(1)
        assert torch.equal(both.verified, again[:, 1] - again[:, 0] >= 1e-4)
        # of a linear model in the mean nothing is nearer than what Pgd finds
        flips = torch.nonzero(both.verified).flatten().tolist()
        assert both.origins[min(flips, key=lambda j: float(both.z[j, 0]))] == "pgd"
        # a front of attributes and one of pictures are not mixed
        with pytest.raises(ConfigError, match="must share"):
            front.merge(mine)


def test_what_was_measured_after_a_search_stays_with_the_members_that_are_kept() -> None:
    x = 0.3 + 0.1 * torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    _, search, problem, names = looks(x)
    [front] = kept(list(replace(search, robustness=5).run(x, names=names)))
    assert front.robustness is not None and front.images is not None
    twice = replace(
        front, images=front.images.flip(0)
    )  # the same pictures, some of which others now dominate
    for one in (front, twice):
        made = as_pictures(one, problem=problem, query=0)
        assert made.robustness is not None and len(made.robustness) == len(made) <= len(front)


def test_explanations_of_other_inputs_are_refused() -> None:
    subject, _, x, _, problem = table(5)
    with pytest.raises(ConfigError, match="gradient: the explanation is of other inputs"):
        explained(Gradient().explain(x.flip(0), subject=subject), problem=problem)


class Attributing(Explainer):
    name = "attributing"

    def propose(self, task: Task) -> Proposal:
        return Proposal(attributions=torch.zeros(len(task.x), task.subject.domain.features))


def test_attributions_alone_are_no_members() -> None:
    subject, _, x, _, problem = table(5)
    with pytest.raises(CapabilityError, match="gives no counterfactuals"):
        explained(Attributing().explain(x, subject=subject), problem=problem)
    with pytest.raises(CapabilityError, match="a search cannot begin there"):
        seeds_of([Attributing()], subject=subject)(problem)


def test_a_seeded_search_is_no_worse_than_its_seeds() -> None:
    subject, schema, x, _, problem = table(3)
    seeds = seeds_of([Gradient(), Pgd()], subject=subject)
    worst = problem.evaluate(torch.zeros(4, 1, problem.space.d, dtype=torch.float64)).f.amax(1)
    point = torch.tensor([float(worst[:, 0].max()) + 1.0, 1.0, float(problem.space.d)])
    search = Search(
        subject.provider,
        Rows(schema, dead_zone=0.0),
        ROWS,
        nsga2,
        evaluations=8,
        population=8,
        pruning=0.0,
        seeds=seeds,
        reference_point=point.tolist(),
    )
    given = seeds(problem)
    assert max(len(z) for z in given) > 0
    for i, front in enumerate(kept(list(search.run(x, names=problem.queries.names)))):
        z = torch.zeros(4, len(given[i]), problem.space.d, dtype=torch.float64)
        z[i] = given[i]
        from_seeds = problem.evaluate(z).f[i]
        assert front.hypervolume() >= pareto.hypervolume(from_seeds, point) - 1e-6


class Failing(Explainer):
    """Gradient steps; the model breaks down over one row."""

    name = "failing"

    def __init__(self, row: Tensor) -> None:
        self.row = row

    def propose(self, task: Task) -> Proposal:
        if bool((task.x == self.row).all(1).any()):
            raise NonFiniteError("the model answered NaN to this row.")
        return Gradient().propose(task)


def test_a_model_that_fails_an_explainer_fails_that_query_alone() -> None:
    subject, _, x, search, problem = table(5)
    names = problem.queries.names
    results = replace(search, seeds=seeds_of([Failing(x[1])], subject=subject)).run(x, names=names)
    assert [isinstance(r, Failure) for r in results] == [False, True, False, False]
    well = replace(search, seeds=seeds_of([Gradient()], subject=subject))
    for i in (0, 2, 3):
        [alone] = kept(list(well.run(x[i : i + 1], names=[names[i]])))
        assert isinstance(results[i], ParetoFront)
        assert kept([results[i]])[0].digest == alone.digest


def test_without_seeds_the_bytes_are_those_of_no_seeds() -> None:
    _, _, x, search, problem = table(5, n=2)
    plain = kept(list(search.run(x, names=problem.queries.names)))
    empty = replace(search, seeds=lambda p: [p.space.lower[:0]] * p.b)
    assert [f.digest for f in kept(list(empty.run(x, names=problem.queries.names)))] == [
        f.digest for f in plain
    ]


def test_seeds_must_fit_the_problem() -> None:
    _, _, x, search, problem = table(5, n=2)
    wrong = replace(search, seeds=lambda p: [torch.zeros(1, p.space.d)])
    with pytest.raises(ShapeError, match="for each of 2 queries"):
        wrong.run(x, names=problem.queries.names)


def test_seeds_of_images_are_refused() -> None:
    x = torch.full((1, 3, 16, 16), 0.4)
    provider, _, problem, _ = looks(x)
    with pytest.raises(CapabilityError, match="only generators of rows can"):
        seeds_of([Gradient()], subject=image_subject(provider, (3, 16, 16)))(problem)
