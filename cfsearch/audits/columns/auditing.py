"""Protected columns in an audit: measured once its rows are searched, and kept beside them."""

from typing import Any

from cfsearch.assembly.search import Assembly
from cfsearch.datasets.tables import Variables
from cfsearch.runs.directory import RunDirectory

from .figures import column_rows
from .members import member_figures
from .result import measured_table
from .store import COLUMNS, save_columns


def audited_columns(run: RunDirectory, assembly: Assembly) -> list[dict[str, Any]]:
    """Measure the protected columns of an audited table, and write them into its run.

    Args:
        run: the run directory.
        assembly: the search with its model and table.

    Returns:
        The part ``columns`` of ``audit.json``; empty where inputs are no rows, or nothing is protected.
    """
    config = assembly.config
    if assembly.table is None or not config.audit.effect_rows:
        return []
    measured = measured_table(
        assembly.model,
        assembly.table.whole or assembly.table,
        target=config.search.target,
        rows=config.audit.effect_rows,
        seed=config.search.seed,
    )
    if not measured:
        return []
    members = member_figures(
        run.rows(),
        [one.protected.column for one in measured],
        model=assembly.model,
        variables=Variables.of(assembly.table.schema),
    )
    save_columns(run.path / COLUMNS, measured, members)
    return column_rows("model", measured, practical=config.audit.practical, members=members)
