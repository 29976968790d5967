"""The inputs of an audit, as each process that takes part in it finds them."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import final

from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import Assembly
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.datasets.tables import RowGroups

from .listing import grouping, listing
from .photographs import audited_photographs


@final
@dataclass(frozen=True, slots=True, eq=False)
class AuditedInputs:
    """The inputs of an audit.

    Args:
        refs: all of them, in order.
        photographs: what is known of them, where they are images.
        groups: which row is in which group, of tables.
        hashes: SHA-256 of what decides results: the model, the generator, the inputs.
        hashes_without: the same while the inputs of these names could not be read.
    """

    refs: Sequence[ImageRef | InputRecord]
    photographs: LabelledPhotographs
    groups: Sequence[RowGroups]
    hashes: dict[str, str]
    hashes_without: Callable[[Container[str]], dict[str, str]]


def audited_inputs(assembly: Assembly) -> AuditedInputs:
    """The inputs of an audit.

    Args:
        assembly: its search.

    Raises:
        ConfigError: two have the same name, or results are to be compared by what nobody knows.
        DataError: there are none.
    """
    photographs = audited_photographs(assembly.config.data)
    refs: Sequence[ImageRef | InputRecord] = (
        photographs.refs if assembly.records is None else assembly.records
    )
    hashes = {**assembly.hashes, "list of inputs": listing(refs)}
    if photographs.table is not None:
        hashes["attributes of the inputs"] = photographs.fingerprint
    groups = assembly.groups
    if groups:
        hashes["groups of the rows"] = grouping(groups)

    def hashes_without(names: Container[str]) -> dict[str, str]:
        inputs = assembly.inputs
        return hashes if inputs is None else hashes | inputs.hashes_without(names)

    return AuditedInputs(refs, photographs, groups, hashes, hashes_without)
