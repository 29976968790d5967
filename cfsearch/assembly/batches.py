"""One search over a few inputs, batch by batch: the loop of ``cfsearch.search`` and of ``cfsearch search``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

import torch

from cfsearch.contracts.modality import Modality
from cfsearch.datasets.images import ImageRecord, ImageRef
from cfsearch.engine.clock import Clock
from cfsearch.engine.progress import Failure, Watcher
from cfsearch.errors import DataError
from cfsearch.fronts.front import ParetoFront

from .images import read_input
from .inputs import InputRecord
from .search import Assembly

BATCH_SIZE: Final = Modality.together
"""Inputs searched together on a CPU where nothing else is given; on a GPU all."""


def size_on_cpu(assembly: Assembly) -> int:
    """Inputs that are searched together on a CPU where nothing else is given.

    Args:
        assembly: of the search.
    """
    search = assembly.search
    # a limit on time is one of a batch; a model that is queried row by row gains nothing, and may cost money
    together = search.provider.batch_invariant and search.max_time is None
    return search.generator.modality.together if together else BATCH_SIZE


@final
@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """Fronts and failures of a search over a few inputs, in their order."""

    fronts: list[ParetoFront] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def searched(
    assembly: Assembly,
    refs: Sequence[ImageRef | InputRecord],
    *,
    watching: Callable[[int, int], Sequence[Watcher]] | None = None,
    clock: Clock | None = None,
) -> Searched:
    """Search each input that can be read; one that cannot is a failure, and the others go on.

    Args:
        assembly: the search.
        refs: the inputs.
        watching: from the inputs before a batch and the inputs in all to what is called after each generation of the batch.
        clock: where time in the networks is added up.

    Raises:
        CfsearchError: the search itself fails, not one of its inputs.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> from cfsearch import Config
        >>> from cfsearch.assembly.parts import Parts
        >>> from cfsearch.assembly.search import assemble
        >>> from cfsearch.datasets.images import find_images
        >>> from cfsearch.testing import FakeProvider
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "grey.png"
        ...     Image.new("RGB", (16, 16), (102, 102, 102)).save(path)
        ...     small = {"evaluations": 200, "population": 20}
        ...     config = {"model": {"path": "fake"}, "data": {"images": folder}, "search": small}
        ...     assembly = assemble(Config.check(config), parts=Parts(model=FakeProvider()))
        ...     found = searched(assembly, find_images(path))
        >>> [front.name for front in found.fronts], found.failures
        (['grey.png'], [])
    """
    found = Searched()
    records: list[ImageRecord | InputRecord] = []
    for ref in refs:
        try:
            records.append(read_input(ref, assembly.search.generator.shape))
        except DataError as error:
            found.failures.append(Failure(ref.name, error))
    run = assembly.config.run
    step = run.batch_size or (size_on_cpu(assembly) if run.device == "cpu" else len(records) or 1)
    for start in range(0, len(records), step):
        group = records[start : start + step]
        watchers = () if watching is None else watching(start, len(records))
        x = torch.stack([record.x for record in group]).to(run.device)
        search = assembly.watched(*watchers, clock=clock)
        results = search.run(x, names=[record.name for record in group])
        for record, result in zip(group, results, strict=True):
            if isinstance(result, Failure):
                found.failures.append(result)
            else:
                found.fronts.append(replace(result, note=(*_as_read(record), *result.note)))
    return found


def _as_read(record: ImageRecord | InputRecord) -> Sequence[str]:
    """A sentence on what was done to an input when it was read; none where nothing was."""
    done = "; ".join(note.rstrip(".") for note in record.notes)
    return [f"When it was read: {done}."] if done else []
