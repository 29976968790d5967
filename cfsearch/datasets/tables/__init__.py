"""Tables that users bring: a schema, rows in canonical form, and what a model takes for them.

**The canonical form** of one input is a vector of ``d`` numbers, float64: what stands in a real or
integer column in its own unit, and the index of the level in an ordinal or categorical one. So
distances, rules and words speak of columns. What one model takes instead (one-hot, scaled) is
its provider's business, as with images: ``Encoding``.

Read::

    guess = infer_schema("applicants.csv", target="decision", immutable=["age", "sex"])
    print(guess.summary())                       # for a person to confirm
    write_schema(guess.schema, "applicants.toml")
    table = read_table("applicants.csv", schema=guess.schema)

What comes, and what becomes of it:

==================================  ====================================================
byte order mark, CRLF               read
quoted line breaks                  read
UTF-16 and 32 with a mark           read
other encodings                     as declared, else Windows-1252, and noted
semicolons, tabs, bars              found out, and noted
decimal commas, 1,234 and 1 234     read where a column is written so, and noted
gzip, bzip2, xz, .zip, .parquet     unpacked
comments above the header, sep=;    skipped, and noted; "#,Name" is a header
empty lines, lines of spaces        skipped
names of rows, as R writes them     left out, and noted
a column without a name             "Unnamed: 0"; left out at the end where it is empty
more or fewer cells than names      refused, with the line
doubled names, no rows              refused
letters that nobody sees in names   taken out, and noted
units below the header, sums below  left out, and noted
NUL bytes, cells over 128 KiB       refused, with the line
"1,5", inf or text among numbers    refused, with line and column
"-", "n.a.", "Unknown" among them   missing, and noted
"N/A", "?", empty, NaN              missing: refused, dropped, filled or a level, by column
a level that the schema lacks       refused, or the level that ``unknown`` names
columns the schema lacks            left out, with a note
==================================  ====================================================
"""

from ._cells import is_absent, truth_of
from ._columns import Cell, Column, ColumnKind, Missing
from ._csv import read_text_table, text_and_delimiter
from ._encoding import Encoding, Part, Style
from ._file import bytes_of
from ._frame import frame_of, frame_of_codes, values_of_levels
from ._groups import RowGroups, crossed, is_missing_group, is_unknown_group, row_groups
from ._infer import Inference, infer_schema
from ._number_forms import number_of, written_numbers
from ._numbers import on_grid
from ._odd_rows import bare_name
from ._protected import free_note, protected_kind
from ._readable import ReadableRows, readable_rows
from ._relations import Follow, Limit, condition_of, holds
from ._sample import FileSample, sample_of
from ._schema import MISSING_VALUES, Link, TableSchema
from ._table import Table, check_labels, read_table, table_of_text
from ._text_table import TextTable
from ._toml import read_schema, schema_of, write_schema
from ._types import ColumnType, types_of_columns, types_of_frame, write_types
from ._variable import Variable
from ._variables import Variables

__all__ = [
    "MISSING_VALUES",
    "Cell",
    "Column",
    "ColumnKind",
    "ColumnType",
    "Encoding",
    "FileSample",
    "Follow",
    "Inference",
    "Limit",
    "Link",
    "Missing",
    "Part",
    "ReadableRows",
    "RowGroups",
    "Style",
    "Table",
    "TableSchema",
    "TextTable",
    "Variable",
    "Variables",
    "bare_name",
    "bytes_of",
    "check_labels",
    "condition_of",
    "crossed",
    "frame_of",
    "frame_of_codes",
    "free_note",
    "holds",
    "infer_schema",
    "is_absent",
    "is_missing_group",
    "is_unknown_group",
    "number_of",
    "on_grid",
    "protected_kind",
    "read_schema",
    "read_table",
    "read_text_table",
    "readable_rows",
    "row_groups",
    "sample_of",
    "schema_of",
    "table_of_text",
    "text_and_delimiter",
    "truth_of",
    "types_of_columns",
    "types_of_frame",
    "values_of_levels",
    "write_schema",
    "write_types",
    "written_numbers",
]
