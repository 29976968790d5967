"""What was sent to a served model: requests, repetitions and inputs, as its own access log would count them."""

import threading
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(slots=True)
class Ledger:
    """Counts of what was sent to a server.

    Args:
        requests: requests for scores, each counted once however often it was tried.
        tries: of requests for scores, repetitions included: what the server's own log holds.
        inputs: inputs answered.
        sent: inputs sent, those of repetitions included.
        refused: inputs that the server could not answer even alone.
        failures: kind of failure -> how often a try ended so.
        bytes_sent: of bodies.
        bytes_received: of bodies, as they came.
    """

    requests: int = 0
    tries: int = 0
    inputs: int = 0
    sent: int = 0
    refused: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    bytes_sent: int = 0
    bytes_received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def tried(self, *, inputs: int, size: int) -> None:
        """One try of a request for scores.

        Args:
            inputs: in it.
            size: of its body, in bytes.
        """
        with self._lock:
            self.tries += 1
            self.sent += inputs
            self.bytes_sent += size

    def received(self, size: int) -> None:
        """Bytes of an answer.

        Args:
            size: how many.
        """
        with self._lock:
            self.bytes_received += size

    def failed(self, kind: str) -> None:
        """One try that failed.

        Args:
            kind: an HTTP status ("503"), or the name of what happened.
        """
        with self._lock:
            self.failures[kind] = self.failures.get(kind, 0) + 1

    def answered(self, inputs: int) -> None:
        """One request that was answered.

        Args:
            inputs: in it.
        """
        with self._lock:
            self.requests += 1
            self.inputs += inputs

    def refuse(self, inputs: int = 1) -> None:
        """Inputs that the server could not answer.

        Args:
            inputs: how many.
        """
        with self._lock:
            self.refused += inputs

    def document(self) -> dict[str, int | dict[str, int]]:
        """The counts as plain JSON values."""
        with self._lock:
            return {
                "requests": self.requests,
                "tries": self.tries,
                "inputs": self.inputs,
                "sent": self.sent,
                "refused": self.refused,
                "failures": dict(sorted(self.failures.items())),
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
            }
