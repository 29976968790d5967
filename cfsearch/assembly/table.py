"""Table inputs of a search: rows with the schema of their columns.

Images are found and read by ``cfsearch.datasets.images``. Of a table all is decided here, once:
which schema holds, which rows are wanted, and which rows a model is queried with at first
contact. ``cfsearch.assembly.model.open_model`` adds the model.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.config import Config
from cfsearch.contracts.modality import ROWS, Modality
from cfsearch.contracts.target_range import TargetRange
from cfsearch.datasets.tables import (
    ColumnKind,
    FileSample,
    Inference,
    Missing,
    RowGroups,
    Table,
    TableSchema,
    TextTable,
    Variables,
    crossed,
    free_note,
    infer_schema,
    protected_kind,
    read_schema,
    read_text_table,
    readable_rows,
    row_groups,
    sample_of,
    table_of_text,
)
from cfsearch.errors import ConfigError, DataError, listed
from cfsearch.places import is_file
from cfsearch.registry import unknown

from .chosen_rows import chosen_rows
from .inputs import InputRecord, Inputs
from .taken_columns import check_taken

if TYPE_CHECKING:
    from cfsearch.providers.onnx.file import OnnxFile

_PROBES: Final = 32
_MOST_REFERENCE_ROWS: Final = 20_000
_MOST_NOTES: Final = 8
"""Notes on a guessed schema that every run shows; `cfsearch schema table` shows all."""


@final
@dataclass(frozen=True, eq=False)
class TableInput(Inputs):
    """The table of a configuration, read: what an audit, a search or an explainer runs on.

    Args:
        schema: what the columns mean.
        records: the rows that are wanted, in their order.
        probes: rows to ask a model about at first contact: those, others of the file, and where
            there are few, rows drawn from the schema.
        reference: the training table, where one was named; at most 20,000 of its rows.
        guessed: how the schema was come by, where nobody wrote it; None for one from a file.
        notes: what a reader must know.
        by: what stands in each column of ``data.by``, as text; it need not be one of the schema.
        file: the ONNX file that names which columns it takes, for whoever opens the model; not kept longer.
        sample: rows spread through the file, on which a model's answers are compared with those for
            the file as pandas reads it.
        compared: by what results are compared: columns, or several crossed, "race*sex".
        protected: what stands in each protected column, as ``by``.
        protected_reference: the same of the reference rows, where their file has the column.
        whole: all rows from which the model's decision chose these; None where it chose none.
        guessed_protected: whether the names of columns alone made them protected.
        unread: by place in the file why a row is left out, where single rows may be.
        dropping: the same table without rows that lack a number, where a guessed schema keeps them: for a model that
            takes none; None where there is no choice, or it was made.

    Shapes:
        probes ``(p, c)`` float64.
    """

    modality: ClassVar[Modality] = ROWS
    schema: TableSchema
    records: tuple[InputRecord, ...]
    probes: Float[Tensor, "p c"]
    reference: Table | None
    guessed: Inference | None
    notes: tuple[str, ...]
    by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: "OnnxFile | None" = None
    sample: FileSample | None = None
    compared: tuple[str, ...] = ()
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protected_reference: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guessed_protected: bool = False
    whole: "TableInput | None" = None
    dropping: "Callable[[], TableInput] | None" = None
    unread: Mapping[int, str] = field(default_factory=dict)

    @property
    def x(self) -> Float[Tensor, "n c"]:
        """The rows that are wanted, float64."""
        return torch.stack([record.x for record in self.records])

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the schema, and of what stands in the rows."""
        rows = hashlib.sha256("\n".join(r.sha256 for r in self.records).encode()).hexdigest()
        return {"table schema": self.schema.fingerprint, "table rows": rows}

    @property
    def extra(self) -> dict[str, Any]:  # Any: plain JSON
        return {"schema": self.schema.to_dict()}

    @property
    def files(self) -> dict[str, dict[str, Any]]:  # Any: plain values
        return {"schema.toml": self.schema.to_dict()}

    def groups(self) -> tuple[RowGroups, ...]:
        """The rows by each column of ``data.by``.

        Raises:
            DataError: a column makes no groups of these rows.
        """
        parts = {name: row_groups(name, cells, schema=self.schema) for name, cells in self.by.items()}
        return tuple(
            parts[name] if name in parts else crossed(name, [parts[part] for part in columns_of(name)])
            for name in self.compared
        )


def open_table(
    config: Config, *, columns: Sequence[str] | None = None, spare: bool = False, keep_missing: bool = False
) -> TableInput:
    """The table that ``[data]`` names, with the rows that it asks for.

    The schema is that of ``data.schema``; else of ``applicants.schema.toml`` beside
    ``applicants.csv``; else guessed from the reference table, or without one from the table itself,
    which ``notes`` says.

    Args:
        config: all settings.
        columns: those that the model says it takes; a guessed schema keeps these alone.
        spare: leave out a row that cannot be read (``unread`` says why), instead of refusing the table.
        keep_missing: keep rows that lack a number, where the schema is guessed; ``dropping`` reads the table without.

    Raises:
        ConfigError: ``[data]`` names no table, an unknown column, or a schema that is none.
        DataError: a file is no table, there is no such row, or a cell is no value of its column;
            names line and column.
    """
    data = config.data
    if data.table is None:
        raise ConfigError("inputs: expected a table, but `data.images` is set. Give --data TABLE.csv.")
    path = Path(data.table)
    text = _read(data.table, config)
    schema, guessed, notes = _schema(config, text, columns, keep_missing=keep_missing)
    chosen = guessed is not None and any(c.missing is Missing.KEEP for c in schema.columns)
    unread: Mapping[int, str] = {}
    if spare:
        found = readable_rows(text, schema)
        table, unread = found.table, found.unread
    else:
        table = table_of_text(text, schema, rows=chosen_rows(config.data, text))
    if data.limit is not None and data.decided is None:  # of those that a model decides so, once it is open
        table = table.take(range(min(data.limit, len(table))))
    records = tuple(
        InputRecord(f"row {place}", x, ROWS.fingerprint(x))
        for place, x in zip(table.places, table.x, strict=True)
    )
    protected = _protected(config, text, schema)
    reference, reference_cells = None, dict[str, tuple[str, ...]]()
    if data.reference is not None:
        known = _read(data.reference, config)
        reference = table_of_text(known, schema).spread(_MOST_REFERENCE_ROWS)
        notes += reference.notes
        reference_cells = _cells(known, reference, [name for name in protected if name in known.header])
    free = free_note(schema, immutable=config.search.immutable)
    return TableInput(
        schema=schema,
        records=records,
        probes=_probes(table.x, text, schema, reference),
        reference=reference,
        guessed=guessed,
        notes=tuple(note for note in (*notes, *table.notes, free) if note),
        by=_compared(config, text, table),
        compared=config.data.by or (),
        sample=sample_of(text, path, schema=schema),
        protected=_cells(text, table, protected),
        protected_reference=reference_cells,
        guessed_protected=not config.audit.protected,
        unread=unread,
        dropping=partial(open_table, config, columns=columns, spare=spare) if chosen else None,
    )


def read_rows(config: Config) -> tuple[InputRecord, ...]:
    """The rows that ``[data]`` asks for, under their names; see ``open_table``."""
    return open_table(config).records


def schema_beside(table: str | Path) -> Path:
    """Where the schema of a table is looked for: ``a.csv`` and ``a.csv.gz`` -> ``a.schema.toml``."""
    path = Path(table)
    bare = path.with_suffix("") if path.suffix == ".gz" else path
    return bare.with_suffix(".schema.toml")


def drawn_rows(schema: TableSchema, *, n: int, seed: int = 0) -> Float[Tensor, "n c"]:
    """Rows that a search may reach, drawn evenly from the ranges and levels; links, steps and gaps are kept."""
    variables, rng = Variables.of(schema), np.random.default_rng(seed)
    values = [v.low + (v.high - v.low) * rng.random(n) for v in variables.all]
    drawn = torch.from_numpy(np.stack(values, axis=1))
    whole = torch.tensor([v.kind is not ColumnKind.REAL or v.step == 1.0 for v in variables.all])
    drawn = torch.where(whole, drawn.round(), drawn)
    free = Variables(schema, variables.all)
    drawn = free.snapped(drawn)  # a model may refuse a number that never occurs
    # from each row itself, so that no rule on changes holds it back
    return free.rows(free.allowed(drawn, origin=drawn))


def _schema(
    config: Config, text: TextTable, columns: Sequence[str] | None, *, keep_missing: bool
) -> tuple[TableSchema, Inference | None, tuple[str, ...]]:
    data = config.data
    beside = schema_beside(data.table or "")
    declared = Path(data.schema_file) if data.schema_file is not None else beside if is_file(beside) else None
    number = _predicted_number(config, text)
    if declared is not None:
        schema = read_schema(declared)
        number = number and config.search.target not in schema.labels
        if number and schema.target is not None:
            schema = replace(schema, target=None, ignore=(*schema.ignore, schema.target.name))
        named = None if schema.target is None else schema.target.name
        if data.label not in (None, named, *(schema.ignore if number else ())):
            raise ConfigError(
                f"label: {str(declared)!r} says what the columns of {text.name!r} mean, and has no [target] "
                f"{data.label!r}. Name it there, or give another --schema."
            )
        schema, note = _narrowed(schema, columns)
        return schema, None, note
    source = data.reference if data.reference is not None else str(data.table)
    header = text.header if source == data.table else _read(source, config).header
    if data.label is not None and data.label not in header:
        raise ConfigError(f"label: {unknown('column', data.label, list(header))}")
    keep = header if columns is None else [*columns, *([data.label] if data.label else [])]
    kept = frozenset(keep)
    ignore = [name for name in header if name not in kept]
    check_taken(source, columns or (), known=header)
    if number and data.label is not None and data.label not in ignore:
        ignore.append(data.label)
    guess = infer_schema(
        source,
        target=None if number else data.label,
        ignore=ignore,
        needed=columns or (),
        encoding=data.encoding,
        delimiter=data.delimiter,
        keep_missing=keep_missing,
    )
    if columns is not None:
        guess = replace(guess, schema=_in_order(guess, columns))
    free = free_note(guess.schema)
    found = [note for note in guess.notes if note not in text.notes and note != free]
    more = len(found) - _MOST_NOTES
    shown = [
        *found[:_MOST_NOTES],
        *([f"{more} more notes: `cfsearch schema table {source}`."] if more > 0 else []),
    ]
    return guess.schema, guess, (_guess_note(guess, text, ignore), *shown)


def _predicted_number(config: Config, text: TextTable) -> bool:
    """Whether a range is the target, and no class has its name: the column of the label holds numbers then."""
    target, label = config.search.target, config.data.label
    if TargetRange.parse(target) is None:
        return False
    return label is None or label not in text.header or target not in text.column(label)


def _narrowed(schema: TableSchema, columns: Sequence[str] | None) -> tuple[TableSchema, tuple[str, ...]]:
    """A schema without the columns that the model says it does not take, and what to say of them.

    A column of a link stays: without it the rule could not be kept, and the model's refusal names it.
    """
    linked = {name for link in schema.links for name in link.columns}
    wanted = None if columns is None else linked.union(columns)
    kept = [c for c in schema.columns if wanted is None or c.name in wanted]
    left = [c.name for c in schema.columns if wanted is not None and c.name not in wanted]
    if columns is None or not left or set(columns) - set(schema.names):
        return schema, ()
    note = f"The model does not take {listed(left)}, which the schema names: left out of the search."
    return replace(schema, columns=tuple(kept), ignore=(*schema.ignore, *left)), (note,)


def _read(source: str, config: Config) -> TextTable:
    return read_text_table(source, encoding=config.data.encoding, delimiter=config.data.delimiter)


def _in_order(guess: Inference, columns: Sequence[str]) -> TableSchema:
    """The guessed schema with the model's columns, in the model's order."""
    check_taken(guess.source, columns, known=guess.schema.names)
    return replace(guess.schema, columns=tuple(guess.schema.column(name) for name in columns))


def _guess_note(guess: Inference, text: TextTable, ignore: Sequence[str]) -> str:
    kinds = ", ".join(f"{listed([c.name])} {c.kind.value}" for c in guess.schema.columns[:6])
    more = f" and {guess.schema.d - 6} more" if guess.schema.d > 6 else ""
    known = frozenset(ignore)
    left = [name for name in guess.schema.ignore if name not in known]
    gone = f" Left out: {listed([*ignore, *left], most=30)}." if ignore or left else ""
    label = "" if guess.schema.target is None else f" The class stands in {guess.schema.target.name}."
    return (
        f"No schema was given for {text.name}: its columns were guessed from {guess.rows} rows of "
        f"{guess.source} ({kinds}{more}).{gone}{label} Write it with `cfsearch schema table`, correct it, and "
        "give it with --schema."
    )


def _compared(config: Config, text: TextTable, table: Table) -> dict[str, tuple[str, ...]]:
    """What stands in the columns of ``data.by``, from the file: the schema may leave them out."""
    named = config.data.by or ()
    parts = ((name,) if name in text.header else columns_of(name) for name in named)
    columns = list(dict.fromkeys(column for columns in parts for column in columns))
    strange = [name for name in columns if name not in text.header]
    if strange:
        raise ConfigError(f"by: {unknown('column', strange[0], list(text.header))}")
    return _cells(text, table, columns)


def columns_of(name: str) -> tuple[str, ...]:
    """The columns of a crossed name: "race*sex" -> race, sex.

    Args:
        name: as given to ``--by``.
    """
    return tuple(part.strip() for part in name.split("*"))


def _cells(text: TextTable, table: Table, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What stands in some columns of the rows of a table, from its file."""
    return {
        name: tuple(cells[i] for i in table.places)
        for name, cells in ((name, text.column(name)) for name in columns)
    }


def _protected(config: Config, text: TextTable, schema: TableSchema) -> tuple[str, ...]:
    """The protected columns: those that were named, else those whose names say so."""
    target = None if schema.target is None else schema.target.name
    named = config.audit.protected
    if not named:
        return tuple(name for name in text.header if name != target and protected_kind(name) is not None)
    for name in named:
        if name not in text.header:
            raise ConfigError(f"protected: {unknown('column', name, list(text.header))}")
        if name == target:
            raise ConfigError(f"protected: {name!r} is the class itself. Name a column of the inputs.")
    return named


def _probes(
    x: Float[Tensor, "n c"], text: TextTable, schema: TableSchema, reference: Table | None
) -> Float[Tensor, "p c"]:
    """Different rows: those wanted, others of the file that can be read, of the reference table or drawn."""
    few = _PROBES // 4  # of what the file does not hold: rows of one decision alone say nothing of the model
    found = [*x[: _PROBES // 2]]
    step = max(1, len(text.rows) // _PROBES)
    for i in range(0, len(text.rows), step):
        if len(found) >= _PROBES - few:
            break
        try:
            found.append(table_of_text(text, schema, rows=[i]).x[0])
        except DataError:
            continue
    found += [*x[_PROBES // 2 : _PROBES - few - len(found) + _PROBES // 2]]
    if reference is not None:
        found += [*reference.spread(few).x]
    if len(found) < _PROBES:
        found += [*drawn_rows(schema, n=_PROBES - len(found))]
    rows = torch.stack(found)
    _, first = np.unique(rows.numpy(), axis=0, return_index=True)
    return rows[np.sort(first)]
