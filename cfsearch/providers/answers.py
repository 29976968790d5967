"""Conversion of a model's raw answers to the scores of the contract."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ProviderError, ShapeError, listed

_ROUNDING: Final = 1e-4
_MOST_OFF: Final = 0.1
_OFF_GRID: Final = 1e-3
RawArray = NDArray[Any]  # Any: models answer in float, integer or string arrays


def ask_in_pieces(x: Float[Tensor, "n *x"], *, max_batch: int, ask: Callable[[Tensor], Tensor]) -> Tensor:
    """The answers to all rows, at most ``max_batch`` a call, joined in order.

    An empty ``x`` asks nothing and cannot be answered: it is the caller's to avoid.

    Raises:
        ShapeError: ``x`` has no rows.
    """
    n = x.shape[0]
    if n == 0:
        raise ShapeError("provider: there is no input to ask about, got a batch of 0 rows.")
    if n <= max_batch:
        return ask(x)
    return torch.cat([ask(x[i : i + max_batch]) for i in range(0, n, max_batch)])


def scores_of(
    raw: Tensor, *, n: int, labels: tuple[str, ...], kind: ScoreKind, who: str
) -> Float[Tensor, "n k"]:
    """A numeric answer as ``k`` columns, one for each label.

    A single output is widened to two classes, the negative one first: a probability ``p``
    becomes ``[1 - p, p]``, a logit ``t`` becomes ``[0, t]``. With ``ScoreKind.LABELS`` whole
    numbers ``(n,)`` are class indices, and wider answers name their largest column.
    A row that is not finite stays so: the caller decides what that means.

    Shapes:
        raw: ``(n,)``, ``(n, w)`` or ``(n, w, 1, ...)`` -> ``(n, k)`` floating.

    Raises:
        ShapeError: the rows or columns are not as many as promised.
        ProviderError: a class index has no label.
    """
    raw = flat(raw, n=n, who=who)
    k = len(labels)
    if kind is ScoreKind.LABELS:
        return _one_hot(raw, k=k, who=who)
    raw = raw if raw.is_floating_point() else raw.to(torch.float32)
    if raw.shape[1] == 1:
        rest = 1 - raw if kind is ScoreKind.PROBABILITIES else torch.zeros_like(raw)
        raw = torch.cat([rest, raw], dim=1)
    if raw.shape[1] != k:
        raise ShapeError(f"{who}: {mismatch(k, raw.shape[1])}")
    return of_steps(raw) if kind is ScoreKind.PROBABILITIES else raw


def of_steps(rows: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Probabilities of 8 bits, which sum to 1 only nearly, divided by their sums; other rows as they are.

    A quantised softmax answers in steps of 1/256 or 1/255, each rounded by half a step.

    Args:
        rows: of a model that answers with probabilities.

    Example:
        >>> [round(p, 4) for p in of_steps(torch.tensor([[51.0, 102.0, 102.0]]) / 256)[0].tolist()]
        [0.2, 0.4, 0.4]
    """
    coarse = stepped(rows)
    return (
        torch.where(coarse[:, None], rows / rows.sum(dim=1, keepdim=True), rows)
        if bool(coarse.any())
        else rows
    )


def stepped(rows: Float[Tensor, "n k"]) -> Bool[Tensor, " n"]:
    """Whether rows are probabilities of 8 bits that sum to 1 only nearly.

    Args:
        rows: numbers.
    """
    numbers = rows.detach().to(torch.float64)
    off = (numbers.sum(dim=1) - 1).abs()
    near = (off > _ROUNDING) & (off <= min(rows.shape[1] / 510, _MOST_OFF))
    near &= ((numbers >= 0) & (numbers <= 1)).all(dim=1)
    if not bool(near.any()):
        return near
    on_grid = torch.stack(
        [((numbers * n - (numbers * n).round()).abs() < _OFF_GRID).all(dim=1) for n in (256, 255)]
    )
    return near & on_grid.any(dim=0)


def mismatch(labels: int, outputs: int) -> str:
    """The sentence for labels that do not fit the outputs."""
    return (
        f"{labels} labels are declared, but the model answers with {outputs} outputs a row. "
        "Give one label for each output (two for a model with a single output: the negative "
        "one first), or choose another output."
    )


def flat(raw: Tensor, *, n: int, who: str) -> Float[Tensor, "n w"]:
    """The answer with one row an input and without trailing dimensions of length 1.

    Raises:
        ShapeError: there are more or fewer rows than inputs, or further dimensions.
    """
    if raw.ndim == 0 or raw.shape[0] != n:
        raise ShapeError(f"{who}: expected one row for each of the {n} inputs, got shape {tuple(raw.shape)}.")
    rows = raw.reshape(n, 1) if raw.ndim == 1 else raw
    if rows.ndim > 2 and any(size != 1 for size in rows.shape[2:]):
        raise ShapeError(
            f"{who}: expected one row of scores an input, shape ({n}, k), got "
            f"{tuple(raw.shape)}. Choose an output that gives one score for each class."
        )
    return rows.reshape(n, rows.shape[1])


def indices_of(raw: RawArray, *, labels: tuple[str, ...], who: str) -> NDArray[np.int64]:
    """Class indices of an answer in words.

    Raises:
        ProviderError: a word is none of the labels.
    """
    words = [w.decode() if isinstance(w, bytes) else str(w) for w in raw.reshape(-1).tolist()]
    place = {label: i for i, label in enumerate(labels)}
    strange = sorted({w for w in words if w not in place})
    if strange:
        raise ProviderError(
            f"{who}: the model answered {', '.join(map(repr, strange[:3]))}, expected one of "
            f"the labels {listed(map(repr, labels))}. Correct `labels`."
        )
    return np.array([place[w] for w in words], dtype=np.int64)


def _one_hot(raw: Tensor, *, k: int, who: str) -> Tensor:
    if raw.shape[1] == 1:
        index = raw[:, 0]
    elif raw.shape[1] == k:
        index = raw.argmax(dim=1)
    else:
        raise ShapeError(f"{who}: {mismatch(k, raw.shape[1])}")
    known = torch.isfinite(raw).all(dim=1) if raw.is_floating_point() else torch.ones_like(index) > 0
    whole = torch.where(known, index, torch.zeros_like(index))
    wrong = (whole < 0) | (whole > k - 1) | (whole != whole.to(torch.int64))
    if bool(wrong.any()):
        raise ProviderError(
            f"{who}: the model answered class {whole[wrong][0].item()}, but {k} labels are "
            f"declared (classes 0 to {k - 1}). Correct `labels` or `scores`."
        )
    hot = torch.nn.functional.one_hot(whole.to(torch.int64), k).to(torch.float32)
    return torch.where(known[:, None], hot, torch.full_like(hot, torch.nan))
