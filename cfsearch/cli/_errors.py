"""Errors as the user gets them: one line on stderr, with --json a document, and an exit code."""

import contextlib
import json
import sys
import traceback
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import ClassVar, Self, final

import click

from cfsearch.errors import CfsearchError, cause_of, visible
from cfsearch.secrecy import redacted

BELOW = 1
USAGE = 2
FAILED = 3
INTERRUPTED = 130
_ALIKE = 0.7


@final
class Interrupted(CfsearchError, RuntimeError):
    """The user stopped the work; what was done is kept where the command keeps anything."""

    exit_code: ClassVar[int] = INTERRUPTED
    code: ClassVar[str] = "interrupted"


@final
class BelowThreshold(CfsearchError, RuntimeError):
    """The work ended, and a figure is below what the user set as its least."""

    exit_code: ClassVar[int] = BELOW
    code: ClassVar[str] = "below_threshold"


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the user gets it: a short name, one sentence, an exit code."""

    code: str
    message: str
    exit_code: int

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """What to say of any exception."""
        match error:
            case CfsearchError():
                return cls(error.code, _one_line(str(error)), error.exit_code)
            case click.UsageError():
                return cls("usage", _usage(error), USAGE)
            case click.ClickException():
                return cls("usage", _one_line(error.format_message()), USAGE)
            case click.Abort() | KeyboardInterrupt() | EOFError():
                return cls("interrupted", "interrupted.", INTERRUPTED)
            case RecursionError():
                return cls("data", "an input is nested too deeply to be read.", USAGE)
            case MemoryError():
                return cls("out_of_memory", _memory(), FAILED)
            case OSError():
                where = f"{error.filename!r}: " if error.filename else ""
                return cls("system", _one_line(f"{where}{error.strerror or error}."), USAGE)
        if type(error).__name__ == "OutOfMemoryError":
            return cls("out_of_memory", _memory(), FAILED)
        what = cause_of(error, most=270)
        return cls(
            "unexpected",
            _one_line(f"unexpected {what}. Run it again with --debug to see where, and please report it."),
            FAILED,
        )

    def document(self) -> str:
        """The one JSON document of a command that failed."""
        entry = {"code": self.code, "message": self.message, "exit_code": self.exit_code}
        return json.dumps({"error": entry}, indent=2, ensure_ascii=False) + "\n"


def report(error: BaseException, *, json_mode: bool, debug: bool) -> int:
    """Say what went wrong on stderr (and on stdout in JSON mode); returns the exit code."""
    fault = Fault.of(error)
    if json_mode:
        with contextlib.suppress(OSError):  # where nothing can be written, the exit code says it
            sys.stdout.write(fault.document())
            sys.stdout.flush()
    if debug:
        sys.stderr.write(redacted("".join(traceback.format_exception(error))))
    say(fault)
    return fault.exit_code


def say(fault: Fault) -> None:
    """The line on stderr."""
    with contextlib.suppress(OSError):
        print(f"error: {fault.message} [{fault.code}]", file=sys.stderr, flush=True)


def _usage(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        near = [name for name in error.possibilities or () if _alike(name, error.option_name)]
        message = f"No such option {error.option_name!r}."
        if near:
            return f"{message} Did you mean {near[0]!r}?"
    else:
        message = _one_line(error.format_message())
    context = error.ctx
    path = context.command_path if context is not None else "cfsearch"
    hint = "" if "Did you mean" in message or ". Write: " in message else f" See `{path} --help`."
    return message + hint


def _alike(known: str, given: str) -> bool:
    """Whether a mistyped option may mean a known one; click also offers what shares a few letters."""
    a, b = known.lstrip("-"), given.lstrip("-")
    return a.startswith(b) or b.startswith(a) or SequenceMatcher(None, a, b).ratio() >= _ALIKE


def _memory() -> str:
    return "out of memory. Use a smaller --population or --batch-size 1, or a smaller image size."


def _one_line(text: str) -> str:
    return redacted(visible(" ".join(text.split())))
