"""A run as one file to take away: CSV, JSON lines or parquet, one row a member or an instance."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from cfsearch.errors import ConfigError, MissingExtraError, RunError
from cfsearch.files import write_atomically
from cfsearch.fronts.frame import Cell, columns_of_rows, frame_of_rows, front_rows

from .directory import InstanceRow, RunDirectory

Table = Literal["members", "instances"]
Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("jsonl", "csv", "parquet")
TABLES: Final[tuple[Table, ...]] = ("members", "instances")

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would run."""


def instance_row(row: InstanceRow) -> dict[str, Cell]:
    """What became of one instance of a run.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> with cfsearch.RunDirectory.read(folder.name) as run:
        ...     [instance_row(row)["status"] for row in run.rows()]
        ['found', 'found']
    """
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
        "questions": None if front is None else front.queries,
        "seeding": 0 if front is None else front.seeding,
        "hypervolume": None if front is None or not len(front) else front.hypervolume(),
        "notes": " ".join((*row.notes, *(() if front is None else front.note))),
        "sha256": row.sha256,
    }


def run_rows(run: RunDirectory, *, table: Table = "members") -> Iterator[dict[str, Cell]]:
    """The rows of a run: of all members, or one for each instance that is done.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> with cfsearch.RunDirectory.read(folder.name) as run:
        ...     [row["name"] for row in run_rows(run, table="instances")]
        ['0.png', '1.png']
    """
    for row in run.rows():
        if table == "instances":
            yield instance_row(row)
        elif row.front is not None:
            yield from front_rows(row.front)


def export_run(run: RunDirectory, path: str | Path, *, kind: Format, table: Table = "members") -> int:
    """Write a run as one file, whole or not at all; returns the number of rows.

    Args:
        run: what is exported.
        path: of the file to write.
        kind: its format.
        table: which rows.

    Raises:
        MissingExtraError: parquet without pandas and pyarrow (extra ``export``).
        RunError: the file cannot be written, or the run holds nothing yet.

    Example:
        >>> import numpy as np, tempfile
        >>> import cfsearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> greys = [np.full((16, 16, 3), level, dtype=np.uint8) for level in (90, 110)]
        >>> folder = tempfile.TemporaryDirectory()
        >>> result = cfsearch.audit(FakeProvider(), greys, out=folder.name, generator=FakeGenerator(), evaluations=60)
        >>> with cfsearch.RunDirectory.read(folder.name) as run:
        ...     export_run(run, f"{folder.name}/inputs.csv", kind="csv", table="instances")
        2
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
    write_atomically(Path(path), content)
    return len(rows)


def to_jsonl(rows: Iterable[dict[str, Cell]]) -> str:
    """One JSON object a line, without NaN tokens.

    Example:
        >>> to_jsonl([{"name": "a", "p": 0.5}]).strip()
        '{"name": "a", "p": 0.5}'
    """
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def to_csv(rows: Sequence[dict[str, Cell]]) -> str:
    """CSV with a heading, CRLF lines, text that begins like a formula behind an apostrophe.

    References:
        OWASP, CSV injection.

    Example:
        >>> to_csv([{"name": "=1+1", "p": 0.5}]).split()
        ['name,p', "'=1+1,0.5"]
    """
    columns = columns_of_rows(rows)
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

    Example:
        >>> to_parquet([{"name": "a", "p": 0.5}])[:4]
        b'PAR1'
    """
    frame = frame_of_rows(rows, extra="export")
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError as error:
        raise MissingExtraError(
            "export: parquet needs the package 'pyarrow', which is not installed: pip install 'cfsearch[export]'."
        ) from error
    return buffer.getvalue()


def _neutral(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
