"""What a run that goes on must search again: inputs that are not what they were."""

from collections.abc import Sequence
from typing import Final

from cfsearch.assembly.images import read_input
from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import Assembly
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.errors import DataError, DeadlineError, ModelMemoryError, ProviderError, WorkerDiedError
from cfsearch.runs.directory import RunDirectory

PASSING: Final = (ProviderError.code, DeadlineError.code, ModelMemoryError.code, WorkerDiedError.code)
"""An instance that failed so is tried again when the run goes on: the model may be back."""


def taken_up(
    run: RunDirectory,
    refs: Sequence[ImageRef | InputRecord],
    *,
    photographs: LabelledPhotographs,
    assembly: Assembly,
) -> None:
    """Drop what is to be searched again of a run that goes on, and write down that it goes on.

    Args:
        run: open to be written.
        refs: the inputs of the audit, as they are now.
        photographs: how images are cropped.
        assembly: the search, whose generator has a size.
    """
    again = run.forget_failures(PASSING)
    shape = assembly.search.generator.shape
    before, unread = run.contents(), run.unread()
    replaced = [
        ref.name
        for ref in refs
        if (before.get(ref.name) or ref.name in unread)
        and _content(ref, shape, photographs=photographs) not in ("", before[ref.name])
    ]
    run.forget(replaced)
    detail = {"instances": len(refs), "done": len(run.done()), "tried again": again}
    run.event("started", detail | ({"replaced": replaced} if replaced else {}))


def _content(ref: ImageRef | InputRecord, shape: Sequence[int], *, photographs: LabelledPhotographs) -> str:
    """SHA-256 of an input; empty where it cannot be read, which is no reason to lose what was found."""
    try:
        return read_input(ref, shape, crop=photographs.crop(shape[-1])).sha256
    except DataError:
        return ""
