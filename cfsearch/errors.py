"""Every error and warning of cfsearch.

::

    CfsearchError                 anything that cfsearch refuses or gives up on
    |-- ConfigError               a setting, a flag or a configuration file is wrong       E2
    |-- DataError                 an input (image, table, folder) cannot be used           E2
    |-- ShapeError                a tensor does not have the shape that was promised       E2
    |-- ModelFileError            a model file cannot be read or does not fit              E2
    |   `-- UnsafeModelError      a model file would run code or reach outside its folder  E5
    |-- CapabilityError           a plug-in lacks what a setting needs (a critic, ...)     E2
    |-- PluginError               a plug-in broke its contract                             E2
    |   `-- QueryError            it raised, or gave NaN, for one query; others go on      E2
    |-- MissingExtraError         an optional package is not installed                     E2
    |-- RunError                  a run directory cannot be used                           E2
    |   `-- DamagedError          what it holds is not what was written                    E5
    |-- ProviderError             the audited model failed while it was queried            E3
    |   |-- NonFiniteError        it answered NaN or infinity                              E3
    |   |-- DeadlineError         it did not answer in time                                E3
    |   |-- ModelMemoryError      it wanted more memory than there is                      E3
    |   `-- ProviderCrashedError  its process died, or it tried to end cfsearch            E3
    |-- BudgetExhausted           no queries are left (a search ends with what it found)   E0
    `-- PartialFailure            the work ended, but some instances failed                E4

    CfsearchWarning               something the reader of a result should know

Each error is also a ``ValueError`` (wrong input) or a ``RuntimeError`` (wrong event), and has
an exit code for the command line. A message has four parts: who, what was expected, what
came, what to do. It is one line: names that stand in it may come from a stranger's file, so line breaks and other
characters that nobody sees are written as escapes.
"""

import unicodedata
from collections.abc import Iterable
from typing import ClassVar, Final

_LONG: Final = 60
"""Letters of a name in a sentence."""
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"
_VIRAMA: Final = 9  # the combining class of the signs after which a joiner shapes a letter of Indic scripts
_JOINING: Final = frozenset(
    [
        "ARABIC",
        "SYRIAC",
        "MANDAIC",
        "NKO",
        "MONGOLIAN",
        "PHAGS-PA",
        "MANICHAEAN",
        "ADLAM",
        "DEVANAGARI",
        "BENGALI",
        "GURMUKHI",
        "GUJARATI",
        "ORIYA",
        "TAMIL",
        "TELUGU",
        "KANNADA",
        "MALAYALAM",
        "SINHALA",
        "TIBETAN",
        "MYANMAR",
        "KHMER",
        "BALINESE",
        "JAVANESE",
        "SUNDANESE",
        "TAI",
    ]
)
"""Scripts in which a joiner between two letters is seen, by the first word of their letters' names."""
_EMOJI: Final = "\ufe0f\u2194"  # beside symbols: the sign that asks for a picture, and an arrow that is one
_SKIN: Final = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def is_hidden(text: str, at: int) -> bool:
    """Whether a letter shows nothing, or moves what stands around it.

    A joiner is ordinary spelling in Persian and Hindi and holds an emoji together: there it is seen. Between letters
    that do not join (Latin, Chinese), beside a space and at either end of a text it changes nothing that one sees, so
    that two names which look the same would differ by it alone: there it is hidden.

    Args:
        text: that holds it.
        at: its place.

    Example:
        >>> is_hidden("\u0645\u06cc\u200c\u062e", 2), is_hidden("a\u200cb", 1)
        (False, True)
    """
    letter = text[at]
    if unicodedata.category(letter) not in _HIDDEN:
        return False
    if letter not in _JOINERS or at == 0:
        return True
    if unicodedata.combining(text[at - 1]) == _VIRAMA:
        return False  # it shapes the letter before, also at the end of a word
    return not (at + 1 < len(text) and _joins(text[at - 1]) and _joins(text[at + 1]))


def _joins(letter: str) -> bool:
    if letter.isascii():
        return False
    if unicodedata.category(letter) == "So" or letter in _EMOJI or letter in _SKIN:
        return True
    return unicodedata.name(letter, "").partition(" ")[0] in _JOINING


def visible(text: str) -> str:
    r"""Text in one line that cannot move the cursor, colour the screen or turn the line around.

    Args:
        text: whatever may hold what a stranger wrote: a message, a name, a cell.

    Example:
        >>> print(visible("a name\nof two lines"))
        a name\u000aof two lines
        >>> print(visible("\x1b[31mred"))
        \u001b[31mred
    """
    if text.isprintable():
        return text
    return "".join(_escape(letter) if is_hidden(text, at) else letter for at, letter in enumerate(text))


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _one_line(parts: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(visible(part) if isinstance(part, str) else part for part in parts)


class CfsearchError(Exception):
    """Base of all errors of cfsearch; ``exit_code`` is what the command line returns.

    Example:
        >>> error = CfsearchError("who: expected this, got that. Do so.")
        >>> str(error), error.exit_code
        ('who: expected this, got that. Do so.', 2)
    """

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"

    def __init__(self, *parts: object) -> None:
        super().__init__(*_one_line(parts))


class ConfigError(CfsearchError, ValueError):
    """A setting, a flag or a configuration file is wrong."""

    code = "config"


class DataError(CfsearchError, ValueError):
    """An input cannot be used."""

    code = "data"


class ShapeError(CfsearchError, ValueError):
    """A tensor does not have the shape that was promised."""

    code = "shape"


class ModelFileError(CfsearchError, ValueError):
    """A model file cannot be read, or does not fit what was declared of it."""

    code = "model_file"


class UnsafeModelError(ModelFileError):
    """A model file would run code when loaded, or reaches outside its folder."""

    exit_code = 5
    code = "unsafe_model"


class CapabilityError(CfsearchError, ValueError):
    """A plug-in lacks a capability that a setting needs."""

    code = "capability"


class PluginError(CfsearchError, RuntimeError):
    """A plug-in broke its contract."""

    code = "plugin"


class QueryError(PluginError):
    """A plug-in raised an exception, or gave NaN, while one query was searched; the others go on."""


class MissingExtraError(CfsearchError, RuntimeError):
    """An optional package is not installed."""

    code = "missing_extra"


class RunError(CfsearchError, RuntimeError):
    """A run directory cannot be used."""

    code = "run"


class DamagedError(RunError):
    """What a run directory holds is not what was written there: damaged, or changed by hand."""

    exit_code = 5
    code = "damaged"


class ProviderError(CfsearchError, RuntimeError):
    """The audited model failed while it was queried."""

    exit_code = 3
    code = "provider"


class NonFiniteError(ProviderError):
    """The audited model answered NaN or infinity."""

    code = "nonfinite_output"


class DeadlineError(ProviderError):
    """The audited model did not answer in time."""

    code = "deadline"


class ModelMemoryError(ProviderError):
    """The audited model wanted more memory than there is, or than it may take."""

    code = "out_of_memory"


class ProviderCrashedError(ProviderError):
    """The process of the audited model died, or the model tried to end the program that queried it."""

    code = "provider_crashed"


class WorkerDiedError(ProviderError):
    """Workers of an audit died one after the other on one input; it is tried again when the audit goes on."""

    code = "worker_died"


def crash(who: str, error: BaseException) -> ProviderCrashedError:
    """The error of a model that raised what ends a program, and no ordinary exception.

    Args:
        who: the model, as the sentence begins.
        error: what it raised: ``SystemExit``, ``GeneratorExit``, a cancelled task.

    Example:
        >>> str(crash("m.onnx", SystemExit(0)))
        'm.onnx called sys.exit(0).'
        >>> str(crash("m.onnx", GeneratorExit()))
        'm.onnx raised GeneratorExit, which ends a program and is no error to go on from.'
    """
    if isinstance(error, SystemExit):
        return ProviderCrashedError(f"{who} called sys.exit({error.code!r}).")
    return ProviderCrashedError(
        f"{who} raised {type(error).__name__}, which ends a program and is no error to go on from."
    )


def cause_of(error: BaseException, *, most: int = 240) -> str:
    """What a stranger's exception says, as one line: its type and its text, which may itself fail to be made.

    Args:
        error: raised by a plug-in or a model.
        most: letters of its text.

    Example:
        >>> cause_of(ValueError("not this.  nor that."))
        'ValueError: not this. nor that'
        >>> cause_of(KeyError())
        'KeyError'
    """
    try:
        text = " ".join(str(error).split())[:most].rstrip(". ")
    except Exception:  # noqa: BLE001  # whatever an exception's own __str__ raises
        text = "its text cannot be made"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def listed(names: Iterable[str], *, most: int = 12) -> str:
    """Names as a part of a sentence: all of a few, of many the first and how many more there are.

    Args:
        names: of classes, columns or files, in their order; of one longer than 60 letters the first are taken.
        most: names that are written out.

    Example:
        >>> listed(("no", "yes"))
        'no, yes'
        >>> listed(map(str, range(1000)), most=3)
        '0, 1, 2 and 997 more'
    """
    every = list(names)
    shown = every if len(every) <= most + 1 else every[:most]
    words = ", ".join(name if len(name) <= _LONG else f"{name[: _LONG - 1]}…" for name in shown)
    return words if len(shown) == len(every) else f"{words} and {len(every) - len(shown):,} more"


class BudgetExhausted(CfsearchError, RuntimeError):
    """No queries to the audited model are left; a search ends with the best that it found so far."""

    exit_code = 0
    code = "budget_exhausted"


class PartialFailure(CfsearchError, RuntimeError):
    """The work ended, but some instances failed and that was not allowed."""

    exit_code = 4
    code = "partial"


class CfsearchWarning(UserWarning):
    """Something that the reader of a result should know.

    Example:
        >>> issubclass(CfsearchWarning, Warning)
        True
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(*_one_line(parts))
