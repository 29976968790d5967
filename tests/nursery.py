"""Processes that are forks of one that has imported already what theirs would import.

A model's process imports torch for seconds before it does anything, and tests start a hundred of them. ``Fork`` takes
the place of ``subprocess.Popen`` in tests: the words, the environment, the folder, the descriptors and the parent are
those that the process would have; only what is read while libraries are imported is that of the nursery.
"""

import ctypes
import fcntl
import functools
import inspect
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_REAPER: Final = 36
_LENGTH: Final = 8
_ABOVE: Final = 200
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_IMPORTED: Final = (
    "cfsearch.audits.run",
    "cfsearch.audits.workers.searcher",
    "cfsearch.providers.isolated.worker",
)
_CODE: Final = f"""
import importlib, runpy, sys
for name in {_IMPORTED!r}:
    importlib.import_module(name)
born = runpy.run_path(sys.argv[1])["born"](int(sys.argv[2]))
exec(born, sys.modules["__main__"].__dict__)
"""


class _Nursery:
    """The process that is forked; it ends with the one that started it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        ctypes.CDLL(None).prctl(_REAPER, 1, 0, 0, 0)  # a fork whose own parent ends becomes our child
        words = [sys.executable, "-c", _CODE, __file__, str(theirs.fileno())]
        self.process: Final = subprocess.Popen(
            words,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        )
        theirs.close()

    def bear(self, descriptors: dict[int, int], **order: Any) -> int:  # Any: JSON values
        """The number of a new process, whose descriptors (by its numbers) are copies of these."""
        data = json.dumps({**order, "numbers": list(descriptors)}).encode()
        socket.send_fds(self._ours, [len(data).to_bytes(_LENGTH, "big")], list(descriptors.values()))
        self._ours.sendall(data)
        return int.from_bytes(_read(self._ours, _LENGTH), "big")


@functools.cache
def _nursery(owner: int) -> _Nursery:
    return _Nursery()


class Fork(subprocess.Popen[Any]):
    """``subprocess.Popen`` of ``[sys.executable, "-c", code, ...]``, as a fork of the nursery."""

    def _execute_child(self, *values: object) -> None:
        names = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]
        given: dict[str, Any] = dict(zip(names, values, strict=True))
        ours = [given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        words, environment = given["args"], given["env"]
        assert words[:2] == [sys.executable, "-c"], words
        streams = {number: at if at >= 0 else number for number, at in enumerate((ours[0], ours[3], ours[5]))}
        self.pid = _nursery(os.getpid()).bear(
            {**streams, **{number: number for number in given["pass_fds"]}},
            words=words[2:],
            env=dict(os.environ if environment is None else environment),
            parent=os.getpid(),
            folder=str(given["cwd"] or Path.cwd()),
            leads=bool(given["start_new_session"]),
        )
        self._child_created = True
        self._close_pipe_fds(*ours)  # type: ignore[attr-defined]


def forked(code: str, *more: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """What a program printed and ended with, as ``subprocess.run`` says it; a fork where there can be one."""
    words = [sys.executable, "-c", code, *more]
    start = Fork if sys.platform == "linux" else subprocess.Popen
    with start(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def born(control: int) -> Any:  # Any: a code object
    """Fork for as long as the other side lives; returns in each fork, with what it has to run."""
    import gc

    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a fork has the threads of its parent no more"
    gc.collect()
    gc.freeze()
    usual, end = sys.path[1:], socket.socket(fileno=control)
    while True:
        head, descriptors, _, _ = socket.recv_fds(end, _LENGTH, 64)
        if not head:
            os._exit(0)
        order = json.loads(_read(end, int.from_bytes(head, "big")))
        ready, write = os.pipe()
        middle = os.fork()
        if not middle:
            if os.fork():
                os._exit(0)
            break
        os.close(write)
        os.waitpid(middle, 0)
        end.sendall(os.read(ready, _LENGTH))  # once it leads its group and holds its descriptors
        for descriptor in (ready, *descriptors):
            os.close(descriptor)
    return _become({**order, "path": usual}, descriptors, end, (ready, write))


def _become(order: dict[str, Any], descriptors: list[int], end: socket.socket, spare: tuple[int, int]) -> Any:
    """The process that was requested, in a fork; what it has to run."""
    import tempfile
    import time

    while os.getppid() != order["parent"]:
        time.sleep(0.0005)  # until the process between has ended
    if order["leads"]:
        os.setsid()
    above = max(
        _ABOVE, *(number + 1 for number in order["numbers"])
    )  # none of what they become is in their way
    ready, *high = [
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in (spare[1], *descriptors)
    ]
    end.close()
    for descriptor in (*spare, *descriptors):
        os.close(descriptor)
    for number, descriptor in zip(order["numbers"], high, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    more = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = ["", *more, *order["path"]]
    sys.argv[:] = ["-c", *order["words"][1:]]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None
    # what the nursery writes to may be a file
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.write(ready, os.getpid().to_bytes(_LENGTH, "big"))
    os.close(ready)
    return compile(order["words"][0], "<string>", "exec")


def _read(end: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = end.recv(count - len(data))
        if not part:
            raise RuntimeError("the nursery has ended")
        data += part
    return data
