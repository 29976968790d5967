"""Outlier detectors in ONNX files: one class, answered as 1 and -1."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind

from .inputs import Arg
from .running import Session
from .signature import NUMBERS, GraphSignature

LABELS: Final = ("outlier", "inlier")
"""Names of -1 and 1, where nobody gives others."""
_WHOLE: Final = "tensor(int64)"
_FAR: Final = 1000.0


@final
@dataclass(frozen=True, slots=True)
class Detector:
    """An outlier detector: whether its score is read, or its labels alone."""

    scored: bool

    @property
    def kind(self) -> ScoreKind:
        """Kind of its answers."""
        return ScoreKind.LOGITS if self.scored else ScoreKind.LABELS

    def note(self, who: str) -> str:
        """What the reader of a result must know.

        Args:
            who: the model.
        """
        how = "its score, above 0 for inliers, counts as a logit" if self.scored else "it gives labels alone"
        return f"{who} is an outlier detector, taken for a model of two classes, {LABELS[0]} (-1) and {LABELS[1]} (1); {how}."


def outlier_detector(session: Session, graph: GraphSignature, probe: Tensor) -> Detector | None:
    """Whether a model answers as an outlier detector: labels -1 and 1, beside them a score of their sign.

    Args:
        session: with the model.
        graph: its input, and the output that is read.
        probe: rows as it takes them.
    """
    outputs = session.get_outputs()
    words = [output for output in outputs if output.type == _WHOLE]
    scores = [output for output in outputs if output.type in NUMBERS]
    if len(words) != 1 or len(outputs) != 1 + len(scores) or len(scores) > 1:
        return None
    try:
        found = [_answers(session, graph, rows, [*words, *scores]) for rows in _rows(graph, probe)]
    except Exception:  # noqa: BLE001  # onnxruntime's share no base; the first query by the provider says what is wrong
        return None
    labels = np.concatenate([answer[0].reshape(-1) for answer in found])
    if -1 not in labels or not np.isin(labels, (-1, 1)).all():
        return None
    if not scores:
        return Detector(scored=False)
    score = np.concatenate([answer[1].reshape(-1) for answer in found])
    agrees = score.shape == labels.shape and bool(((score >= 0) == (labels > 0))[score != 0].all())
    return Detector(scored=True) if agrees else None


def _rows(graph: GraphSignature, probe: Tensor) -> list[Tensor]:
    """The rows, and where they are numbers others far from them, which are outliers to any detector."""
    batch = graph.batch or len(probe)
    near = probe[:batch]
    return [near] if graph.table is not None else [near, near * _FAR + _FAR]


def _answers(
    session: Session, graph: GraphSignature, rows: Tensor, outputs: list[Arg]
) -> list["np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]:
    answers = session.run([output.name for output in outputs], graph.feeds(rows))
    return [np.asarray(answer)[: len(rows)] for answer in answers]
