"""A schema as a TOML file: ``applicants.toml`` beside ``applicants.csv``.

::

    format = "cfsearch-table/1"
    missing_values = ["", "?"]
    ignore = ["id"]

    [target]
    name = "decision"
    labels = ["refuse", "approve"]

    [[columns]]
    name = "age"
    kind = "integer"                # real, integer, ordinal, categorical
    range = [18, 90]
    unit = "years"
    monotone = "up"                 # or "down"

    [[columns]]
    name = "postcode"
    kind = "integer"
    range = [501, 99950]
    digits = 5                      # written 02139

    [[columns]]
    name = "education"
    kind = "ordinal"
    levels = ["school", "college", "?"]
    missing = "level"               # or "refuse" (as when left out), "drop", "fill"
    dtype = "str"                   # or "bool", "int64", "float64", "category"; else as pandas reads it

    [[links]]
    columns = ["education", "years of education"]
    rows = [["school", 9], ["college", 13], ["?", 0]]
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomli_w

from cfsearch.errors import ConfigError, DataError
from cfsearch.files import read_text, reason, write_atomically
from cfsearch.secrecy import shown

from ._columns import Column, ColumnKind, Missing
from ._schema import FORMAT, MISSING_VALUES, Link, TableSchema

_LARGEST: Final = 10_000_000
_WIDEST: Final = 1023
"""Bits of the largest whole number that becomes a float."""
_TOP: Final = ("format", "missing_values", "ignore", "target", "columns", "links", "relations")
_TARGET: Final = ("name", "labels")
_LINK: Final = ("columns", "rows")
_COLUMN: Final[Mapping[str, tuple[type, ...]]] = {
    "name": (str,),
    "kind": (str,),
    "range": (list,),
    "step": (int, float),
    "levels": (list,),
    "unit": (str,),
    "immutable": (bool,),
    "monotone": (str,),
    "missing": (str,),
    "fill": (int, float, str),
    "unknown": (str,),
    "dtype": (str,),
    "codes": (list,),
    "leave_codes": (bool,),
    "values": (list,),
    "gaps": (list,),
    "max_change": (int, float, str, list),
    "immutable_if": (str,),
    "cost": (int, float),
    "cost_per_step": (int, float),
    "digits": (int,),
}
_SHARE: Final = re.compile(r"(\d+\.?\d*)\s*%", re.ASCII)
_DIRECTIONS: Final = {"up": 1, "down": -1}


def read_schema(path: str | Path) -> TableSchema:
    """The schema in a TOML file.

    Raises:
        ConfigError: there is no such file, it is no TOML, or says what makes no sense; names the
            column and, for an unknown setting, the nearest one.
    """
    path = Path(path)
    try:
        values = tomllib.loads(read_text(path, most=_LARGEST))
    except OSError as error:
        raise ConfigError(
            f"{path}: the table schema cannot be read: {reason(error)}. `cfsearch schema table` writes one."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no valid TOML: {error}.") from error
    try:
        return schema_of(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_schema(schema: TableSchema, path: str | Path) -> None:
    """The schema as a TOML file; reading it gives an equal schema."""
    write_atomically(Path(path), tomli_w.dumps(schema.to_dict()).encode())


def schema_of(values: Mapping[str, Any]) -> TableSchema:  # Any: whatever stands in the file
    """The schema of plain values, the opposite of ``TableSchema.to_dict``.

    Raises:
        ConfigError: as ``read_schema``.
    """
    _known(values, _TOP, "table schema")
    if values.get("format", FORMAT) != FORMAT:
        raise ConfigError(f"table schema: `format` must be {FORMAT!r}, got {shown(values['format'])}.")
    columns = tuple(_column(one) for one in _tables(values, "columns"))
    target = None
    if "target" in values:
        entry = values["target"]
        if not isinstance(entry, dict):
            raise ConfigError("table schema: `target` must be a table with name and labels.")
        _known(entry, _TARGET, "table schema, [target]")
        target = Column(
            name=_text(entry.get("name"), "`name` of [target]"),
            kind=ColumnKind.CATEGORICAL,
            levels=_texts(entry.get("labels"), "`labels` of [target]"),
        )
    plain = TableSchema(
        columns=columns,
        target=target,
        ignore=_texts(values.get("ignore", []), "`ignore`"),
        missing_values=_texts(values.get("missing_values", list(MISSING_VALUES)), "`missing_values`"),
    )
    links = tuple(_link(one, plain) for one in _tables(values, "links"))
    return TableSchema(
        columns=columns,
        target=target,
        links=links,
        ignore=plain.ignore,
        missing_values=plain.missing_values,
        relations=_texts(values.get("relations", []), "`relations`"),
    )


def _column(entry: Mapping[str, Any]) -> Column:
    name = _text(entry.get("name"), "`name` of a column")
    where = f"table schema, column {name!r}"
    _known(entry, tuple(_COLUMN), where)
    for key, value in entry.items():
        wanted = _COLUMN[key]
        if (
            not isinstance(value, wanted)
            or (isinstance(value, bool) and bool not in wanted)
            or _is_too_wide(value)
        ):
            kinds = " or ".join(kind.__name__ for kind in wanted)
            raise ConfigError(f"{where}: `{key}` must be of type {kinds}, got {shown(value)}.")
    kind = _choice(entry.get("kind"), {k.value: k for k in ColumnKind}, f"{where}: `kind`")
    settings: dict[str, Any] = {
        key: entry[key]
        for key in ("unit", "immutable", "fill", "unknown", "dtype", "leave_codes", "immutable_if", "digits")
        if key in entry
    }
    if "missing" in entry:
        settings["missing"] = _choice(entry["missing"], {m.value: m for m in Missing}, f"{where}: `missing`")
    if "monotone" in entry:
        settings["monotone"] = _choice(entry["monotone"], _DIRECTIONS, f"{where}: `monotone`")
    for key in ("step", "cost", "cost_per_step"):
        if key in entry:
            settings[key] = float(entry[key])
    if "levels" in entry:
        settings["levels"] = _texts(entry["levels"], f"{where}: `levels`")
    for key in ("codes", "values"):
        if key in entry:
            settings[key] = _numbers(entry[key], f"{where}: `{key}`")
    if "gaps" in entry:
        pairs = [_numbers(gap, f"{where}: each of `gaps`") for gap in entry["gaps"]]
        if any(len(gap) != 2 for gap in pairs):
            raise ConfigError(
                f"{where}: `gaps` must be pairs of numbers, [[a, b]], got {shown(entry['gaps'])}."
            )
        settings["gaps"] = tuple((gap[0], gap[1]) for gap in pairs)
    if "max_change" in entry:
        settings |= _max_change(entry["max_change"], where)
    if kind in (ColumnKind.REAL, ColumnKind.INTEGER) or "range" in entry:
        ends = entry.get("range")
        if not (isinstance(ends, list) and len(ends) == 2 and all(_is_number(v) for v in ends)):
            raise ConfigError(f"{where}: `range` must be two numbers, [low, high], got {shown(ends)}.")
        settings["low"], settings["high"] = float(ends[0]), float(ends[1])
    return Column(name=name, kind=kind, **settings)


def _max_change(value: Any, where: str) -> dict[str, float]:
    """``500``, ``"20 %"``, or both in a list."""
    out: dict[str, float] = {}
    for one in value if isinstance(value, list) else [value]:
        share = isinstance(one, str) and _SHARE.fullmatch(one.strip())
        number = float(share[1]) / 100.0 if share else float(one) if _is_number(one) else 0.0
        key = "max_change_share" if share else "max_change"
        if number <= 0.0 or key in out:
            raise ConfigError(
                f"{where}: `max_change` must be a number > 0, a share as '20 %', or a list of both, got {shown(value)}."
            )
        out[key] = number
    return out


def _numbers(value: Any, what: str) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(_is_number(v) for v in value):
        raise ConfigError(f"{what} must be a list of numbers, got {shown(value)}.")
    return tuple(float(v) for v in value)


def _link(entry: Mapping[str, Any], schema: TableSchema) -> Link:
    _known(entry, _LINK, "table schema, a link")
    names = _texts(entry.get("columns"), "`columns` of a link")
    columns = [schema.column(name) for name in names]
    rows = entry.get("rows")
    if not (isinstance(rows, list) and all(isinstance(row, list) and len(row) == len(names) for row in rows)):
        raise ConfigError(
            f"table schema, link of {' and '.join(names)}: `rows` must be lists of {len(names)} values."
        )
    try:
        codes = tuple(tuple(c.code(v) for c, v in zip(columns, row, strict=True)) for row in rows)
    except (DataError, TypeError) as error:
        raise ConfigError(f"table schema, link of {' and '.join(names)}: {error}") from error
    return Link(columns=names, rows=codes)


def _tables(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = values.get(key, [])
    if not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise ConfigError(f"table schema: `{key}` must be tables, written as [[{key}]].")
    return found


def _known(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ConfigError(f"{where}: unknown setting `{key}` (it takes: {', '.join(known)}).{hint}")


def _choice(value: Any, choices: Mapping[str, Any], what: str) -> Any:  # Any: the choices' values
    if value not in choices:
        raise ConfigError(f"{what} must be one of {', '.join(choices)}, got {shown(value)}.")
    return choices[value]


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"table schema: {what} must be a text, got {shown(value)}.")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"table schema: {what} must be texts in quotes, got {shown(value)}.")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not _is_too_wide(value)


def _is_too_wide(value: Any) -> bool:
    """Whether a whole number is larger than any float; TOML sets no bound."""
    return isinstance(value, int) and value.bit_length() > _WIDEST
