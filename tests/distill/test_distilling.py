"""From inputs and a model that can only be asked to a surrogate and its card."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import TableSchema
from cfsearch.distill import BEST, PAPER, DistillRequest, Hyper, Recipe, StoppedError, distil, preset
from cfsearch.distill.recipe import Tuning
from cfsearch.errors import BudgetExhausted, ConfigError, DataError, NonFiniteError
from cfsearch.numerics.percent import percent
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.providers.votes import VotingProvider
from cfsearch.testing import FakeProvider

from .conftest import Judge, people, pictures, quick

LABELS = FakeProvider(scores=ScoreKind.LABELS)


@pytest.mark.parametrize("name", ["best", "paper"])
def test_a_linear_model_is_recovered_from_labels_alone(name: str, schema: TableSchema) -> None:
    judge = Judge()
    recipe = replace(
        preset(name), networks=("linear",), tuning=Tuning(trials=0), hyper=Hyper(2e-2, 25, 64), one_cycle=True
    )
    made = distil(
        people(80), judge, request=DistillRequest(recipe=recipe, queries=1500, held_out=0.2), schema=schema
    )
    surrogate = SurrogateProvider(made.surrogate, audited=judge)
    x = people(4000, seed=9)
    same = surrogate.predict(x).argmax(1) == judge.predict(x).argmax(1)
    assert float(same.double().mean()) > 0.97
    assert made.fidelity is not None
    assert made.fidelity.low < float(same.double().mean())


def test_the_best_preset_learns_probabilities(schema: TableSchema) -> None:
    judge = Judge(ScoreKind.PROBABILITIES)
    recipe = replace(BEST, networks=("linear",), tuning=Tuning(trials=0), hyper=Hyper(2e-2, 25, 64))
    made = distil(people(80), judge, request=DistillRequest(recipe=recipe, queries=1500), schema=schema)
    x = people(1000, seed=3)
    surrogate = SurrogateProvider(made.surrogate)
    gap = surrogate.predict(x).softmax(1) - judge.predict(x)
    assert float(gap.abs().mean()) < 0.03
    assert made.surrogate.about["answers"].startswith("soft")
    hard = distil(people(20), judge, request=DistillRequest(recipe=quick(PAPER), queries=60), schema=schema)
    assert hard.surrogate.about["answers"].startswith("hard")


@pytest.mark.parametrize("queries", [2, 7, 50, 123, 500])
def test_a_budget_is_never_exceeded(queries: int, recipe: Recipe, schema: TableSchema) -> None:
    judge = Judge()
    made = distil(people(20), judge, request=DistillRequest(recipe=recipe, queries=queries), schema=schema)
    assert judge.asked <= queries
    assert made.surrogate.about["queries"] == {"spent": judge.asked, "limit": queries}
    fake = VotingProvider(LABELS, votes=3)
    made = distil(pictures(12), fake, request=DistillRequest(recipe=recipe, queries=max(6, queries)))
    assert made.surrogate.about["queries"]["spent"] <= max(6, queries)


def test_without_a_budget_the_paper_asks_about_all_inputs_and_all_pairs(schema: TableSchema) -> None:
    judge = Judge()
    made = distil(people(20), judge, request=DistillRequest(recipe=quick(PAPER), held_out=0.0), schema=schema)
    assert made.surrogate.about["data"]["examples"] == 20 + math.comb(20, 2)
    # rows that are equal are asked about once
    assert 100 < judge.asked <= 210
    assert made.fidelity is None


def test_the_seed_decides(recipe: Recipe, schema: TableSchema) -> None:
    def weights(seed: int) -> torch.Tensor:
        request = DistillRequest(recipe=recipe, queries=120, seed=seed)
        before = torch.random.get_rng_state()
        made = distil(pictures(12), LABELS, request=request)
        assert torch.equal(torch.random.get_rng_state(), before)
        return torch.cat([w.flatten() for w in made.surrogate.module.state_dict().values()])

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))


def test_a_surrogate_comes_back_from_its_file_as_it_was(
    tmp_path: Path, recipe: Recipe, schema: TableSchema
) -> None:
    for name, x, said in (("rows", people(30), schema), ("images", pictures(12), None)):
        model = Judge() if said else LABELS
        made = distil(x, model, request=DistillRequest(recipe=recipe, queries=100), schema=said)
        written, card = made.save(tmp_path / f"{name}.safetensors")
        again = Surrogate.read(written)
        assert torch.equal(SurrogateProvider(again).predict(x), SurrogateProvider(made.surrogate).predict(x))
        assert again.fingerprint == made.surrogate.fingerprint
        assert again.encoding == made.surrogate.encoding
        assert json.loads(json.dumps(dict(made.surrogate.about))) == again.about
        text = card.read_text()
        assert f"{again.about['queries']['spent']:,} of at most 100" in text
        assert "verified on the audited model itself" in text
        assert made.fidelity is not None
        assert f"{percent(made.fidelity.value, digits=1)} ({percent(made.fidelity.low, digits=1)} to" in text


def test_an_interrupted_run_asks_nothing_twice(tmp_path: Path, schema: TableSchema) -> None:
    request = DistillRequest(recipe=quick(BEST), queries=100, folder=tmp_path)
    first, second = Judge(), Judge()
    made = distil(people(20), first, request=request, schema=schema)
    again = distil(people(20), second, request=request, schema=schema)
    assert first.asked > 50
    assert second.asked == 0
    assert again.surrogate.fingerprint == made.surrogate.fingerprint


@pytest.mark.parametrize("when", ["querying", "training"])
def test_a_stopped_run_ends_at_once_and_goes_on(tmp_path: Path, schema: TableSchema, when: str) -> None:
    request = DistillRequest(recipe=quick(BEST, epochs=5), queries=100, folder=tmp_path)
    seen: list[str] = []

    def report(what: str, share: float) -> None:
        if share or when == "querying":
            seen.append(what)

    first, second = Judge(), Judge()
    with pytest.raises(StoppedError, match="goes on where it stopped"):
        distil(people(20), first, request=request, schema=schema, report=report, stop=lambda: when in seen)
    assert seen.count(when) == 1
    made = distil(people(20), second, request=request, schema=schema)
    assert second.asked == made.surrogate.about["queries"]["spent"]
    assert (second.asked == 0) is (when == "training")


def test_a_training_that_is_done_is_kept_when_it_is_stopped(tmp_path: Path, schema: TableSchema) -> None:
    done: list[float] = []

    def report(what: str, share: float) -> None:
        if (what, share) == ("training", 1.0):
            done.append(share)

    request = DistillRequest(recipe=quick(BEST), queries=100, folder=tmp_path)
    made = distil(people(20), Judge(), request=request, schema=schema, report=report, stop=lambda: bool(done))
    assert done and made.fidelity is not None


def test_passes_are_cut_to_the_minutes_and_the_card_says_so(schema: TableSchema) -> None:
    request = DistillRequest(recipe=quick(PAPER, epochs=100_000), queries=100, minutes=0.01)
    made = distil(people(20), Judge(), request=request, schema=schema)
    assert made.surrogate.about["hyper"]["epochs"] < 100_000
    assert "100000 passes were wanted" in made.surrogate.about["notes"][0]


def test_what_cannot_be_distilled_is_refused(schema: TableSchema) -> None:
    with pytest.raises(DataError, match="two inputs or more, got 1"):
        distil(people(1), Judge(), request=DistillRequest(), schema=schema)
    with pytest.raises(DataError, match="one of 3 levels"):
        distil(torch.tensor([[1.0, 20.0, 7.0]] * 2), Judge(), request=DistillRequest(), schema=schema)
    with pytest.raises(ConfigError, match=r"unknown preset 'bst'. Did you mean 'best'\?"):
        preset("bst")
    with pytest.raises(ConfigError, match="`queries` must be 2 or more"):
        DistillRequest(queries=1)
    with pytest.raises(ConfigError, match="`held_out`"):
        DistillRequest(held_out=0.7)
    with pytest.raises(ConfigError, match="needs a `jitter`"):
        replace(BEST, jitter=None)
    with pytest.raises(ConfigError, match="unknown network 'lnet5'"):
        distil(
            pictures(4),
            LABELS,
            request=DistillRequest(recipe=replace(quick(BEST), networks=("lnet5",)), queries=20),
        )

    class Broken(Judge):
        def predict(self, x: torch.Tensor) -> torch.Tensor:
            return super().predict(x) * math.nan

    with pytest.raises(NonFiniteError, match="are not finite. A surrogate needs a class"):
        distil(people(9), Broken(), request=DistillRequest(recipe=quick(PAPER)), schema=schema)

    class Stingy(Judge):
        def predict(self, x: torch.Tensor) -> torch.Tensor:
            raise BudgetExhausted("stingy: no more.")

    with pytest.raises(BudgetExhausted, match="no more"):
        distil(people(9), Stingy(), request=DistillRequest(recipe=quick(PAPER)), schema=schema)
