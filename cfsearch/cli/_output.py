"""What a command gives back, and how it reaches the terminal."""

import codecs
import io
import json
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from cfsearch.errors import CfsearchError
from cfsearch.files import dump_json

from ._invocation import Invocation

if TYPE_CHECKING:
    from rich.console import Console


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command.

    Args:
        document: what ``--json`` prints; plain JSON values.
        show: prints the same for people.
        error: printed after the result; decides the exit code.
    """

    document: dict[str, Any]
    show: Callable[["Console"], None]
    error: CfsearchError | None = None


def deliver(outcome: Outcome, *, json_mode: bool) -> None:
    """Print a result on stdout."""
    if json_mode:
        text = dump_json(outcome.document)
        utf_8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
        sys.stdout.write(text if utf_8 else f"{json.dumps(json.loads(text), indent=2)}\n")
    else:
        outcome.show(stdout())
    sys.stdout.flush()


def stdout() -> "Console":
    """The console for results: no markup, no guessing of numbers, colours on a terminal only."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to the group, which ends without an error; rich would exit with 1."""
            raise BrokenPipeError

    return Quiet(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)


def lenient_streams() -> None:
    """Letters that a terminal's encoding lacks are written as escapes, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stderr() -> "Console":
    """The console for everything else."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def note(text: str) -> None:
    """One line for the user on stderr, unless they want quiet."""
    if not Invocation.current().quiet:
        print(f"note: {plain(text)}", file=sys.stderr, flush=True)


def detail(text: str) -> None:
    """One line on stderr in verbose mode (``-v``)."""
    if Invocation.current().verbose:
        print(plain(text), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Text that cannot move the cursor, colour the screen or turn the line around."""
    return "".join(c if _harmless(c) else f"\\u{ord(c):04x}" for c in text)


def _harmless(letter: str) -> bool:
    return letter == " " or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
