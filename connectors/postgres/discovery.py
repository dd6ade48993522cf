"""What a PostgreSQL database holds, from its own catalog: columns the role may read, their exact types and collations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from connectors.spi import Column, Statistics, Table

Ask = Callable[..., list[dict[str, object]]]
"""`ask(sql, *texts)`: run a catalog query with bound texts; rows as dictionaries."""

_NAMES = """
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
"""

_TABLE = """
SELECT c.oid::text AS oid, obj_description(c.oid, 'pg_class') AS comment,
  (SELECT json_agg(json_build_array(i.indkey[0], i.indisprimary, i.indkey::text) ORDER BY i.indexrelid)::text
   FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_am AS m ON m.oid = ic.relam
   WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')) AS indexes
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
"""

_COLUMNS = """
SELECT a.attname::text AS name, a.attnum::int AS number, a.attnotnull AS required, format_type(a.atttypid, a.atttypmod) AS native,
  coalesce(b.typname, t.typname)::text AS type, coalesce(b.typtype, t.typtype)::text AS typtype,
  CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS typmod,
  col_description(a.attrelid, a.attnum) AS comment,
  (to_jsonb(l) || CASE WHEN a.attcollation = 100 THEN jsonb_build_object('database', to_jsonb(d)) ELSE '{}' END)::text AS collation
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_type AS b ON t.typtype = 'd' AND b.oid = t.typbasetype
  LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
  CROSS JOIN (SELECT * FROM pg_database WHERE datname = current_database()) AS d
WHERE a.attrelid = $1::text::oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attnum
"""

_ROWS = """
SELECT CASE WHEN c.relkind = 'p' AND c.reltuples < 0 THEN
         (SELECT sum(p.reltuples) FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhrelid WHERE i.inhparent = c.oid)
       ELSE c.reltuples END::float8 AS rows
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text
"""

_STATISTICS = """
SELECT attname::text AS name, n_distinct::float8 AS n_distinct, null_frac::float8 AS null_frac
FROM pg_stats WHERE schemaname = $1::text AND tablename = $2::text
"""

_CODE_POINT_ORDER = re.compile(r"^(C|POSIX|C\.(UTF-?8|utf8))$")

_EXACT: Mapping[str, tuple[str, pa.DataType]] = {
    "int2": ("int", pa.int16()), "int4": ("int", pa.int32()), "int8": ("int", pa.int64()), "float4": ("float", pa.float32()),
    "float8": ("double", pa.float64()), "bool": ("bool", pa.bool_()), "date": ("date", pa.date32()),
    "timestamp": ("timestamp", pa.timestamp("us")), "timestamptz": ("timestamptz", pa.timestamp("us", "UTC")),
    "uuid": ("uuid", pa.string()), "json": ("json", pa.string()), "jsonb": ("json", pa.string()), "bytea": ("bytes", pa.binary()),
    "bpchar": ("char", pa.string()), "citext": ("text_ci", pa.string()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexedTable:
    """A table and the leading columns of its whole indexes."""

    table: Table
    indexed: frozenset[str]


def split(name: str) -> tuple[str, str]:
    """`schema.table`; a name without a dot is in `public`."""
    schema, _, table = name.rpartition(".")
    return schema or "public", table


def table_names(ask: Ask, schemas: tuple[str, ...]) -> tuple[str, ...]:
    """The tables and views that may be read of these schemas (of all, if none is named), sorted; those of `public` without its name."""
    found = ((str(r["schema"]), str(r["name"])) for r in ask(_NAMES))
    return tuple(sorted(n if s == "public" else f"{s}.{n}" for s, n in found if not schemas or s in schemas))


def discover(ask: Ask, name: str, required: tuple[str, ...]) -> IndexedTable | None:
    """The table of that name, or None."""
    schema, table = split(name)
    for row in ask(_TABLE, schema, table):
        attributes = ask(_COLUMNS, str(row["oid"]))
        names = {a["number"]: str(a["name"]) for a in attributes}
        indexes = json.loads(str(row["indexes"])) if row["indexes"] else []
        primary = next(([int(n) for n in numbers.split()] for _, is_primary, numbers in indexes if is_primary), [])
        key = tuple(names[n] for n in primary) if all(n in names for n in primary) else ()
        columns = tuple(_column(a) for a in attributes)
        canonical = table if schema == "public" else f"{schema}.{table}"
        found = Table(canonical, columns, key, required, str(row["comment"] or ""))
        return IndexedTable(found, frozenset(names[n] for n, _, _ in indexes if n in names))
    return None


def _column(row: Mapping[str, object]) -> Column:
    typmod = row["typmod"]
    assert isinstance(typmod, int)
    kind, type_ = _mapped(str(row["type"]), str(row["typtype"]), typmod, str(row["collation"] or "{}"))
    return Column(str(row["name"]), type_, kind, str(row["native"]), not row["required"], str(row["comment"] or ""))


def _mapped(type_: str, typtype: str, typmod: int, collation: str) -> tuple[str, pa.DataType]:
    """The kind and Arrow type; what has no exact place in Arrow (unbounded NUMERIC, TIME, INTERVAL, arrays, ...) is opaque."""
    if typtype == "e":
        return "enum", pa.string()
    if type_ == "numeric" and typmod >= 4:
        precision, scale = (typmod - 4) >> 16 & 0xFFFF, (typmod - 4) & 0x7FF
        if precision <= 38 and scale <= precision:
            return "decimal", pa.decimal128(precision, scale)
    if type_ in ("text", "varchar", "name"):
        return _text_kind(json.loads(collation)), pa.string()
    return _EXACT.get(type_, ("opaque", pa.string())) if typtype == "b" else ("opaque", pa.string())


def _text_kind(collation: Mapping[str, object]) -> str:
    if collation.get("collisdeterministic") is False:
        return "text_ci"
    database = collation.get("database")
    if isinstance(database, dict):
        provider, locale = database.get("datlocprovider", "c"), database.get("datcollate")
    else:
        provider, locale = collation.get("collprovider", "c"), collation.get("collcollate")
    if provider == "b":  # PostgreSQL's own: all of them order by code point
        return "text"
    return "text" if provider == "c" and _CODE_POINT_ORDER.match(str(locale)) else "text_locale"


def statistics(ask: Ask, name: str, found: IndexedTable) -> Statistics:
    """Estimates as the last ANALYZE left them."""
    schema, table = split(name)
    estimate = next((r["rows"] for r in ask(_ROWS, schema, table)), None)
    rows = int(estimate) if isinstance(estimate, float) and estimate >= 0 else None
    distinct, null_share = dict[str, float](), dict[str, float]()
    for row in ask(_STATISTICS, schema, table):
        count, share, column = row["n_distinct"], row["null_frac"], str(row["name"])
        assert isinstance(count, float) and isinstance(share, float)
        null_share[column] = share
        if count > 0 or rows is not None:  # negative: a share of the rows
            distinct[column] = count if count > 0 else -count * float(rows or 0)
    return Statistics(rows, distinct, null_share, found.indexed)
