"""The cases of objectives and constraints catch each way of breaking the contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.records import Candidates, Need
from cfsearch.testing import ConstraintCase, ObjectiveCase

Work = Callable[[Candidates], Tensor]
CASE = ObjectiveCase()


@final
@dataclass(frozen=True)
class Trial(Objective):
    """An objective that does what it is made with."""

    work: Work
    name: ClassVar[str] = "trial"
    unit: ClassVar[str] = "none"

    def __call__(self, candidates: Candidates) -> Tensor:
        return self.work(candidates)


@final
@dataclass(frozen=True)
class Kept(Constraint):
    """A constraint that does what it is made with."""

    work: Work
    name: ClassVar[str] = "kept"
    unit: ClassVar[str] = "none"

    def __call__(self, candidates: Candidates) -> Tensor:
        return self.work(candidates)


def good(c: Candidates) -> Tensor:
    """Reads everything that needs no declaration."""
    return c.z.sum(-1) + c.x.flatten(2).mean(-1) + c.scores[..., 0] - c.queries.scores[:, :1]


class TestGoodObjectivePasses(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Trial:
        return Trial(good)


class TestGoodConstraintPasses(ConstraintCase):
    @pytest.fixture
    def constraint(self) -> Kept:
        return Kept(good)


@pytest.mark.parametrize(
    ("work", "complaint"),
    [
        (lambda c: good(c)[..., None], r"expected shape \(3, 7\), got \(3, 7, 1\) with 0 non-finite"),
        (lambda c: good(c).mean(), r"expected shape \(3, 7\), got \(\) with"),
        (lambda c: good(c).T, r"expected shape \(3, 7\), got \(7, 3\)"),
        (lambda c: good(c) / (c.z[..., 0] * 0), r"got \(3, 7\) with 21 non-finite values"),
        (lambda c: good(c).double(), r"must answer as torch.float32 on cpu, like `z`, got torch.float64"),
        (lambda c: good(c).long(), r"must answer as torch.float32 on cpu, like `z`, got torch.int64"),
        (lambda c: good(c).tolist(), r"must return a tensor, got list"),
    ],
    ids=["extra axis", "one number", "transposed", "not finite", "other dtype", "whole numbers", "list"],
)
def test_a_wrong_value_is_caught(work: Work, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_one_finite_value_per_row(Trial(work), 3, 7, torch.float32)


def test_overflow_where_the_model_is_certain_is_caught() -> None:
    naive = Trial(lambda c: -c.scores.softmax(-1)[..., 0].log())
    CASE.test_one_finite_value_per_row(naive, 3, 7, torch.float32)
    with pytest.raises(AssertionError, match="one finite value per candidate"):
        CASE.test_it_stays_finite_where_the_model_is_certain(naive)


def over_candidates(c: Candidates) -> Tensor:
    return good(c) / good(c).abs().amax(1, keepdim=True)


def over_queries(c: Candidates) -> Tensor:
    return good(c) - good(c).mean(0)


def by_neighbour(c: Candidates) -> Tensor:
    return good(c) + 0.01 * good(c).roll(1, dims=1)


@pytest.mark.parametrize("work", [over_candidates, by_neighbour])
def test_rows_that_see_each_other_are_caught(work: Work) -> None:
    with pytest.raises(AssertionError, match=r"a row must have the same value (alone|among other rows)"):
        CASE.test_rows_do_not_see_each_other(Trial(work))


def test_queries_that_see_each_other_are_caught() -> None:
    CASE.test_rows_do_not_see_each_other(Trial(over_queries))
    with pytest.raises(AssertionError, match="a query must have the same values alone"):
        CASE.test_queries_do_not_see_each_other(Trial(over_queries))


@pytest.mark.parametrize(
    ("work", "changed"),
    [
        (lambda c: c.z.abs_().sum(-1), "z"),
        (lambda c: c.x.mul_(2).flatten(2).sum(-1), "x"),
        (lambda c: c.scores.sub_(1)[..., 0], "scores"),
        (lambda c: good(c) + c.queries.x.add_(1).mean(), r"queries\.x"),
        (
            lambda c: good(c) + c.queries.source.clamp_(0, 0)[:, None] + c.queries.target.fill_(1)[:, None],
            "target",
        ),
    ],
    ids=["z", "x", "scores", "queries.x", "queries.target"],
)
def test_changing_an_input_is_caught(work: Work, changed: str) -> None:
    with pytest.raises(AssertionError, match=rf"must leave its inputs alone, but changed .*{changed}"):
        CASE.test_inputs_are_left_alone(Trial(work))


def test_a_random_answer_is_caught() -> None:
    draw = torch.Generator().manual_seed(0)
    with pytest.raises(AssertionError, match="must answer the same twice"):
        CASE.test_it_answers_the_same_twice(Trial(lambda c: good(c) + torch.rand((), generator=draw)))


def draws_torch(c: Candidates) -> Tensor:
    return good(c) + 0 * torch.rand(())


def draws_numpy(c: Candidates) -> Tensor:
    return good(c) + 0 * float(np.random.rand())  # noqa: NPY002  # the fault under test


def seeds_torch(c: Candidates) -> Tensor:
    torch.manual_seed(7)
    return good(c)


@pytest.mark.parametrize(
    ("work", "whose"), [(draws_torch, "torch"), (draws_numpy, "numpy"), (seeds_torch, "torch")]
)
def test_global_randomness_is_caught(work: Work, whose: str) -> None:
    with pytest.raises(AssertionError, match=f"must be left alone, but that of .*{whose} moved"):
        CASE.test_it_answers_the_same_twice(Trial(work))


@pytest.mark.parametrize("work", [lambda c: c.realism, lambda c: good(c) + c.reference.mean()])
def test_a_need_that_is_not_declared_is_caught(work: Work) -> None:
    with pytest.raises(AssertionError, match="reads what it does not declare; extend `needs`, which is"):
        CASE.test_what_it_declares_to_need_is_enough(Trial(work))


def test_a_declared_need_is_met() -> None:
    @final
    @dataclass(frozen=True)
    class Needy(Objective):
        name: ClassVar[str] = "needy"
        unit: ClassVar[str] = "none"
        needs: ClassVar[frozenset[Need]] = frozenset({Need.CRITIC, Need.REFERENCE, Need.IMAGE})

        def __call__(self, candidates: Candidates) -> Tensor:
            assert candidates.x.ndim == 5
            return candidates.realism + candidates.reference.mean()

    CASE.test_what_it_declares_to_need_is_enough(Needy())


def test_an_objective_that_can_be_changed_is_caught() -> None:
    class Loose(Objective):
        name = "loose"
        unit = ""

        def __call__(self, candidates: Candidates) -> Tensor:
            return good(candidates)

    with pytest.raises(AssertionError, match="loose: must be a frozen dataclass"):
        CASE.test_its_settings_are_frozen(Loose())
    with pytest.raises(AssertionError, match=r"Loose: class variable `unit` must be a text .*, got ''"):
        CASE.test_it_says_what_it_is(Loose())


def test_needs_of_the_wrong_sort_are_caught() -> None:
    @final
    @dataclass(frozen=True)
    class Texts(Objective):
        name: ClassVar[str] = "texts"
        unit: ClassVar[str] = "none"
        needs = frozenset({"critic"})  # type: ignore[arg-type]  # the fault under test

        def __call__(self, candidates: Candidates) -> Tensor:
            return good(candidates)

    with pytest.raises(AssertionError, match="texts: `needs` must be a frozenset of Need"):
        CASE.test_it_says_what_it_is(Texts())
