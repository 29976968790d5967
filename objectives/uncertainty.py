"""Uncertainty objective: how far the members of an ensemble disagree about a counterfactual."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, final, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import UNTARGETED, Candidates
from cfsearch.contracts.scores import objective_scores
from cfsearch.errors import ConfigError, ShapeError

Members = Callable[[Tensor], Tensor]
"""Inputs ``(n, *x)`` -> probabilities of each member of an ensemble ``(m, n, k)``."""

UncertaintyKind = Literal["mutual_information", "variance", "entropy"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty(Objective):
    """Disagreement between the members of an ensemble about each candidate.

    - "mutual_information": ``H(mean p) - mean H(p)`` in nats: what the members do not agree on (epistemic
      uncertainty); 0 where all give the same probabilities.
    - "variance": of the members' probability of the target class (away from the present class: of not being it).
    - "entropy": ``H(mean p)`` in nats, which is large also where all members agree that it is open.

    By name (``--objective uncertainty``) the members are the trees of a forest, or what a bagging or voting
    ensemble of scikit-learn is made of; of any other model they are 25 trees that were trained on bootstrap samples of the
    reference rows with the classes that the model gives them.

    Args:
        members: asks every member.
        kind: which of the three.

    Shapes:
        ``x`` ``(b, n, *x)`` -> ``(b, n)``, each value in ``[0, log k]``, of a variance in ``[0, 1/4]``.

    Raises:
        ConfigError: ``kind`` is unknown, or ``members`` no function.
        ShapeError: the members have another number of classes than the model.

    References:
        Depeweg et al. 2018, *Decomposition of uncertainty in Bayesian deep learning*, eq. 6, https://arxiv.org/abs/1710.07283.
        As a goal of counterfactuals: Schut et al. 2021, *Generating interpretable counterfactual explanations by implicit
        minimisation of epistemic and aleatoric uncertainties*, https://arxiv.org/abs/2103.08951.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> def two(x):  # they agree where x is 0 and contradict each other where it is 1
        ...     p = torch.stack([x[:, 0], 0 * x[:, 0]])
        ...     return torch.stack([1 - p, p], dim=-1)
        >>> queries = make_queries(x=torch.zeros(1, 1), k=2)
        >>> candidates = make_candidates(queries=queries, x=torch.tensor([[[0.0], [1.0]]]))
        >>> [round(v, 4) for v in Uncertainty(two)(candidates)[0].tolist()]  # log 2
        [0.0, 0.6931]
    """

    members: Members
    kind: UncertaintyKind = "mutual_information"
    name: ClassVar[str] = "uncertainty"
    unit: ClassVar[str] = "nats, or a variance of probabilities"

    def __post_init__(self) -> None:
        if not callable(self.members):
            raise ConfigError(
                f"uncertainty: `members` must be a function of inputs, got {type(self.members).__name__}. From settings "
                "leave it out: a search of rows fills it in."
            )
        if self.kind not in get_args(UncertaintyKind):
            raise ConfigError(
                f"uncertainty: `kind` must be one of {', '.join(get_args(UncertaintyKind))}, got {self.kind!r}."
            )

    @classmethod
    def of_models(cls, models: Sequence[Provider], *, kind: UncertaintyKind = "mutual_information") -> Self:
        """The disagreement of several models of the same classes.

        Args:
            models: members of an ensemble, two or more.
            kind: as for the class.

        Raises:
            ConfigError: there are fewer than two.
        """
        if len(models) < 2:
            raise ConfigError(f"uncertainty: an ensemble has two members or more, got {len(models)}.")
        known = tuple(models)

        def ask(x: Tensor) -> Tensor:
            answers = [objective_scores(one.predict(x), kind=one.scores) for one in known]
            return torch.stack([torch.softmax(answer, dim=-1) for answer in answers])

        return cls(ask, kind)

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        x, queries = candidates.x, candidates.queries
        with torch.no_grad():
            p = self.members(x.flatten(0, 1)).to(device=x.device, dtype=torch.float64)
        k = queries.scores.shape[1]
        if p.shape[1:] != (x.shape[0] * x.shape[1], k):
            raise ShapeError(
                f"uncertainty: expected probabilities of shape (m, {x.shape[0] * x.shape[1]}, {k}), got {tuple(p.shape)}. "
                "The members must have the classes of the model, in its order."
            )
        p = p.transpose(0, 1).contiguous()  # a row's members lie together: no sum depends on other rows
        if self.kind == "variance":
            aside = (queries.target == UNTARGETED).repeat_interleave(x.shape[1])
            at = torch.where(queries.target == UNTARGETED, queries.source, queries.target)
            chosen = p.gather(2, at.repeat_interleave(x.shape[1])[:, None, None].expand(-1, p.shape[1], 1))[
                ..., 0
            ]
            value = torch.where(aside[:, None], 1 - chosen, chosen).var(dim=1, correction=0)
        else:
            value = _entropy(p.mean(1))
            if self.kind == "mutual_information":
                value = (value - _entropy(p).mean(1)).clamp_min(0.0) + 0.0  # no -0
        return value.reshape(x.shape[:2]).to(candidates.z.dtype)


def _entropy(p: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    h: Tensor = -torch.special.xlogy(p, p).sum(-1)
    return h
