"""How a table of files is read by DuckDB: the schema is found once, and pinned in the statement that reads from then on."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from connectors.duckdb_engine.instance import literal
from connectors.duckdb_engine.types import column
from connectors.files.config import FileTable
from connectors.naming import quoted
from connectors.spi.errors import SourceConfig
from connectors.spi.schema import Statistics, Table


@dataclass(frozen=True, slots=True)
class Read:
    """A table, and the WITH clause that gives it its name in a statement. (No view: what a stalled filesystem left behind would
    collide with it; and no path in what `explain` shows.)"""

    table: Table
    prelude: str


def discover(connection: duckdb.DuckDBPyConnection, source: str, files: FileTable) -> Read:
    """Find the schema of a table, and pin it. Raises what DuckDB raises, SourceConfig."""
    reading = _READERS[files.format](connection, files)
    described = connection.execute(f"DESCRIBE SELECT * FROM {reading}").fetchall()
    columns = tuple(column(str(row[0]), str(row[1])) for row in described)
    unknown = sorted({*files.key, *files.required, *files.columns} - {c.name for c in columns})
    if unknown:
        hint = f"it has: {', '.join(c.name for c in columns)}"
        raise SourceConfig(f"{source}.{files.name}: `tables.{files.name}` speaks of a column `{unknown[0]}` that the file lacks", hint=hint)
    names = ", ".join(quoted(c.name) for c in columns)
    prelude = f"WITH {quoted(files.name)} AS NOT MATERIALIZED (SELECT {names} FROM {reading}) "
    return Read(Table(files.name, columns, files.key, files.required), prelude)


def statistics(connection: duckdb.DuckDBPyConnection, files: FileTable, table: Table) -> Statistics:
    """Rows and NULL shares from Parquet's footers; nothing is known of CSV and JSON."""
    if files.format != "parquet":
        return Statistics()
    path = literal(files.path)
    rows = connection.execute(f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({path})").fetchone()
    nulls = connection.execute(
        f"SELECT path_in_schema, sum(stats_null_count)::BIGINT FROM parquet_metadata({path}) "
        "GROUP BY 1 HAVING count(stats_null_count) = count(*)"
    ).fetchall()
    count = int(rows[0]) if rows and rows[0] is not None else 0
    shares = {name: n / count for name, n in nulls if count and table.column(name) is not None}
    return Statistics(count, {}, shares, frozenset())


def _parquet(connection: duckdb.DuckDBPyConnection, files: FileTable) -> str:
    return f"read_parquet({literal(files.path)})"


def _csv(connection: duckdb.DuckDBPyConnection, files: FileTable) -> str:
    """Dialect and types are sniffed once, in the first file; columns go by their names, so that a reordered file reads right."""
    given = {name: _option(value) for name, value in files.csv.items()}
    first = connection.execute("SELECT min(file) FROM glob($path)", {"path": files.path}).fetchone()
    path = str(first[0]) if first and first[0] else files.path
    sniffed = connection.execute(f"SELECT * FROM sniff_csv({literal(path)}{_arguments(given)})")
    names = [str(d[0]) for d in sniffed.description or ()]
    row = dict(zip(names, sniffed.fetchone() or (), strict=True))
    pinned = {"delim": literal(_sniffed(row["Delimiter"], ",")), "quote": literal(_sniffed(row["Quote"], '"')),
              "escape": literal(_sniffed(row["Escape"], '"')), "skip": str(row["SkipRows"]), "header": str(bool(row["HasHeader"])),
              "dateformat": _optional(row["DateFormat"]), "timestampformat": _optional(row["TimestampFormat"])} | given  # fmt: skip
    types = {str(c["name"]): str(c["type"]) for c in row["Columns"]}
    if not row["HasHeader"] and len(files.columns) == len(types):  # nothing in the file names its columns: the user does, in order
        types = dict(files.columns)
        pinned["names"] = "[" + ", ".join(literal(name) for name in types) + "]"
    types |= {name: type_ for name, type_ in files.columns.items() if name in types}
    return f"read_csv({literal(files.path)}{_arguments(pinned)}, types = {_struct(types)})"


def _json(connection: duckdb.DuckDBPyConnection, files: FileTable) -> str:
    """Types are sniffed once; what is nested stays JSON text. A field that a record lacks is NULL: JSON has no schema to drift."""
    described = connection.execute(f"DESCRIBE SELECT * FROM read_json({literal(files.path)}, map_inference_threshold = -1)").fetchall()
    found = [column(str(row[0]), str(row[1])) for row in described]
    if files.columns and [c.name for c in found] == ["json"] and "json" not in files.columns:
        found = []  # what DuckDB calls the one column of a file without records
    types = {c.name: "JSON" if c.kind == "json" else c.native for c in found} | dict(files.columns)
    return f"read_json({literal(files.path)}, columns = {_struct(types)})"


_READERS = {"parquet": _parquet, "csv": _csv, "json": _json}


def _sniffed(value: object, default: str) -> str:
    return default if value in (None, "", "(empty)", "\\0") else str(value)


def _optional(value: object) -> str:
    return literal(str(value)) if value else ""


def _arguments(options: dict[str, str]) -> str:
    return "".join(f", {name} = {value}" for name, value in options.items() if value)


def _option(value: object) -> str:
    return str(value) if isinstance(value, (bool, int)) else literal(str(value))


def _struct(types: dict[str, str]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in types.items()) + "}"
