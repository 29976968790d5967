"""Synthetic probe inputs, and the model signature inferred from answers to them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import CfsearchError, DeadlineError, ModelFileError, ProviderError, ShapeError

from .answers import flat, mismatch, stepped
from .preprocessing import Preprocessing

_SUM_TOLERANCE: Final = 1e-3
_ROUNDING: Final = 1e-5
"""Votes of a forest in float32 may add up to a little more than 1."""
_SIZES_TRIED: Final = (64, 128, 224)
_PROBES: Final = 4
_MORE: Final = 6
"""More of them where a single output leaves open whether it is a logit."""


def known_inputs(shape: tuple[int, ...], *, n: int, seed: int = 0) -> Float[Tensor, "n *x"]:
    """Deterministic synthetic probe inputs: smooth colour fields, all different.

    Images get a few broad waves and blobs, each row with its own colours, brightness and
    contrast, so that a model that looks at anything answers differently. Rows of other shapes
    are uniform in [0, 1].

    Shapes:
        ``(n, *shape)`` float32 in [0, 1]; row ``i`` does not depend on ``n``.
    """
    rows = [_one(shape, torch.Generator().manual_seed(1_000_003 * seed + i)) for i in range(n)]
    return torch.stack(rows)


def _one(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    if len(shape) != 3:
        return torch.rand(shape, generator=rng)
    channels, height, width = shape
    field = torch.zeros(1, channels, height, width)
    for cells in (2, 4, 9):
        coarse = torch.randn((1, channels, cells, cells), generator=rng)
        field += interpolate(coarse, (height, width), mode="bicubic", align_corners=True) / cells
    brightness, contrast = torch.rand((2,), generator=rng).tolist()
    field = field * (0.6 + 1.8 * contrast) + 3.0 * (brightness - 0.5)
    return torch.sigmoid(field)[0]


def kind_of(rows: Float[Tensor, "n w"]) -> ScoreKind:
    """Kind of scores that numbers look like: probabilities where possible, else logits.

    Probabilities are rows in [0, 1] that sum to 1, or a single output in [0, 1].
    """
    rows = rows[torch.isfinite(rows).all(dim=1)]
    if len(rows) == 0 or bool((rows < -_ROUNDING).any()) or bool((rows > 1 + _ROUNDING).any()):
        return ScoreKind.LOGITS
    near = ((rows.sum(dim=1) - 1).abs() <= _SUM_TOLERANCE) | stepped(rows)
    if rows.shape[1] == 1 or bool(near.all()):
        return ScoreKind.PROBABILITIES
    return ScoreKind.LOGITS


_INDEPENDENT: Final = "(independent outputs)"


@final
@dataclass(frozen=True, slots=True)
class ModelSignature:
    """Labels and kind of scores of a model, declared or inferred, with warnings."""

    labels: tuple[str, ...]
    scores: ScoreKind
    note: str


def infer_signature(
    ask: Callable[[Tensor], Tensor],
    *,
    preprocessing: Preprocessing | None,
    columns: int | None = None,
    labels: tuple[str, ...] | None,
    scores: ScoreKind | None,
    hint: ScoreKind | None = None,
    probe: Float[Tensor, "p *x"] | None = None,
    who: str,
    where: str,
) -> ModelSignature:
    """Model signature from what is declared, completed by the answers to probe inputs.

    A model that takes any size, and of which all is declared, is not queried.

    Args:
        ask: inputs in canonical form -> the model's own numbers.
        preprocessing: usual sizes are tried where its size is free; None for tables.
        columns: of a table; None where any number is taken.
        labels: as declared; None if not.
        scores: likewise.
        hint: what the model's own structure says about its scores.
        probe: inputs to query instead of known ones; the model is always queried then.
        who: the model, for messages.
        where: the file that can declare what is missing.

    Raises:
        ModelFileError: the labels are not as many as the outputs, or cannot be known.
        ShapeError: the answer has further dimensions.
        ProviderError: the model failed at the size that it takes, or was too late.
    """
    free = columns is None if preprocessing is None else preprocessing.size is None
    if free and probe is None and labels is not None and scores is not None:
        return ModelSignature(labels=labels, scores=scores, note="")
    if probe is None:
        given, raw = _first_answer(ask, preprocessing=preprocessing, columns=columns, who=who, where=where)
    else:
        given, raw = probe, ask(probe)
    rows = flat(raw, n=len(given), who=who)
    width = rows.shape[1]
    notes: list[str] = []
    if scores is None:
        if (
            width == 1
            and hint is None
            and rows.is_floating_point()
            and kind_of(rows) is ScoreKind.PROBABILITIES
        ):
            rows = _of_more(ask, rows, shape=tuple(given.shape[1:]), who=who)
        scores, reason = _guess(rows, hint=hint)
        undo = f"Set `scores` in {where} if that is wrong."
        if width == 1 and hint is None and scores is ScoreKind.PROBABILITIES:
            undo = f'If it is a logit, set scores = "logits" in {where}.'
        notes.append(
            f"{who} does not say what its scores are; they were taken for "
            f"{scores.value.split(':')[0]} because {reason}. {undo}"
        )
        if reason.endswith(_INDEPENDENT):
            notes.append(
                "The largest of them counts as the class. To audit one alone, as yes or no, read it alone: output = "
                f'"NAME[0]" in {where} for an ONNX file, counted from 0; of other models hand over a function of that number.'
            )
    if scores is ScoreKind.PROBABILITIES and rows.is_floating_point() and bool(stepped(rows).any()):
        notes.append(
            f"{who} answers in steps of 8 bits, and its probabilities sum to 1 only nearly; each row is divided by its sum."
        )
    if labels is None:
        if scores is ScoreKind.LABELS and width == 1:
            raise ModelFileError(
                f"{who}: answers class labels only, so the number of classes cannot be seen. "
                f"Give `labels` in {where}."
            )
        labels = tuple(str(i) for i in range(max(width, 2)))
        notes.append(f"Its classes have no names; give `labels` in {where}.")
    expected = 2 if width == 1 else width
    if len(labels) != expected and not (scores is ScoreKind.LABELS and width == 1):
        raise ModelFileError(f"{who}: {mismatch(len(labels), width)}")
    return ModelSignature(labels=labels, scores=scores, note=" ".join(notes))


def _guess(rows: Tensor, *, hint: ScoreKind | None) -> tuple[ScoreKind, str]:
    if not rows.is_floating_point() and rows.shape[1] == 1:
        return ScoreKind.LABELS, "it answers one whole number a row"
    if hint is ScoreKind.LOGITS:
        return hint, "no softmax or sigmoid stands at its end"
    rows = rows.to(torch.float32)
    kind = kind_of(rows)
    if kind is ScoreKind.PROBABILITIES:
        if hint is kind:
            return kind, "a softmax or sigmoid stands at its end"
        if rows.shape[1] == 1:
            low, high = float(rows.min()), float(rows.max())
            return (
                kind,
                f"{len(rows)} known inputs gave a single output in [0, 1] ({low:.3g} to {high:.3g})",
            )
        return kind, "known inputs gave rows that sum to 1 in [0, 1]"
    if bool((rows >= 0).all()) and bool((rows <= 1).all()):
        return kind, f"its rows lie in [0, 1] but do not sum to 1 {_INDEPENDENT}"
    return kind, "known inputs gave values outside [0, 1]"


def _of_more(ask: Callable[[Tensor], Tensor], rows: Tensor, *, shape: tuple[int, ...], who: str) -> Tensor:
    """The answers, and of a model of pictures those to more and stranger ones: a logit leaves [0, 1] sooner or later."""
    if len(shape) != 3:
        return rows
    even = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, *shape)
    noise = torch.rand((2, *shape), generator=torch.Generator().manual_seed(1))
    more = torch.cat([known_inputs(shape, n=_MORE, seed=1), even, noise, noise.round()])
    try:
        return torch.cat([rows, flat(ask(more), n=len(more), who=who)])
    except DeadlineError:
        raise
    except (ProviderError, ShapeError):
        return rows  # the few that it answered decide


def _first_answer(
    ask: Callable[[Tensor], Tensor],
    *,
    preprocessing: Preprocessing | None,
    columns: int | None,
    who: str,
    where: str,
) -> tuple[Tensor, Tensor]:
    """A few known inputs, at a usual size where any may be taken, and the raw answer to them."""
    if preprocessing is None and columns is not None:
        known = known_inputs((columns,), n=_PROBES)
        return known, ask(known)
    if preprocessing is not None and preprocessing.size is not None:
        known = known_inputs((3, *preprocessing.size), n=_PROBES)
        return known, ask(known)
    failure: CfsearchError | None = None
    for size in () if preprocessing is None else _SIZES_TRIED:
        known = known_inputs((3, size, size), n=_PROBES)
        try:
            return known, ask(known)
        except DeadlineError:
            raise
        except (ProviderError, ShapeError) as error:
            failure = error
    tried = "a table" if preprocessing is None else f"images of {', '.join(map(str, _SIZES_TRIED))} pixels"
    raise ModelFileError(
        f"{who}: its outputs could not be found out with {tried}{f' ({failure})' if failure else ''}. "
        f"Declare `size` in [input], or `labels` and `scores`, in {where}."
    ) from failure


def largest_gap(a: Tensor, b: Tensor) -> float:
    """The largest absolute difference; infinite where only one of the two is finite."""
    return finite_gap(a, b) if alike_finite(a, b) else math.inf


def finite_gap(a: Tensor, b: Tensor) -> float:
    """The largest absolute difference of the numbers that are finite in both; 0 where there are none."""
    both = torch.isfinite(a) & torch.isfinite(b)
    return float((a - b)[both].abs().max()) if bool(both.any()) else 0.0


def alike_finite(a: Tensor, b: Tensor) -> bool:
    """Whether the same numbers are finite in both."""
    return bool((torch.isfinite(a) == torch.isfinite(b)).all())
