"""Ctrl-C and SIGTERM: the work ends within seconds, and the line that resumes is printed."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ._errors import INTERRUPTED, Interrupted, report
from ._invocation import Invocation
from ._output import undiverted

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

    def stop() -> None:
        raise KeyboardInterrupt

    try:
        with _listening(stop, last_words=last_words, grace_s=_GRACE_S):
            yield
    except KeyboardInterrupt:
        raise Interrupted(last_words) from None


@contextmanager
def stoppable(last_words: str, *, grace_s: float) -> Iterator[Callable[[], bool]]:
    """Gives work a function that returns True once a signal has come, so that it ends itself.

    Work that has not ended after ``grace_s`` is ended from outside, with the last words.
    """
    requested = threading.Event()
    with _listening(requested.set, last_words=last_words, grace_s=grace_s):
        yield requested.is_set
    if requested.is_set():
        raise Interrupted(last_words)


@contextmanager
def _listening(handler: Callable[[], None], *, last_words: str, grace_s: float) -> Iterator[None]:
    call = Invocation.current()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_: int, __: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # a second one must not tear what is being saved
        handler()

    def watch() -> None:
        while woken := ours.recv(1):
            if woken[0] in _SIGNALS:
                break
        else:
            return
        if not ended.wait(grace_s):
            undiverted()
            report(Interrupted(last_words), json_mode=call.json, debug=False)
            os._exit(INTERRUPTED)

    ended = threading.Event()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    watcher = threading.Thread(target=watch, daemon=True)
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(descriptor)
        for number, old in before.items():
            signal.signal(number, old)
        theirs.close()
        watcher.join(timeout=1.0)
        ours.close()
