"""Shared changes in an audit: tried once its inputs are searched, and kept beside them."""

from typing import Any

from cfsearch.assembly.search import Assembly
from cfsearch.audits.effects import known_attributes
from cfsearch.audits.inputs import AuditedInputs
from cfsearch.audits.measured import Membership
from cfsearch.runs.directory import RunDirectory

from .figures import shared_rows
from .measuring import measured_changes
from .store import SHARED, save_shared


def audited_changes(
    run: RunDirectory, assembly: Assembly, inputs: AuditedInputs, *, members: Membership | None
) -> list[dict[str, Any]]:
    """Try shared changes on the inputs of an audit, and write the trials into its run.

    Args:
        run: the run directory.
        assembly: the search with its model.
        inputs: of the audit.
        members: which input is in which group; None for no groups.

    Returns:
        The part ``shared`` of ``audit.json``; empty where no class has 20 searched inputs.
    """
    if not assembly.config.audit.shared_queries:
        return []
    known = known_attributes(assembly, inputs.photographs, range(len(inputs.refs)))
    measured = measured_changes(run, assembly, members=members, attributes=known)
    if not measured:
        return []
    save_shared(run.path / SHARED, measured)
    return shared_rows("model", measured, members=members)
