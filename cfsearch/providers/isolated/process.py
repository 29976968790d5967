"""The process that a model lives in: started, listened to, ended.

It has no terminal: its standard input is empty, and what it prints is caught. It leads a group of
its own, so that Ctrl-C does not reach it, and so that what it starts ends with it. It dies with the
process that started it, however that one ends.

Standard library alone: ``stand_by`` starts one before torch is imported here, so that both imports
take place at once.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import IO, Final, final

from .channel import Channel

_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from cfsearch.providers.isolated.boot import main; main(*map(int, sys.argv[2:6]), *sys.argv[6:])"
)
_HOMES: Final = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR")
_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""As ``providers.threads`` has them, which imports torch."""
_KEPT_LINES: Final = 8
_KEPT_BYTES: Final = 4000


@final
class ModelProcess:
    """A process of its own, ready to open a model; see ``take``.

    Args:
        offline: without network and with an empty home, as far as the system allows it.
        serve: the function that runs in it, ``module:name``; what opens a model when left out.
        threads: of the numerical libraries in it; their own choice when left out.
    """

    def __init__(self, *, offline: bool = False, serve: str = "", threads: int | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.memory: Final = memory_file()
        self.where: Final = _place(offline=offline)
        self._home: Final = (
            tempfile.TemporaryDirectory(prefix="cfsearch-home-", ignore_cleanup_errors=True)
            if offline
            else None
        )
        path = [entry or str(Path.cwd()) for entry in sys.path]
        descriptors = (theirs.fileno(), self.memory)
        words = [sys.executable, "-c", _BOOT, json.dumps(path), *map(str, descriptors), str(os.getpid())]
        process = subprocess.Popen(  # noqa: S603  # this very Python
            [*words, str(int(offline)), *([serve] if serve else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            start_new_session=True,
            env={
                **os.environ,
                **({} if self._home is None else dict.fromkeys(_HOMES, self._home.name)),
                **({} if threads is None else dict.fromkeys(_THREADS, str(threads))),
            },
        )
        theirs.close()
        if process.stdout is None:
            raise AssertionError("a pipe was requested")
        self.pid: Final = process.pid
        self.channel: Final = Channel(ours)
        self._process: Final = process
        self._printed: Final[deque[str]] = deque(maxlen=_KEPT_LINES)
        self._listener: Final = threading.Thread(
            target=_listen, args=(process.stdout, self._printed), name="cfsearch model output", daemon=True
        )
        self._listener.start()
        self._end: Final = weakref.finalize(
            self, _end, process, self.channel, self.memory, self._home, os.getpid()
        )

    @property
    def alive(self) -> bool:
        """Whether it runs, and was started by this process and not before a fork."""
        return self._end.alive and self.where[0] == os.getpid() and self._process.poll() is None

    def last_words(self) -> str:
        """The last lines that it printed, as one; empty where it printed nothing."""
        if self._process.poll() is not None:
            self._listener.join(timeout=1.0)
        return " | ".join(self._printed)[-_KEPT_BYTES:]

    def death(self) -> str:
        """How it ended, for a message; waits until it has."""
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"ended itself with exit code {code}"
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"signal {-code}"
        why = {
            "SIGSEGV": "a segmentation fault",
            "SIGABRT": "it aborted",
            "SIGBUS": "a memory fault",
            "SIGKILL": "the system may be out of memory",
            "SIGFPE": "an arithmetic fault",
            "SIGILL": "an instruction that this CPU lacks",
        }.get(name)
        return f"was ended by {name}" + (f" ({why})" if why else "")

    def close(self) -> None:
        """End it, with all that it started."""
        self._end()

    @classmethod
    def take(cls, *, offline: bool = False) -> "ModelProcess":
        """The process that stands by, or else a new one.

        Args:
            offline: without network and with an empty home, as far as the system allows it.
        """
        waiting = _waiting.pop() if _waiting else None
        if waiting is not None:
            if waiting.alive and waiting.where == _place(offline=offline):
                return waiting
            waiting.close()
        return cls(offline=offline)


def memory_file() -> int:
    """A file without a name, in memory where the system has such files; it ends with its last holder.

    Where it can be, it is sealed against shrinking, which would end a process that reads it.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile(prefix="cfsearch-") as file:
            return os.dup(file.fileno())
    descriptor = os.memfd_create("cfsearch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return descriptor


_waiting: list[ModelProcess] = []


def stand_by() -> None:
    """Start a process ahead, for whoever takes it next."""
    if not _waiting:
        _waiting.append(ModelProcess())


def wait_for_next(process: ModelProcess) -> None:
    """Have a process stand by for whoever takes one next; end it where another does already.

    Args:
        process: one that is idle.
    """
    if _waiting:
        process.close()
    else:
        _waiting.append(process)


def _place(*, offline: bool) -> tuple[int, str, tuple[str, ...], bool]:
    """What must be the same for a process that was started earlier."""
    return os.getpid(), str(Path.cwd()), tuple(sys.path), offline


def _listen(stream: IO[bytes], printed: deque[str]) -> None:
    """Keep the last lines of what a process prints, whatever it is, until it ends."""
    with contextlib.suppress(OSError, ValueError), stream:
        begun = b""
        while part := os.read(stream.fileno(), 65536):
            *lines, begun = (begun + part).split(b"\n")
            begun = begun[-_KEPT_BYTES:]
            printed.extend(text for line in lines[-_KEPT_LINES:] if (text := _text(line)))
        if text := _text(begun):
            printed.append(text)


def _text(line: bytes) -> str:
    text = line[-_KEPT_BYTES:].decode(errors="backslashreplace").strip()
    return "".join(c if c.isprintable() else " " for c in text)


def _end(
    process: "subprocess.Popen[bytes]",
    channel: Channel,
    memory: int,
    home: "tempfile.TemporaryDirectory[str] | None",
    owner: int,
) -> None:
    if owner != os.getpid():
        return  # a fork of the process that started it
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5.0)
    channel.close()
    with contextlib.suppress(OSError):
        os.close(memory)
    if home is not None:
        home.cleanup()
