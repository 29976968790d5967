"""What became of one input, as a row of the run."""

from cfsearch.assembly.inputs import InputRecord
from cfsearch.contracts.records import Reason
from cfsearch.datasets.images import ImageRecord
from cfsearch.engine.progress import Failure
from cfsearch.errors import CfsearchError
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow


def instance_row(
    position: int, record: ImageRecord | InputRecord, result: ParetoFront | Failure
) -> InstanceRow:
    """The row of an input that was searched.

    Args:
        position: of the input in the audit.
        record: the input.
        result: its front, or why there is none.
    """
    if isinstance(result, Failure):
        return InstanceRow(
            record.name,
            position,
            "failed",
            result.error.code,
            str(result.error),
            record.sha256,
            tuple(record.notes),
            None,
        )
    status = "found" if result.found else "not_found"
    if result.reason is Reason.ALREADY_TARGET:
        status = "already_target"
    return InstanceRow(
        record.name,
        position,
        status,
        result.reason.code,
        result.reason.value,
        record.sha256,
        tuple(record.notes),
        result,
    )


def failed_row(name: str, position: int, error: CfsearchError) -> InstanceRow:
    """The row of an input that could not be read.

    Args:
        name: of the input.
        position: of the input in the audit.
        error: why.
    """
    return InstanceRow(name, position, "failed", error.code, str(error), "", (), None)
