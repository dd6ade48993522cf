"""Rows in Arrow as a relation of DuckDB, so that what is asked of them is answered as DuckDB would answer it."""

from __future__ import annotations

from typing import Protocol

import duckdb
import pyarrow as pa

from connectors.naming import quoted

V2 = int(duckdb.__version__.split(".", maxsplit=1)[0]) >= 2


class WithSchema(Protocol):
    """What DuckDB can scan: a table, a reader, a dataset."""

    @property
    def schema(self) -> pa.Schema: ...


def place(con: duckdb.DuckDBPyConnection, name: str, rows: WithSchema, *, filtered_above: bool = False) -> bool:
    """Let statements of `con` read `rows` under a name.

    DuckDB 1.5 hands filters to an Arrow scan, also those that it makes of the other side of a join, and Arrow answers some in its own
    way (`filters_differ`). There a view keeps them above the scan, since they are no longer on a column: least(x, x) is x. With
    `filtered_above` OFFSET 0 keeps those on all columns there, if not those of joins; what reads through it has one thread only. 2.0
    does not need any of this. Returns whether there is a view.
    """
    differ = [f"least({column}, {column}) AS {column}" for column in (quoted(f.name) for f in rows.schema if filters_differ(f.type))]
    if V2 or not (filtered_above or differ):
        con.register(name, rows)
        return False
    con.register(f"{name}_in", rows)
    columns = f"* REPLACE ({', '.join(differ)})" if differ else "*"
    con.execute(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM {name}_in{' OFFSET 0' if filtered_above else ''}")
    return True


def filters_differ(type_: pa.DataType) -> bool:
    """Whether a filter on such a column, handed to Arrow by DuckDB 1.5, can fail or find other rows: NaN is not the greatest number
    there, a number from 2^63 on does not pass, a date before Christ or after the year 9999 neither, and 'infinity' is equal to nothing."""
    return bool(
        pa.types.is_floating(type_)
        or pa.types.is_uint64(type_)
        or pa.types.is_date(type_)
        or pa.types.is_timestamp(type_)
        or isinstance(type_, pa.BaseExtensionType)
    )
