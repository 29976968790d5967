"""Results of commands and their printing."""

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, final

from cfsearch.errors import CfsearchError, RunError, visible
from cfsearch.files import dump_json
from cfsearch.secrecy import redacted

from ._invocation import Invocation

if TYPE_CHECKING:
    from rich.console import Console

LONGEST: Final = 300
"""Letters of a cell of a table that are shown where a table sets no other number."""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command.

    Args:
        document: what ``--json`` prints; plain JSON values, or what makes them where that takes long.
        show: prints the same for people.
        error: printed after the result; decides the exit code.
    """

    document: dict[str, Any] | Callable[[], dict[str, Any]]
    show: Callable[["Console"], None]
    error: CfsearchError | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The document, made where it is not yet."""
        return self.document() if callable(self.document) else self.document


def deliver(outcome: Outcome, *, json_mode: bool) -> None:
    """Print a result on stdout.

    Args:
        outcome: of a command.
        json_mode: whether as one JSON document.

    Raises:
        RunError: it cannot be written there: a full disk.
        BrokenPipeError: whoever read it has gone.
    """
    try:
        _printed(outcome, json_mode=json_mode)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(
            f"the result cannot be written to standard output: {error.strerror or error}. What a command keeps in "
            "files is kept."
        ) from error


def _printed(outcome: Outcome, *, json_mode: bool) -> None:
    if json_mode:
        text = dump_json(outcome.values)
        utf_8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
        sys.stdout.write(text if utf_8 else f"{json.dumps(json.loads(text), indent=2)}\n")
    else:
        outcome.show(stdout())
    sys.stdout.flush()


@contextlib.contextmanager
def diverted() -> Iterator[None]:
    """What is printed on stdout goes to stderr for the time of a block: stdout is for one document alone.

    A model that prints, or a library below it that writes to the descriptor, would stand in that document.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    _diverted.append((os.dup(1), sys.stdout))
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        undiverted()


_diverted: list[tuple[int, TextIO]] = []


def undiverted() -> None:
    """Have stdout be stdout again, where it was diverted."""
    while _diverted:
        kept, stream = _diverted.pop()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        sys.stdout = stream


def stdout() -> "Console":
    """The console for results: no markup, no guessing of numbers, colours on a terminal only."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the group, which ends without an error; rich would exit with 1."""
            raise BrokenPipeError

    return Quiet(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)


def occupied_streams() -> None:
    """Opens the standard streams that a caller closed, so that no file of ours takes their place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # it lives as long as this process
            setattr(sys, name, stream)


def discarded() -> None:
    """Drops what stdout and stderr still hold, so that the interpreter has nothing to fail at in the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # no room is left, or it was closed
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def lenient_streams() -> None:
    """Letters that a terminal's encoding lacks are written as their nearest or as escapes, not as an error."""
    codecs.register_error(_NEAREST, _nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NEAREST)


_NEAREST: Final = "cfsearch.nearest"
_PLAIN: Final = {
    "\u202f": " ",
    "\u00a0": " ",
    "\u2212": "-",
    "\u2013": "-",
    "\u2026": "...",
    "\u201c": '"',
    "\u201d": '"',
}


def _nearest(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for letters that an encoding lacks: spaces, signs and quotes of ASCII, else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if letter in _PLAIN:
        return _PLAIN[letter], error.start + 1
    alone = UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason)
    return codecs.lookup_error("backslashreplace")(alone)


def stderr() -> "Console":
    """The console for everything else."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def note(text: str) -> None:
    """One line for the user on stderr, unless they want quiet."""
    if not Invocation.current().quiet:
        with contextlib.suppress(OSError):  # a log that is full is no reason to end the work
            print(f"note: {plain(redacted(text))}", file=sys.stderr, flush=True)


def detail(text: str) -> None:
    """One line on stderr in verbose mode (``-v``)."""
    if Invocation.current().verbose:
        with contextlib.suppress(OSError):
            print(plain(redacted(text)), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Text that cannot move the cursor, colour the screen or turn the line around."""
    return visible(text)


def shortened(text: str, *, most: int = LONGEST) -> str:
    """A text without its middle where it is longer than ``most``: names differ at their ends.

    Args:
        text: to be shown.
        most: letters that are kept.

    Example:
        >>> shortened("age"), shortened("abcdefgh", most=4)
        ('age', 'ab … gh')
    """
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-(most // 2) :]}"
