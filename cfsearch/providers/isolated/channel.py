"""Messages between cfsearch and the process of a model: JSON over a socket, nothing that can run code.

Standard library alone: a process is started before torch is imported.
"""

import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

from cfsearch.errors import ProviderError

_HEAD: Final = struct.Struct(">I")
_MOST: Final = 64 * 2**20
_LOOK_S: Final = 0.25
_QUARTER: Final = struct.pack("@ll", 0, int(_LOOK_S * 1e6))
"""As the system wants it; a call that waits by itself saves another that waits for it."""
_KEPT: Final = 256

Message = dict[str, Any]  # Any: plain JSON values
Look = Callable[[], None]
"""What is done now and then while an answer is awaited; it may raise."""


class Closed(Exception):
    """The other side has ended."""


class Late(Exception):
    """Nothing came in time."""


@final
class Channel:
    """One end of a pair of sockets.

    Args:
        end: connected to the other process.
    """

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(None)  # a program may have set another default
        self._end: Final = end
        self._came: Final = bytearray()
        self._impatient = False
        self._packed: Final[dict[tuple[tuple[str, str], ...], bytes]] = {}
        self._heard: tuple[bytes | None, Message] = None, {}

    def send(self, message: Message) -> None:
        """Send one message.

        Args:
            message: plain JSON values.

        Raises:
            Closed: the other side has ended.
        """
        try:
            self._end.sendall(self._written(message))
        except OSError as error:
            raise Closed from error

    def receive(self, *, seconds: float | None = None, look: Look | None = None) -> Message:
        """The next message.

        Args:
            seconds: how long to wait; None for ever.
            look: called every quarter of a second while nothing comes.

        Raises:
            Closed: the other side has ended.
            Late: nothing came in time.
            ProviderError: what came is no message.
        """
        data = self._frame(None if seconds is None else time.monotonic() + seconds, look)
        if data == self._heard[0]:
            return self._heard[1].copy()
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ProviderError("the model's process sent what is no message of ours.") from error
        if not isinstance(message, dict):
            raise ProviderError("the model's process sent what is no message of ours.")
        if _is_flat(message):
            self._heard = data, message.copy()
        return message

    @property
    def pending(self) -> bool:
        """Whether some of the next message has been read already, so that the descriptor may stay silent."""
        return bool(self._came)

    def fileno(self) -> int:
        """Descriptor of the socket, for waiting on several; see ``pending``."""
        return self._end.fileno()

    def close(self) -> None:
        """Let go of the socket."""
        self._end.close()

    def _written(self, message: Message) -> bytes:
        """The bytes of a message; those of a query are the same again and again."""
        key = tuple(message.items()) if _is_flat(message) else None
        data = None if key is None else self._packed.get(key)
        if data is None:
            text = json.dumps(message).encode()
            data = _HEAD.pack(len(text)) + text
            if key is not None:
                if len(self._packed) >= _KEPT:
                    self._packed.clear()
                self._packed[key] = data
        return data

    def _frame(self, until: float | None, look: Look | None) -> bytes:
        came, head = self._came, _HEAD.size
        self._fill(head, until, look)
        (size,) = _HEAD.unpack_from(came)
        if size > _MOST:
            raise ProviderError(f"the model's process sent a message of {size} bytes, which is none of ours.")
        self._fill(head + size, until, look)
        data = bytes(came[head : head + size])
        del came[: head + size]
        return data

    def _fill(self, count: int, until: float | None, look: Look | None) -> None:
        """Read until so many bytes are there; what follows them may come along."""
        while (lacking := count - len(self._came)) > 0:
            self._came.extend(self._part(until, look, min(max(lacking, 2**16), 2**20)))

    def _part(self, until: float | None, look: Look | None, most: int) -> bytes:
        if not self._impatient and (until is not None or look is not None):
            self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _QUARTER)
            self._impatient = True
        while True:
            left = _LOOK_S if until is None else until - time.monotonic()
            if left < _LOOK_S and not self._comes(max(0.0, left)):
                raise Late
            try:
                part = self._end.recv(most)
            except BlockingIOError:  # nothing for a quarter of a second
                if look is not None:
                    look()
                continue
            except ConnectionError as error:
                raise Closed from error
            if not part:
                raise Closed
            return part

    def _comes(self, seconds: float) -> bool:
        """Whether something comes within less than one look."""
        poller = select.poll()
        poller.register(self._end, select.POLLIN)
        return bool(poller.poll(seconds * 1000))


def _is_flat(message: Message) -> bool:
    """Whether a message is texts and nothing else, as queries and their answers are."""
    return set(map(type, message.values())) <= {str}


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where the system does not say.

    Args:
        pid: of the process.
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
