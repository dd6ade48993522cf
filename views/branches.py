"""Mapped tables as branches: a mapping's expressions typed and made uniform, and how its rows get their id360."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from sqlglot import exp

from connectors.spi.schema import Table
from identity.normalise import normalised
from views import model
from views.model import ForeignKey, Identifier, Model, ObjectType, OwnKey
from views.relations import Branch, LinkUse, Records

RAW = "raw"
LINEAGE = ("_source", "_table", "_key")
TO_UTC = "c360_to_utc"
"""Marks a naive timestamp of another zone; the planner resolves it once it knows the column's type."""


def bare_branch(project: Model, mapping: model.Mapping) -> Branch:
    """A mapped table as rows of its object, before any policy."""
    thing = project.objects[mapping.object]
    columns = {a.name: typed(mapping.attributes.get(a.name), a.type, mapping.timezone) for a in thing.attributes.values()}
    lineage = (exp.Literal.string(mapping.source), exp.Literal.string(mapping.table), key_text(mapping.key))
    where = (mapping.where.copy(),) if mapping.where is not None else ()
    named = {**columns, **dict(zip(LINEAGE, lineage, strict=True))}
    return Branch(mapping.source, mapping.table, mapping.key, named, _link(project, thing, mapping), where, thing.name, mapping.profile)


def raw_view(source: str, table: Table) -> Records:
    """A source table as it is, under `raw.<source>.<table>`: its own names and types, nobody's id360."""
    columns: dict[str, exp.Expr] = {c.name.lower(): exp.column(c.name, quoted=True) for c in table.columns}
    types = {c.name.lower(): duckdb_type(c.type) for c in table.columns}
    name = f"{RAW}.{source}.{table.name}"
    return Records(name, types, (Branch(source, table.name, table.key, columns, label=name),), comment=table.comment)


def duckdb_type(type_: pa.DataType) -> str:
    """The DuckDB type that an Arrow column arrives as.

    >>> duckdb_type(pa.decimal128(10, 2)), duckdb_type(pa.timestamp("us", "UTC")), duckdb_type(pa.list_(pa.int64()))
    ('DECIMAL(10,2)', 'TIMESTAMP WITH TIME ZONE', 'BIGINT[]')
    """
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP WITH TIME ZONE" if type_.tz else "TIMESTAMP"
    if pa.types.is_list(type_):
        return duckdb_type(type_.value_type) + "[]"
    return _ARROW_NAMES.get(str(type_), "VARCHAR")


_ARROW_NAMES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "uint8": "UTINYINT", "uint16": "USMALLINT",
    "uint32": "UINTEGER", "uint64": "UBIGINT", "float": "FLOAT", "double": "DOUBLE", "bool": "BOOLEAN", "date32[day]": "DATE",
    "time64[us]": "TIME", "binary": "BLOB", "large_binary": "BLOB",
}  # fmt: skip


def substitute(expression: exp.Expr, columns: Mapping[str, exp.Expr]) -> exp.Expr:
    """The expression with every column of that name replaced; operators keep their grouping.

    >>> substitute(exp.column("a").eq(exp.column("b")), {"a": exp.column("x") + 1}).sql("duckdb")
    '(x + 1) = b'
    """

    def swap(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column) or node.name not in columns:
            return node
        put = columns[node.name].copy()
        return exp.paren(put) if isinstance(put, exp.Binary | exp.Connector | exp.Not | exp.Between | exp.In) else put

    return expression.transform(swap)


def typed(written: exp.Expr | None, type_: str, timezone: str = "UTC") -> exp.Expr:
    """A mapping's expression as a value of its attribute's type. Uniform for every attribute: '' in text is NULL, timestamps are UTC.

    >>> typed(exp.column("mail"), "VARCHAR").sql("duckdb")
    "NULLIF(CAST(mail AS TEXT), '')"
    """
    kind = "VARCHAR" if type_ == "JSON" else type_
    if written is None:
        return exp.cast(exp.null(), kind)
    if kind == "VARCHAR":
        return exp.Nullif(this=exp.cast(written.copy(), kind), expression=exp.Literal.string(""))
    if kind == "TIMESTAMP" and timezone != "UTC":
        return exp.Anonymous(this=TO_UTC, expressions=[written.copy(), exp.Literal.string(timezone)])
    return exp.cast(written.copy(), kind)


def absent(expression: exp.Expr) -> bool:
    """Whether a branch's expression for an attribute says that the mapping does not give it (see `typed`)."""
    return isinstance(expression, exp.Cast) and isinstance(expression.this, exp.Null)


def key_text(key: tuple[str, ...]) -> exp.Expr:
    """A record's key as text: the value itself, or a JSON array of the parts of a composite key."""
    columns: list[exp.Expr] = [exp.column(c, quoted=True) for c in key]
    if len(columns) == 1:
        return exp.cast(columns[0], "VARCHAR")
    return exp.cast(exp.Anonymous(this="json_array", expressions=columns), "VARCHAR")


def _link(project: Model, thing: ObjectType, mapping: model.Mapping) -> LinkUse | None:
    entity = thing.entity or thing.of
    match mapping.link:
        case OwnKey():
            columns = mapping.key
            on: tuple[exp.Expr, ...] = tuple(exp.column(c, quoted=True) for c in columns)
            return LinkUse(entity, mapping.space, mapping.source, mapping.table, "", on, columns)
        case ForeignKey(table=table, columns=columns):
            on = tuple(exp.column(c, quoted=True) for c in columns)
            return LinkUse(entity, mapping.space, mapping.source, table, "", on, columns)
        case Identifier(identifier=identifier, value=value, store=store, normalised=done, normal=normal):
            plain = (value.name,) if done and isinstance(value, exp.Column) else ()
            on = (exp.cast(value.copy(), "VARCHAR") if done else normalised(normal or identifier, value.copy()),)
            live = None if store else _carriers(project, project.objects[entity], mapping.space, identifier)
            return LinkUse(entity, mapping.space, mapping.source, mapping.table, identifier, on, plain, live)
    return None


def _carriers(project: Model, entity: ObjectType, space: str, identifier: str) -> Records:
    """The records of an entity as (value of the identifier in normal form, id360): what links rows without storing an identifier."""
    attribute = next(a for a in entity.attributes.values() if a.identifier == identifier)
    branches = []
    for mapping in project.mappings_of(entity.name):
        if mapping.space == space and attribute.name in mapping.attributes:
            whole = bare_branch(project, mapping)
            value = normalised(attribute.normal, whole.columns[attribute.name])
            branches.append(Branch(whole.source, whole.table, whole.key, {"value": value}, whole.link, whole.where, entity.name))
    return Records(f"{entity.name} by {identifier}", {"value": "VARCHAR", "id360": "BIGINT"}, tuple(branches))
