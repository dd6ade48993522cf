"""What a DuckDB database says about its own tables. Every question is asked of the current catalog of the connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter

import duckdb
import sqlglot
from sqlglot import exp

from connectors.duckdb_engine.types import column
from connectors.spi.fragment import table_expression
from connectors.spi.schema import Column, Statistics, Table

_COLUMNS = """
    SELECT schema_name, table_name, column_name, data_type, is_nullable, coalesce(comment, '')
    FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal
    ORDER BY schema_name, table_name, column_index"""
_KEYS = """
    SELECT schema_name, table_name, constraint_column_names
    FROM duckdb_constraints() WHERE database_name = current_database() AND constraint_type = $type"""
_TABLES = """
    SELECT schema_name, table_name, coalesce(comment, ''), sql
    FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal"""
_INDEXES = """
    SELECT expressions FROM duckdb_indexes()
    WHERE database_name = current_database() AND schema_name = $schema AND table_name = $table"""


def discover(connection: duckdb.DuckDBPyConnection, required: Mapping[str, tuple[str, ...]]) -> list[Table]:
    """Every table and view that can be named. `required` as in `spi.schema.Table`, by table name."""
    keys = {(s, t): tuple(c) for s, t, c in connection.execute(_KEYS, {"type": "PRIMARY KEY"}).fetchall()}
    base = {(s, t): (comment, _collated(sql or "")) for s, t, comment, sql in connection.execute(_TABLES).fetchall()}
    anywhere = any(collated for _, collated in base.values())
    tables = []
    for (schema, name), rows in groupby(connection.execute(_COLUMNS).fetchall(), key=itemgetter(0, 1)):
        if "." in schema + name:
            continue
        comment, collated = base.get((schema, name), ("", None))  # None: a view, whose text may come from any table
        columns = tuple(_column(row, anywhere if collated is None else row[2] in collated) for row in rows)
        known = name if schema == "main" else f"{schema}.{name}"
        tables.append(Table(known, columns, keys.get((schema, name), ()), required.get(known, ()), comment))
    return tables


def _column(row: tuple[object, ...], collated: bool) -> Column:
    _, _, name, native, nullable, comment = row
    return column(str(name), str(native), nullable=bool(nullable), comment=str(comment), loose_text=collated)


def _collated(create: str) -> frozenset[str]:
    """The columns that a CREATE TABLE gives a collation: the catalog shows it nowhere else."""
    if "COLLATE" not in create.upper():
        return frozenset()
    tree = sqlglot.parse_one(create, read="duckdb")
    definitions = tree.find_all(exp.ColumnDef)
    return frozenset(d.name for d in definitions if any(c.find(exp.CollateColumnConstraint) for c in d.constraints))


def statistics(connection: duckdb.DuckDBPyConnection, table: Table) -> Statistics:
    """Rows, counted (DuckDB does so without reading them; its estimate keeps deleted rows), and distinct counts as DuckDB keeps them;
    nothing for a view."""
    schema, _, name = table.name.rpartition(".")
    if (schema or "main", name) not in {(s, t) for s, t, *_ in connection.execute(_TABLES).fetchall()}:
        return Statistics()
    counted = exp.select(exp.Count(this=exp.Star())).from_(table_expression(table.name))
    ((rows,),) = connection.execute(counted.sql("duckdb")).fetchall()
    unique = connection.execute(_KEYS, {"type": "UNIQUE"}).fetchall()
    indexed = {c[0] for s, t, c in unique if (s, t) == (schema or "main", name)} | set(table.key[:1])
    for (expressions,) in connection.execute(_INDEXES, {"schema": schema or "main", "table": name}).fetchall():
        indexed.add(str(expressions).strip("[]'\"").split(",")[0].strip("'\" "))
    return Statistics(rows, _distinct(connection, table) if rows else {}, {}, frozenset(c.name for c in table.columns if c.name in indexed))


def _distinct(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, float]:
    named = [c for c in table.columns if c.kind not in ("json", "opaque")]
    if not named:
        return {}
    stats = exp.select(*(_stats(c) for c in named)).from_(table_expression(table.name)).limit(1)
    row = connection.execute(stats.sql("duckdb")).fetchone() or ()
    return {c.name: float(n) for c, text in zip(named, row, strict=False) if (n := _approximate(text)) is not None}


def _stats(column: Column) -> exp.Expr:
    return exp.cast(exp.func("stats", exp.column(column.name, quoted=True)), "VARCHAR")


def _approximate(stats: object) -> int | None:
    """The distinct count in what `stats()` writes (it differs between DuckDB 1.5 and 2.0). Its min and max are not looked at."""
    found = re.search(r"(?:Approx Unique|'?approx_unique'?): (\d+)", str(stats))
    return int(found[1]) if found else None
