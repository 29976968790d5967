"""An audited model that is a Python function on numpy arrays."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import (
    ConfigError,
    DeadlineError,
    ProviderError,
)
from cfsearch.registry import object_at

from .answering import AnsweringProvider
from .answers import RawArray, indices_of
from .contents import source_hash
from .foreign import foreign_code
from .pixel_clues import Clue
from .plain_array import plain_array
from .preprocessing import Preprocessing
from .probes import infer_signature
from .sidecar import Sidecar, read_sidecar
from .undisturbed import undisturbed

Predict = Callable[[RawArray], Any]  # Any: what a stranger's function returns is checked, not known

_MAX_BATCH: Final = 256


@final
class CallableProvider(AnsweringProvider):
    """A function from a numpy batch to one row of scores, or one label, an input.

    The function is called in a thread when there is a deadline: a thread takes any function
    (a lambda, a method of a live object) where a process takes only what can be pickled, and
    costs nothing. A thread cannot be killed, so a call that hangs is left behind (it does not
    keep the program from ending) and further calls are refused until it returns.

    Args:
        function: ``(n, 3, h, w)`` float32 in [0, 1], or as ``preprocessing`` gives it ->
            ``(n, k)``, ``(n, 1)`` or ``(n,)``; with labels only also ``(n,)`` class indices
            or label words. It gets its own copy and may write into it.
        labels: one a class; for a single output [negative, positive].
        scores: what its numbers are.
        preprocessing: None gives it the inputs as they come.
        deadline_s: seconds that one call may take; None waits for ever.
        max_batch: most inputs a call.
        name: for messages and results.
        fingerprint: what tells this function from another version of it; by default a hash of
            its source, which does not see what it calls.
        note: what the reader of a result must know about the scores.

    Raises:
        ConfigError: a setting is out of range.

    Example:
        >>> import torch
        >>> def bright(x):
        ...     p = x.mean((1, 2, 3))
        ...     return np.stack([1 - p, p], axis=1)
        >>> model = CallableProvider(bright, labels=("dark", "bright"), scores=ScoreKind.PROBABILITIES)
        >>> [round(v, 4) for v in model.predict(torch.full((1, 3, 8, 8), 0.75))[0].tolist()]
        [0.25, 0.75]
    """

    family = "callable"

    def __init__(
        self,
        function: Predict,
        *,
        labels: tuple[str, ...],
        scores: ScoreKind,
        preprocessing: Preprocessing | None = None,
        deadline_s: float | None = None,
        max_batch: int = _MAX_BATCH,
        name: str = "callable",
        fingerprint: str | None = None,
        note: str = "",
    ) -> None:
        if len(labels) < 2:
            raise ConfigError(f"callable: `labels` must name at least 2 classes, got {labels!r}.")
        if max_batch < 1:
            raise ConfigError(f"callable: `max_batch` must be at least 1, got {max_batch}.")
        if deadline_s is not None and not 0 < deadline_s <= threading.TIMEOUT_MAX:
            raise ConfigError(f"callable: `deadline_s` must be a positive number, got {deadline_s!r}.")
        self.labels: tuple[str, ...] = tuple(labels)
        self.scores = scores
        self.name = name
        self.max_batch = max_batch
        self.preprocessing = preprocessing
        self.pixel_clues: tuple[Clue, ...] = ()  # nothing is known of what stands inside a function
        self.deadline_s: Final = deadline_s
        self._function: Final = function
        self.source: str = fingerprint or source_hash(function)
        self.notes = note
        self._running: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        spec: str,
        *,
        sidecar: str | Path | None = None,
        deadline_s: float | None = None,
        max_batch: int | None = None,
        probe: Float[Tensor, "p w"] | None = None,
        adapt: Callable[[Predict], Predict] | None = None,
    ) -> "CallableProvider":
        """The function ``pkg.mod:predict``; importing it runs the user's own code.

        Args:
            spec: what to import and call.
            sidecar: a TOML with labels, scores and ``[input]``; what it leaves open is found
                out from answers to known inputs.
            deadline_s: seconds that one call may take; None waits for ever.
            max_batch: most inputs a call, instead of the sidecar's.
            probe: of a function of tables, rows to ask about first.
            adapt: makes of the user's function one of numpy batches (``Framed``).

        Raises:
            ConfigError: the function cannot be imported, or the sidecar is wrong.
            ModelFileError: its labels do not fit its answers.
            ProviderError: it failed when it was called for the first time.
        """
        function = object_at(spec, what="provider")
        declared = Sidecar() if sidecar is None else read_sidecar(Path(sidecar))
        preprocessing = declared.input.over(Preprocessing()) if probe is None else None
        wrapped, source = function if adapt is None else adapt(function), source_hash(function)
        return cls.inferred(
            wrapped,
            labels=declared.labels,
            scores=declared.kind,
            preprocessing=preprocessing,
            deadline_s=deadline_s,
            max_batch=max_batch or declared.max_batch or _MAX_BATCH,
            name=declared.name or spec,
            fingerprint=source,
            probe=probe,
            who=spec,
            where=str(sidecar or "a sidecar (--sidecar)"),
        )

    @classmethod
    def inferred(
        cls,
        function: Predict,
        *,
        labels: tuple[str, ...] | None,
        scores: ScoreKind | None,
        where: str,
        preprocessing: Preprocessing | None = None,
        deadline_s: float | None = None,
        max_batch: int = _MAX_BATCH,
        name: str = "callable",
        fingerprint: str | None = None,
        probe: Float[Tensor, "p *x"] | None = None,
        who: str | None = None,
        remark: str = "",
    ) -> "CallableProvider":
        """A function whose labels and kind of scores are found out where they are not declared.

        Args:
            function: as for the class.
            labels: one a class; None where not declared.
            scores: what its numbers are; None where not declared.
            where: what can declare them, for messages.
            preprocessing: None gives it the inputs as they come.
            deadline_s: seconds that one call may take; None waits for ever.
            max_batch: most inputs a call.
            name: for results.
            fingerprint: what tells this function from another version of it.
            probe: inputs to ask about first, instead of known ones.
            who: for messages; the name when left out.
            remark: what else the reader must know.

        Raises:
            ModelFileError: its labels do not fit its answers.
            ProviderError: it failed when it was called for the first time.
        """
        trial = cls(
            function,
            labels=labels or ("0", "1"),
            scores=scores or ScoreKind.LOGITS,
            preprocessing=preprocessing,
            deadline_s=deadline_s,
            max_batch=max_batch,
            name=name,
            fingerprint=fingerprint,
        )
        signature = infer_signature(
            trial.in_pieces,
            preprocessing=preprocessing,
            labels=labels,
            scores=scores,
            probe=probe,
            who=who or name,
            where=where,
        )
        return cls(
            function,
            labels=signature.labels,
            scores=signature.scores,
            preprocessing=preprocessing,
            deadline_s=deadline_s,
            max_batch=max_batch,
            name=name,
            fingerprint=trial.source,
            note=" ".join(part for part in (signature.note, remark) if part),
        )

    def with_function(self, function: Predict) -> "CallableProvider":
        """The same labels, scores and limits for another function, which takes its inputs as they come."""
        return self._with(function, note="")

    def adapted(self, adapt: Callable[[Predict], Predict]) -> "CallableProvider":
        """The same function for another form of inputs, given as they come.

        Args:
            adapt: makes of the user's function one of numpy batches.
        """
        return self._with(adapt(self._function), note=self.notes)

    def _with(self, function: Predict, *, note: str) -> "CallableProvider":
        return CallableProvider(
            function,
            labels=self.labels,
            scores=self.scores,
            deadline_s=self.deadline_s,
            max_batch=self.max_batch,
            name=self.name,
            fingerprint=self.source,
            note=note,
        )

    def raw(self, x: Float[Tensor, "n *x"]) -> Tensor:
        """The function's own numbers; see ``AnsweringProvider``."""
        x = x.detach()
        ready = self.preprocessing.apply(x) if self.preprocessing else x
        rows = np.array(ready.cpu().numpy(), order="C", copy=True)
        answer = self._call(rows) if self.deadline_s is None else self._in_time(rows)
        return self._numbers(answer)

    def _call(self, rows: RawArray) -> object:
        given = f"a batch of shape {rows.shape}"
        with foreign_code(self.name, part="the function", given=given, n=len(rows)), undisturbed(self.name):
            return self._function(rows)

    def _in_time(self, rows: RawArray) -> object:
        if self._running is not None and self._running.is_alive():
            raise DeadlineError(
                f"{self.name}: an earlier call still runs after its deadline of {self.deadline_s} s. "
                "Start again with a longer deadline, or a function that ends."
            )
        results: list[object] = []
        failures: list[ProviderError] = []

        def work() -> None:
            try:
                results.append(self._call(rows))
            except ProviderError as error:
                failures.append(error)

        self._running = threading.Thread(target=work, name=f"cfsearch {self.name}", daemon=True)
        self._running.start()
        self._running.join(self.deadline_s)
        if failures:
            raise failures[0]
        if not results:
            raise DeadlineError(
                f"{self.name}: the function did not answer {len(rows)} inputs within "
                f"{self.deadline_s} s. Allow more time, or lower `max_batch`."
            )
        return results[0]

    def _numbers(self, answer: object) -> Tensor:
        array = plain_array(answer, labels=self.labels, who=self.name)
        if array.dtype.kind in "US" and self.scores is ScoreKind.LABELS:
            array = indices_of(array, labels=self.labels, who=self.name)
        if array.dtype.kind not in "fiub":
            raise ProviderError(
                f"{self.name}: the function must return numbers (label words only with "
                f"scores = 'labels'), got an array of {array.dtype}."
            )
        if array.dtype.kind in "ub":
            array = array.astype(np.int64)
        return torch.from_numpy(np.array(array, order="C"))
