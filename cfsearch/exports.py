"""Fronts as tables: data frames, CSV, JSON lines and parquet.

One row a member. Columns: ``name``, ``member``, ``source``, ``target``, ``verified``,
``origin``, ``picked_as``, ``lead``, ``words``, then ``objective_NAME``, ``change_VARIABLE`` (0 where
it does not change), ``value_VARIABLE`` (what it becomes) and ``p_LABEL``.

Of rows of a table ``original_COLUMN`` and ``value_COLUMN`` hold what stands in each column, numbers in
its own unit and levels as their names; ``change_VARIABLE`` is a difference in that unit, in levels of an
ordinal column, and 1 for any change of a category.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cfsearch.datasets.tables import TableSchema, schema_of
from cfsearch.errors import ConfigError, MissingExtraError, RunError
from cfsearch.files import write_atomically
from cfsearch.front import ParetoFront
from cfsearch.runs import InstanceRow, RunDirectory

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float | bool | None
Table = Literal["members", "instances"]
Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("jsonl", "csv", "parquet")
TABLES: Final[tuple[Table, ...]] = ("members", "instances")

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would run."""


def front_rows(front: ParetoFront) -> Iterator[dict[str, Cell]]:
    """One row a member, in the order of the front."""
    picks, p, lead = front.picks(), front.p, front.lead()
    schema = schema_of(front.extra["schema"]) if front.row is not None and "schema" in front.extra else None
    for i in range(len(front)):
        row: dict[str, Cell] = {
            "name": front.name,
            "member": i,
            "source": front.labels[front.source],
            "target": None if front.target is None else front.labels[front.target],
            "verified": bool(front.verified[i]),
            "origin": front.origins[i],
            "picked_as": " ".join(way for way, index in picks.items() if index == i),
            "lead": float(lead[i]),
            "words": "; ".join(front.words(i)),
        }
        row |= {f"objective_{n}": v for n, v in zip(front.objectives, front.f[i].tolist(), strict=True)}
        row |= _changed(front, i, schema)
        row |= {f"p_{n}": v for n, v in zip(front.labels, p[i].tolist(), strict=True)}
        yield row


def _changed(front: ParetoFront, i: int, schema: TableSchema | None) -> dict[str, Cell]:
    """What member ``i`` changes and becomes, by variable; of rows of a table by column."""
    value = front.values[i].tolist()
    if front.row is None or front.rows is None or schema is None:
        row: dict[str, Cell] = {
            f"change_{n}": v for n, v in zip(front.variables, front.z[i].tolist(), strict=True)
        }
        return row | {f"value_{n}": v for n, v in zip(front.variables, value, strict=True)}
    before = front.origin_values.tolist()
    row = {
        f"change_{n}": float(new != old) if n in front.categories else float(f"{new - old:.12g}")
        for n, new, old in zip(front.variables, value, before, strict=True)
    }
    row |= {f"original_{n}": cell for n, cell in schema.decode(front.row.tolist()).items()}
    return row | {f"value_{n}": cell for n, cell in schema.decode(front.rows[i].tolist()).items()}


def instance_row(row: InstanceRow) -> dict[str, Cell]:
    """What became of one instance of a run."""
    front = row.front
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.code,
        "message": row.message,
        "source": None if front is None else front.labels[front.source],
        "members": 0 if front is None else len(front),
        "verified": 0 if front is None else int(front.verified.sum()),
        "evaluations": 0 if front is None else front.evaluations,
        "questions": None if front is None else front.questions,
        "seeding": 0 if front is None else front.seeding,
        "hypervolume": None if front is None or not len(front) else front.hypervolume(),
        "notes": " ".join((*row.notes, *(() if front is None else front.note))),
        "sha256": row.sha256,
    }


def front_frame(front: ParetoFront) -> "pd.DataFrame":
    """The members of a front as a data frame, one row each.

    Raises:
        MissingExtraError: pandas is not installed (extra ``tables``).
    """
    return _frame(list(front_rows(front)))


def run_rows(run: RunDirectory, *, table: Table = "members") -> Iterator[dict[str, Cell]]:
    """The rows of a run: of all members, or one for each instance that is done."""
    for row in run.rows():
        if table == "instances":
            yield instance_row(row)
        elif row.front is not None:
            yield from front_rows(row.front)


def export_run(run: RunDirectory, path: Path, *, kind: Format, table: Table = "members") -> int:
    """Write a run as one file, whole or not at all; returns the number of rows.

    Raises:
        MissingExtraError: parquet without pandas and pyarrow (extra ``export``).
        RunError: the file cannot be written, or the run holds nothing yet.
    """
    rows = list(run_rows(run, table=table))
    if not rows:
        raise RunError(f"run {str(run.path)!r}: has no {table} to export.")
    match kind:
        case "jsonl":
            content: bytes | str = to_jsonl(rows)
        case "csv":
            content = to_csv(rows)
        case "parquet":
            content = to_parquet(rows)
        case _:
            raise ConfigError(f"export: unknown format {kind!r}; the formats are {', '.join(FORMATS)}.")
    write_atomically(path, content)
    return len(rows)


def to_jsonl(rows: Iterable[dict[str, Cell]]) -> str:
    """One JSON object a line, without NaN tokens."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def to_csv(rows: Sequence[dict[str, Cell]]) -> str:
    """CSV with a heading, CRLF lines, text that begins like a formula behind an apostrophe.

    References:
        OWASP, CSV injection.
    """
    columns = _columns(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_neutral(name) for name in columns])
    for row in rows:
        writer.writerow([_neutral(row.get(name)) for name in columns])
    return text.getvalue()


def to_parquet(rows: Sequence[dict[str, Cell]]) -> bytes:
    """Parquet; the same rows give the same bytes.

    Raises:
        MissingExtraError: pandas or pyarrow is not installed (extra ``export``).
    """
    frame = _frame(rows, extra="export")
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError as error:
        raise MissingExtraError(
            "export: parquet needs the package 'pyarrow', which is not installed: pip install 'cfsearch[export]'."
        ) from error
    return buffer.getvalue()


def _frame(rows: Sequence[dict[str, Cell]], *, extra: str = "tables") -> "pd.DataFrame":
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"tables need the package 'pandas', which is not installed: pip install 'cfsearch[{extra}]'."
        ) from error
    return pd.DataFrame(list(rows), columns=_columns(rows))


def _columns(rows: Sequence[dict[str, Cell]]) -> list[str]:
    """All columns, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _neutral(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
