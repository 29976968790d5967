"""The contract of explainers: counterfactuals and attributions by gradients, for a batch of inputs.

An explainer follows the gradients of a *network* (the audited model itself where it can be
opened, else a surrogate distilled from it) and is judged by the *provider* alone: whatever it
proposes is asked of the provider again before it counts. Gradients need numbers, people need
columns and words; the ``Domain`` stands between: pixels, encoded columns, embedded words.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.errors import (
    CapabilityError,
    CfsearchError,
    ConfigError,
    NonFiniteError,
    PluginError,
    ShapeError,
)
from cfsearch.provider import Provider
from cfsearch.records import AWAY, Need, flipped
from cfsearch.scores import verdict_scores


class Domain(ABC):
    """The numbers ``u`` that gradients can follow, and the way back to inputs ``x``.

    Each number belongs to one *feature*: what a person would name, and what is changed or kept as
    a whole (a pixel with its channels, a column, a word).

    Shapes:
        inputs ``(b, *x)`` in the house form; numbers ``(b, *u)`` float32; features ``(b, f)``.
    """

    shape: tuple[int, ...]
    """``*u``: the shape of the numbers of one input."""
    owner: Int[Tensor, "*u"]
    """Which feature each number belongs to, 0 to f - 1."""
    names: tuple[str, ...] = ()
    """Names of the features; empty where they have a place instead (pixels)."""
    layout: tuple[int, ...]
    """How features lie: (height, width) of an image, (f,) of a row or a sentence."""
    one_hot: tuple[tuple[int, int], ...] = ()
    """Begin and size of each run of flattened numbers of which exactly one is 1."""

    @property
    def features(self) -> int:
        """How many features an input has."""
        total = 1
        for size in self.layout:
            total *= size
        return total

    @abstractmethod
    def encode(self, x: Float[Tensor, "b *x"]) -> Float[Tensor, "b *u"]:
        """The numbers of inputs."""

    @abstractmethod
    def project(self, u: Float[Tensor, "b *u"], *, origin: Float[Tensor, "b *x"]) -> Float[Tensor, "b *x"]:
        """The nearest inputs that may be reached from ``origin``: every rule of the input kept.

        ``project(encode(x), origin=x)`` is ``x``. Gradients need not reach ``u``.
        """

    @abstractmethod
    def free(self, x: Float[Tensor, "b *x"]) -> Bool[Tensor, "b f"]:
        """Which features of each input may change at all."""

    def bounds(self, x: Float[Tensor, "b *x"]) -> tuple[Float[Tensor, "b *u"], Float[Tensor, "b *u"]]:
        """Least and greatest numbers that may be reached; without an override -inf and inf."""
        u = torch.full((len(x), *self.shape), torch.inf, device=x.device)
        return -u, u

    def spread(self, values: Float[Tensor, "b f"]) -> Float[Tensor, "b *u"]:
        """The value of each number's feature."""
        return values[:, self.owner.to(values.device)]

    def pooled(self, values: Float[Tensor, "b *u"]) -> Float[Tensor, "b f"]:
        """The sum over the numbers of each feature."""
        flat = values.flatten(1)
        out = flat.new_zeros(len(flat), self.features)
        return out.index_add(1, self.owner.to(flat.device).flatten(), flat)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is explained: a model to ask, a network to follow, the domain between them.

    Args:
        provider: the audited model; its verdict is the only one that counts.
        network: differentiable; the provider's own function on the domain's numbers, or a
            surrogate's. Logits or log-probabilities, in the order of ``provider.labels``.
        domain: the numbers that ``network`` takes.
        white_box: whether ``network`` is the audited model itself.

    Shapes:
        network: ``(n, *u)`` -> ``(n, k)``.
    """

    provider: Provider
    network: Callable[[Float[Tensor, "n *u"]], Float[Tensor, "n k"]]
    domain: Domain
    white_box: bool = False


@final
@dataclass(eq=False)
class Task:
    """A checked batch under explanation; what an explainer's ``propose`` receives.

    Shapes:
        x ``(b, *x)``; u ``(b, *u)``; scores ``(b, k)`` log-scores of the provider; source, target
        ``(b,)`` class indices, target ``AWAY`` (-1) for any other class; goal ``(b,)`` the target,
        or where it is ``AWAY`` the network's second most probable class; free ``(b, *u)`` True
        where a number may change; low, high ``(b, *u)`` bounds.
    """

    subject: Subject
    x: Tensor
    u: Tensor
    scores: Tensor
    source: Tensor
    target: Tensor
    goal: Tensor
    free: Tensor
    low: Tensor
    high: Tensor
    rng: torch.Generator
    queries: int = 0
    notes: list[str] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    """Classes that the provider has given so far."""

    def ask(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The provider's log-scores of inputs; counted in ``queries``.

        Raises:
            NonFiniteError: it answered NaN or infinity.
        """
        model = self.subject.provider
        if not len(x):
            return torch.zeros(0, len(model.labels), device=x.device)
        with torch.no_grad():
            raw = model.predict(x)
        if not bool(torch.isfinite(raw).all()):
            raise NonFiniteError(
                f"{model.name}: answered NaN or infinity for {int((~torch.isfinite(raw)).any(1).sum())} of "
                f"{len(x)} inputs of an explainer. Look at the model's preprocessing with `cfsearch doctor`."
            )
        self.queries += len(x)
        scores = verdict_scores(raw, model)
        self.answered.update(scores.argmax(1).tolist())
        return scores

    def project(self, u: Float[Tensor, "n *u"], rows: Int[Tensor, " n"] | None = None) -> Tensor:
        """The inputs of numbers, each reached from its own original (``rows`` picks which)."""
        return self.subject.domain.project(u, origin=self.x if rows is None else self.x[rows])

    def flips(self, scores: Float[Tensor, "n k"], rows: Int[Tensor, " n"] | None = None) -> Tensor:
        """Whether scores of the provider are what was asked for, ``(n,)`` bool."""
        pick = slice(None) if rows is None else rows
        return flipped(scores, source=self.source[pick], target=self.target[pick])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What ``propose`` gives: counterfactuals, attributions, or both.

    Args:
        counterfactuals: one input for each original, valid as ``Domain.project`` gives them.
        attributions: how much each feature counts; signed where the method knows a direction.
        chosen: features that the method names as the explanation.
        segments: which segment each feature belongs to, from 0.

    Shapes:
        counterfactuals ``(b, *x)``; attributions, chosen, segments ``(b, f)``.
    """

    counterfactuals: Float[Tensor, "b *x"] | None = None
    attributions: Float[Tensor, "b f"] | None = None
    chosen: Bool[Tensor, "b f"] | None = None
    segments: Int[Tensor, "b f"] | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What an explainer says of ``b`` inputs, with the provider's verdict on it.

    Args:
        method: name of the explainer.
        labels: the provider's classes.
        x: the originals, in the house form.
        source, target: class indices; target ``AWAY`` (-1) for any other class.
        original_scores: log-scores of the originals.
        counterfactuals: None for methods that only attribute.
        scores, flipped: the provider's log-scores of the counterfactuals, and whether they are
            what was asked for.
        attributions, chosen, segments: as ``Proposal``.
        features: names of the features; empty where they have a place instead.
        layout: how features lie, see ``Domain``.
        queries: inputs that the provider was asked about.
        surrogate: whether gradients came from another network than the audited model.
        note: what a reader must know, one sentence each.

    Shapes:
        x, counterfactuals ``(b, *x)``; source, target, flipped ``(b,)``; scores,
        original_scores ``(b, k)``; attributions, chosen, segments ``(b, f)``.
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
    """Says which inputs nearby the model would decide otherwise on, or which features count.

    Settings are keyword arguments of the constructor; one instance explains any subject. The
    author of a method writes ``propose`` (and ``fit`` where it learns something first).
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
        """Explain a batch; every counterfactual is asked of the provider again.

        Args:
            x: inputs in the house form.
            subject: what is explained.
            target: the label asked for, one for all or one each; None for any other class.
            seed: decides all random numbers.

        Raises:
            ConfigError: an unknown label.
            ShapeError: the network or the explainer gives other shapes than promised.
            PluginError: the explainer proposed values that are not finite.
            ProviderError: the model failed.
        """
        task = _task(x, subject=subject, target=target, seed=seed)
        proposal = self.propose(task)
        _check(self.name, proposal, task)
        scores = done = None
        if proposal.counterfactuals is not None:
            scores = task.ask(proposal.counterfactuals)
            done = task.flips(scores)
            if len(task.answered) == 1 and not bool(done.any()):
                task.notes.append(
                    f"{subject.provider.name} gave the class {subject.provider.labels[task.answered.pop()]} to all "
                    f"{task.queries} inputs that it was asked about; nothing that was tried turns it."
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
    """The error for a method that was not fitted."""
    return CapabilityError(
        f"{explainer.name}: this method needs {Need.REFERENCE.value}. Call `fit` with them first."
    )


def _task(x: Tensor, *, subject: Subject, target: Sequence[str | None] | str | None, seed: int) -> Task:
    domain, labels = subject.domain, subject.provider.labels
    asked = [target] * len(x) if target is None or isinstance(target, str) else list(target)
    if len(asked) != len(x):
        raise ShapeError(f"explain: expected one target for each of the {len(x)} inputs, got {len(asked)}.")
    unknown = [label for label in asked if label is not None and label not in labels]
    if unknown:
        raise ConfigError(
            f"explain: unknown class {unknown[0]!r}; {subject.provider.name} has {', '.join(labels)}."
        )
    u = domain.encode(x)
    if tuple(u.shape) != (len(x), *domain.shape):
        raise ShapeError(
            f"explain: expected numbers of shape {(len(x), *domain.shape)}, the domain gave {tuple(u.shape)}."
        )
    guess = _guess(subject, u)
    goals = [AWAY if label is None else labels.index(label) for label in asked]
    low, high = domain.bounds(x)
    task = Task(
        subject=subject,
        x=x,
        u=u,
        scores=torch.zeros(0),
        source=torch.zeros(0, dtype=torch.long),
        target=torch.tensor(goals, dtype=torch.long, device=x.device),
        goal=torch.zeros(0, dtype=torch.long),
        free=domain.spread(domain.free(x)),
        low=low,
        high=high,
        rng=torch.Generator(device=x.device).manual_seed(seed),
    )
    task.scores = task.ask(x)
    task.source = task.scores.argmax(1)
    others = guess.scatter(1, task.source[:, None], -torch.inf)
    task.goal = torch.where(task.target == AWAY, others.argmax(1), task.target)
    task.notes += _remarks(task)
    return task


def _guess(subject: Subject, u: Float[Tensor, "b *u"]) -> Float[Tensor, "b k"]:
    """What the network says of the originals, checked: it may be of another model, or spoilt."""
    expected = (len(u), len(subject.provider.labels))
    if not len(u):
        return torch.zeros(expected, device=u.device)
    try:
        with torch.no_grad():
            guess = subject.network(u)
    except CfsearchError:
        raise
    except Exception as error:  # a stranger's network may raise anything
        raise ShapeError(
            f"explain: the network that is followed cannot take numbers of shape {tuple(u.shape)} "
            f"({' '.join(str(error).split())[:160]}). Give one that was made for this domain or encoding."
        ) from error
    if tuple(guess.shape) != expected:
        raise ShapeError(
            f"explain: expected scores of shape {expected} from the network, got {tuple(guess.shape)}."
        )
    bad = int((~torch.isfinite(guess)).any(1).sum())
    if bad:
        raise PluginError(
            f"explain: the network that is followed gave NaN or infinity for {bad} of {len(u)} inputs; there is "
            "no gradient to follow. Train or distil it again."
        )
    return guess


def _remarks(task: Task) -> list[str]:
    """What a reader must know before anything is tried."""
    said, b = [], len(task.x)
    there = int(task.flips(task.scores).sum()) if b else 0
    if there:
        said.append(f"{there} of {b} inputs already {'has' if there == 1 else 'have'} the class asked for.")
    stuck = int((~task.free).flatten(1).all(1).sum()) if b else 0
    if stuck:
        said.append(f"No feature of {stuck} of {b} inputs may change, so there is no counterfactual of them.")
    return said


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
