"""A fragment as one DuckDB statement: read expressions, typed parameters, and the key list as scalars or as an Arrow table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
from sqlglot import ErrorLevel, exp

from connectors.duckdb_engine.types import bound, read
from connectors.spi.fragment import Fragment
from connectors.spi.schema import Column, Table
from connectors.spi.session import Values

KEYS = "c360_keys"
SHORT = 200
"""Up to so many keys of one column are bound as scalars. Measured on 5M Parquet rows: one key as `IN (?)` takes what `=` takes, and half
of what it takes through a table; on a sorted file 50 scalars skip row groups one by one (28 ms) where a table gives but their range
(91 ms). For thousands of keys a registered table is the faster: 0.4 s against 1.4 s for 100k. A DuckDB file has little to skip, and
gains from ten on."""
_PLAIN = ("int", "text", "date")


@dataclass(frozen=True, slots=True)
class Statement:
    """`prelude` goes before `sql`, and is not shown. `keys` is to be registered under the name KEYS before the statement runs."""

    prelude: str
    sql: str
    params: dict[str, object]
    keys: pa.Table | None


def render(fragment: Fragment, table: Table, values: Values, prelude: str = "", short: int = SHORT) -> Statement:
    """The statement for a fragment over a table whose columns all exist. `values` as of `Session.run`."""
    columns = {c.name: c for c in table.columns}
    types = {p.name: p.type for p in fragment.params}
    query = fragment.select()
    for placeholder in list(query.find_all(exp.Placeholder)):
        if placeholder.name in types:
            placeholder.replace(bound(placeholder.name, types[placeholder.name]))
    query.set("expressions", [exp.alias_(read(columns[name]), name, quoted=True) for name in fragment.columns])
    params = {node.name: values[node.name] for node in query.find_all(exp.Placeholder)}
    keys = None
    if fragment.keys is not None:
        arrays = cast(Sequence[pa.Array], values[fragment.keys.slot])
        compared = [columns[name] for name in fragment.keys.columns]
        if len(compared) == 1 and len(arrays[0]) <= short:
            scalars = {f"{KEYS}_{i}": value for i, value in enumerate(arrays[0].to_pylist())}
            condition: exp.Expr = exp.In(
                this=_key(compared[0]), expressions=[_same(compared[0], _scalar(n, arrays[0].type, compared[0])) for n in scalars]
            )
            params |= scalars
        else:
            keys = pa.table({f"k{i}": array for i, array in enumerate(arrays)})
            condition = _in_table(compared)
        query = query.where(condition, copy=False)
    return Statement(prelude, query.sql("duckdb", copy=False, comments=False, unsupported_level=ErrorLevel.RAISE), params, keys)


def _in_table(columns: Iterable[Column]) -> exp.Expr:
    names = [(c, exp.column(f"k{i}", quoted=True)) for i, c in enumerate(columns)]
    keys = exp.select(*(_same(c, name) for c, name in names)).from_(exp.to_identifier(KEYS))
    left = [_key(c) for c, _ in names]
    return exp.In(this=left[0] if len(left) == 1 else exp.Tuple(expressions=left), query=exp.Subquery(this=keys))


def _key(column: Column) -> exp.Expr:
    return _same(column, read(column))


def _scalar(name: str, type_: pa.DataType, column: Column) -> exp.Expr:
    return exp.Placeholder(this=name) if column.kind in _PLAIN else bound(name, type_)


def _same(column: Column, value: exp.Expr) -> exp.Expr:
    """Key equality is exact: a collated text is compared by its bytes."""
    return exp.Anonymous(this="ENCODE", expressions=[value]) if column.kind == "text_ci" else value
