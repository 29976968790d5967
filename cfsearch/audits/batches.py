"""Searches of an audit's inputs, batch by batch, wherever they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from cfsearch.assembly.batches import size_on_cpu
from cfsearch.assembly.images import read_input
from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import Assembly
from cfsearch.datasets.images import ImageRecord, ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.engine.search import Search
from cfsearch.errors import CfsearchError, DataError
from cfsearch.runs.directory import InstanceRow

from .effects import known_attributes
from .genuineness_check import GenuinenessCheck
from .instance_rows import failed_row, instance_row
from .served import server_down


@final
@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch of inputs.

    Args:
        rows: of the inputs that are done.
        gone: why the others are not, where the model's server does not answer any more; None where all are done.
    """

    rows: list[InstanceRow]
    gone: CfsearchError | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Searches batches of the inputs of one audit.

    Args:
        assembly: what the search was made of.
        search: the search, with its watchers.
        refs: all inputs of the audit.
        photographs: what is known of them, where they are images.
        check: marks genuine members; None where they are not measured.
    """

    assembly: Assembly
    search: Search
    refs: Sequence[ImageRef | InputRecord]
    photographs: LabelledPhotographs
    check: GenuinenessCheck | None

    def searched(self, positions: Sequence[int]) -> BatchResult:
        """Search some inputs together.

        Args:
            positions: of the inputs in the audit.
        """
        rows: list[InstanceRow] = []
        inputs: list[tuple[int, ImageRecord | InputRecord]] = []
        shape, device = self.search.generator.shape, self.assembly.config.run.device
        for position in positions:
            ref = self.refs[position]
            try:
                inputs.append((position, read_input(ref, shape, crop=self.photographs.crop(shape[-1]))))
            except DataError as error:
                rows.append(failed_row(ref.name, position, error))
        if not inputs:
            return BatchResult(rows)
        results = self.search.run(
            torch.stack([record.x for _, record in inputs]).to(device),
            names=[record.name for _, record in inputs],
            attributes=known_attributes(self.assembly, self.photographs, [at for at, _ in inputs]),
            check=None if self.check is None else self.check.marked,
        )
        gone = server_down(results)
        if gone is not None:  # nothing is wrong with these inputs: they are searched when it is back
            return BatchResult(rows, gone)
        rows += [instance_row(at, record, r) for (at, record), r in zip(inputs, results, strict=True)]
        return BatchResult(rows)


def batch_size(assembly: Assembly) -> int:
    """Inputs that are searched together.

    Args:
        assembly: what the search was made of.
    """
    run = assembly.config.run
    return run.batch_size or (size_on_cpu(assembly) if run.device == "cpu" else 64)
