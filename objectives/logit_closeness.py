"""Logit closeness objective: distance to the mean logits of the target class."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import UNTARGETED, Candidates, Need, Queries
from cfsearch.errors import CapabilityError, ConfigError, DataError

Metric = Literal["euclidean", "mahalanobis"]
_SHRINKAGE: Final = 0.1
_MOST_CLASSES: Final = 4096
"""Of a covariance: 128 MiB, a few times over."""


@final
@dataclass(frozen=True, slots=True)
class LogitCloseness(Objective):
    """Distance of the scores to the mean scores of reference inputs classified as the target.

    Euclidean: ``||s(x') - m_t||_2`` with ``m_t`` the mean of the first ``samples`` reference rows
    that the model gives to class t. Mahalanobis: ``sqrt((s - m_t)' S^-1 (s - m_t))`` with ``S`` the
    within-class covariance pooled over all classes (divided by rows minus classes), shrunk:
    ``0.9 S + 0.1 (trace S / k) I``. Away from the present class: the distance to the nearest mean
    of another class that has reference inputs. Unit: logit; Mahalanobis: standard deviations.

    Logits say the same after a constant is added to all of them, so the mean over the classes is
    taken off each row first: a model gives the same distances by its logits and by its
    log-probabilities. ``centred=False`` is the paper to the letter, where the level counts too.

    Args:
        metric: "euclidean" (the paper's) or "mahalanobis" (wide directions count less).
        samples: how many reference inputs of a class are used, >= 1 (the paper: 100).
        centred: whether the mean over the classes is taken off first.

    Shapes:
        ``scores`` ``(b, n, k)`` and ``reference`` ``(r, k)`` -> ``(b, n)``, each ``>= 0``.

    Raises:
        ConfigError: ``metric`` is unknown, or ``samples`` is under 1.
        CapabilityError: there are no reference inputs; or more than 4,096 classes (Mahalanobis).
        DataError: none of them is classified as a target; or they do not vary (Mahalanobis).

    References:
        Jung et al. 2020, equation 7, https://arxiv.org/abs/2008.01897. Shrinkage: Ledoit and Wolf
        2004, https://doi.org/10.1016/S0047-259X(03)00096-4, with a fixed weight.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> reference = torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 4.0]])
        >>> queries = make_queries(scores=torch.tensor([[2.0, 0.0]]), target=[1], reference=reference)
        >>> candidates = make_candidates(queries=queries, scores=torch.tensor([[[0.0, 3.0], [4.0, 0.0]]]))
        >>> LogitCloseness(centred=False)(candidates).tolist()  # from (0, 3), the mean of class 1
        [[0.0, 5.0]]
    """

    metric: Metric = "euclidean"
    samples: int = 100
    centred: bool = True
    name: ClassVar[str] = "logit_closeness"
    unit: ClassVar[str] = "logit"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.REFERENCE})

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise ConfigError(
                f"logit_closeness: `metric` must be one of euclidean, mahalanobis, got {self.metric!r}."
            )
        if self.samples < 1:
            raise ConfigError(
                f"logit_closeness: `samples` must be a whole number >= 1, got {self.samples!r}."
            )

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        scores, reference = self._level(candidates.scores), self._level(candidates.reference)
        classes, of = reference.argmax(-1).unique(return_inverse=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        member = torch.nn.functional.one_hot(of, len(classes))
        member = (member * (member.cumsum(0) <= self.samples)).double()
        means = (member.T @ reference) / member.sum(0)[:, None]
        goal = _goals(candidates.queries, classes=classes)
        if self.metric == "mahalanobis":
            white = _whitening(reference - member @ means, used=member.sum(1), classes=len(classes))
            scores, means = scores @ white, means @ white
        # the plain sum of squares: the product form would let a row see its neighbours' rounding
        distance = torch.cdist(scores.flatten(0, 1), means, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance.reshape(*scores.shape[:2], -1).masked_fill(~goal[:, None], torch.inf)
        return distance.amin(-1).to(candidates.z.dtype)

    def _level(self, scores: Tensor) -> Tensor:
        scores = scores.double()
        return scores - scores.mean(-1, keepdim=True) if self.centred else scores


def _goals(queries: Queries, *, classes: Int[Tensor, " c"]) -> Bool[Tensor, "b c"]:
    """The classes, of those with references, whose mean each query may approach."""
    source, target = queries.source[:, None], queries.target[:, None]
    goal = torch.where(target == UNTARGETED, classes != source, classes == target)
    lost = (~goal.any(-1)).nonzero()
    if lost.numel():
        i = int(lost[0, 0])
        wanted = int(target[i, 0])
        which = f"class {wanted}" if wanted != UNTARGETED else f"another class than {int(source[i, 0])}"
        raise DataError(
            f"logit_closeness: no reference input is classified as {which}, which query "
            f"{queries.names[i]!r} asks for; the references cover classes "
            f"{classes.tolist()}. Add reference inputs of that class."
        )
    return goal


def _whitening(
    residual: Float[Tensor, "r k"], *, used: Float[Tensor, " r"], classes: int
) -> Float[Tensor, "k k"]:
    """The matrix W with ``W W' = S^-1``, of the pooled and shrunk covariance S."""
    rows, k = int(used.sum()), residual.shape[-1]
    if k > _MOST_CLASSES:
        raise CapabilityError(
            f"logit_closeness: mahalanobis holds a number for each pair of classes, and this model has {k:,}; it takes at "
            f"most {_MOST_CLASSES:,}. Take the euclidean metric."
        )
    residual = residual * used[:, None]
    cov = residual.T @ residual / max(rows - classes, 1)
    level = cov.diagonal().sum() / k
    if not level > 0:
        raise DataError(
            "logit_closeness: mahalanobis needs reference inputs whose scores vary within a class, "
            f"got {rows} rows in {classes} classes without any spread. Give more of them, or take "
            "the euclidean metric."
        )
    eye = torch.eye(k, dtype=cov.dtype, device=cov.device)
    lower = torch.linalg.cholesky((1.0 - _SHRINKAGE) * cov + _SHRINKAGE * level * eye)
    inverse: Tensor = torch.linalg.solve_triangular(lower, eye, upper=False)
    return inverse.T
