"""DuckDB's types as columns of the contract: what crosses as Arrow, how a column is read, how a value is bound."""

from __future__ import annotations

import re

import pyarrow as pa
from sqlglot import exp

from connectors.spi.schema import Column

_INT = "int"
_KINDS = {
    "TINYINT": _INT, "SMALLINT": _INT, "INTEGER": _INT, "BIGINT": _INT, "UTINYINT": _INT, "USMALLINT": _INT, "UINTEGER": _INT,
    "UBIGINT": _INT, "FLOAT": "float", "DOUBLE": "double", "BOOLEAN": "bool", "VARCHAR": "text", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid", "BLOB": "bytes", "JSON": "json",
}  # fmt: skip
_ARROW = {
    "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(), "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"), "TIMESTAMP_S": pa.timestamp("s"), "TIMESTAMP_MS": pa.timestamp("ms"),
    "TIMESTAMP_NS": pa.timestamp("ns"), "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    "BLOB": pa.binary(), "VARCHAR": pa.string(),
}  # fmt: skip
_SQL = {arrow: name for name, arrow in _ARROW.items()} | {pa.large_string(): "VARCHAR", pa.large_binary(): "BLOB"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_NESTED = re.compile(r"^(STRUCT|MAP|UNION)\(|\[\d*\]$")


def column(name: str, native: str, *, nullable: bool = True, comment: str = "", loose_text: bool = False) -> Column:
    """A column of a DuckDB type, as `DESCRIBE` and `duckdb_columns()` write it.

    Structs, lists, maps and unions cross as JSON text; HUGEINT, INTERVAL, BIT and whatever else Arrow or a predicate could not
    hold exactly, as DuckDB's own text (kind `opaque`). `loose_text`: text of this table may have a collation.

    >>> [column("c", t).kind for t in ("DECIMAL(18,2)", "ENUM('a', 'b')", "INTEGER[]", "HUGEINT")]
    ['decimal', 'enum', 'json', 'opaque']
    """
    decimal = _DECIMAL.fullmatch(native)
    if decimal:
        return Column(name, pa.decimal128(int(decimal[1]), int(decimal[2])), "decimal", native, nullable, comment)
    kind = _KINDS.get(native) or ("enum" if native.startswith("ENUM(") else "json" if _NESTED.search(native) else "opaque")
    if kind == "text" and loose_text:
        kind = "text_ci"
    return Column(name, _ARROW.get(native, pa.string()), kind, native, nullable, comment)


def read(column: Column) -> exp.Expr:
    """The expression whose value crosses as Arrow for this column."""
    name = exp.column(column.name, quoted=True)
    if _NESTED.search(column.native):
        return exp.cast(exp.func("TO_JSON", name), "VARCHAR", dialect="duckdb")
    return exp.cast(name, "VARCHAR", dialect="duckdb") if column.kind in ("enum", "uuid", "json", "opaque") else name


def bound(name: str, type_: pa.DataType) -> exp.Expr:
    """A placeholder in the type it was declared with: a Python value alone does not say INTEGER or DECIMAL(18,2)."""
    placeholder = exp.Placeholder(this=name)
    sql = f"DECIMAL({type_.precision},{type_.scale})" if pa.types.is_decimal(type_) else _SQL.get(type_, "VARCHAR")
    if pa.types.is_timestamp(type_) and type_.tz:
        sql = "TIMESTAMPTZ"
    return placeholder if sql == "VARCHAR" else exp.cast(placeholder, sql, dialect="duckdb")
