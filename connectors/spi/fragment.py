"""A fragment: the part of a query that one source answers, as structure and as one SELECT."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp


@dataclass(frozen=True, slots=True)
class Param:
    """A scalar bound at run time: in a conjunct it stands as `exp.Placeholder(this=name)`. `type` is its Arrow type."""

    name: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Rows whose `columns` equal one of a list of key tuples. The list is bound at run time under `slot`:

    one `pa.Array` per column, all of one length, of the columns' own Arrow types, without NULLs, distinct and never empty
    (a fragment without keys is not run at all).
    """

    columns: tuple[str, ...]
    slot: str


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One sort term. `nulls_first` is always explicit: dialects disagree on the default."""

    column: str
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Fragment:
    """One SELECT over one table of one source. All names are the source's own; all semantics are DuckDB's.

    `conjuncts` are expressions over unqualified columns of `table` that the source's capabilities judged exact or superset,
    in the emitted form. SQL connectors render `select()`; others (REST) read the fields. Rows come in no particular order
    unless `order` is given. Frozen: a pass that narrows a fragment makes a new one.
    """

    source: str
    table: str
    columns: tuple[str, ...]
    conjuncts: tuple[exp.Expr, ...] = ()
    params: tuple[Param, ...] = ()
    keys: KeyFilter | None = None
    order: tuple[OrderBy, ...] = ()
    limit: int | None = None

    def select(self) -> exp.Select:
        """The fragment without its key list, as a fresh tree in DuckDB's dialect.

        >>> Fragment("crm", "public.contact", ("id",), limit=3).select().sql("duckdb")
        'SELECT "id" FROM "public"."contact" LIMIT 3'
        """
        query = exp.select(*(exp.column(c, quoted=True) for c in self.columns)).from_(table_expression(self.table))
        for conjunct in self.conjuncts:
            query = query.where(conjunct.copy(), copy=False)  # what is written into the tree stays out of the plan
        if self.order:
            query = query.order_by(*(_ordered(term) for term in self.order), copy=False)
        return query.limit(self.limit, copy=False) if self.limit is not None else query


def table_expression(name: str) -> exp.Table:
    """`schema.table` (or `table`) as a quoted table reference; a name without a dot has no schema."""
    schema, _, table = name.rpartition(".")
    return exp.table_(table, db=schema or None, quoted=True)


def _ordered(term: OrderBy) -> exp.Ordered:
    return exp.Ordered(this=exp.column(term.column, quoted=True), desc=term.descending, nulls_first=term.nulls_first)
