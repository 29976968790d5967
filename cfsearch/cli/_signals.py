"""Ctrl-C, SIGTERM and SIGHUP: the work ends within seconds, and the line that resumes is printed."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

from ._errors import INTERRUPTED, Interrupted, report
from ._invocation import Invocation
from ._output import undiverted

_GRACE_S = 4.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@final
class _Heard:
    """What has come in this process, and how many blocks listen."""

    came: bool = False
    depth: int = 0


def ignored(*, for_good: bool = False) -> None:
    """From here on no signal tears what is left to do: a few lines to print, and the end.

    Args:
        for_good: whether the process ends, of which Python's own end takes handlers away.
    """
    for each in _SIGNALS:
        if signal.getsignal(each) not in (signal.SIG_IGN, None):
            signal.signal(each, _nothing)  # Python complains of SIG_IGN where a signal is on its way already
    for each in _SIGNALS if for_good else ():
        signal.signal(each, signal.SIG_IGN)


def _nothing(_: int, __: FrameType | None) -> None:
    """What a second signal does."""


@contextmanager
def attentive(call: Invocation) -> Iterator[None]:
    """The whole of a command: where no work of its own listens, a signal is a ``KeyboardInterrupt``.

    Args:
        call: the running command.
    """

    def stop() -> None:
        raise KeyboardInterrupt

    with _listening(stop, last_words="interrupted.", grace_s=_GRACE_S, call=call):
        yield


@contextmanager
def interruptible(last_words: str) -> Iterator[None]:
    """Turns the signals into ``Interrupted`` with these words; those that the caller ignores stay ignored.

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
def _listening(
    handler: Callable[[], None], *, last_words: str, grace_s: float, call: Invocation | None = None
) -> Iterator[None]:
    call = Invocation.current() if call is None else call
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [each for each in _SIGNALS if signal.getsignal(each) not in (signal.SIG_IGN, None)]

    def handle(_: int, __: FrameType | None) -> None:
        ignored()  # a second one must not tear what is being saved
        _Heard.came = True
        handler()

    def watch() -> None:
        while woken := ours.recv(1):
            if woken[0] in heard:
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
    before = {number: signal.signal(number, handle) for number in heard}
    _Heard.depth += 1
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(descriptor)
        _Heard.depth -= 1
        if not (
            _Heard.came and _Heard.depth
        ):  # what is left of an interrupted command is not interrupted again
            _Heard.came = False
            for number, old in before.items():
                signal.signal(number, old)
        theirs.close()
        watcher.join(timeout=1.0)
        ours.close()
