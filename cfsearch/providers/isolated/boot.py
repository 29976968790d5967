"""The first steps of a model's process, before anything heavy is imported."""

import contextlib
import ctypes
import importlib
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

_DIE_WITH_PARENT: Final = 1
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000


def main(
    control: int,
    memory: int,
    parent: int,
    offline: int,
    serve: str = "cfsearch.providers.isolated.worker:serve",
) -> None:
    """Serve a model, or what else is named, until the other side ends.

    Args:
        control: descriptor of the socket to the process that started this one.
        memory: descriptor of the shared memory.
        parent: process that started this one.
        offline: whether to give up the network.
        serve: the function that does it, ``module:name``; of the socket, the shared memory and what is lacking.
    """
    die_with(parent)
    with contextlib.suppress(OSError):  # where memory runs out, this one goes and not the audit
        Path("/proc/self/oom_score_adj").write_text("800")
    kept = go_offline() if offline else []
    os.set_inheritable(control, False)
    os.set_inheritable(memory, False)
    end = socket.socket(fileno=control)
    threading.Thread(target=_watch, args=(end.dup(),), daemon=True).start()
    module, _, name = serve.partition(":")
    getattr(importlib.import_module(module), name)(end, memory, lacking=kept)


def die_with(parent: int) -> None:
    """Have the system end this process when the one that started it ends, where it can.

    Args:
        parent: its number.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def go_offline() -> list[str]:
    """Give up the network, where the system allows it.

    Returns:
        What it did not allow, in words.
    """
    if sys.platform != "linux":
        return ["network"]
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return ["network"]
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return []


def _watch(end: socket.socket) -> None:
    """End with the other side, where the system does not see to it."""
    poller = select.poll()
    poller.register(end, 0)  # an end that is gone is reported all the same
    poller.poll()
    with contextlib.suppress(OSError):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
