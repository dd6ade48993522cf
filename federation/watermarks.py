"""Reading only what changed: a mapping's `changed_at`, pushed to the source as a filter, and neighbours asked for by key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Column, Connector, KeyFilter, Table, family
from connectors.spi.errors import SchemaDrift
from federation.context import kind_of
from federation.errors import ChangedAt
from federation.plan import QueryPlan
from identity.model import RecordSet
from identity.watermark import Mark, Watermark
from views import model
from views.branches import duckdb_type
from views.errors import did_you_mean

CHANGED_AT = "_changed_at"
"""The watermark's column in a stream: no attribute can be called so."""
KEYS = "_keys"
KINDS = ("int", "date", "timestamp", "timestamptz")


class Reading(Protocol):
    """`federation.record_sets.record_reader`, for one mapping."""

    def __call__(
        self, attributes: tuple[str, ...], *, more: Mapping[str, exp.Expr] = ..., where: exp.Expr | None = ..., keys: pa.Table | None = ...
    ) -> Callable[[], pa.RecordBatchReader]: ...


def watermark_column(mapping: model.Mapping, source: Connector) -> Column:
    """The column that a mapping's `changed_at` names. Raises SchemaDrift, ChangedAt."""
    columns = {c.name.lower(): c for c in source.table(mapping.table).columns}
    column = columns.get(mapping.changed_at.lower())
    place = mapping.places.get(":changed_at", mapping.location)
    where = f"{mapping.source}.{mapping.table}"
    rising = [c.name for c in columns.values() if c.kind in KINDS and c.name not in mapping.key]
    if column is None:
        said = f"{place}: `{where}` has no column `{mapping.changed_at}`, which `changed_at` names"
        raise SchemaDrift(
            mapping.source, said, hint=did_you_mean(mapping.changed_at, rising, "name one that it has, or remove `changed_at`")
        )
    if column.kind not in KINDS:
        could = f" (its columns of such a type: {', '.join(rising)})" if rising else ""
        raise ChangedAt(
            f"{place}: `changed_at: {mapping.changed_at}` of {where} is {column.native}: its values do not rise with time for sure",
            hint=f"name a timestamp, a date or an integer that the source raises with every change{could}; or remove `changed_at`",
        )
    return column


def telling(records: RecordSet, mapping: model.Mapping, source: Connector, reading: Reading) -> RecordSet:
    """The record set with what tells it what changed since a watermark, which keys there are, and single rows by key."""
    column = watermark_column(mapping, source)
    marked = {CHANGED_AT: exp.column(column.name, quoted=True)}

    def since(mark: Mark) -> pa.RecordBatchReader:
        at = exp.column(column.name, quoted=True)
        later = exp.GTE(this=at.copy(), expression=_literal(mark, column)).or_(at.copy().is_(exp.null()))
        return seen(reading(records.attributes, more=marked, where=exp.paren(later))())

    def seen(stream: pa.RecordBatchReader) -> pa.RecordBatchReader:
        schema = stream.schema.remove(stream.schema.get_field_index(CHANGED_AT))

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in stream:
                watermark.see(batch.column(CHANGED_AT))
                yield batch.select(schema.names)

        return pa.RecordBatchReader.from_batches(schema, batches())

    by_key = _by_key(mapping, source)

    def some(keys: pa.Table) -> pa.RecordBatchReader:
        # read whole, if need be, but never `seen`: between `since` and now rows changed that nobody has looked at
        return reading(records.attributes, keys=keys if by_key else None)()

    watermark = Watermark(column.type, _fingerprint(records, mapping, column), since)
    return replace(
        records,
        read=lambda: seen(reading(records.attributes, more=marked)()),
        watermark=watermark,
        keys=reading(()),
        some=some,
    )


def by_keys(
    plan: QueryPlan, table: Table, key: tuple[str, ...], keys: pa.Table | None, most: int
) -> tuple[QueryPlan, Mapping[str, tuple[pa.Array, ...]]]:
    """A plan of one fetch as one that asks for the rows with some keys, and what is to be bound; whole, if they are too many."""
    if keys is None or keys.num_rows > most:
        return plan, {}
    columns = {c.name.lower(): c for c in table.columns}
    found = [columns[k.lower()] for k in key]
    (fetch,) = plan.fetches
    asked = replace(fetch, fragment=replace(fetch.fragment, keys=KeyFilter(tuple(c.name for c in found), KEYS)))
    values = tuple(keys.column(f"k{i}").combine_chunks().cast(c.type) for i, c in enumerate(found))
    return replace(plan, fetches=(asked,)), {KEYS: values}


def _literal(mark: Mark, column: Column) -> exp.Expr:
    return exp.convert(mark) if isinstance(mark, int) else exp.cast(exp.Literal.string(str(mark)), duckdb_type(column.type))


def _by_key(mapping: model.Mapping, source: Connector) -> bool:
    """Whether the source finds rows by the key exactly."""
    columns = {c.name.lower(): c for c in source.table(mapping.table).columns}
    able = source.capabilities
    keys = [columns[k.lower()] for k in mapping.key]
    return able.keys and all(c.kind in able.key_kinds and family(c.type) == kind_of(duckdb_type(c.type)) for c in keys)


def _fingerprint(records: RecordSet, mapping: model.Mapping, column: Column) -> str:
    """What was read, by which mapping and program: where any of that is another, rows change that no watermark tells of."""
    expressions = sorted((a, e.sql("duckdb")) for a, e in mapping.attributes.items() if a in records.attributes)
    where = mapping.where.sql("duckdb") if mapping.where is not None else ""
    told = (version("c360"), column.name, str(column.type), expressions, where, mapping.timezone)
    return hashlib.sha256(repr(told).encode()).hexdigest()
