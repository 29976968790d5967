"""The terms of AttGAN's losses, each on its own; images on [-1, 1], means over the batch."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Images = Float[Tensor, "n 3 s s"]


def attribute_loss(
    logits: Float[Tensor, "n a"],
    values: Float[Tensor, "n a"],
    *,
    own: Float[Tensor, "n a"] | None = None,
    edited: float = 1.0,
) -> Tensor:
    """Binary cross-entropy between classifier and wanted values, in nats; mean over faces and attributes.

    Args:
        logits: the classifier's.
        values: what is wanted, in [0, 1].
        own: the face's own values before the edit; needed where ``edited`` is not 1.
        edited: how many times an attribute counts that is to go all the way from 0 to 1 or back; those
            that are to stay count once, and those between in proportion.
    """
    weight = None if own is None or edited == 1.0 else 1.0 + (edited - 1.0) * (values - own).abs()
    return functional.binary_cross_entropy_with_logits(logits.float(), values, weight=weight)


def reconstruction_loss(output: Images, image: Images) -> Tensor:
    """Mean absolute difference."""
    return (output.float() - image).abs().mean()


def wasserstein_loss(real: Float[Tensor, " n"], fake: Float[Tensor, " n"]) -> Tensor:
    """What the critic of WGAN lowers: fake scores less real scores."""
    return fake.float().mean() - real.float().mean()


def hinge_loss(real: Float[Tensor, " n"], fake: Float[Tensor, " n"]) -> Tensor:
    """Zero once real scores exceed 1 and fake scores are below -1 (Lim and Ye 2017)."""
    return functional.relu(1.0 - real.float()).mean() + functional.relu(1.0 + fake.float()).mean()


def gradient_penalty(
    score: Callable[[Tensor], Tensor], real: Images, fake: Images, *, rng: torch.Generator
) -> Tensor:
    """How far the critic's slope between real and fake images is from 1; two-sided.

    References:
        Gulrajani et al. 2017, Improved Training of Wasserstein GANs,
        https://arxiv.org/abs/1704.00028.
    """
    t = torch.rand(len(real), 1, 1, 1, generator=rng).to(real.device)
    between = (real + t * (fake - real)).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    norm = slope.flatten(1).square().sum(1).clamp_min(1e-20).sqrt()
    return (norm - 1.0).square().mean()


def changed_loss(output: Images, truth: Images, image: Images, *, floor: float = 0.01) -> Tensor:
    """Mean absolute difference over those places that the true edit changes.

    Each row counts alike however small its edit is, so that brows and moustaches are not
    washed out by hair. A place counts by how much the edit changes it, fully from 0.15 on.

    Args:
        output: the edits.
        truth: the true re-renders.
        image: the faces before the edit.
        floor: share of all places below which an edit no longer gains weight.
    """
    change = ((truth - image).abs().mean(1, keepdim=True) / 0.15).clamp(0.0, 1.0)
    error = (output.float() - truth).abs().mean(1, keepdim=True)
    area = change.mean((1, 2, 3)) + floor
    return ((change * error).mean((1, 2, 3)) / area).mean()


def edge_loss(output: Images, truth: Images) -> Tensor:
    """Mean absolute difference of the slopes along both axes: sharp edges, no ringing."""
    gap = output.float() - truth
    across = (gap[..., 1:] - gap[..., :-1]).abs().mean()
    down = (gap[..., 1:, :] - gap[..., :-1, :]).abs().mean()
    return across + down
