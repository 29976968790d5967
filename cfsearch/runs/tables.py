"""The tables of a run's store, as SQLite makes them."""

from typing import Final

from .record import Stored

TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE instances (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
    message TEXT NOT NULL, sha256 TEXT NOT NULL, notes TEXT NOT NULL,
    front_sha256 TEXT NOT NULL, row_sha256 TEXT NOT NULL, front BLOB
) WITHOUT ROWID;
"""
INSERT: Final = (
    f"INSERT INTO instances ({', '.join(Stored._fields)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(Stored._fields))})"
)
SELECT: Final = f"SELECT {', '.join(Stored._fields)} FROM instances WHERE name = ?"  # noqa: S608 - our own names
