"""Metrics of AttGAN training steps, and the trained networks."""

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from .data import Faces, TargetRule, unsigned
from .networks import Critic, Editor


@final
@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Metrics of one training step.

    Args:
        step: steps done.
        progress: share of the training that is done, 0 to 1.
        seconds: of training so far, over all resumptions.
        rate: learning rate of the editor.
        losses: unweighted loss terms by name.
    """

    step: int
    progress: float
    seconds: float
    rate: float
    losses: dict[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained AttGAN: networks for use (evaluation mode), and where it stopped.

    ``finished`` is False when ``stop`` or ``until`` ended it early; the checkpoint is written
    then as well.
    """

    editor: Editor
    critic: Critic
    step: int
    seconds: float
    finished: bool


@torch.no_grad()
def flips(net: Editor, faces: Faces, *, rule: TargetRule) -> Tensor:
    """Sample sheet: original, reconstruction, then each attribute flipped, on [0, 1].

    Shapes:
        faces ``(r, 3, s, s)`` on [-1, 1] -> ``(r, 2 + a, 3, s, s)``.
    """
    maps = net.encoder(faces.images)
    columns = [faces.images, net.decoder(maps, faces.labels)]
    for i in range(faces.labels.shape[1]):
        chosen = torch.full((len(faces.labels),), i, device=faces.labels.device)
        columns.append(net.decoder(maps, rule.flipped(faces.labels, chosen)))
    return unsigned(torch.stack([column.float() for column in columns], dim=1))
