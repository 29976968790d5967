"""Session with one model process: requests with a deadline and a memory limit, and its last words."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from torch import Tensor

from cfsearch import errors
from cfsearch.errors import (
    CfsearchError,
    ConfigError,
    DeadlineError,
    ModelMemoryError,
    ProviderCrashedError,
    ProviderError,
)

from .arena import Arena
from .channel import Closed, Late, Message, resident_bytes
from .process import ModelProcess, wait_for_next

DEADLINE_S: Final = 300.0
"""Seconds that one call of a model may take where nobody says otherwise."""
_BOOT_S: Final = 120.0
_OPENING_S: Final = 30.0
_SHARE: Final = 0.9
_GIB: Final = 2**30


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How a model is kept in a process of its own.

    Args:
        deadline_s: seconds that one call may take; five minutes when left out. Opening it may take 30 s more.
        memory_gib: memory that the model may take, in GiB; nine tenths of the machine's when left out.
        offline: whether it loses the network and the home folder, as far as the system allows it.
        threads: of OpenMP and BLAS in it; the libraries' own choice when left out. torch has as many as here.

    Raises:
        ConfigError: a limit is not positive.
    """

    deadline_s: float | None = None
    memory_gib: float | None = None
    offline: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("deadline", self.deadline_s), ("memory", self.memory_gib)):
            if value is not None and not 0 < value <= threading.TIMEOUT_MAX:
                raise ConfigError(f"isolation: `{name}` must be a positive number, got {value!r}.")

    @property
    def seconds(self) -> float:
        """Seconds that one call may take."""
        return DEADLINE_S if self.deadline_s is None else self.deadline_s

    @property
    def opening_seconds(self) -> float:
        """Seconds that opening the model may take, its first calls with it."""
        return self.seconds + _OPENING_S

    @property
    def bytes(self) -> int:
        """Memory that the process may take."""
        return int(machine_memory() * _SHARE if self.memory_gib is None else self.memory_gib * _GIB)


@final
class Session:
    """A process that answers requests. One that does not is ended, and the session with it.

    Args:
        isolation: its limits.

    Raises:
        ProviderError: the process did not start.
    """

    def __init__(self, isolation: Isolation) -> None:
        self._isolation: Final = isolation
        self.process: Final = ModelProcess.take(offline=isolation.offline)
        self._arena: Final = Arena(self.process.memory)
        greeting = self.ask("handshake", who="isolation", seconds=_BOOT_S, doing="was started")
        self.lacking: Final = tuple(map(str, greeting.get("lacking", ())))
        """What the system did not let the process give up."""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.alive

    def ask(
        self,
        op: str,
        *,
        who: str,
        seconds: float,
        doing: str,
        tensors: Sequence[Tensor] = (),
        **more: Any,  # Any: JSON values
    ) -> Message:
        """The answer to a request.

        Args:
            op: the operation.
            who: what the model is called, for messages.
            seconds: how long to wait.
            doing: what the process did when it failed, for messages.
            tensors: what the request is about.
            **more: further values of the request, as JSON holds them.

        Raises:
            ProviderCrashedError, DeadlineError, ModelMemoryError: no answer came; the process is ended.
            CfsearchError: the error that the model itself ended with.
        """
        process, answered = self.process, False
        try:
            process.channel.send({"op": op, "tensors": self._arena.write(tensors), **more})
            answer = process.channel.receive(seconds=seconds, look=lambda: self._look(who, doing))
            answered = True
        except Closed:
            raise ProviderCrashedError(
                f"{who}: the model's process {process.death()} when it {doing}{self._last_words()}"
            ) from None
        except Late:
            raise DeadlineError(
                f"{who}: did not answer within {seconds:g} s when it {doing}; its process was ended{self._last_words()} "
                "Allow more time with --deadline, or lower `max_batch` in its sidecar."
            ) from None
        finally:
            if not answered:  # Ctrl-C included: what it may still answer belongs to no request
                self.close()
        return self._checked(answer)

    def tensors(self, answer: Message, *, who: str) -> list[Tensor]:
        """The tensors of an answer.

        Args:
            answer: to the last request.
            who: what the model is called, for messages.

        Raises:
            ProviderError: there are none.
        """
        where = answer.get("tensors")
        if not isinstance(where, str):
            raise ProviderError(f"{who}: its process answered with what is no answer of ours.")
        return self._arena.read(where)

    def close(self) -> None:
        """End the process."""
        self.process.close()

    def release(self) -> None:
        """Let the process stand by for another session."""
        wait_for_next(self.process)

    def _look(self, who: str, doing: str) -> None:
        held, most = resident_bytes(self.process.pid), self._isolation.bytes
        if held > most:
            raise ModelMemoryError(
                f"{who}: its process took {held / _GIB:.1f} GiB of memory when it {doing}, more than the "
                f"{most / _GIB:.1f} GiB that it may; it was ended{self._last_words()} Allow more with --memory, or lower "
                "`max_batch` in its sidecar."
            )

    def _last_words(self) -> str:
        words = self.process.last_words()
        return f"; it printed last: {words!r}." if words else "."

    def _checked(self, answer: Message) -> Message:
        if "error" not in answer:
            return answer
        kind: object = getattr(errors, str(answer["error"]), None)
        message = str(answer.get("message", ""))
        if not (isinstance(kind, type) and issubclass(kind, CfsearchError)):
            raise ProviderError(message)
        if issubclass(kind, ProviderCrashedError):
            message = message.removesuffix(".") + self._last_words()
        raise kind(message)


def machine_memory() -> int:
    """The memory that processes here may take together, in bytes: the machine's, or its container's."""
    import os

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            whole = min(whole, int(Path(place).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return whole
