"""Effects of a table's protected columns on a model, measured without a search, as an object."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final

from cfsearch.assembly.table import TableInput
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Variables
from cfsearch.fronts.frame import Cell, frame_of_rows

from .figures import column_rows
from .measuring import MeasuredColumn, measure_columns
from .protection import protected_columns
from .words import column_verdicts

if TYPE_CHECKING:
    import pandas as pd

_ID: Final = "model"
_COLUMNS: Final = ("column", "group", "against", "path", "logits", "low", "high", "p", "reading", "n")


def measured_table(
    model: Provider, table: TableInput, *, target: str | None, rows: int, seed: int = 0
) -> list[MeasuredColumn]:
    """The protected columns of a table, measured on its rows.

    Args:
        model: the audited model.
        table: as it was opened, with what stands in its protected columns.
        target: the class that figures are of; the last one when left out.
        rows: the most rows that are measured; 0 for none.
        seed: decides ties.
    """
    if not rows or not table.protected:
        return []
    label = len(model.labels) - 1 if target is None else model.labels.index(target)
    return measure_columns(
        model,
        table.x,
        protected_columns(table),
        names=table.names,
        variables=Variables.of(table.schema),
        label=label,
        reference=None if table.reference is None else table.reference.x,
        seed=seed,
        most=rows,
    )


@final
class ColumnEffects:
    """Effects of protected columns on a model.

    Args:
        measured: the columns, row by row.
        model: name of the model.
        practical: size in logits from which an effect matters.
        notes: what a reader must know of the table and the model.
    """

    def __init__(
        self, measured: Sequence[MeasuredColumn], *, model: str, practical: float, notes: Sequence[str] = ()
    ) -> None:
        self.rows: list[dict[str, Any]] = column_rows(_ID, measured, practical=practical)  # Any: JSON values
        self.notes: tuple[str, ...] = tuple(notes)
        self.verdicts: list[dict[str, Any]] = column_verdicts(  # Any: as above
            self.rows, models=[{"id": _ID, "name": model}], practical=practical
        )

    def __getitem__(self, column: str) -> dict[str, Any]:  # Any: JSON values
        """All figures of one column, as under ``columns`` in ``audit.json``.

        Args:
            column: its name.

        Raises:
            KeyError: it was not measured.
        """
        for row in self.rows:
            if row["column"] == column:
                return row
        raise KeyError(column)

    @property
    def frame(self) -> "pd.DataFrame":
        """A row for each figure: the column alone, through all others together, and through each other one.

        Columns: ``column``, ``group``, ``against``, ``path`` ("alone", "with linked", "through others" or the name of
        another column), ``logits``, ``low``, ``high``, ``p``, ``reading``, ``n``.
        """
        found: list[dict[str, Cell]] = []
        for row in self.rows:
            for c in row["comparisons"]:
                named = [
                    ("alone", c["effect"]),
                    ("with linked", c["linked"]),
                    ("through others", c["through"]),
                ]
                for path, entry in [*named, *((p["column"], p) for p in c["proxies"])]:
                    if entry is None:
                        continue
                    logits = entry["logits"] or {}
                    found.append(
                        {
                            "column": row["column"],
                            "group": c["name"],
                            "against": c["against"],
                            "path": path,
                            "logits": logits.get("value"),
                            "low": logits.get("low"),
                            "high": logits.get("high"),
                            "p": entry.get("p"),
                            "reading": entry.get("reading", ""),
                            "n": entry["n"],
                        }
                    )
        return frame_of_rows(found) if found else frame_of_rows([dict.fromkeys(_COLUMNS)]).iloc[:0]

    def __repr__(self) -> str:
        lines = [f"{v['headline']} {v['detail']}" for v in self.verdicts]
        return "\n".join(lines) or "no protected column was measured"
