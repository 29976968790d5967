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
        self._end: Final = end

    def send(self, message: Message) -> None:
        """Send one message.

        Args:
            message: plain JSON values.

        Raises:
            Closed: the other side has ended.
        """
        data = json.dumps(message).encode()
        try:
            self._end.sendall(_HEAD.pack(len(data)) + data)
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
        until = None if seconds is None else time.monotonic() + seconds
        (size,) = _HEAD.unpack(self._bytes(_HEAD.size, until, look))
        if size > _MOST:
            raise ProviderError(f"the model's process sent a message of {size} bytes, which is none of ours.")
        data = self._bytes(size, until, look)
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ProviderError("the model's process sent what is no message of ours.") from error
        if not isinstance(message, dict):
            raise ProviderError("the model's process sent what is no message of ours.")
        return message

    def fileno(self) -> int:
        """Descriptor of the socket, for waiting on several."""
        return self._end.fileno()

    def close(self) -> None:
        """Let go of the socket."""
        self._end.close()

    def _bytes(self, count: int, until: float | None, look: Look | None) -> bytes:
        parts: list[bytes] = []
        while count:
            self._wait(until, look)
            try:
                part = self._end.recv(min(count, 2**20))
            except ConnectionError as error:
                raise Closed from error
            if not part:
                raise Closed
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _wait(self, until: float | None, look: Look | None) -> None:
        if until is None and look is None:
            return  # recv waits by itself
        poller = select.poll()
        poller.register(self._end, select.POLLIN)
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            step = left if look is None else _LOOK_S if left is None else min(left, _LOOK_S)
            if poller.poll(None if step is None else step * 1000):
                return
            if until is not None and time.monotonic() >= until:
                raise Late
            if look is not None:
                look()


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where the system does not say.

    Args:
        pid: of the process.
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
