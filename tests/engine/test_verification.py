"""Building of fronts: what breaks a rule of the space does not get on one, whoever proposed it."""

import torch

from cfsearch.contracts.records import Reason
from cfsearch.engine.archive import Archive
from cfsearch.engine.problem import Problem
from cfsearch.engine.verification import FrontBuilder
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.testing import FakeGenerator, FakeProvider


def test_a_member_that_breaks_a_rule_is_dropped_when_a_front_is_built() -> None:
    problem = Problem(
        torch.full((1, 3, 16, 16), 0.4),
        names=["a"],
        provider=FakeProvider(),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
        immutable=["blue"],
    )
    z = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.5, 0.0], [1.5, 0.5, 0.0, 0.0]])
    assert problem.allowed(z, query=0).tolist() == [True, False, False]
    archive = Archive(z, f=torch.rand(3, 2), violation=torch.zeros(3), scores=torch.zeros(3, 2))
    builder = FrontBuilder(seed=0, verifier=None, margin=1e-4, reference_point=None, note=(), extra={})
    [members] = builder.verify(problem, {0: archive}).values()
    front = builder.front(problem, 0, members=members, reason=Reason.BUDGET, evaluations=3)
    assert front.z.tolist() == [[0.5, 0.5, 0.0, 0.0]]
    assert front.verified.tolist() == [True]
