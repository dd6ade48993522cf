"""Answers that need no SQL of the user's: plain columns of one relation, for people given by id.

`SELECT email FROM individual WHERE id360 = $id ORDER BY …` asks for nothing that the guarded relation does not already say: its
rows are those of the ids, and only columns, order and number are left. Then the user's room, a third of such a query's time,
is not entered. No expression of the user's is evaluated here; what is evaluated elsewhere does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from federation.context import kind_of
from federation.query import Given, Query, Relation
from federation.render import carries, never_given

_SORTED = frozenset({"int", "decimal", "date", "timestamp"})
"""Kinds that Arrow sorts as DuckDB does."""


@dataclass(frozen=True, slots=True)
class Direct:
    """`columns` are (name in the answer, column of the relation); `order` are (column, descending); NULLs last.

    `nulls` are columns that no mapping gives, with their types: the relation leaves them out, they are put in at the end.
    """

    columns: tuple[tuple[str, str], ...]
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0
    nulls: Mapping[str, pa.DataType] = field(default_factory=dict)

    def answer(self, rows: pa.Table) -> pa.Table:
        """The relation's rows as the user wants them."""
        if self.order:
            keys = [(name, "descending" if descending else "ascending") for name, descending in self.order]
            rows = rows.take(pc.sort_indices(rows, sort_keys=keys))  # NULLs come last, as in DuckDB
        kept = rows.slice(self.offset, self.limit)
        empty = {type_: pa.nulls(kept.num_rows, type_) for type_ in set(self.nulls.values())}
        picked = [empty[self.nulls[c]] if c in self.nulls else kept.column(c) for _, c in self.columns]
        return pa.Table.from_arrays(picked, names=[name for name, _ in self.columns])

    def without_nulls(self, relation: Relation, type_of: Callable[[str], pa.DataType | None]) -> tuple[Direct, Relation]:
        """The same answer from a relation that leaves out what no mapping gives: each such column costs DuckDB more than its value.

        `type_of` gives the Arrow type of a DuckDB type, None for what it does not know."""
        spared = set(never_given(relation)) - {name for name, _ in self.order}
        types = {c: t for c in relation.columns if c in spared and (t := type_of(relation.view.types[c])) is not None}
        return replace(self, nulls=types), replace(relation, columns=tuple(c for c in relation.columns if c not in types))


def direct(query: Query) -> Direct | None:
    """How to answer without the user's room, or None if it takes one."""
    if query.plain is None:
        return None
    user, relation = query.plain
    if not _of_ids(user, relation):
        return None
    columns = _columns(user, relation)
    order = _order(user, relation, dict(columns or ()))
    limit, offset = _number(user, "limit"), _number(user, "offset")
    if columns is None or order is None or limit is False or offset is False:
        return None
    return Direct(columns, order, limit, offset or 0)


def _of_ids(user: exp.Select, relation: Relation) -> bool:
    """Whether the WHERE says no more than the relation's ids, and every row of the relation is of one of them."""
    where = user.args.get("where")
    if (
        not isinstance(relation.ids, Given)
        or where is None
        or len(relation.filters) != 1
        or not relation.scans
        or not all(carries(relation, s) for s in relation.scans)
    ):
        return False
    match where.this.unnest():
        case exp.EQ(this=exp.Column() as column, expression=exp.Placeholder() as value):
            values = [value]
        case exp.In(this=exp.Column() as column, expressions=[*values]) if all(isinstance(v, exp.Placeholder) for v in values):
            pass
        case _:
            return False
    return column.name == "id360" and tuple(v.name for v in values) == relation.ids.params


def _columns(user: exp.Select, relation: Relation) -> tuple[tuple[str, str], ...] | None:
    columns = [(e.alias_or_name, e.unalias()) for e in user.selects]
    if not all(isinstance(c, exp.Column) and c.name in relation.columns for _, c in columns):
        return None
    return tuple((name, c.name) for name, c in columns)


def _order(user: exp.Select, relation: Relation, outputs: dict[str, str]) -> tuple[tuple[str, bool], ...] | None:
    terms: list[tuple[str, bool]] = []
    for term in user.args["order"].expressions if user.args.get("order") else ():
        key = term.this
        if (
            not isinstance(term, exp.Ordered)
            or not isinstance(key, exp.Column)
            or term.args.get("nulls_first")
            or term.args.get("with_fill")
        ):
            return None
        name = key.name if key.table else outputs.get(key.name, "")
        if kind_of(relation.view.types.get(name, "")) not in _SORTED or name not in relation.columns:
            return None
        terms.append((name, bool(term.args.get("desc"))))
    return tuple(terms)


def _number(user: exp.Select, part: str) -> int | bool | None:
    """The literal of a LIMIT or OFFSET; None if there is none, False if it is anything else."""
    node = user.args.get(part)
    if node is None:
        return None
    value = node.expression
    return int(value.name) if isinstance(value, exp.Literal) and value.is_int else False
