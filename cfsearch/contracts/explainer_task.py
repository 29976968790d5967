"""Task of an explainer: a subject and a checked, scored batch of inputs.

The *network* is what gradients are followed through: the audited model itself where it can be
opened, else a surrogate distilled from it. The *provider* is the audited model, whose verdict alone
counts; a ``Task`` is the way to query it, and counts the queries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import (
    CfsearchError,
    ConfigError,
    DataError,
    NonFiniteError,
    PluginError,
    ShapeError,
    listed,
)

from .domain import Domain
from .provider import Provider, answers_of
from .records import UNTARGETED, flipped
from .scores import verdict_scores


@final
@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Subject of an explanation: provider, differentiable network, and the domain of the inputs.

    Args:
        provider: the audited model; its verdict is the only one that counts.
        network: differentiable; the provider's own function on the domain's numbers, or a
            surrogate's. Logits or log-probabilities, in the order of ``provider.labels``.
        domain: the numbers that ``network`` takes.
        white_box: whether ``network`` is the audited model itself.
        asks: whether ``network`` asks the provider, so that its answers count as queries too.

    Shapes:
        network: ``(n, *u)`` -> ``(n, k)``.

    Example:
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> image_subject(FakeWhiteBox(FakeProvider()), (3, 8, 8)).provider.labels
        ('dark', 'bright')
    """

    provider: Provider
    network: Callable[[Float[Tensor, "n *u"]], Float[Tensor, "n k"]]
    domain: Domain
    white_box: bool = False
    asks: bool = False


@final
@dataclass(eq=False)
class Task:
    """A checked batch under explanation; what an explainer's ``propose`` receives.

    Shapes:
        x ``(b, *x)``; u ``(b, *u)``; scores ``(b, k)`` log-scores of the provider; source, target
        ``(b,)`` class indices, target ``UNTARGETED`` (-1) for any other class; goal ``(b,)`` the target,
        or where it is ``UNTARGETED`` the network's second most probable class; free ``(b, *u)`` True
        where a number may change; low, high ``(b, *u)`` bounds.

    Example:
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> task = checked_task(torch.full((1, 3, 4, 4), 0.4), subject=subject, target="bright", seed=0)
        >>> scores = task.ask(torch.ones(1, 3, 4, 4))
        >>> task.flips(scores).tolist(), task.queries
        ([True], 2)
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
            raw = answers_of(model, x)
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
        """True where scores of the provider give the target class, ``(n,)`` bool."""
        pick = slice(None) if rows is None else rows
        return flipped(scores, source=self.source[pick], target=self.target[pick])


def checked_task(
    x: Float[Tensor, "b *x"], *, subject: Subject, target: Sequence[str | None] | str | None, seed: int
) -> Task:
    """A batch made ready: encoded, scored by the model, its classes and bounds known.

    Args:
        x: the inputs.
        subject: the provider, the network that gradients follow, and the domain.
        target: the label of the target class, one for all or one each; None for any other class.
        seed: decides all random numbers.

    Raises:
        ConfigError: an unknown label.
        ShapeError: the domain or the network gives other shapes than promised.
        PluginError: the network gave NaN or infinity.
        ProviderError: the model failed.

    Example:
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> task = checked_task(torch.full((1, 3, 4, 4), 0.4), subject=subject, target=None, seed=0)
        >>> task.source.tolist(), task.queries
        ([0], 1)
    """
    domain, labels = subject.domain, subject.provider.labels
    targets = [target] * len(x) if target is None or isinstance(target, str) else list(target)
    if len(targets) != len(x):
        raise ShapeError(f"explain: expected one target for each of the {len(x)} inputs, got {len(targets)}.")
    unknown = [label for label in targets if label is not None and label not in labels]
    if unknown:
        raise ConfigError(
            f"explain: unknown class {unknown[0]!r}; {subject.provider.name} has {listed(labels)}."
        )
    u = domain.encode(x)
    if tuple(u.shape) != (len(x), *domain.shape):
        raise ShapeError(
            f"explain: expected numbers of shape {(len(x), *domain.shape)}, the domain gave {tuple(u.shape)}."
        )
    guess = _guess(subject, u)
    goals = [UNTARGETED if label is None else labels.index(label) for label in targets]
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
        queries=len(x) if subject.asks else 0,
    )
    task.scores = task.ask(x)
    task.source = task.scores.argmax(1)
    others = guess.scatter(1, task.source[:, None], -torch.inf)
    task.goal = torch.where(task.target == UNTARGETED, others.argmax(1), task.target)
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
    missing = int(torch.isnan(u).flatten(1).any(1).sum())
    if missing and not bool(torch.isfinite(guess).all()):
        raise DataError(
            f"explain: a number of {missing} of {len(u)} inputs is missing, where no gradient can be followed. Choose other "
            "inputs, or `cfsearch search`, which leaves a missing number as it is."
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
    notes, b = [], len(task.x)
    there = int(task.flips(task.scores).sum()) if b else 0
    if there:
        notes.append(f"{there} of {b} inputs already {'has' if there == 1 else 'have'} the target class.")
    stuck = int((~task.free).flatten(1).all(1).sum()) if b else 0
    if stuck:
        notes.append(
            f"No feature of {stuck} of {b} inputs may change, so there is no counterfactual of them."
        )
    return notes
