"""What every explainer that walks towards a class must keep: Gradient, Wachter, Pgd."""

import pytest
import torch

from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.explainer_task import Subject
from cfsearch.errors import CapabilityError
from cfsearch.explainers.goals import goal_gradient, goal_loss
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.subjects import image_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.testing import FakeProvider, FakeWhiteBox
from cfsearch.testing.tables import broken_rules

from .walks import Queried, linear_subject, table_subject, two_classes

WALKS = [
    Gradient(eps_max=1000.0),
    Gradient(features=3, step=0.05),
    Wachter(steps=50, rounds=12, refinements=4),
    Pgd(steps=8, bisections=5),
    Pgd(norm="linf", steps=8, bisections=5),
]


@pytest.fixture(params=WALKS, ids=["gradient", "gradient of 3", "wachter", "pgd l2", "pgd linf"])
def walk(request: pytest.FixtureRequest) -> Explainer:
    made: Explainer = request.param
    return made


@pytest.mark.parametrize("seed", range(4))
def test_counterfactual_rows_keep_every_rule(walk: Explainer, seed: int) -> None:
    subject, schema, x = table_subject(seed)
    told = walk.explain(x, subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None
    for before, after in zip(x.tolist(), told.counterfactuals.tolist(), strict=True):
        assert broken_rules(schema, before=before, after=after) == []
    # the verdict is the provider's own, on the very rows that are shown
    again = subject.provider.predict(told.counterfactuals).argmax(1)
    assert torch.equal(told.flipped, again != told.source)
    assert float(told.flipped.float().mean()) > 0.3


def test_a_batch_is_the_same_as_one_at_a_time(walk: Explainer) -> None:
    subject, _, x = table_subject(3, n=6)
    together = walk.explain(x, subject=subject)
    alone = [walk.explain(x[i : i + 1], subject=subject) for i in range(len(x))]
    for part in ("counterfactuals", "scores", "flipped", "attributions"):
        torch.testing.assert_close(getattr(together, part), torch.cat([getattr(one, part) for one in alone]))
    assert together.queries == sum(one.queries for one in alone)


def test_the_same_twice_and_every_query_is_counted(walk: Explainer) -> None:
    subject, _, x = table_subject(5, n=8)
    assert isinstance(subject.provider, Queried)
    first = walk.explain(x, subject=subject, seed=1)
    assert first.queries == subject.provider.asked
    second = walk.explain(x, subject=subject, seed=1)
    assert torch.equal(first.counterfactuals, second.counterfactuals)  # type: ignore[arg-type]  # not None
    assert torch.equal(first.attributions, second.attributions)  # type: ignore[arg-type]  # not None


def test_what_already_is_the_target_is_left_as_it_is(walk: Explainer) -> None:
    subject = linear_subject(torch.tensor([1.0, -1.0]), b=0.5)
    told = walk.explain(torch.tensor([[2.0, 0.0], [-3.0, 0.0]]), subject=subject, target="yes")
    assert told.flipped is not None and told.flipped.tolist() == [True, True]
    assert told.counterfactuals is not None
    assert told.counterfactuals[0].tolist() == [2.0, 0.0]
    assert told.counterfactuals[1].tolist() != [-3.0, 0.0]


def test_a_provider_that_never_flips_is_reported(walk: Explainer) -> None:
    stubborn = Queried(lambda x: torch.tensor([[1.0, 0.0]]).expand(len(x), 2))
    honest = linear_subject(torch.tensor([1.0, 2.0, 0.5]))
    subject = Subject(stubborn, honest.network, honest.domain)
    told = walk.explain(torch.full((3, 3), -0.1), subject=subject)
    assert told.flipped is not None and not bool(told.flipped.any())
    assert told.counterfactuals is not None and bool(torch.isfinite(told.counterfactuals).all())
    assert told.surrogate


def test_the_provider_overrides_a_network_that_lies(walk: Explainer) -> None:
    # the network puts the decision at 0, the provider at 1: a flip by the network's word is none
    x = torch.tensor([[-0.5, 0.0], [-0.2, 0.3]])
    provider = Queried(two_classes(torch.tensor([1.0, 0.0]), -1.0))
    subject = Subject(provider, two_classes(torch.tensor([1.0, 0.0]), 0.0), linear_subject(x[0]).domain)
    told = walk.explain(x, subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None
    assert torch.equal(told.flipped, told.counterfactuals[:, 0] > 1.0)
    assert bool(told.flipped.all())


def test_images_stay_images(walk: Explainer) -> None:
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.45
    subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 8, 8))
    told = walk.explain(x, subject=subject, target="bright")
    assert told.counterfactuals is not None and told.attributions is not None
    assert float(told.counterfactuals.min()) >= 0.0 and float(told.counterfactuals.max()) <= 1.0
    assert told.attributions.shape == (4, 64) and told.layout == (8, 8)
    if not (isinstance(walk, Gradient) and walk.features):  # three pixels are too few to be bright
        assert told.flipped is not None and bool(told.flipped.all())
        apart = (told.counterfactuals - x).abs().sum(1).flatten(1)
        torch.testing.assert_close(told.attributions, apart)


def test_an_empty_batch_is_an_empty_answer(walk: Explainer) -> None:
    told = walk.explain(torch.zeros(0, 2), subject=linear_subject(torch.tensor([1.0, 1.0])))
    assert len(told) == 0 and told.queries == 0


def test_a_network_without_gradient_is_refused(walk: Explainer) -> None:
    honest = linear_subject(torch.tensor([1.0, 1.0]))
    frozen = Subject(honest.provider, lambda u: honest.network(u.detach()), honest.domain)
    with pytest.raises(CapabilityError, match="no gradient passes"):
        walk.explain(torch.full((1, 2), -1.0), subject=frozen)


def test_gradient_of_the_goal_agrees_with_finite_differences() -> None:
    draw = torch.Generator().manual_seed(7)
    first, second = torch.randn(5, 6, generator=draw), torch.randn(6, 3, generator=draw)
    plain = linear_subject(torch.ones(5), fixed=(2,))
    provider = Queried(lambda x: torch.tanh(x.float() @ first) @ second, labels=("a", "b", "c"), max_batch=2)
    subject = Subject(provider, provider.answer, plain.domain)
    x = torch.randn(5, 5, generator=draw)

    class Looking(Explainer):
        name = "looking"

        def propose(self, task):  # type: ignore[no-untyped-def]  # a probe
            slope = goal_gradient(task)
            step = 1e-2
            for j in range(5):
                ahead, back = task.u.clone(), task.u.clone()
                ahead[:, j] += step
                back[:, j] -= step
                rise = goal_loss(subject, ahead, goal=task.goal) - goal_loss(subject, back, goal=task.goal)
                expected = torch.zeros(5) if j == 2 else rise / (2 * step)
                torch.testing.assert_close(slope[:, j], expected, atol=2e-3, rtol=1e-2)
            return Wachter().propose(task)

    Looking().explain(x, subject=subject)
