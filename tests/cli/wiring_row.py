"""What a row of the tables of wiring is, and what it may look at."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

ASSEMBLE: Final = "cfsearch.assembly.search.assemble"
OPEN_INPUTS: Final = "cfsearch.assembly.model.open_inputs"
OPEN_MODEL: Final = "cfsearch.assembly.model.open_model"
OPEN_PROVIDER: Final = "cfsearch.providers.opening.open_provider"
AUDIT: Final = "cfsearch.audits.run.Audit"
PHOTOGRAPHS: Final = "cfsearch.datasets.images.labelled.open_photographs"
THREADS: Final = "torch.set_num_threads"

Arguments = dict[str, Any]  # of any call
Read = Callable[[Arguments], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One option of one command.

    Args:
        words: what is written; ``{face}``, ``{faces}``, ``{model}``, ``{here}`` stand for files.
        border: the dotted name of what the command calls.
        read: what to look at in the arguments of that call.
        value: what must stand there.
    """

    words: str
    border: str
    read: Read
    value: object


def setting(dotted: str) -> Read:
    """A setting of the ``Config`` that a call got."""
    return lambda call: attrgetter(dotted)(call["config"])


def argument(name: str) -> Read:
    """An argument of a call."""
    return lambda call: call[name]


def first_argument(call: Arguments) -> object:
    """The first argument of a call, whose name differs from Python to Python."""
    return next(iter(call.values()))


def names(dotted: str) -> Read:
    """The names of the plug-ins of a setting."""
    return lambda call: [plugin.name for plugin in attrgetter(dotted)(call["config"])]


def last_part(read: Read) -> Read:
    """The last part of a path."""
    return lambda call: Path(str(read(call))).name
