"""The arguments of one call of ``cfsearch``, and how much it prints."""

import shlex
from dataclasses import dataclass
from typing import Self, final

import click

from cfsearch.secrecy import redacted


@final
@dataclass(slots=True)
class Invocation:
    """One call: its words, and the options that every command has."""

    argv: tuple[str, ...]
    quiet: bool = False
    verbose: int = 0

    @classmethod
    def current(cls) -> Self:
        """That of the running command."""
        found = click.get_current_context().find_root().obj
        if not isinstance(found, cls):
            raise RuntimeError("cli: a command runs under the group `cfsearch` only")
        return found

    @property
    def json(self) -> bool:
        """Whether stdout is one JSON document."""
        return "--json" in self._options()

    @property
    def debug(self) -> bool:
        """Whether tracebacks are shown."""
        return "--debug" in self._options()

    @property
    def command(self) -> str:
        """The line that was typed, ready to be typed again but for secrets in addresses."""
        return redacted(shlex.join(["cfsearch", *self.argv]))

    def _options(self) -> tuple[str, ...]:
        return self.argv[: self.argv.index("--")] if "--" in self.argv else self.argv
