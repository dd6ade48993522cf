"""A fragment as one PostgreSQL statement, and its values as one row to bind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import ErrorLevel, exp

from connectors.binding import compared_column
from connectors.naming import quoted
from connectors.postgres.columns import wire
from connectors.spi import Column, Fragment, KeyFilter, OrderBy, Table, Values

_SMALL = 5_000  # rows: below this COPY's set-up costs more than it saves
_TABLE = "c360_t"
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_CASTS = {
    "int": "bigint",
    "decimal": "numeric",
    "double": "float8",
    "bool": "bool",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One scalar placeholder: the parameter's name, and the PostgreSQL type it is sent as."""

    name: str
    cast: str


@dataclass(frozen=True, slots=True)
class Statement:
    """`sql` has $1, $2, ... for the scalars, then one array for each key column.

    `bulk` says that many rows are to be expected: better by COPY, which takes no parameters; then `copy_sql` reads the scalars from
    settings of the transaction (`c360.v0`, ...) that are bound beforehand. The columns arrive as `wires` and become `schema`.
    """

    fragment: Fragment
    columns: tuple[Column, ...]
    sql: str
    copy_sql: str
    bulk: bool
    scalars: tuple[Bound, ...]
    keyed: tuple[Column, ...]
    schema: pa.Schema
    wires: tuple[pa.DataType, ...]

    def row(self, values: Values) -> pa.RecordBatch | None:
        """The values to bind, as one row; None if there is nothing to bind. Raises ValueError for a text that holds a NUL."""
        arrays = [_scalar(values[b.name], b.cast) for b in self.scalars]
        if self.fragment.keys is not None:
            arrays += key_arrays(self.fragment.keys, self.keyed, values)
        return pa.RecordBatch.from_arrays(arrays, [f"p{i}" for i in range(len(arrays))]) if arrays else None

    def settings(self, values: Values) -> list[str] | None:
        """The scalars as texts for `set_config`; None if one is NULL (a setting cannot be)."""
        texts = [_text(values[b.name]) for b in self.scalars]
        return None if any(t is None for t in texts) else [t for t in texts if t is not None]


def render(fragment: Fragment, table: Table, indexed: frozenset[str]) -> Statement:
    """Write the fragment for PostgreSQL. Every name in it must be one of the table's (the caller has checked)."""
    by_name = {c.name: c for c in table.columns}
    columns = tuple(by_name[c] for c in fragment.columns)
    keyed = tuple(by_name[c] for c in fragment.keys.columns) if fragment.keys else ()
    source = f"{_qualified(table.name)} AS {_TABLE}"
    scalars: list[Bound] = []
    numbered = [_typed(c, by_name, fragment, scalars, _parameter) for c in fragment.conjuncts]
    from_settings = [_typed(c, by_name, fragment, list(scalars), _setting) for c in fragment.conjuncts]
    copy_sql = _assemble(columns, source, from_settings, fragment, by_name, indexed)
    if len(keyed) == 1:
        numbered.append(_any(keyed[0], len(scalars) + 1))
    elif keyed:
        source += _unnest(keyed, len(scalars) + 1)
    sql = _assemble(columns, source, numbered, fragment, by_name, indexed)
    bulk = not keyed and (fragment.limit is None or fragment.limit > _SMALL) and not _searched(fragment.conjuncts, indexed)
    schema, wires = pa.schema([pa.field(c.name, c.type) for c in columns]), tuple(wire(c).type for c in columns)
    return Statement(fragment, columns, sql, copy_sql, bulk, tuple(scalars), keyed, schema, wires)


def _assemble(
    columns: tuple[Column, ...],
    source: str,
    conditions: list[str],
    fragment: Fragment,
    by_name: Mapping[str, Column],
    indexed: frozenset[str],
) -> str:
    reads = [wire(c).read.format(_name(c)) for c in columns]
    orders = [_ordered(o, by_name) for o in fragment.order]
    first = by_name[fragment.order[0].column] if fragment.order else None
    if fragment.limit is not None and first and first.name in indexed and " NULLS " in orders[0]:
        return _nulls_apart(reads, source, conditions, orders, _name(first), int(fragment.limit))
    order = f" ORDER BY {', '.join(orders)}" if orders else ""
    limit = f" LIMIT {int(fragment.limit)}" if fragment.limit is not None else ""
    return f"SELECT {', '.join(reads)} FROM {source}{_where(conditions)}{order}{limit}"


def _nulls_apart(reads: list[str], source: str, conditions: list[str], orders: list[str], first: str, limit: int) -> str:
    """A top-N whose NULLs stand where no index has them (DESC NULLS LAST): the rows with a value by the index, those without by
    another, and the few of both sorted once more. On a million rows 1 ms instead of 170."""
    outputs = ", ".join(f"{read} AS o{i}" for i, read in enumerate(reads))
    sorts = ", ".join(f"{order.partition(' NULLS ')[0].removesuffix(' DESC')} AS s{i}" for i, order in enumerate(orders))
    having = _where([*conditions, f"{first} IS NOT NULL"])
    lacking = _where([*conditions, f"{first} IS NULL"])
    plain = ", ".join([orders[0].partition(" NULLS ")[0], *orders[1:]])
    rest = f" ORDER BY {', '.join(orders[1:])}" if orders[1:] else ""
    again = ", ".join(f"s{i}{_direction(order)}" for i, order in enumerate(orders))
    select = f"SELECT {outputs}, {sorts} FROM {source}"
    both = f"({select}{having} ORDER BY {plain} LIMIT {limit}) UNION ALL ({select}{lacking}{rest} LIMIT {limit})"
    return f"SELECT {', '.join(f'o{i}' for i in range(len(reads)))} FROM ({both}) AS c360_n ORDER BY {again} LIMIT {limit}"


def _direction(order: str) -> str:
    """What follows the expression in an ORDER BY term."""
    expression, nulls, placement = order.rpartition(" NULLS ") if " NULLS " in order else (order, "", "")
    return (" DESC" if expression.endswith(" DESC") else "") + nulls + placement


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _typed(
    conjunct: exp.Expr, columns: Mapping[str, Column], fragment: Fragment, scalars: list[Bound], value: Callable[[int], exp.Expr]
) -> str:
    """The conjunct as SQL: each value cast to the type of the column it is compared with, so that an index on it serves."""
    types = {p.name: p.type for p in fragment.params}
    fresh = exp.paren(conjunct)
    for column in fresh.find_all(exp.Column):
        column.set("this", exp.to_identifier(column.name, quoted=True))
        column.set("table", exp.to_identifier(_TABLE))
    for placeholder in list(fresh.find_all(exp.Placeholder)):
        compared = compared_column(placeholder)
        kind = columns[compared].kind if compared and compared in columns else "text"
        bound = Bound(placeholder.name, _cast(kind, types[placeholder.name]))
        if bound not in scalars:
            scalars.append(bound)
        placeholder.replace(exp.cast(value(scalars.index(bound)), bound.cast, dialect="postgres"))
    return fresh.sql("postgres", copy=False, unsupported_level=ErrorLevel.RAISE)


def _parameter(index: int) -> exp.Expr:
    return exp.Parameter(this=exp.Literal.number(index + 1))


def _setting(index: int) -> exp.Expr:
    return exp.func("current_setting", exp.Literal.string(f"c360.v{index}"))


def _cast(kind: str, type_: pa.DataType) -> str:
    if kind == "int" and type_ == pa.uint64():
        return "numeric"
    return _CASTS.get(kind, "text")


def _any(column: Column, number: int) -> str:
    """`column = ANY($n)`, in the column's own type where its equality is DuckDB's."""
    keys = f"${number}::{_array(column)}"
    match column.kind:
        case "text_ci" | "enum":
            return f'{_name(column)}::text COLLATE "C" = ANY({keys})'
        case "char":
            return f'({_name(column)} = ANY({keys}::bpchar[]) AND {_name(column)}::text COLLATE "C" = ANY({keys}))'
    return f"{_name(column)} = ANY({keys})"


def _unnest(columns: Sequence[Column], first: int) -> str:
    """A composite key: the tuples as parallel arrays, joined. They are distinct, so no row comes twice."""
    arrays = ", ".join(f"${first + i}::{_array(c)}" for i, c in enumerate(columns))
    names = ", ".join(f"k{i}" for i in range(len(columns)))
    loose = {"text_ci", "char", "enum"}
    sides = (f'{_name(c)}::text COLLATE "C"' if c.kind in loose else _name(c) for c in columns)
    return f" JOIN unnest({arrays}) AS c360_k({names}) ON {' AND '.join(f'{side} = c360_k.k{i}' for i, side in enumerate(sides))}"


def _array(column: Column) -> str:
    if column.kind == "int":
        return {pa.int16(): "int2", pa.int32(): "int4"}.get(column.type, "int8") + "[]"
    return "text[]" + (f"::{'uuid' if column.kind == 'uuid' else _CASTS[column.kind]}[]" if column.kind in (*_CASTS, "uuid") else "")


def key_arrays(keys: KeyFilter, columns: Sequence[Column], values: Values) -> list[pa.Array]:
    """One list-typed array of length one per key column: integers as they are, everything else as text (the statement casts it)."""
    arrays = values[keys.slot]
    assert isinstance(arrays, Sequence)
    lists: list[pa.Array] = [_as(a, c.type if c.kind == "int" else pa.string()) for a, c in zip(arrays, columns, strict=True)]
    possible = None
    for array, column in zip(lists, columns, strict=True):
        if pa.types.is_string(array.type):  # no stored text holds a NUL, no uuid reads otherwise: such a key matches nothing
            fits = pc.match_substring_regex(array, _UUID) if column.kind == "uuid" else pc.invert(pc.match_substring(array, "\0"))
            possible = fits if possible is None else pc.and_(possible, fits)
    lists = [a.filter(possible) for a in lists] if possible is not None else lists
    return [pa.ListArray.from_arrays(pa.array([0, len(a)], pa.int32()), a) for a in lists]


def _as(array: pa.Array, type_: pa.DataType) -> pa.Array:
    return array if array.type == type_ else array.cast(type_)


def _scalar(value: object, cast: str) -> pa.Array:
    """One value in the Arrow type that the driver binds as the cast's own type."""
    native = {
        "bigint": pa.int64(),
        "float8": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    if cast == "float8" and isinstance(value, int | Decimal):
        value = float(value)
    if cast in native:
        return pa.array([value], native[cast])
    return pa.array([_text(value)], pa.string())


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case dt.datetime():
            return value.isoformat(" ")
        case dt.date():
            return value.isoformat()
    text = str(value)
    if "\0" in text:
        raise ValueError("a text with a NUL character")
    return text


def _searched(conjuncts: Sequence[exp.Expr], indexed: frozenset[str]) -> bool:
    """Whether an equality on an indexed column makes the answer small."""
    return any(isinstance(e, exp.EQ | exp.In) and isinstance(e.this, exp.Column) and e.this.name in indexed for e in _conjoined(conjuncts))


def _conjoined(conjuncts: Sequence[exp.Expr]) -> Iterator[exp.Expr]:
    for conjunct in conjuncts:
        inner = conjunct.unnest()
        yield from _conjoined((inner.left, inner.right)) if isinstance(inner, exp.And) else (inner,)


def _ordered(term: OrderBy, columns: Mapping[str, Column]) -> str:
    """NULLS is written only where it changes something: `DESC NULLS LAST` keeps a plain index from serving the order."""
    column = columns[term.column]
    name = _name(column)
    if column.kind in ("text_locale", "text_ci", "char", "enum"):
        name = f'{name}::text COLLATE "C"'
    direction = " DESC" if term.descending else ""
    if not column.nullable or term.nulls_first is term.descending:
        return name + direction
    return f"{name}{direction} NULLS {'FIRST' if term.nulls_first else 'LAST'}"


def _name(column: Column) -> str:
    return f"{_TABLE}.{quoted(column.name)}"


def _qualified(table: str) -> str:
    schema, _, name = table.rpartition(".")
    return f"{quoted(schema or 'public')}.{quoted(name)}"
