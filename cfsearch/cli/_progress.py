"""Progress of long work: a live line on a terminal, else one line in 30 s, always on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, final

from cfsearch.numerics.percent import SPACE, percent

from ._invocation import Invocation
from ._output import stderr

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from cfsearch.audits.run import AuditProgress

_FIRST_S, _EVERY_S = 5.0, 30.0
_REDRAW_S = 0.2
_WIDE = 100
"""Columns from which a bar stands beside the words."""
_BAR, _PERCENT = 21, 7
"""Columns of the bar, and of the percentage, with the gaps between them."""


class Line(Protocol):
    """Where the present state is shown."""

    def update(self, text: str, *, share: float) -> None:
        """Show a state; ``share`` of the work is done."""


@final
class _Silent:
    def update(self, text: str, *, share: float) -> None:
        pass


@final
class _Live:
    """A line that is drawn again; it never takes more columns than the terminal has.

    Args:
        bar: draws.
        title: what is going on.
        width: columns of the terminal.
    """

    def __init__(self, bar: "Bar", title: str, *, width: int) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=1.0, state="")
        self._room = width - len(title) - (_BAR if width >= _WIDE else 0) - _PERCENT
        self._last = 0.0

    def update(self, text: str, *, share: float) -> None:
        now = time.monotonic()
        if now - self._last >= _REDRAW_S or share >= 1.0:
            self._last = now
            self._bar.update(self._task, completed=share, state=fitting(text, self._room))


@final
class _Plain:
    """A line now and then, for logs and pipes: the first after 5 s, then one in 30 s."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last = time.monotonic() + _FIRST_S - _EVERY_S

    def update(self, text: str, *, share: float) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY_S:
            self._last = now
            print(f"{self._title} {percent(share)} {text}", file=sys.stderr, flush=True)


def fitting(text: str, width: int) -> str:
    """As many of the comma-separated parts of a state as fit, the first ones.

    Args:
        text: the state, most important parts first.
        width: columns that there are.

    Example:
        >>> fitting("3/12 images, 2 found, 1,200 queries", 24)
        '3/12 images, 2 found'
    """
    while len(text) > width and ", " in text:
        text = text.rpartition(", ")[0]
    return text[: max(width, 0)]


@contextmanager
def progress(title: str) -> Iterator[Line]:
    """A line that shows how far the work is."""
    if Invocation.current().quiet:
        yield _Silent()
        return
    console = stderr()
    if not console.is_terminal:
        yield _Plain(title)
        return
    from rich.progress import BarColumn, Progress, TextColumn

    bars = [BarColumn(bar_width=20)] if console.width >= _WIDE else []
    columns = (
        TextColumn("{task.description}", markup=False),
        *bars,
        TextColumn(f"{{task.percentage:>3.0f}}{SPACE}%"),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Live(bar, title, width=console.width)


@final
class AuditMeter:
    """Turns what an audit reports into a line: done, found, failed, time left, generation, queries, rate."""

    def __init__(self, line: Line, *, evaluations: int, title: str = "", noun: str = "image") -> None:
        self._line, self._each, self._title, self._noun = line, evaluations, title, noun
        self._begin = time.monotonic()
        self._spent, self._inside = 0, 0

    def __call__(self, state: "AuditProgress") -> None:
        if state.inside is None:
            self._spent, self._inside = self._spent + self._inside, 0
        else:
            self._inside = state.inside.evaluations
        spent = self._spent + self._inside
        rate = spent / max(time.monotonic() - self._begin, 1e-9)
        left = max((state.total - state.done) * self._each - self._inside, 0)
        share = 1.0 - left / max(state.total * self._each, 1)
        # the first parts are those that a narrow terminal still shows
        parts = [self._title] if self._title else []
        parts += [f"{state.done}/{state.total} {self._noun}s", f"{state.found} found"]
        if state.failed:
            parts.append(f"{state.failed} failed")
        if spent and left:
            parts.append(f"{duration(left / rate)} left")
        if state.inside is not None:
            parts.append(f"generation {state.inside.generation}/{state.inside.generations}")
        if spent:
            parts += [f"{spent:,} queries", f"{rate:,.0f}/s"]
        self._line.update(", ".join(parts), share=share)


def duration(seconds: float) -> str:
    """A time as people say it: 40 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
