"""What a SQLite file holds. A declared type is only a wish here, so each table is looked at once (`typeof`) before it is believed."""

from __future__ import annotations

import re
import sqlite3

import pyarrow as pa

from connectors.naming import quoted
from connectors.spi import Column, Statistics, Table

_INTEGERS = re.compile(r"^(TINY|SMALL|MEDIUM|BIG|UNSIGNED BIG )?INT(EGER)?[0-9]*$|^INT[248]$")
_TEXTS = re.compile(
    r"^(N?(VAR)?CHAR(ACTER)?|CHARACTER VARYING|VARYING CHARACTER|NATIVE CHARACTER|TEXT|N?CLOB|STRING|UUID|UNIQUEIDENTIFIER)$"
)
_DOUBLES = re.compile(r"^(REAL|DOUBLE|DOUBLE PRECISION|FLOAT[48]?)$")
_DECIMAL = re.compile(r"^(?:DECIMAL|NUMERIC) ?\( ?(\d+) ?(?:, ?(\d+) ?)?\)$")

COUNTED = 200_000
"""A table of up to so many rows is counted: a walk through its smallest index, of a few milliseconds."""

_NAMES = """SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"""


def table_names(db: sqlite3.Connection) -> tuple[str, ...]:
    """The tables and views of the database, but for those of SQLite itself."""
    return tuple(name for (name,) in db.execute(_NAMES))


def discover(db: sqlite3.Connection, name: str, required: tuple[str, ...]) -> Table | None:
    """The table as declared, each column's kind corrected by what its rows hold; None if there is no such table."""
    if name not in table_names(db):
        return None
    rows = db.execute('SELECT name, upper(trim(type)), "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1', (name,)).fetchall()
    strict = db.execute("SELECT strict FROM pragma_table_list(?) WHERE schema = 'main'", (name,)).fetchone()
    stored = {} if strict and strict[0] else _storage(db, name, [r[0] for r in rows])
    key = tuple(r[0] for r in sorted(rows, key=lambda r: r[3]) if r[3])
    columns = tuple(_column(n, native, not notnull, stored.get(n)) for n, native, notnull, _ in rows)
    return Table(name, columns, key, required)


def _storage(db: sqlite3.Connection, table: str, columns: list[str]) -> dict[str, tuple[str | None, str | None]]:
    """The least and the greatest storage class of each column's values, NULL left out: one pass over the table."""
    kinds = ", ".join(f"min({t}), max({t})" for t in (f"iif({quoted(c)} IS NULL, NULL, typeof({quoted(c)}))" for c in columns))
    row = db.execute(f"SELECT {kinds} FROM {quoted(table)}").fetchone()
    return {c: (row[2 * i], row[2 * i + 1]) for i, c in enumerate(columns)}


def _column(name: str, native: str, nullable: bool, stored: tuple[str | None, str | None] | None) -> Column:
    kind, type_ = _declared(native) if native else _undeclared(stored)
    if stored is not None and stored[0] is not None and not _fits(kind, set(stored)):
        kind, type_ = "mixed", pa.string()
    return Column(name, type_, kind, native.lower(), nullable)


def _declared(native: str) -> tuple[str, pa.DataType]:
    decimal = _DECIMAL.match(native)
    if decimal and 0 < int(decimal[1]) <= 38 and int(decimal[2] or 0) <= min(15, int(decimal[1])):
        return "decimal", pa.decimal128(int(decimal[1]), int(decimal[2] or 0))
    base = re.sub(r" ?\(.*\)", "", native).strip()
    exact: dict[str, tuple[str, pa.DataType]] = {
        "BOOL": ("bool", pa.bool_()), "BOOLEAN": ("bool", pa.bool_()), "DATE": ("date", pa.date32()),
        "DATETIME": ("timestamp", pa.timestamp("us")), "TIMESTAMP": ("timestamp", pa.timestamp("us")),
        "JSON": ("json", pa.string()), "BLOB": ("bytes", pa.binary()),
    }  # fmt: skip
    if base in exact:
        return exact[base]
    if _INTEGERS.match(base):
        return "int", pa.int64()
    if _DOUBLES.match(base):
        return "double", pa.float64()
    if _TEXTS.match(base):
        return "text", pa.string()
    return "opaque", pa.string()


def _undeclared(stored: tuple[str | None, str | None] | None) -> tuple[str, pa.DataType]:
    """A column without a type (often one of a view) is what its rows hold."""
    kinds: dict[str, tuple[str, pa.DataType]] = {
        "integer": ("int", pa.int64()), "real": ("double", pa.float64()), "text": ("text", pa.string()), "blob": ("bytes", pa.binary()),
    }  # fmt: skip
    if stored is None or stored[0] != stored[1] or stored[0] is None:
        return "mixed", pa.string()
    return kinds[stored[0]]


def _fits(kind: str, stored: set[str | None]) -> bool:
    allowed = {"int": {"integer"}, "bool": {"integer"}, "double": {"real"}, "decimal": {"integer", "real"}, "bytes": {"blob"}}
    return kind == "opaque" or stored <= allowed.get(kind, {"text"})


def statistics(db: sqlite3.Connection, name: str) -> Statistics:
    """Rows counted where they are few, else by ANALYZE if it was run, else bounded by the rowids; leading index columns from the schema."""
    indexed = {
        column
        for (column,) in db.execute(
            "SELECT c.name FROM pragma_index_list(?) AS i JOIN pragma_index_info(i.name) AS c WHERE c.seqno = 0 AND NOT i.partial", (name,)
        )
        if column is not None
    }
    keys = db.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk = 1", (name,)).fetchall()
    indexed.update(k for (k,) in keys)
    rows, at_most = _rows(db, name)
    return Statistics(rows=rows, distinct=_distinct(db, name), indexed=frozenset(indexed), at_most=at_most)


def _rows(db: sqlite3.Connection, name: str) -> tuple[int | None, bool]:
    """How many rows, and whether that is only the most there can be: rowids have gaps."""
    if db.execute("SELECT type FROM sqlite_master WHERE name = ?", (name,)).fetchone() == ("view",):
        return None, False  # whatever it joins would be run
    (few,) = db.execute(f"SELECT count(*) FROM (SELECT 1 FROM {quoted(name)} LIMIT ?)", (COUNTED + 1,)).fetchone()
    if few <= COUNTED:
        return int(few), False
    if _analyzed(db):
        for (stat,) in db.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = ? AND stat IS NOT NULL LIMIT 1", (name,)):
            return int(stat.split()[0]), False
    try:
        (first, last) = (db.execute(f"SELECT {end}(rowid) FROM {quoted(name)}").fetchone()[0] for end in ("min", "max"))
        return int(last) - int(first) + 1, True
    except (sqlite3.Error, TypeError, ValueError):  # a table WITHOUT ROWID
        return None, False


def _distinct(db: sqlite3.Connection, name: str) -> dict[str, float]:
    """Rows divided by the average rows per leading index value, as ANALYZE left them."""
    if not _analyzed(db):
        return {}
    query = """SELECT c.name, s.stat FROM sqlite_stat1 AS s JOIN pragma_index_info(s.idx) AS c
               WHERE s.tbl = ? AND c.seqno = 0 AND c.name IS NOT NULL AND s.stat LIKE '% %'"""
    counts = ((column, stat.split()) for column, stat in db.execute(query, (name,)))
    return {column: int(stat[0]) / max(1, int(stat[1])) for column, stat in counts}


def _analyzed(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone()[0])
