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
        found, far = [], []
        for i, scalar in enumerate(column):
            try:
                found.append(scalar.as_py())
            except (ValueError, OverflowError):
                found.append(_infinite(scalar))
                far += [i] if found[-1] is None else []
        if far:  # else they are all infinite
            for i, text in zip(far, _written(column.take(pa.array(far))), strict=True):
                found[i] = text
        return found


def dicts_of(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table by name."""
    columns = [values_of(column) for column in rows.columns]
    return [dict(zip(rows.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _infinite(scalar: pa.Scalar) -> str | None:
    """What DuckDB hands over as the largest or smallest number there is; None if it is another moment."""
    if not isinstance(scalar, pa.TimestampScalar | pa.Date32Scalar):
        return None
    most = 2**63 - 1 if isinstance(scalar, pa.TimestampScalar) else 2**31 - 1
    return {most: "infinity", -most: "-infinity"}.get(scalar.value)


def _written(moments: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Moments that a datetime cannot hold, as DuckDB writes them."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("far", pa.table({"x": moments}))
        return [text for (text,) in con.execute("SELECT x::VARCHAR FROM far").fetchall()]
