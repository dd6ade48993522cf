"""How rows get into a SELECT of DuckDB and out of it as Arrow, in either of its versions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from connectors import arrow_scan
from connectors.arrow_scan import V2
from federation.virtual_table import VirtualTable

BATCH, FEW = 100_000, 1000
"""Rows of an answer's batch. DuckDB sets aside room for whole batches: for few rows that takes longer than they do."""

# DuckDB 2.0 says so of every answer that is not a relation's; that of a prepared statement cannot be had otherwise.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


def place(cursor: duckdb.DuckDBPyConnection, name: str, rows: VirtualTable, sql: str, *, correlated: bool = True) -> None:
    """Let a room's `sql` read `rows` under a name.

    Beside what Arrow filters otherwise than DuckDB anyway (`arrow_scan.place`), DuckDB 1.5 has IS DISTINCT FROM refused there, and over a
    DECIMAL in a correlated subquery (which `sql` may have, if `correlated`) breaks down itself.
    """
    nested = correlated and sql.count("SELECT ") > 1 and not all(_filterable(t) for t in rows.schema.types)
    arrow_scan.place(cursor, name, rows, filtered_above=nested or " DISTINCT FROM " in sql)


def _filterable(type_: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(type_) or pa.types.is_string(type_)) and not pa.types.is_decimal(type_)


def stream(cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object]) -> pa.RecordBatchReader:
    """A SELECT's answer that is never held whole: DuckDB 2.0 streams relations, 1.5 executed statements, neither both."""
    if V2:
        return cursor.sql(sql, params=params or None).to_arrow_reader(BATCH)
    return reader(cursor.execute(sql, params or None), BATCH)


def reader(result: Any, rows_per_batch: int) -> pa.RecordBatchReader:
    """The stream of an executed statement, by the name it has in this version of DuckDB."""
    return (result.to_arrow_reader if hasattr(result, "to_arrow_reader") else result.fetch_record_batch)(rows_per_batch)


def table(result: Any) -> pa.Table:
    """The whole answer of an executed statement."""
    return reader(result, 1_000_000).read_all()


def one_row(cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object] | Sequence[object]) -> list[pa.Scalar]:
    """The single row of a SELECT as Arrow scalars."""
    got = table(cursor.execute(sql, params or None))
    return [column[0] for column in got.columns]
