"""Let a source sort and stop early."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from connectors.spi import OrderBy
from federation.conjuncts import bare, conjuncts_of
from federation.context import Context, kind_of
from federation.passes.narrow_ids import given_ids
from federation.passes.push_filters import by_table, unwrapped
from federation.query import Given, Query, Relation, Scan
from federation.values import Values
from views.relations import Records

MOST = 100_000
"""Beyond this many rows a sorted fetch is no longer the cheaper one."""


def push_top(query: Query, context: Context) -> Query:
    """`ORDER BY … LIMIT n` over one union view: every branch yields its own first n, the user's room picks the n among them.

    Only where each branch's source applies everything known of its rows exactly (a limit under an inexact filter loses rows) and
    sorts as DuckDB does; without ORDER BY any n rows will do. Needs: push_filters, bind_keys.
    Safe: a row of the answer is among the first n of its branch. Branches that cannot stay whole.
    """
    if query.plain is None:
        return query
    user, relation = query.plain
    count = _count(user)
    if count is None or not _row_by_row(user, relation) or not _all_copied(user, relation, query, context):
        return query
    terms = _terms(user)
    if terms is None:
        return query
    scans = tuple(_limited(s, relation, terms, count, context) for s in relation.scans)
    done = query.with_relation(relation.name, scans=scans)
    return done.note(f"push_top: first {count}") if scans != relation.scans else done


def _row_by_row(user: exp.Select, relation: Relation) -> bool:
    """Whether each row of the answer comes of one row of a union view."""
    several = any(s.find(exp.AggFunc, exp.Window, exp.Explode, exp.Unnest) for s in user.selects)
    return isinstance(relation.view, Records) and not several and len(list(user.find_all(exp.Query))) == 1


def _count(user: exp.Select) -> int | None:
    numbers = []
    for part in ("limit", "offset"):
        node = user.args.get(part)
        if node is not None:
            value = node.expression
            if not isinstance(value, exp.Literal) or not value.is_int or node.args.get("limit_options"):
                return None
            numbers.append(int(value.name))
    return sum(numbers) if user.args.get("limit") is not None and sum(numbers) <= MOST else None


def _all_copied(user: exp.Select, relation: Relation, query: Query, context: Context) -> bool:
    """Whether every conjunct of the WHERE was copied to the relation, and what they say of id360 is what its ids say."""
    values, types = Values(query, context), relation.view.types
    kinds = {name: kind_of(type_) for name, type_ in types.items()}
    if not all(values.bind(bare(c), kinds) in relation.filters for c in conjuncts_of(user.args.get("where"))):
        return False
    about = [f for f in relation.filters if any(c.name == "id360" for c in f.find_all(exp.Column))]
    return not about or (len(about) == 1 and isinstance(relation.ids, Given) and given_ids(about[0]) == relation.ids)


def _terms(user: exp.Select) -> list[tuple[str, bool, bool]] | None:
    """(column, descending, nulls first) for each sort term over a plain column; None if one is anything else."""
    order = user.args.get("order")
    outputs = {e.alias: e.unalias() for e in user.selects if isinstance(e, exp.Alias)}
    terms = []
    for term in order.expressions if order is not None else ():
        key = term.this
        if isinstance(key, exp.Column) and not key.table:
            key = outputs.get(key.name, key)
        if not isinstance(key, exp.Column) or not isinstance(term, exp.Ordered) or term.args.get("with_fill"):
            return None
        terms.append((key.name, bool(term.args.get("desc")), bool(term.args.get("nulls_first"))))
    return terms


def _limited(scan: Scan, relation: Relation, terms: list[tuple[str, bool, bool]], count: int, context: Context) -> Scan:
    capabilities = context.capabilities(scan.branch.source)
    if not capabilities.limit or not scan.exact or (relation.ids is not None and scan.keys is None):
        return scan
    order = []
    columns = {c.name: c for c in scan.table.columns}
    for name, descending, nulls_first in terms:
        expression = scan.branch.columns.get(name)
        if expression is None:
            return scan
        plain, exact = unwrapped(by_table(expression, scan.table), columns)
        if plain.find(exp.Column) is None:
            continue  # a constant of the branch sorts nothing within it
        if not isinstance(plain, exp.Column) or not exact or columns[plain.name].kind not in capabilities.order_kinds:
            return scan
        order.append(OrderBy(plain.name, descending, nulls_first))
    return replace(scan, order=tuple(order), limit=count)
