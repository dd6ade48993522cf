"""Arrow's values as Python's, also where Python has none: a date before Christ, of the year 12 000, or 'infinity' comes as text."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa


def values_of(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column. What a datetime or date cannot hold comes as the text that DuckDB writes for it."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def dicts_of(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table by name."""
    columns = [values_of(column) for column in rows.columns]
    return [dict(zip(rows.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return _far(scalar)


def _far(scalar: pa.Scalar) -> str:
    """A moment that a datetime cannot hold, as DuckDB writes it."""
    if isinstance(scalar, pa.TimestampScalar | pa.Date32Scalar):
        most = 2**63 - 1 if isinstance(scalar, pa.TimestampScalar) else 2**31 - 1
        if abs(scalar.value) == most:
            return "infinity" if scalar.value > 0 else "-infinity"
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("far", pa.table({"x": pa.array([scalar])}))
        return str(con.execute("SELECT x::VARCHAR FROM far").fetchall()[0][0])
