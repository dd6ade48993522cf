"""A fragment as one SQLite statement with named placeholders, and the values for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import ErrorLevel, exp

from connectors.binding import compared_column
from connectors.naming import quoted
from connectors.spi import Column, Fragment, Table, Values
from connectors.sqlite.columns import AS_TEXT, bind

_TEXT_KEYS = frozenset({"text", "mixed"})
_ESCAPE = "\x01"
_TABLE = "c360_t"  # every column is qualified: SQLite reads a double-quoted name it does not know as a text literal


@dataclass(frozen=True, slots=True)
class Statement:
    """`sql` with `:name` for values; `bound` says which parameter each name stands for, and the kind it is compared with."""

    fragment: Fragment
    sql: str
    bound: Mapping[str, tuple[str, str]]

    def values(self, values: Values) -> dict[str, object]:
        """What to bind, as SQLite must see it."""
        bound = {name: bind(values[param], kind) for name, (param, kind) in self.bound.items()}
        if self.fragment.keys is not None:
            arrays = values[self.fragment.keys.slot]
            assert isinstance(arrays, Sequence)
            bound["keys"] = key_list(arrays)
        return bound


def render(fragment: Fragment, table: Table) -> Statement:
    """Write the fragment for SQLite. Every name in it must be one of the table's (the caller has checked)."""
    columns = {c.name: c for c in table.columns}
    bound: dict[str, tuple[str, str]] = {}
    sources = [f"{quoted(fragment.table)} AS {_TABLE}"]
    numbered = (_numbered(conjunct, columns, bound) for conjunct in fragment.conjuncts)
    conditions = [f"({conjunct.sql('sqlite', unsupported_level=ErrorLevel.RAISE)})" for conjunct in numbered]
    if fragment.keys is not None:
        keyed = [columns[c] for c in fragment.keys.columns]
        if len(keyed) == 1:
            conditions.append(f"{_comparable(keyed[0])} IN (SELECT {_from_json('value', keyed[0])} FROM json_each(:keys))")
        else:  # the list first, then the table by its index: CROSS JOIN keeps that order. Keys are distinct, so no row comes twice
            sources.insert(0, "json_each(:keys) AS c360_keys")
            parts = (f"json_extract(c360_keys.value, '$[{i}]')" for i in range(len(keyed)))
            conditions += (f"{_comparable(c)} = {_from_json(part, c)}" for c, part in zip(keyed, parts, strict=True))
    sql = f"SELECT {', '.join(_reading(columns[c]) for c in fragment.columns)} FROM {' CROSS JOIN '.join(sources)}"
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    if fragment.order:
        sql += " ORDER BY " + ", ".join(
            f"{_comparable(columns[o.column])} {'DESC' if o.descending else 'ASC'} NULLS {'FIRST' if o.nulls_first else 'LAST'}"
            for o in fragment.order
        )
    if fragment.limit is not None:
        sql += f" LIMIT {int(fragment.limit)}"
    return Statement(fragment, sql, bound)


def _numbered(conjunct: exp.Expr, columns: Mapping[str, Column], bound: dict[str, tuple[str, str]]) -> exp.Expr:
    """The conjunct with placeholders of our own names, each noted in `bound`; its columns quoted."""
    fresh = conjunct.copy()
    for column in fresh.find_all(exp.Column):
        column.set("this", exp.to_identifier(column.name, quoted=True))
        column.set("table", exp.to_identifier(_TABLE))
    for placeholder in list(fresh.find_all(exp.Placeholder)):
        name = compared_column(placeholder)
        bound[f"v{len(bound)}"] = (placeholder.name, columns[name].kind if name and name in columns else "")
        placeholder.set("this", f"v{len(bound) - 1}")
    return fresh


def key_list(arrays: Sequence[pa.Array]) -> str:
    """Key tuples as one JSON text: a list of values, or of lists for a composite key."""
    columns = [_json_ready(a) for a in arrays]
    return json.dumps(columns[0] if len(columns) == 1 else list(zip(*columns, strict=True)))


def _json_ready(array: pa.Array) -> list[object]:
    if pa.types.is_boolean(array.type):
        return array.cast(pa.int8()).to_pylist()  # type: ignore[no-any-return]
    if not pa.types.is_string(array.type):
        return (array.cast(pa.string()) if pa.types.is_date(array.type) else array).to_pylist()  # type: ignore[no-any-return]
    return [v.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0") for v in array.to_pylist()]


def _from_json(value: str, column: Column) -> str:
    """json_each cuts a text at a NUL: such keys travel escaped, and are put back here."""
    if column.kind not in _TEXT_KEYS:
        return value
    return f"replace(replace({value}, char(1) || '0', char(0)), char(1) || '1', char(1))"


def _reading(column: Column) -> str:
    name = f"{_TABLE}.{quoted(column.name)}"
    return f"CAST({name} AS TEXT)" if column.kind in AS_TEXT else name


def _comparable(column: Column) -> str:
    """The column as keys and orders see it: text by its bytes, whatever collation it was declared with."""
    return f"{_reading(column)} COLLATE BINARY" if column.kind == "text" else _reading(column)
