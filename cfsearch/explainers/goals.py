"""Gradient steps towards a target class: the loss, its gradient, and the projection on the bounds."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.explainer import Proposal
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.errors import CapabilityError


def goal_loss(subject: Subject, u: Float[Tensor, "n *u"], *, goal: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Cross-entropy of the network against a class each, in nats."""
    return torch.nn.functional.cross_entropy(subject.network(u), goal, reduction="none")


def goal_gradient(
    task: Task, u: Float[Tensor, "n *u"] | None = None, *, rows: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "n *u"]:
    """Gradient of ``goal_loss`` on the numbers that may change; 0 on the others.

    Args:
        task: whose network and goals.
        u: where; the originals when left out.
        rows: which original each of ``u`` belongs to; all in order when left out.

    Raises:
        CapabilityError: no gradient passes through the network.
    """
    at = task.u if u is None else u
    goal, free = (task.goal, task.free) if rows is None else (task.goal[rows], task.free[rows])
    piece = max(1, task.subject.provider.max_batch)
    out = [torch.zeros_like(at[:0])]
    for begin in range(0, len(at), piece):
        part = slice(begin, begin + piece)
        here = at[part].detach().requires_grad_()
        with torch.enable_grad():
            total = goal_loss(task.subject, here, goal=goal[part]).sum()
        out.append(slope_of(task.subject, total, here))
    return torch.cat(out) * free


def slope_of(subject: Subject, total: Float[Tensor, ""], u: Float[Tensor, "n *u"]) -> Float[Tensor, "n *u"]:
    """The gradient of a number in ``u``.

    Raises:
        CapabilityError: no gradient passes through the network.
    """
    slope = torch.autograd.grad(total, u, allow_unused=True)[0] if total.requires_grad else None
    if slope is None:
        raise CapabilityError(
            f"{subject.provider.name}: no gradient passes through the network that is to be followed. Give "
            "one that torch can differentiate, for instance a surrogate."
        )
    return slope


def within(task: Task, u: Float[Tensor, "n *u"], *, rows: Int[Tensor, " n"]) -> Float[Tensor, "n *u"]:
    """The nearest numbers in the bounds; one-hot runs are left alone, their largest number decides."""
    inside = torch.maximum(torch.minimum(u, task.high[rows]), task.low[rows])
    loose = one_hots(task.subject.domain).to(u.device)
    return torch.where(loose, u, inside) if bool(loose.any()) else inside


def one_hots(domain: Domain) -> Bool[Tensor, "*u"]:
    """Which numbers belong to a one-hot run."""
    flat = torch.zeros(domain.owner.numel(), dtype=torch.bool)
    for at, size in domain.one_hot:
        flat[at : at + size] = True
    return flat.reshape(domain.shape)


def changes(task: Task, x: Float[Tensor, "b *x"]) -> Float[Tensor, "b f"]:
    """By how much each feature of a counterfactual differs from the original's, summed over its numbers."""
    domain = task.subject.domain
    return domain.pooled((domain.encode(x) - task.u).abs())


def nothing(task: Task) -> Proposal:
    """The answer to an empty batch; networks need not take one."""
    return Proposal(counterfactuals=task.x, attributions=task.u.new_zeros(0, task.subject.domain.features))
