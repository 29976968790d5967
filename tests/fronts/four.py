"""A front that can be read by eye."""

import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront


def logits(p: list[float]) -> torch.Tensor:
    q = torch.tensor(p, dtype=torch.float64)
    return torch.stack([torch.zeros_like(q), torch.log(q / (1 - q))], -1).float()


def front() -> ParetoFront:
    """Four members; p(yes) = .1 .6 .8 .95; the first does not flip."""
    return ParetoFront(
        name="face",
        labels=("no", "yes"),
        source=0,
        target=None,
        variables=("hat", "scarf", "coat"),
        objectives=("adversarial", "plausibility", "intensity"),
        units=("nat", "critic", "attribute"),
        z=torch.tensor([[0.0, 0.0, 0.1], [0.5, 0.4, 0.3], [0.0, -0.9, 0.0], [1.0, 0.0, 1.0]]),
        f=torch.tensor([[-0.1, 0.0, 0.1], [-0.9, 0.5, 0.7], [-1.6, 0.4, 0.9], [-3.0, 1.0, 1.4]]),
        origin_values=torch.tensor([0.0, 0.95, 0.0]),
        scores=logits([0.1, 0.6, 0.8, 0.95]),
        original_scores=logits([0.05])[0],
        reconstruction_scores=logits([0.06])[0],
        verified=torch.tensor([False, True, True, True]),
        images=torch.arange(4 * 3 * 2 * 2, dtype=torch.uint8).reshape(4, 3, 2, 2),
        original=torch.zeros(3, 2, 2, dtype=torch.uint8),
        reconstruction=torch.ones(3, 2, 2, dtype=torch.uint8),
        origins=("nsga2",) * 4,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([0.0, 2.0, 2.0]),
        evaluations=100,
        extra={"seed": 7},
    )
