"""Handshake: probe queries that measure a model's repeatability, batch dependence, range and speed."""

import contextlib
import time
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.labels import doubt_of_labels
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ModelFileError, NonFiniteError, ProviderCrashedError, ShapeError

from .answers import mismatch
from .pixel_clues import doubt
from .probes import alike_finite, finite_gap, kind_of, known_inputs

_SUM_TOLERANCE: Final = 1e-3
_REPEAT_TOLERANCE: Final = 1e-6
_BATCH_TOLERANCE: Final = 1e-4
_PATIENCE_S: Final = 20.0
"""A larger batch is not timed if it would probably take longer."""


@final
@dataclass(frozen=True, slots=True)
class Handshake:
    """Result of the probe queries to a model.

    Args:
        scores: the kind of scores that it declares.
        looks_like: the kind that its numbers look like.
        k: number of classes.
        finite: whether every answer was.
        sums: smallest and largest sum of a row.
        range: smallest and largest number.
        eps_repeat: largest difference between two answers to the same batch, of finite numbers.
        eps_batch: largest difference between an input's answers alone, among others, and among
            others in another order, of finite numbers.
        repeatable: whether ``eps_repeat`` is no more than rounding, and the same numbers were finite.
        batch_dependent: whether ``eps_batch`` is more than rounding and than ``eps_repeat``, or other
            numbers were finite.
        constant: whether all inputs got the same answer.
        seconds: batch size -> seconds an input.
        queries: how many inputs were sent to it.
        warnings: sentences for the reader.
    """

    scores: ScoreKind
    looks_like: ScoreKind
    k: int
    finite: bool
    sums: tuple[float, float]
    range: tuple[float, float]
    eps_repeat: float
    eps_batch: float
    repeatable: bool
    batch_dependent: bool
    constant: bool
    seconds: dict[int, float]
    queries: int
    warnings: tuple[str, ...]


def handshake(
    provider: Provider,
    shape: tuple[int, ...],
    *,
    n: int = 8,
    large: int = 32,
    seed: int = 0,
    device: str = "cpu",
    inputs: Float[Tensor, "p *x"] | None = None,
    noun: str = "row",
) -> Handshake:
    """Probe a model with known inputs, in several batchings, and compare the answers.

    It is queried with ``n`` inputs together, the same again, in reverse order, one by one, and
    ``large`` inputs together for the time they take: ``4 n + large`` queries. A model of pictures whose
    answers are all but the same is queried with ``n`` pictures on other ranges as well.

    Args:
        provider: the model.
        shape: of one input in canonical form; images (3, height, width).
        n: known inputs, >= 2.
        large: size of the larger batch; it is left out where it would take too long.
        seed: of the known inputs.
        device: where the inputs lie.
        inputs: real ones to ask about instead of known ones, all different: rows of a table, which
            has no others that a model must be able to answer.
        noun: what one of ``inputs`` is called: row, text or recording.

    Raises:
        NonFiniteError: every answer is NaN or infinite.
        ConfigError: declared probabilities do not lie in [0, 1] or do not sum to 1.
        ModelFileError: the labels are not as many as the columns of the answer.
        ShapeError: the answer has not one row an input.
        ProviderError: the model failed.
    """
    if n < 2:
        raise ConfigError(f"handshake: `n` must be at least 2, got {n}.")
    x = (known_inputs(shape, n=max(n, large), seed=seed) if inputs is None else inputs[:large]).to(device)
    n = min(n, len(x))
    kind, advice = ("known inputs", _OF_PICTURES) if inputs is None else (f"{noun}s", _ADVICE[noun])
    few, seconds = x[:n], {}
    try:
        first = _query(provider, few)  # warms the model up as well, so its time does not count
    except ProviderCrashedError:
        x = few = _survived(provider, few)  # one input that ends the model must not end all of it
        first = _query(provider, few)
    deadly, n = n - len(few), len(few)
    _check_finite(provider, first, advice=advice)
    _check_kind(provider, first)
    start = time.perf_counter()
    again = _query(provider, few)
    seconds[n] = (time.perf_counter() - start) / n
    turned = _query(provider, few.flip(0)).flip(0)
    start = time.perf_counter()
    alone = torch.cat([_query(provider, few[i : i + 1]) for i in range(n)])
    seconds[1] = (time.perf_counter() - start) / n
    queries = 4 * n
    if len(x) > n and seconds[n] * len(x) <= _PATIENCE_S:
        start = time.perf_counter()
        with contextlib.suppress(ProviderCrashedError):
            _query(provider, x[:large])
            seconds[len(x)] = (time.perf_counter() - start) / len(x)
            queries += len(x)

    known = first[torch.isfinite(first).all(dim=1)]
    scale = max(1.0, float(known.abs().max()))
    eps_repeat = finite_gap(first, again)
    eps_batch = max(finite_gap(first, turned), finite_gap(first, alone))
    steady = alike_finite(first, again)
    repeatable = steady and eps_repeat <= _REPEAT_TOLERANCE * scale
    batch_dependent = eps_batch > max(_BATCH_TOLERANCE * scale, 8 * eps_repeat)
    batch_dependent = batch_dependent or (
        steady and not (alike_finite(first, turned) and alike_finite(first, alone))
    )
    seen = Handshake(
        scores=provider.scores,
        looks_like=ScoreKind.LABELS if _is_one_hot(known) else kind_of(known),
        k=first.shape[1],
        finite=bool(torch.isfinite(first).all()),
        sums=_extent(known.sum(dim=1)),
        range=_extent(known),
        eps_repeat=eps_repeat,
        eps_batch=eps_batch,
        repeatable=repeatable,
        batch_dependent=batch_dependent,
        constant=len(known) > 1 and bool((known == known[0]).all()),
        seconds=dict(sorted(seconds.items())),
        queries=queries,
        warnings=(),
    )
    winners = first[torch.isfinite(first).all(dim=1)].argmax(dim=1)
    one_class = (
        inputs is not None and len(winners) > 1 and not seen.constant and bool((winners == winners[0]).all())
    )
    constant_class = f"{provider.name} gave all {n} {kind} of the check one class, " if one_class else ""
    if constant_class:
        constant_class += f"{provider.labels[int(winners[0])]}; look whether it ever gives another."
    seen = _with_warnings(seen, provider, broken=n - len(known), n=n, kind=kind, advice=advice)
    died = (
        f"{provider.name}: its process died on {deadly} of {n + deadly} {kind} that it was queried with "
        "first."
        if deadly
        else ""
    )
    other, queries = "", 0
    if inputs is None and len(shape) == 3:
        other, queries = doubt(
            provider,
            lambda pictures: _as_probable(provider, _query(provider, pictures)),
            few,
            p=_as_probable(provider, first),
            name=provider.name,
        )
    alike = doubt_of_labels(provider.labels, who=provider.name)
    more = tuple(text for text in (constant_class, died, other, alike) if text)
    return replace(seen, warnings=(*seen.warnings, *more), queries=seen.queries + queries)


def _as_probable(provider: Provider, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Scores as probabilities; rows that are not finite are left out."""
    known = scores[torch.isfinite(scores).all(dim=1)]
    return known.softmax(1) if provider.scores is ScoreKind.LOGITS else known


_NOT_FINITE: Final = {True: "", False: ", and is NaN or infinite in one of them"}
_OF_PICTURES: Final = "`range`, `mean` and `std` in [input]"
_ADVICE: Final = {
    "row": "`centre`, `scale` and the order of the columns in [encoding]",
    "text": "that it takes texts as they are given here",
    "recording": "that its spectrograms are those that it was trained on",
}


def _survived(provider: Provider, x: Float[Tensor, "n *x"]) -> Float[Tensor, "m *x"]:
    """The inputs that do not end the model's process; at least one.

    Raises:
        ProviderCrashedError: all of them do.
    """
    alive: list[int] = []
    death: ProviderCrashedError | None = None
    for i in range(len(x)):
        try:
            _query(provider, x[i : i + 1])
        except ProviderCrashedError as error:
            death = error
            if not alive and i:
                break
        else:
            alive.append(i)
    if death is not None and len(alive) < 2:
        raise death
    return x[alive]


def _query(provider: Provider, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
    with torch.no_grad():
        answer = provider.predict(x)
    if answer.ndim != 2 or len(answer) != len(x):
        raise ShapeError(
            f"{provider.name}: expected one row of scores for each of {len(x)} inputs, got shape "
            f"{tuple(answer.shape)}."
        )
    if answer.shape[1] != len(provider.labels):
        raise ModelFileError(f"{provider.name}: {mismatch(len(provider.labels), answer.shape[1])}")
    return answer.detach().to(device="cpu", dtype=torch.float64)


def _check_finite(provider: Provider, scores: Tensor, *, advice: str) -> None:
    if not bool(torch.isfinite(scores).all(dim=1).any()):
        raise NonFiniteError(
            f"{provider.name}: answered NaN or infinity to all of {len(scores)} known inputs, expected "
            f"finite scores. Check the model's weights, and {advice}."
        )


def _check_kind(provider: Provider, scores: Tensor) -> None:
    known = scores[torch.isfinite(scores).all(dim=1)]
    sums = known.sum(dim=1)
    low, high = _extent(known)
    if provider.scores is ScoreKind.PROBABILITIES:
        wrong = float((sums - 1).abs().max())
        if low < -_SUM_TOLERANCE or high > 1 + _SUM_TOLERANCE or wrong > _SUM_TOLERANCE:
            raise ConfigError(
                f"{provider.name}: declares probabilities, but its rows sum to "
                f"{float(sums.min()):.4g} to {float(sums.max()):.4g} with numbers from {low:.4g} to "
                f"{high:.4g}, expected rows in [0, 1] that sum to 1. If these are logits, say scores = "
                '"logits".'
            )
    if provider.scores is ScoreKind.LABELS and not _is_one_hot(known):
        raise ConfigError(
            f"{provider.name}: declares labels only, expected rows with one 1 and zeros, got numbers "
            f'from {low:.4g} to {high:.4g}. Say scores = "logits" or "probabilities".'
        )


def _with_warnings(
    seen: Handshake, provider: Provider, *, broken: int, n: int, kind: str, advice: str
) -> Handshake:
    name = provider.name
    sentences: list[str] = []
    if broken:
        sentences.append(f"{name} answered NaN or infinity to {broken} of {n} {kind}.")
    if seen.constant:
        sentences.append(
            f"{name} answered the same for all {kind}: the model's output never changed. Check {advice}."
        )
    if not seen.repeatable:
        sentences.append(
            f"{name} is not repeatable: the same input differs by up to {seen.eps_repeat:.3g} when "
            f"queried again{_NOT_FINITE[seen.eps_repeat > 0.0]}. Answers must not be cached, and a flip needs a margin above that."
        )
    if seen.batch_dependent:
        sentences.append(
            f"{name} depends on the batch: the same input differs by up to "
            f"{seen.eps_batch:.3g} between batches{_NOT_FINITE[seen.eps_batch > 0.0]}. Set max_batch = 1 to make it repeatable."
        )
    if provider.scores is ScoreKind.LOGITS and seen.looks_like is ScoreKind.PROBABILITIES:
        sentences.append(
            f"{name} declares logits, but its rows lie in [0, 1] and sum to 1, as probabilities do. "
            'Say scores = "probabilities" if they are.'
        )
    return replace(seen, warnings=tuple(sentences))


def _is_one_hot(rows: Tensor) -> bool:
    return bool(((rows == 0) | (rows == 1)).all()) and bool((rows.sum(dim=1) == 1).all())


def _extent(values: Tensor) -> tuple[float, float]:
    return float(values.min()), float(values.max())
