"""Gradual: closed forms on linear models, masks that only grow, rules kept."""

import math

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.explainer import Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.errors import CapabilityError, ConfigError, DataError
from cfsearch.explainers._composition import CompositionLoss, compose, total_variation
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pixel_domain import PixelDomain
from cfsearch.testing.tables import broken_rules

from .walks import Queried, linear_subject, table_subject, two_classes


def found(answer: Explanation) -> tuple[Tensor, Tensor, Tensor]:
    assert answer.counterfactuals is not None and answer.chosen is not None and answer.flipped is not None
    return answer.counterfactuals, answer.chosen, answer.flipped


def known(lead: float) -> Gradual:
    """Reference inputs of "no" lead by ``lead`` against, those of "yes" for it."""
    return Gradual(centres=torch.tensor([[0.0, -lead], [0.0, lead]]), steps=400, patience=80)


def test_one_column_suffices_and_it_is_the_one_with_the_largest_slope() -> None:
    w = torch.tensor([0.5, -2.0, 1.0, 1.9])
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, -1.0, 3.0, 1.0]])  # leads of -3.5 and 6.9
    moved, chosen, flipped = found(known(1.5).explain(x, subject=linear_subject(w)))
    assert bool(flipped.all())
    assert chosen.tolist() == [[False, True, False, False]] * 2
    assert torch.equal(moved[:, [0, 2, 3]], x[:, [0, 2, 3]])
    # slope 2 > 0.3, so the least loss is where the lead is that of the reference inputs
    wanted = torch.tensor([2.0 + (1.5 + 3.5) / -2.0, -1.0 + (-1.5 - 6.9) / -2.0])
    assert torch.allclose(moved[:, 1], wanted, atol=0.02)


def test_a_fixed_column_gives_way_to_the_next() -> None:
    w = torch.tensor([0.5, -2.0, 1.0, 1.9])
    x = torch.tensor([[1.0, 2.0, 0.0, 0.0]])
    moved, chosen, _ = found(known(1.5).explain(x, subject=linear_subject(w, fixed=(1,))))
    assert chosen.tolist() == [[False, False, False, True]]
    assert torch.equal(moved[:, :3], x[:, :3])


def test_where_staying_near_weighs_more_than_the_logits_nothing_flips() -> None:
    w = torch.tensor([0.2, -0.1])  # |w| < 0.3: every step towards the logits costs more than it gains
    answer = known(1.0).explain(torch.tensor([[-1.0, 0.0]]), subject=linear_subject(w))
    assert not bool(found(answer)[2].any())
    assert answer.note[0] == (
        "1 of 1 inputs did not reach a probability of 0.5; the most probable of what was tried is given."
    )
    freed = Gradual(centres=torch.tensor([[0.0, -1.0], [0.0, 1.0]]), steps=400, near=0.0)
    assert bool(found(freed.explain(torch.tensor([[-1.0, 0.0]]), subject=linear_subject(w)))[2].all())


def blocks(need: float) -> tuple[Subject, Tensor]:
    """A dark picture of four blocks; a bright block k adds 16 (k + 1) / 64 to the lead, ``need`` is asked."""
    domain = PixelDomain((1, 8, 8), block=4)
    w = domain.spread(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).flatten() / 64.0
    scores = two_classes(w, -need)
    return Subject(Queried(scores), scores, domain, white_box=True), torch.zeros(1, 1, 8, 8)


@pytest.mark.parametrize(
    ("need", "opened"), [(0.9, [3]), (1.5, [2, 3]), (2.1, [1, 2, 3]), (2.4, [0, 1, 2, 3])]
)
def test_as_many_blocks_as_are_needed_in_the_order_of_their_slopes(need: float, opened: list[int]) -> None:
    # a block on its own adds 1, 0.75, 0.5, 0.25 at most, since pixels end at 1
    subject, x = blocks(need)
    method = Gradual(centres=torch.tensor([[0.0, -9.0], [0.0, 9.0]]), tau=0.5, steps=60, near=0.0, smooth=0.0)
    answer = method.explain(x, subject=subject)
    moved, chosen, flipped = found(answer)
    assert bool(flipped.all()) and chosen[0].nonzero().flatten().tolist() == opened
    assert bool((moved[:, ~subject.domain.spread(chosen)[0]] == 0.0).all())
    assert float(moved.amax()) <= 1.0
    assert answer.queries == len(opened) + 2  # one for the original, one a mask, one for the verdict


def test_masks_grow_by_shares_where_that_is_set() -> None:
    subject, x = blocks(2.1)
    fast = Gradual(
        centres=torch.tensor([[0.0, -9.0], [0.0, 9.0]]), tau=0.5, steps=60, near=0.0, smooth=0.0, grow=1.0
    )
    answer = fast.explain(x, subject=subject)
    assert int(found(answer)[1].sum()) == 4 and answer.queries == 3 + 2  # 1, 2, then 4 blocks
    faster = Gradual(centres=fast.centres, tau=0.5, steps=60, near=0.0, smooth=0.0, grow=2.0)
    rest = faster.explain(x, subject=blocks(2.4)[0])  # 1, 3, and then not 9 but the 4 that there are
    assert bool(found(rest)[2].all()) and int(found(rest)[1].sum()) == 4 and rest.queries == 3 + 2
    few = Gradual(centres=fast.centres, tau=0.5, steps=60, near=0.0, smooth=0.0, most=2)
    assert int(found(few.explain(x, subject=subject))[1].sum()) == 2


def test_by_gain_a_feature_at_its_end_is_passed_over() -> None:
    subject, x = blocks(1.7)
    x[..., 4:, 4:] = 1.0  # the block of the largest slope has nowhere to go: the lead is -0.7
    settings = {"tau": 0.5, "steps": 60, "near": 0.0, "smooth": 0.0}
    centres = torch.tensor([[0.0, -9.0], [0.0, 9.0]])
    by_slope = Gradual(centres=centres, **settings).explain(x, subject=subject)  # type: ignore[arg-type]
    by_gain = Gradual(centres=centres, order="gain", **settings).explain(x, subject=subject)  # type: ignore[arg-type]
    assert found(by_slope)[1].tolist() == [[False, False, True, True]]
    assert found(by_gain)[1].tolist() == [[False, False, True, False]]
    assert by_gain.attributions is not None
    # slopes 1 to 4 over 64 times p("no"), 16 pixels a block, all the way up
    p = torch.tensor(0.7).sigmoid()
    wanted = p * torch.tensor([0.25, 0.5, 0.75, 0.0])
    assert torch.allclose(by_gain.attributions[0], wanted, atol=1e-5)


def test_total_variation_of_one_bright_pixel() -> None:
    image = torch.zeros(2, 1, 5, 5)
    image[1, 0, 2, 2] = 0.5
    # its own two steps, the step from its left neighbour, the step from the one above
    assert total_variation(image).tolist() == pytest.approx([0.0, 4 * 0.25])
    assert total_variation(image, power=1.0).tolist() == pytest.approx(
        [0.0, (2 + math.sqrt(2)) * 0.5], abs=1e-4
    )
    ramp = torch.arange(4.0).expand(1, 2, 3, 4)  # 3 steps of 1 in each of 3 lines and 2 channels
    assert total_variation(ramp).tolist() == pytest.approx([18.0])


def test_smoothing_is_what_a_linear_solver_gives() -> None:
    # without logits and distance a free pixel between fixed ones goes to their mean
    origin = torch.tensor([[[[0.2, 0.9, 0.8]]]])
    mask = torch.tensor([[[[False, True, False]]]])
    loss = CompositionLoss(
        network=lambda x: torch.zeros(len(x), 2) + 0.0 * x.sum(),
        goal=torch.zeros(1, dtype=torch.long),
        centre=torch.zeros(1, 2),
        weight=1.0,
        near=0.0,
        smooth=1.0,
        power=2.0,
    )
    edge = torch.ones_like(origin)
    made = compose(
        origin, origin=origin, mask=mask, low=0 * edge, high=edge, loss=loss, steps=300, rate=0.1, patience=0
    )
    assert made.flatten().tolist() == pytest.approx([0.2, 0.5, 0.8], abs=1e-3)


@pytest.mark.parametrize("start", ["noise", "original"])
@pytest.mark.parametrize("seed", range(4))
def test_counterfactual_rows_keep_every_rule(seed: int, start: str) -> None:
    subject, schema, x = table_subject(seed, n=12)
    method = Gradual(steps=30, start="noise" if start == "noise" else "original").fit(subject, x, seed=seed)
    answer = method.explain(x, subject=subject)
    moved, chosen, flipped = found(answer)
    for before, after in zip(x.tolist(), moved.tolist(), strict=True):
        assert broken_rules(schema, before=before, after=after) == []
    changed = subject.domain.pooled((subject.domain.encode(moved) - subject.domain.encode(x)).abs()) > 1e-6
    assert not bool((changed & ~chosen).any())  # nothing moves but what was opened
    assert not bool((chosen & ~subject.domain.free(x)).any())
    assert float(flipped.float().mean()) > 0.5


def test_a_batch_is_the_same_as_one_at_a_time_and_the_same_twice() -> None:
    subject, _, x = table_subject(3, n=4)
    method = Gradual(steps=15, patience=6).fit(subject, x)
    together = method.explain(x, subject=subject, seed=4)
    alone = [method.explain(x[i : i + 1], subject=subject, seed=4) for i in range(len(x))]
    again = method.explain(x, subject=subject, seed=4)
    for part in ("counterfactuals", "scores", "flipped", "attributions", "chosen"):
        torch.testing.assert_close(getattr(together, part), torch.cat([getattr(one, part) for one in alone]))
        assert torch.equal(getattr(together, part), getattr(again, part))
    assert together.queries == sum(one.queries for one in alone)


def test_an_input_that_is_there_already_is_left_alone() -> None:
    w = torch.tensor([1.0, 2.0])
    x = torch.tensor([[1.0, 1.0]])
    answer = known(1.0).explain(x, subject=linear_subject(w), target="yes")
    moved, chosen, flipped = found(answer)
    assert torch.equal(moved, x) and not bool(chosen.any()) and bool(flipped.all())


def test_fit_takes_the_mean_logits_of_each_class() -> None:
    w = torch.tensor([1.0])
    subject = linear_subject(w)
    reference = torch.tensor([[2.0], [4.0], [-1.0], [-5.0], [-6.0]])
    centres = Gradual().fit(subject, reference).centres
    assert centres is not None and centres.tolist() == [[0.0, -4.0], [0.0, 3.0]]
    fewer = Gradual(samples=1).fit(subject, reference, seed=1).centres
    assert fewer is not None and float(fewer[1, 1]) in (2.0, 4.0) and float(fewer[0, 1]) in (-1.0, -5.0, -6.0)


def test_where_the_mean_of_a_class_is_unsure_the_sure_ones_are_the_goal() -> None:
    subject = linear_subject(torch.tensor([2.0]))
    leads = torch.tensor([0.5, 1.0, 2.6, 4.0, -3.0, -5.0])  # of "yes"; 0.9 is a lead of 2.2
    reference = leads[:, None] / 2.0
    x = torch.tensor([[-1.0]])
    # the mean of 0.5, 1, 2.6 and 4 has 0.88: with it as goal 0.9 would never come
    plain = Gradual(tau=0.85, steps=400, patience=80).fit(subject, reference)
    assert plain.centres is not None and float(plain.centres[1, 1]) == pytest.approx(2.025)
    stuck = Gradual(tau=0.9, steps=400, patience=80, centres=plain.centres).explain(x, subject=subject)
    assert stuck.note and stuck.note[0].startswith("1 of 1 inputs did not reach a probability of 0.9")
    method = Gradual(tau=0.9, steps=400, patience=80).fit(subject, reference)
    assert method.centres is not None and float(method.centres[1, 1]) == pytest.approx(3.3)
    assert float(method.centres[0, 1]) == pytest.approx(-4.0)  # sure as it is: all of them, as in the paper
    answer = method.explain(x, subject=subject)
    assert not answer.note
    # least loss of |lead - 3.3| + 0.3 |x' - x| with a slope of 2 is at the goal
    assert float(found(answer)[0][0, 0]) == pytest.approx(3.3 / 2.0, abs=0.02)
    nobody = Gradual(tau=0.99).fit(subject, reference).centres  # no input has so much: the mean of all
    assert nobody is not None and float(nobody[1, 1]) == pytest.approx(2.025)


def test_without_the_logit_term_it_needs_no_reference_inputs() -> None:
    w = torch.tensor([0.5, -2.0])
    answer = Gradual(logit_weight=0.0, steps=200).explain(
        torch.tensor([[0.0, 1.0]]), subject=linear_subject(w)
    )
    moved, chosen, flipped = found(answer)
    assert bool(flipped.all()) and chosen.tolist() == [[False, True]]
    # d/dt [log(1 + exp(-lead)) + 0.3 |t|] = 0 where the probability is 1 - 0.3 / 2
    assert float((-2.0 * moved[0, 1]).sigmoid()) == pytest.approx(0.85, abs=0.01)


def test_what_it_refuses() -> None:
    subject = linear_subject(torch.tensor([1.0, 2.0]))
    x = torch.tensor([[1.0, 1.0]])
    with pytest.raises(CapabilityError, match="Call `fit`"):
        Gradual().explain(x, subject=subject)
    with pytest.raises(DataError, match="classified as 'no'"):
        Gradual().fit(subject, x).explain(x, subject=subject)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("tau", 1.0),
        ("near", -1.0),
        ("steps", 0),
        ("rate", 0.0),
        ("grow", math.inf),
        ("samples", 0),
        ("start", "x"),
        ("order", "x"),
    ],
)
def test_settings_out_of_range(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"`{setting}`"):
        Gradual(**{setting: value})  # type: ignore[arg-type]  # wrong on purpose
