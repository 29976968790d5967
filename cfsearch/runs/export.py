"""A run as one file to take away: CSV, JSON lines or parquet, one row a member or an instance."""

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, Literal

from cfsearch.errors import ConfigError, MissingExtraError, RunError
from cfsearch.files import atomic_writer
from cfsearch.fronts.frame import Cell, columns_of_rows, front_rows
from cfsearch.fronts.predicted import predicted_entry

from .directory import InstanceRow, RunDirectory

Table = Literal["members", "instances"]
Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("jsonl", "csv", "parquet")
TABLES: Final[tuple[Table, ...]] = ("members", "instances")

_PART: Final = 10_000
"""Rows of a parquet file that are in memory at once."""
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
        >>> folder.cleanup()
    """
    front = row.front
    return {
        "name": row.name,
        "status": row.status,
        "reason": row.code,
        "message": row.message,
        "source": None if front is None else front.labels[front.source],
        **({} if front is None else predicted_entry(front.labels, front.original_scores)),
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
        >>> folder.cleanup()
    """
    for row in run.figures():
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
        >>> folder.cleanup()
    """
    if kind not in FORMATS:
        raise ConfigError(f"export: unknown format {kind!r}; the formats are {', '.join(FORMATS)}.")
    if next(run_rows(run, table=table), None) is None:
        raise RunError(f"run {str(run.path)!r}: has no {table} to export.")
    return _written(lambda: run_rows(run, table=table), path, kind=kind)


def export_rows(rows: Sequence[dict[str, Cell]], path: str | Path, *, kind: Format) -> int:
    """Write rows of a table as one file, whole or not at all; returns their number.

    Args:
        rows: what is written.
        path: of the file.
        kind: its format.

    Raises:
        MissingExtraError: parquet without pandas and pyarrow (extra ``export``).
        RunError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> export_rows([{"metric": "effect", "value": -1.5}], f"{folder.name}/figures.csv", kind="csv")
        1
        >>> folder.cleanup()
    """
    return _written(lambda: iter(rows), path, kind=kind)


def _written(rows: Callable[[], Iterator[dict[str, Cell]]], path: str | Path, *, kind: Format) -> int:
    with atomic_writer(Path(path)) as file:
        match kind:
            case "jsonl":
                return _write_jsonl(file, rows())
            case "csv":
                return _write_csv(file, rows(), columns_of_rows(rows()))
            case "parquet":
                return _write_parquet(file, rows(), _kinds(rows()))


def to_jsonl(rows: Iterable[dict[str, Cell]]) -> str:
    """One JSON object a line, without NaN tokens.

    Example:
        >>> to_jsonl([{"name": "a", "p": 0.5}]).strip()
        '{"name": "a", "p": 0.5}'
    """
    file = io.BytesIO()
    _write_jsonl(file, rows)
    return file.getvalue().decode()


def to_csv(rows: Sequence[dict[str, Cell]]) -> str:
    """CSV with a heading, CRLF lines, text that begins like a formula behind an apostrophe.

    References:
        OWASP, CSV injection.

    Example:
        >>> to_csv([{"name": "=1+1", "p": 0.5}]).split()
        ['name,p', "'=1+1,0.5"]
    """
    file = io.BytesIO()
    _write_csv(file, rows, columns_of_rows(rows))
    return file.getvalue().decode()


def to_parquet(rows: Sequence[dict[str, Cell]]) -> bytes:
    """Parquet; the same rows give the same bytes.

    Raises:
        MissingExtraError: pandas or pyarrow is not installed (extra ``export``).

    Example:
        >>> to_parquet([{"name": "a", "p": 0.5}])[:4]
        b'PAR1'
    """
    file = io.BytesIO()
    _write_parquet(file, rows, _kinds(rows))
    return file.getvalue()


def _write_jsonl(file: IO[bytes], rows: Iterable[dict[str, Cell]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        count += 1
    return count


def _write_csv(file: IO[bytes], rows: Iterable[dict[str, Cell]], columns: Sequence[str]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([neutral(name) for name in columns])
    count = 0
    for row in rows:
        writer.writerow([neutral(row.get(name)) for name in columns])
        count += 1
    text.detach()
    return count


def _kinds(rows: Iterable[dict[str, Cell]]) -> dict[str, set[type]]:
    """The types that occur in each column, in the order in which columns come up; a gap is one of its own."""
    found: dict[str, set[type]] = {}
    count: Counter[str] = Counter()
    total = 0
    for row in rows:
        total += 1
        count.update(row.keys())
        for name, cell in row.items():
            found.setdefault(name, set()).add(type(cell))
    for name, kinds in found.items():
        if count[name] < total:
            kinds.add(type(None))
    return found


def _write_parquet(file: IO[bytes], rows: Iterable[dict[str, Cell]], kinds: Mapping[str, set[type]]) -> int:
    try:
        pa: Any = import_module("pyarrow")  # Any: it ships no types
        pq: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError(
            "export: parquet needs the package 'pyarrow', which is not installed: pip install 'cfsearch[export]'."
        ) from error
    schema = pa.schema([(name, pa.type_for_alias(_alias(types))) for name, types in kinds.items()])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        for part in _parts(rows, most=_PART):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))
            count += len(part)
    return count


def _alias(kinds: set[type]) -> str:
    """The type of a column by the types of its cells; whole numbers with gaps are floats, as pandas has it."""
    rest = kinds - {type(None)}
    if rest == {int} == kinds:
        return "int64"
    if rest and rest <= {int, float}:
        return "double"
    return {frozenset({bool}): "bool", frozenset[type](): "null"}.get(frozenset(rest), "string")


def _parts(rows: Iterable[dict[str, Cell]], *, most: int) -> Iterator[list[dict[str, Cell]]]:
    waiting = iter(rows)
    while part := list(itertools.islice(waiting, most)):
        yield part


def neutral(cell: Cell) -> Cell:
    """A cell of a CSV file that no spreadsheet runs: text that begins like a formula stands behind an apostrophe.

    Args:
        cell: of a row.

    Example:
        >>> neutral("=1+1"), neutral("one"), neutral(-1.5)
        ("'=1+1", 'one', -1.5)
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
