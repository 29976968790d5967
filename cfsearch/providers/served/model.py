"""A served model as a function on batches: pieces, bisection of what it refuses, and columns for its labels."""

from collections.abc import Sequence
from typing import Final, final

import numpy as np

from cfsearch.errors import ModelFileError, ProviderError

from .messages import BadAnswerError, RequestRefusedError
from .transport import Transport
from .wire import Answer, Batch, Protocol, Ranked, RawArray, part_of, shown, size_of

_SUM_TOLERANCE: Final = 1e-3


@final
class ServedModel:
    """A function from a batch to raw scores, one row an input.

    A piece that the server refuses (400, 413, 422, 500 each time, an unreadable answer) is halved until the input
    that it cannot take stands alone; that input is answered NaN and the others as ever. Where a server names only the
    best classes, the score of each other is known to lie between 0 and the smallest that was named; what is
    missing to 1 is spread evenly among them, and ``widest`` holds the widest of these intervals.

    Args:
        protocol: of the server.
        transport: to it.
        max_batch: most inputs a request.
        who: the model, for messages.
        labels: one a class, for answers that name their classes; learnt at first contact where None.
    """

    def __init__(
        self,
        protocol: Protocol,
        transport: Transport,
        *,
        max_batch: int,
        who: str,
        labels: Sequence[str] | None = None,
    ) -> None:
        self.protocol: Final = protocol
        self.transport: Final = transport
        self.max_batch: Final = max_batch if protocol.most is None else min(max_batch, protocol.most)
        self.labels = None if labels is None else tuple(labels)
        self.names_classes: bool = False
        self.widest: float = 0.0
        self.refusals: Final[list[str]] = []
        self._who: Final = who

    def __call__(self, batch: Batch) -> RawArray:
        """The scores of the inputs, ``(n,)`` or ``(n, w)``; a row of NaN for an input that the server refuses.

        Raises:
            ProviderError: the server is down, does not let us in, or refuses every input.
        """
        n = size_of(batch)
        spans = [(at, min(at + self.max_batch, n)) for at in range(0, n, self.max_batch)]
        found = self._query(batch, spans)
        errors = [error for _, error in found if isinstance(error, ProviderError)]
        answers = [(span, answer) for span, answer in found if not isinstance(answer, ProviderError)]
        if not answers:
            raise errors[0]
        return self._joined(answers, n)

    def _query(
        self, batch: Batch, spans: list[tuple[int, int]]
    ) -> list[tuple[tuple[int, int], Answer | ProviderError]]:
        """Answers by piece; pieces that are refused are halved, an input refused alone gives its error."""
        found: list[tuple[tuple[int, int], Answer | ProviderError]] = []
        whole = spans
        hopeless = False
        while spans:
            answers = self.transport.send([self.protocol.request(part_of(batch, *span)) for span in spans])
            halves: list[tuple[int, int]] = []
            for (begin, end), answer in zip(spans, answers, strict=True):
                if not isinstance(answer, RequestRefusedError | BadAnswerError):
                    if isinstance(answer, ProviderError):
                        raise answer
                    found.append(((begin, end), answer))
                elif end - begin == 1:
                    found.append(((begin, end), answer))
                    self.transport.ledger.refuse()
                    self.refusals.append(str(answer))
                else:
                    middle = (begin + end) // 2
                    halves += [(begin, middle), (middle, end)]
            if spans is whole and halves and not found:
                hopeless = self._refuses_any(batch, whole)
            if hopeless:
                raise next(answer for answer in answers if isinstance(answer, ProviderError))
            spans = halves
        return found

    def _refuses_any(self, batch: Batch, spans: list[tuple[int, int]]) -> bool:
        """Whether the first and the last input are refused alone as well: then it is not the inputs."""
        ends = (spans[0][0], spans[-1][1] - 1)
        answers = self.transport.send([self.protocol.request(part_of(batch, i, i + 1)) for i in ends])
        return all(isinstance(answer, RequestRefusedError | BadAnswerError) for answer in answers)

    def _joined(self, answers: list[tuple[tuple[int, int], Answer]], n: int) -> RawArray:
        pieces: list[tuple[tuple[int, int], RawArray]] = []
        if self.labels is None and any(isinstance(answer, Ranked) for _, answer in answers):
            self._learn([row for _, answer in answers if isinstance(answer, Ranked) for row in answer.rows])
        for span, answer in answers:
            pieces.append((span, self._columns(answer) if isinstance(answer, Ranked) else answer.values))
        shapes = {values.shape[1:] for _, values in pieces}
        if len(shapes) > 1:
            raise BadAnswerError(
                f"{self._who}: answered rows of different lengths to one batch: {shown(sorted(shapes))}."
            )
        covered = sum(end - begin for (begin, end), _ in pieces)
        first = pieces[0][1]
        kind = first.dtype
        if covered < n:
            if kind.kind == "U":
                raise RequestRefusedError(self.refusals[-1])
            kind = np.result_type(kind, np.float32)
        joined = np.full((n, *first.shape[1:]), np.nan, dtype=kind) if covered < n else None
        if joined is None:
            return np.concatenate([values for _, values in sorted(pieces, key=lambda piece: piece[0])])
        for (begin, end), values in pieces:
            joined[begin:end] = values
        return joined

    def _learn(self, rows: list[tuple[tuple[str, float], ...]]) -> None:
        """The labels, from answers that name every class each time."""
        sets = {frozenset(name for name, _ in row) for row in rows}
        if len(sets) > 1:
            raise ModelFileError(
                f"{self._who}: names only its best classes ({shown(rows[0])}), so the classes cannot all be known. "
                "Give `labels` in the sidecar (--sidecar), one for each class."
            )
        names = sorted(next(iter(sets)))
        self.labels = tuple(names)
        if len(names) < 2:
            raise ModelFileError(
                f"{self._who}: names one class only ({names[0]!r}). Give `labels` in the sidecar (--sidecar), one for "
                "each class."
            )

    def _columns(self, answer: Ranked) -> RawArray:
        """One column a label."""
        labels = self.labels or ()
        self.names_classes = True
        place = {label: i for i, label in enumerate(labels)}
        table = np.zeros((len(answer.rows), len(labels)))
        for i, row in enumerate(answer.rows):
            strange = [name for name, _ in row if name not in place]
            if strange:
                raise ProviderError(
                    f"{self._who}: the server names the class {strange[0]!r}, which is none of the labels "
                    f"{', '.join(map(repr, labels[:8]))}. Correct `labels` in the sidecar."
                )
            scores = [score for _, score in row]
            left = len(labels) - len(row)
            if left:
                table[i] = self._share(scores, left)
            for name, score in row:
                table[i, place[name]] = score
        return table

    def _share(self, scores: list[float], left: int) -> float:
        """The score of each class that is not named."""
        total = sum(scores)
        if not scores or min(scores) < 0 or total > 1 + _SUM_TOLERANCE:
            raise ModelFileError(
                f"{self._who}: names only its best classes, with scores that are no probabilities ({shown(scores)}), so those "
                "of the others cannot be bounded. Let the server answer all classes, or probabilities."
            )
        rest = max(0.0, 1.0 - total)
        self.widest = max(self.widest, min(*scores, rest))
        return rest / left
