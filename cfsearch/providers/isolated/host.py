"""Keeps a model open in a process of its own: starts it again when it dies, knows which inputs end it."""

import hashlib
import pickle
import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, final

import torch
from torch import Tensor

from cfsearch.errors import (
    CfsearchError,
    CfsearchWarning,
    DeadlineError,
    ModelFileError,
    ModelMemoryError,
    PluginError,
    ProviderCrashedError,
    ProviderError,
)

from .channel import Message
from .recipes import Recipe
from .session import Isolation, Session
from .worker import state_of_torch

if TYPE_CHECKING:
    import pandas as pd

_OPENINGS: Final = 3
_MOST_DEATHS: Final = 12
"""Deaths without an answer between them, after which a model is not started again."""


@final
class Host:
    """A model in a process of its own, opened by a recipe.

    A call during which the process dies is made once more. When it dies again the call's inputs are
    remembered, and refused from then on without another death.

    Args:
        recipe: how it is opened.
        isolation: its limits.
        who: what the model is called until it is opened.

    Raises:
        CfsearchError: as opening it in this process would; or it died.
    """

    def __init__(self, recipe: Recipe, *, isolation: Isolation, who: str) -> None:
        self._recipe, self._isolation, self._who = recipe, isolation, who
        self._lock: Final = threading.RLock()
        self._deaths = 0
        self._deadly: Final[set[bytes]] = set()
        self.facts: Message
        self._session, self.facts = self._first_opening()
        self._who = str(self.facts["name"])

    @property
    def pid(self) -> int:
        """The number of the model's process, which may have ended."""
        return self._session.process.pid

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the system did not let the process give up, of an offline one."""
        return self._session.lacking

    @property
    def note(self) -> str:
        """What the reader of a result must know: of the model, and of its process."""
        lacking = " ".join(
            f"{self._who} can run code, and this system did not let its process give up the {what}."
            for what in self.lacking
        )
        return f"{self.facts['note']} {lacking}".strip()

    def predict(self, x: Tensor) -> Tensor:
        """The model's answer, on the CPU; see ``Provider``.

        Args:
            x: the inputs.

        Raises:
            DeadlineError, ModelMemoryError, ProviderCrashedError: it did not answer.
            CfsearchError: as the model itself.
        """
        return self._call("predict", x, rows=len(x), device=str(x.device))[1][0]

    def predict_frame(self, frame: "pd.DataFrame") -> Tensor | None:
        """As ``TabularProvider.predict_frame``.

        Args:
            frame: the rows.
        """
        sent = torch.frombuffer(bytearray(pickle.dumps(frame)), dtype=torch.uint8)
        answer, tensors = self._call("predict_frame", sent, rows=len(frame))
        return None if answer.get("none") else tensors[0]

    def given(self, x: Tensor) -> dict[str, list[Any]]:  # Any: cells
        """The cells that the model is given for rows, by column.

        Args:
            x: the rows.
        """
        columns: dict[str, list[Any]] = self._call("given", x, rows=len(x))[0]["columns"]
        return columns

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._session.close()

    def _call(
        self, op: str, about: Tensor, *, rows: int, **more: Any
    ) -> tuple[Message, list[Tensor]]:  # Any: JSON
        with self._lock:
            if self._deadly and _key(about) in self._deadly:
                raise ProviderCrashedError(
                    f"{self._who}: its process died twice on {_inputs(rows)} before; it is not queried again."
                )
            for last in (False, True):
                session = self._running()
                doing = f"was queried with {_inputs(rows)}"
                try:
                    answer = session.ask(
                        op,
                        who=self._who,
                        seconds=self._isolation.seconds,
                        doing=doing,
                        tensors=[about],
                        **more,
                    )
                    if "odd" in answer:
                        raise PluginError(
                            f"provider {self._who!r} must answer with a torch tensor, got {answer['odd']}; make it "
                            "one with torch.as_tensor(..., device=x.device)."
                        )
                    self._deaths = 0
                    return answer, session.tensors(answer, who=self._who) if "tensors" in answer else []
                except (ProviderCrashedError, ModelMemoryError):
                    if session.alive:
                        raise  # it answered that the model gave up
                    self._deaths += 1
                    if last:
                        self._deadly.add(_key(about))
                        raise
                except DeadlineError:
                    self._deaths += 1
                    raise
            raise AssertionError("unreachable")

    def _running(self) -> Session:
        if self._session.alive:
            return self._session
        if self._deaths >= _MOST_DEATHS:
            raise ProviderError(
                f"{self._who}: its process ended {self._deaths} times in a row without an answer; it is not started "
                "again. Look at the model by itself with `cfsearch doctor`."
            )
        self._session.close()
        self._session, facts = self._opened_again()
        if facts != self.facts:
            self._session.close()
            raise ModelFileError(
                f"{self._who}: the model changed while it was used: it is {facts['fingerprint']} now, and was "
                f"{self.facts['fingerprint']}. Begin a new run."
            )
        return self._session

    def _opened_again(self) -> tuple[Session, Message]:
        """The model opened anew; a death meanwhile is no fault of the input that waits."""
        for _ in range(_OPENINGS - 1):
            try:
                return self._opened(self._recipe.tensors)
            except ProviderCrashedError:
                self._deaths += 1
        return self._opened(self._recipe.tensors)

    def _first_opening(self) -> tuple[Session, Message]:
        """Open the model; where a probe ends its process, with fewer of them."""
        death: ProviderCrashedError | None = None
        for tensors in self._openings():
            try:
                opened = self._opened(tensors)
            except ProviderCrashedError as error:
                death = death or error
                continue
            self._recipe = replace(self._recipe, tensors=tuple(tensors))  # started again it survives these
            return opened
        raise death or ProviderError(f"{self._who}: its process did not open it.")

    def _openings(self) -> list[Sequence[Tensor]]:
        tensors = self._recipe.tensors
        if not (self._recipe.probed and len(tensors[-1]) > 1):
            return [tensors, tensors]
        probes = tensors[-1]
        parts = [part for n in (1, 2, 4) if n <= len(probes) for part in probes.tensor_split(n)]
        return [(*tensors[:-1], part) for part in parts]

    def _opened(self, tensors: Sequence[Tensor]) -> tuple[Session, Message]:
        """A process with the model open in it."""
        session, on_gpu = Session(self._isolation), self._recipe.arguments.get("device", "cpu") != "cpu"
        try:
            answer = session.ask(
                "open",
                who=self._who,
                seconds=self._isolation.opening_seconds,
                doing="was opened",
                tensors=tensors,
                recipe=self._recipe.plain(),
                torch=state_of_torch(),
                threads=self._isolation.threads,
                memory=None if self._isolation.memory_gib is None or on_gpu else self._isolation.bytes,
            )
        except CfsearchError:
            session.close()
            raise
        for text in answer["warnings"]:
            warnings.warn(str(text), CfsearchWarning, stacklevel=2)
        facts: Message = answer["facts"]
        return session, facts


def _inputs(rows: int) -> str:
    return "one input" if rows == 1 else f"{rows} inputs"


def _key(tensor: Tensor) -> bytes:
    digest = hashlib.blake2b(repr((tensor.dtype, tuple(tensor.shape))).encode(), digest_size=16)
    digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()
