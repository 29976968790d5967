"""The contract of explainers: counterfactuals and attributions by gradients, for a batch of inputs.

An explainer follows the gradients of a *network* (the audited model itself where it can be
opened, else a surrogate distilled from it) and is judged by the *provider* alone: whatever it
proposes is verified by the provider before it counts. Both stand in the ``Subject`` of its
``Task`` (``cfsearch.contracts.explainer_task``), with the ``Domain`` of numbers between them (``cfsearch.contracts.domain``).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.errors import CapabilityError, PluginError, ShapeError

from .explainer_task import Subject, Task, checked_task
from .records import Need


@final
@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """Result of ``propose``: counterfactuals, attributions, or both.

    Args:
        counterfactuals: one input for each original, valid as ``Domain.project`` gives them.
        attributions: how much each feature counts; signed where the method knows a direction.
        chosen: features that the method names as the explanation.
        segments: which segment each feature belongs to, from 0.

    Shapes:
        counterfactuals ``(b, *x)``; attributions, chosen, segments ``(b, f)``.

    Example:
        >>> import torch
        >>> proposal = Proposal(attributions=torch.tensor([[0.2, 0.8]]))
        >>> proposal.counterfactuals is None
        True
    """

    counterfactuals: Float[Tensor, "b *x"] | None = None
    attributions: Float[Tensor, "b f"] | None = None
    chosen: Bool[Tensor, "b f"] | None = None
    segments: Int[Tensor, "b f"] | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Explanation of ``b`` inputs: counterfactuals or attributions, with the provider's scores.

    Args:
        method: name of the explainer.
        labels: the provider's classes.
        x: the originals, as the model takes them.
        source, target: class indices; target ``UNTARGETED`` (-1) for any other class.
        original_scores: log-scores of the originals.
        counterfactuals: None for methods that only attribute.
        scores, flipped: the provider's log-scores of the counterfactuals, and whether they are
            the target.
        attributions, chosen, segments: as ``Proposal``.
        features: names of the features; empty where they have a place instead.
        layout: how features lie, see ``Domain``.
        queries: inputs that the provider was queried about.
        surrogate: whether gradients came from another network than the audited model.
        note: what a reader must know, one sentence each.

    Shapes:
        x, counterfactuals ``(b, *x)``; source, target, flipped ``(b,)``; scores,
        original_scores ``(b, k)``; attributions, chosen, segments ``(b, f)``.

    Example:
        >>> import torch
        >>> from cfsearch.explainers import Wachter
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> explanation = Wachter().explain(torch.full((1, 3, 4, 4), 0.4), subject=subject)
        >>> explanation.method, explanation.labels[explanation.target[0]], explanation.surrogate
        ('wachter', 'bright', False)
    """

    method: str
    labels: tuple[str, ...]
    x: Float[Tensor, "b *x"]
    source: Int[Tensor, " b"]
    target: Int[Tensor, " b"]
    original_scores: Float[Tensor, "b k"]
    counterfactuals: Float[Tensor, "b *x"] | None
    scores: Float[Tensor, "b k"] | None
    flipped: Bool[Tensor, " b"] | None
    attributions: Float[Tensor, "b f"] | None
    chosen: Bool[Tensor, "b f"] | None
    segments: Int[Tensor, "b f"] | None
    features: tuple[str, ...]
    layout: tuple[int, ...]
    queries: int
    surrogate: bool
    note: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


class Explainer(ABC):
    """Base class of explainers: counterfactuals or feature attributions for a batch of inputs.

    Settings are keyword arguments of the constructor; one instance explains any subject. The
    author of a method writes ``propose`` (and ``fit`` where it learns something first).

    Example:
        >>> import torch
        >>> from cfsearch.explainers import Wachter
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 8, 8))
        >>> explanation = Wachter().explain(torch.full((1, 3, 8, 8), 0.4), subject=subject)
        >>> explanation.flipped.tolist()
        [True]
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    """``Need.REFERENCE`` for methods that learn from, or compare with, reference inputs."""
    follows_gradients: ClassVar[bool] = True
    """Whether the subject's network must have gradients; not where a method fits its own network."""

    @abstractmethod
    def propose(self, task: Task) -> Proposal:
        """The method itself, on all inputs of the batch at once."""

    def fit(self, subject: Subject, reference: Float[Tensor, "r *x"], *, seed: int = 0) -> Self:
        """This method made ready with reference inputs; the explainer itself where nothing is learned."""
        return self

    @final
    def explain(
        self,
        x: Float[Tensor, "b *x"],
        *,
        subject: Subject,
        target: Sequence[str | None] | str | None = None,
        seed: int = 0,
    ) -> Explanation:
        """Explain a batch; every counterfactual is verified by the provider.

        Args:
            x: inputs as the model takes them.
            subject: what is explained.
            target: the label of the target class, one for all or one each; None for any other class.
            seed: decides all random numbers.

        Raises:
            ConfigError: an unknown label.
            ShapeError: the network or the explainer gives other shapes than promised.
            PluginError: the explainer proposed values that are not finite.
            ProviderError: the model failed.
        """
        task = checked_task(x, subject=subject, target=target, seed=seed)
        proposal = self.propose(task)
        _check(self.name, proposal, task)
        scores = done = None
        if proposal.counterfactuals is not None:
            scores = task.ask(proposal.counterfactuals)
            done = task.flips(scores)
            if len(task.answered) == 1 and not bool(done.any()):
                task.notes.append(
                    f"{subject.provider.name} gave the class {subject.provider.labels[task.answered.pop()]} to all "
                    f"{task.queries} inputs that it was queried about; nothing that was tried turns it."
                )
        return Explanation(
            method=self.name,
            labels=subject.provider.labels,
            x=x,
            source=task.source,
            target=task.target,
            original_scores=task.scores,
            counterfactuals=proposal.counterfactuals,
            scores=scores,
            flipped=done,
            attributions=proposal.attributions,
            chosen=proposal.chosen,
            segments=proposal.segments,
            features=subject.domain.names,
            layout=subject.domain.layout,
            queries=task.queries,
            surrogate=not subject.white_box,
            note=tuple(task.notes),
        )


def need_reference(explainer: Explainer) -> CapabilityError:
    """The error for a method that was not fitted.

    Example:
        >>> from cfsearch.explainers import Emap
        >>> str(need_reference(Emap())).endswith("Call `fit` with them first.")
        True
    """
    return CapabilityError(
        f"{explainer.name}: this method needs {Need.REFERENCE.value}. Call `fit` with them first."
    )


def _check(name: str, proposal: Proposal, task: Task) -> None:
    b, f = len(task.x), task.subject.domain.features
    expected = {
        "counterfactuals": tuple(task.x.shape),
        "attributions": (b, f),
        "chosen": (b, f),
        "segments": (b, f),
    }
    for part, shape in expected.items():
        value = getattr(proposal, part)
        if value is None:
            continue
        if tuple(value.shape) != shape:
            raise ShapeError(
                f"explainer {name!r}: expected {part} of shape {shape}, got {tuple(value.shape)}."
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise PluginError(f"explainer {name!r}: {part} must be finite, but some are not.")
