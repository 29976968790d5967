"""Ctrl-C and SIGTERM: the work ends within seconds, and the line that resumes is printed."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ._errors import INTERRUPTED, Interrupted, report
from ._invocation import Invocation

_GRACE_S = 4.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(last_words: str) -> Iterator[None]:
    """Turns the two signals into ``Interrupted`` with these words.

    Python runs a signal's handler between two of its own instructions. A model that computes
    for minutes in one call would keep it waiting, so a thread, woken by the signal itself,
    ends the process when the work has not ended in 4 s. What a run acknowledged is on disk
    by then in any case.
    """
    call = Invocation.current()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(ours, ended, last_words, call), daemon=True)
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(last_words) from None
    finally:
        ended.set()
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        watcher.join(timeout=1.0)
        ours.close()


def _interrupt(number: int, _: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one must not tear what is being saved
    raise KeyboardInterrupt


def _watch(ours: socket.socket, ended: threading.Event, last_words: str, call: Invocation) -> None:
    while woken := ours.recv(1):
        if woken[0] in _SIGNALS:
            break
    else:
        return
    if not ended.wait(_GRACE_S):
        report(Interrupted(last_words), json_mode=call.json, debug=False)
        os._exit(INTERRUPTED)
