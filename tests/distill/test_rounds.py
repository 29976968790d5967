"""What is asked next: the inputs about which the surrogate is least sure."""

from dataclasses import replace

import torch

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.distill import BEST, PAPER, DistillRequest, distil
from cfsearch.distill.jitter import Jitter
from cfsearch.distill.rounds import QueryPlan
from cfsearch.distill.training import Lesson, agreement, answers
from cfsearch.testing import FakeProvider

from .conftest import Judge, people, pictures, quick

BRIGHT = FakeProvider(scores=ScoreKind.LABELS)


def lesson(unsure: float) -> tuple[Lesson, QueryPlan]:
    recipe = replace(quick(BEST, epochs=3), unsure=unsure, rounds=2, spread=8.0, round_epochs=15)
    return Lesson("lenet5", recipe.hyper, recipe, seed=1), QueryPlan(pictures(60), recipe, 460, seed=1)


def distance(unsure: float) -> float:
    """Of what the last round asked about from the boundary, which is a mean of 0.5."""
    first, plan = lesson(unsure)
    examples = plan.run(BRIGHT, lesson=first)
    assert len(examples) == 460
    means = examples.inputs(slice(260, None)).mean((1, 2, 3))
    return float((means - 0.5).abs().mean())


def test_unsure_rounds_ask_near_the_boundary() -> None:
    assert distance(1.0) < 0.7 * distance(0.0)


def test_own_inputs_come_first_and_the_rest_differs() -> None:
    first, plan = lesson(0.5)
    examples = plan.run(BRIGHT, lesson=first)
    assert torch.equal(examples.kept[:60], (pictures(60) * 255).round().to(torch.uint8))
    assert len(torch.unique(examples.kept.flatten(1), dim=0)) == 460


def test_with_one_round_it_is_algorithm_1() -> None:
    recipe = quick(PAPER)
    plan = QueryPlan(pictures(5), recipe, None)
    told: list[tuple[int, int]] = []
    examples = plan.run(
        BRIGHT,
        lesson=Lesson("lenet5", recipe.hyper, recipe),
        watch=lambda done, total: told.append((done, total)),
    )
    assert len(examples) == plan.total == 15
    assert told[-1] == (15, 15)
    x = examples.inputs(slice(None))
    assert torch.allclose(x[5], (x[0] + x[1]) / 2, atol=0.51 / 255)
    assert torch.equal(examples.classes, BRIGHT.predict(x).argmax(1))


def test_where_nothing_can_be_mixed_the_inputs_alone_are_queried(schema: TableSchema) -> None:
    for recipe in (quick(BEST), quick(PAPER)):
        made = distil(people(2), Judge(), request=DistillRequest(recipe=recipe, held_out=0.5), schema=schema)
        assert made.surrogate.about["data"]["examples"] == 1
        assert made.surrogate.about["data"]["held_out"] == 1


def test_training_learns_and_goes_on() -> None:
    recipe = quick(BEST, epochs=12)
    first = Lesson("lenet5", recipe.hyper, recipe, seed=2)
    examples = QueryPlan(pictures(60), recipe, 300, seed=1).run(BRIGHT, lesson=first)
    fresh = first.begin(examples)
    made = first.learn(examples)
    assert agreement(made, examples) > max(0.9, agreement(fresh, examples))
    again = first.learn(examples, network=made)
    assert again is made


def test_pictures_that_wobble_while_training_are_learned_as_well() -> None:
    still = quick(BEST, epochs=12)
    first = Lesson("lenet5", still.hyper, still, seed=2)
    examples = QueryPlan(pictures(60), still, 300, seed=1).run(BRIGHT, lesson=first)
    wobbling = replace(first, recipe=replace(still, wobble=Jitter(turn=5, shift=0.05)))
    moved = wobbling.learn(examples)
    assert agreement(moved, examples) > 0.85
    assert not torch.equal(answers(moved, examples.kept), answers(first.learn(examples), examples.kept))


def test_few_rows_spend_what_their_pairs_allow(schema: TableSchema) -> None:
    recipe = quick(BEST)
    assert recipe.rounds > 1
    plan = QueryPlan(people(20), recipe, 190, schema=schema, encoding=Encoding.standard(schema, people(20)))
    examples = plan.run(Judge(), lesson=Lesson("linear", recipe.hyper, recipe))
    assert len(examples) == 190
