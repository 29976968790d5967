"""The inputs in a run directory while a call writes its own there: those of the run stay unless it takes the new ones."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self, final

from cfsearch.errors import RunError
from cfsearch.places import why_not_written
from cfsearch.runs.reservation import put_inputs_back


@final
class ReplacedInputs:
    """A folder of inputs that is as it was before, unless ``accept`` was called.

    The earlier files lie beside it meanwhile, so that a process that is killed loses none: whoever holds the run next puts them back.

    Args:
        folder: of the inputs; none need be there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as run:
        ...     table = Path(run) / "inputs" / "table.csv"
        ...     table.parent.mkdir()
        ...     _ = table.write_text("old")
        ...     with ReplacedInputs(table.parent):
        ...         table.unlink()
        ...     table.read_text()
        'old'
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = folder.with_name(f"{folder.name}.before")
        self._part = folder.with_name(f"{folder.name}.part")

    def __enter__(self) -> Self:
        with self._written():
            if self._part.is_dir():
                shutil.rmtree(self._part)
            put_inputs_back(self._folder)
            if self._folder.is_dir() and not self._folder.is_symlink():
                shutil.copytree(self._folder, self._part, copy_function=_shared)
                self._part.rename(self._before)
        return self

    def __exit__(self, *_: object) -> None:
        with self._written():
            put_inputs_back(self._folder)

    def accept(self) -> None:
        """Let go of the earlier files.

        Raises:
            RunError: they cannot be removed.
        """
        with self._written():
            if self._before.is_dir():
                self._before.rename(self._part)  # at once: half of them is never put back
                shutil.rmtree(self._part)

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"cannot write {str(self._folder)!r}: {why_not_written(error, self._folder)}"
            ) from error


def _shared(source: str, target: str) -> str:
    """One file under two names; a copy where the file system has no such thing. Files are replaced, never written into."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
