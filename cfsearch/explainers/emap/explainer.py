"""EMAP explainer: a perturbation network trained through a surrogate of the audited model."""

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar, Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.explainer import Explainer, Proposal, need_reference
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.contracts.provider import answers_of
from cfsearch.contracts.records import Need
from cfsearch.contracts.scores import verdict_scores
from cfsearch.errors import ConfigError, DataError, NonFiniteError, PluginError

from . import fitted as _emap_fitted
from .fitted import Fitted, Scope
from .partitioned_gumbel import PartitionedGumbel
from .steps import Bounds, moved
from .training import (
    Schedule,
    Weights,
    new_perturber,
    new_surrogate,
    targets,
    teach_perturber,
    teach_surrogate,
)

_FURTHEST: Final = 1.5
"""How far along a perturbation a later round asks, where 1 is its end."""


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Emap(Explainer):
    """EMAP explainer: minimal class-changing perturbations by one pass of a learned network.

    ``fit`` asks the audited model for the class of every reference input, fits a surrogate to
    these classes, and then a second network whose perturbations turn the surrogate's verdict.
    That may be an error of the surrogate where inputs are never found, above all when numbers hang
    together as pixels do. So the audited model is queried about points along these perturbations, and
    both networks learn again, ``rounds`` times in all. The paper's own recipe is ``Emap.as_in_paper()``.
    ``explain`` asks the audited model about nothing but the result. Numbers should be of like size
    (standardised columns, pixels in [0, 1]): one weight holds for the length of all steps.

    Attributions are the perturbation itself: of a feature of one number the signed step towards
    the other class (minus what LIME would give), of several numbers its length with the sign of
    its sum, of a category 1 where it changed. Small perturbations mark inputs near the boundary,
    where the model is unsure: see ``cfsearch.explainers.uncertainty``. An input that already has the target class
    is left as it is.

    Args:
        surrogate: "fit" one to the audited model's classes, or follow the "subject"'s own network.
        learn_from: the perturbation network learns from the inputs whose class the surrogate "recovered",
            or from "all", as in the paper. Of two inputs side by side with different classes it is
            taught opposite steps, and takes neither.
        size_weight: lambda, what a perturbation of length 1 costs, in nats.
        size_start: how many times ``size_weight`` a length costs when a round begins; it falls to 1 over
            two thirds of the round. 1 is the paper's. More, where the model's classes are clear-cut and
            its regions small: perturbations then find the nearest boundary before they grow, and do
            not leap past it. Where the surrogate is unsure over wide regions they may never start.
        change_weight: eta, what a changed category costs; the paper takes ten times lambda or more.
        temperature: of the relaxed draws of categories while learning; > 0.
        epochs, surrogate_epochs: times that each network sees every input in a round.
        rounds: of learning; each asks the audited model about as many inputs as the reference has.
            A subject's own network needs no correction and is followed in one round.
        batch: inputs a step.
        rate: Adam's rate for both networks at the first step of a round.
        decay: does it fall to 0 along half a cosine in every round? In the paper it
            stays.
        weight_decay: of the surrogate's weights at every step, times the rate. Where an input has many
            numbers (pixels), 1.0 makes the steps of two runs agree; 0 is the paper's.
        hidden: units of the hidden layers of the perturbation network.
        dropout: share of units left out of each of these layers while learning; 0 where few numbers
            and small regions ask for sharp turns.

    Raises:
        ConfigError: a setting is out of range.

    References:
        Chapman-Rounds et al. 2019, EMAP: Explanation by Minimal Adversarial Perturbation,
        https://arxiv.org/abs/1912.00872.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> reference = torch.rand(40, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> fitted = Emap(epochs=2, surrogate_epochs=2, rounds=1, hidden=(8,)).fit(subject, reference)
        >>> fitted.explain(reference[:2], subject=subject).attributions.shape
        torch.Size([2, 16])
    """

    name: ClassVar[str] = "emap"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.REFERENCE})
    follows_gradients: ClassVar[bool] = False

    surrogate: Literal["fit", "subject"] = "fit"
    learn_from: Literal["recovered", "all"] = "all"
    size_weight: float = 0.1
    size_start: float = 1.0
    change_weight: float = 2.0
    temperature: float = 0.5
    epochs: int = 15
    surrogate_epochs: int = 15
    rounds: int = 3
    batch: int = 128
    rate: float = 1e-3
    decay: bool = False
    weight_decay: float = 0.0
    hidden: tuple[int, ...] = (100, 100, 100, 100)
    dropout: float = 0.2
    fitted: Fitted | None = field(default=None, init=False, repr=False)
    """What ``fit`` or ``load`` learned; None before."""

    def __post_init__(self) -> None:
        if self.surrogate not in ("fit", "subject"):
            raise ConfigError(f"emap: `surrogate` must be 'fit' or 'subject', got {self.surrogate!r}.")
        if self.learn_from not in ("recovered", "all"):
            raise ConfigError(f"emap: `learn_from` must be 'recovered' or 'all', got {self.learn_from!r}.")
        for name in ("size_weight", "change_weight", "weight_decay"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"emap: `{name}` must be a finite number >= 0, got {getattr(self, name)!r}."
                )
        if not 1.0 <= self.size_start < math.inf:
            raise ConfigError(f"emap: `size_start` must be a finite number >= 1, got {self.size_start!r}.")
        for name in ("temperature", "rate"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"emap: `{name}` must be a finite number > 0, got {getattr(self, name)!r}.")
        for name in ("epochs", "surrogate_epochs", "rounds", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"emap: `{name}` must be at least 1, got {getattr(self, name)!r}.")
        if any(units < 1 for units in self.hidden):
            raise ConfigError(f"emap: every layer of `hidden` needs a unit, got {tuple(self.hidden)!r}.")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"emap: `dropout` must be in [0, 1), got {self.dropout!r}.")

    @classmethod
    def as_in_paper(cls) -> "Emap":
        """The recipe of Chapman-Rounds et al. 2019: one round at one rate and one lambda, with dropout."""
        return cls(rounds=1, learn_from="all", size_start=1.0, decay=False, weight_decay=0.0, dropout=0.2)

    def fit(self, subject: Subject, reference: Float[Tensor, "r *x"], *, seed: int = 0) -> "Emap":
        """An explainer with these settings that has learned from reference inputs.

        Raises:
            DataError: there are no inputs, or the audited model gives all of them the same class.
            NonFiniteError: the audited model answered NaN or infinity.
            PluginError: learning diverged.
        """
        domain, k = subject.domain, len(subject.provider.labels)
        scope = Scope.of(domain, subject.provider.labels)
        labels = _labels(subject, reference)
        u = domain.encode(reference).flatten(1)
        bounds = Bounds.of(domain, reference)
        categories = PartitionedGumbel(domain.one_hot, width=scope.width)
        rng = torch.Generator(device=u.device).manual_seed(seed)
        surrogate = None
        if self.surrogate == "fit":
            surrogate = new_surrogate(width=scope.width, classes=k, device=u.device, seed=seed)
        perturber = new_perturber(
            width=scope.width,
            classes=k,
            hidden=self.hidden,
            dropout=self.dropout,
            device=u.device,
            seed=seed,
        )

        def own(numbers: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
            return subject.network(numbers.reshape(len(numbers), *scope.shape))

        seen, classes = u, labels
        rounds = 1 if surrogate is None else self.rounds
        for done in range(1, rounds + 1):
            if surrogate is not None:
                schedule = Schedule(self.surrogate_epochs, self.batch, self.rate, self.decay)
                teach_surrogate(
                    surrogate, seen, classes, schedule=schedule, weight_decay=self.weight_decay, rng=rng
                )
            rows = self._worth(surrogate, u, labels)
            teach_perturber(
                perturber,
                u[rows],
                labels[rows],
                surrogate=own if surrogate is None else surrogate,
                classes=k,
                bounds=bounds.pick(rows),
                categories=categories,
                weights=Weights(self.size_weight, self.change_weight, self.temperature, self.size_start),
                schedule=Schedule(self.epochs, self.batch, self.rate, self.decay),
                rng=rng,
            )
            if not all(bool(torch.isfinite(p).all()) for p in perturber.parameters()):
                raise PluginError(
                    f"emap: learning diverged on the numbers of {subject.provider.name}. Give standardised "
                    "columns, or a smaller `rate`."
                )
            if done < rounds:
                with torch.no_grad():
                    answer = perturber(u, targets(labels, classes=k, rng=rng), rng)
                share = torch.rand(len(u), 1, generator=rng, device=u.device) * _FURTHEST
                answer = torch.where(categories.member.to(u.device), answer, answer * share)
                after = moved(u, answer, bounds=bounds, categories=categories).u
                x = domain.project(after.reshape(len(u), *scope.shape), origin=reference)
                seen = torch.cat([seen, domain.encode(x).flatten(1)])
                classes = torch.cat([classes, _classes_of(subject, x)])
        return _holding(self, Fitted(scope, perturber, surrogate))

    def propose(self, task: Task) -> Proposal:
        domain, fitted = task.subject.domain, self._ready(task.subject)
        categories = PartitionedGumbel(domain.one_hot, width=fitted.scope.width)
        u = task.u.flatten(1)
        with torch.no_grad():
            answer = fitted.perturber.to(u.device)(u, task.target)
        bounds = Bounds(task.free.flatten(1), task.low.flatten(1), task.high.flatten(1))
        after = moved(u, answer, bounds=bounds, categories=categories).u
        after = torch.where((task.source == task.target)[:, None], u, after)
        x = task.project(after.reshape_as(task.u))
        return Proposal(counterfactuals=x, attributions=_per_feature(after - u, domain, categories))

    def follow(self, subject: Subject) -> Subject:
        """The subject with the surrogate that was fitted, for explainers that follow gradients.

        Raises:
            CapabilityError: nothing was fitted.
            ConfigError: it was fitted to another subject.
        """
        surrogate = self._ready(subject).surrogate
        if surrogate is None:
            return subject
        return replace(subject, network=lambda u: surrogate.to(u.device)(u.flatten(1)), white_box=False)

    def save(self, path: str | Path) -> Path:
        """Keep settings and networks in a safetensors file.

        Raises:
            CapabilityError: nothing was fitted.
            RunError: the file cannot be written.
        """
        if self.fitted is None:
            raise need_reference(self)
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return _emap_fitted.write(Path(path), self.fitted, settings=settings)

    @classmethod
    def load(cls, path: str | Path) -> "Emap":
        """The explainer that ``save`` kept.

        Raises:
            ModelFileError: there is no such file, or it is another kind of file.
        """
        settings, fitted = _emap_fitted.read(Path(path))
        return _holding(cls(**settings), fitted)

    def _worth(self, surrogate: nn.Module | None, u: Tensor, labels: Tensor) -> Tensor:
        """Rows from which the perturbation network learns."""
        rows = torch.arange(len(u), device=u.device)
        if surrogate is None or self.learn_from == "all":
            return rows
        with torch.no_grad():
            recovered = rows[surrogate(u).argmax(1) == labels]
        return recovered if len(recovered) else rows

    def _ready(self, subject: Subject) -> Fitted:
        if self.fitted is None:
            raise need_reference(self)
        self.fitted.scope.check(Scope.of(subject.domain, subject.provider.labels))
        return self.fitted


def _holding(explainer: Emap, fitted: Fitted) -> Emap:
    made = replace(explainer)
    object.__setattr__(made, "fitted", fitted)  # frozen for everybody else
    return made


def _labels(subject: Subject, reference: Tensor) -> Tensor:
    """The audited model's class of every reference input, of two classes at least."""
    provider = subject.provider
    if not len(reference):
        raise DataError("emap: there are no reference inputs to learn from. Give some of every class.")
    labels = _classes_of(subject, reference)
    if len(torch.unique(labels)) < 2:
        raise DataError(
            f"emap: {provider.name} gives all {len(reference)} reference inputs the class "
            f"{provider.labels[int(labels[0])]!r}. Give inputs of another class as well."
        )
    return labels


def _classes_of(subject: Subject, x: Float[Tensor, "n *x"]) -> Tensor:
    """The audited model's class of every input."""
    provider = subject.provider
    with torch.no_grad():
        raw = answers_of(provider, x)
    if not bool(torch.isfinite(raw).all()):
        raise NonFiniteError(
            f"{provider.name}: answered NaN or infinity for inputs to learn from. Look at the model's "
            "preprocessing with `cfsearch doctor`."
        )
    return verdict_scores(raw, provider).argmax(1)


def _per_feature(
    change: Float[Tensor, "b w"], domain: Domain, categories: PartitionedGumbel
) -> Float[Tensor, "b f"]:
    """Length of each feature's change, with the sign of its sum; a changed category counts 1."""
    member = categories.member.to(change.device)
    plain = torch.where(member, torch.zeros_like(change), change)
    # a changed category is -1 at one number of its run and 1 at another
    squares = torch.where(member, change.abs() / 2, change.square())
    shape = (len(change), *domain.shape)
    length = domain.pooled(squares.reshape(shape)).sqrt()
    total = domain.pooled(plain.reshape(shape))
    return torch.where(total < 0, -length, length)
