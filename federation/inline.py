"""A state of the query as one statement that runs wherever all sources lie in one DuckDB: what the equivalence tests run, and `explain`
shows.

Scans are written out as subqueries over `"source"."table"`, the crosswalk is `xw.<link>`.
"""

from __future__ import annotations

from sqlglot import exp

from connectors.spi import table_expression
from federation.query import Found, Given, Ids, Query, Relation, Scan
from federation.render import (
    CARRIED,
    LINK,
    Linked,
    Places,
    carriers_select,
    carries,
    linked_by,
    placed_links,
    relation_select,
    source_columns,
)
from identity.crosswalk import Crosswalk


def statement(query: Query, crosswalk: Crosswalk | None) -> str:
    """A state of the query as one runnable statement: sources under `"source"."table"`, the crosswalk attached as `xw`."""
    places = inline_places(crosswalk)
    user = query.user.copy()
    own = user.ctes
    for relation in query.relations:
        user = user.with_(relation.name, as_=relation_select(relation, places), copy=False)
    with_ = user.args.get("with_")
    if own and with_ is not None:  # the user's CTEs read the relations: they come after
        with_.set("expressions", [*with_.expressions[len(own) :], *own])
    return user.sql("duckdb", copy=False, comments=False, pretty=True)


def inline_places(crosswalk: Crosswalk | None) -> Places:
    """What a relation reads, as tables and queries in its own statement: sources by name, the crosswalk as `xw`."""

    def links(link: Linked, ids: Ids | None) -> exp.Expr:
        base = exp.select("*").from_(exp.table_(link.name, catalog="xw", db="main", quoted=True))
        return (base.where(_in_ids(exp.column("id360"), ids, places)) if ids else base).subquery()

    def scan(relation: Relation, scan: Scan) -> exp.Expr:
        table = table_expression(f"{scan.branch.source}.{scan.table.name.replace('.', '_')}")
        query = exp.select(*(exp.column(c, quoted=True) for c in source_columns(relation, scan))).from_(table)
        for conjunct in scan.conjuncts:
            query = query.where(conjunct.copy(), copy=False)
        if carries(relation, scan) and scan.keys is not None and scan.branch.link is not None:
            pairs = zip(linked_by(scan, crosswalk), scan.keys.columns, strict=True)
            on = exp.and_(*(exp.column(k, LINK).eq(exp.column(c, quoted=True)) for k, c in pairs))
            query = query.join(exp.alias_(placed_links(relation, scan, places), LINK, table=True), on=on, copy=False)
            ord_ = exp.null() if scan.branch.link.identifier else exp.column("ord", LINK)
            query = query.select(*(exp.alias_(e, n) for e, n in zip((exp.column("id360", LINK), ord_), CARRIED, strict=True)), copy=False)
        for term in scan.order:
            ordered = exp.Ordered(this=exp.column(term.column, quoted=True), desc=term.descending, nulls_first=term.nulls_first)
            query = query.order_by(ordered, copy=False)
        return (query.limit(scan.limit) if scan.limit is not None else query).subquery()

    def carriers(relation: Relation, ids: Ids | None) -> exp.Expr:
        found = carriers_select(relation, places)
        return (exp.select("*").from_(found.subquery("c")).where(_in_ids(exp.column("id360"), ids, places)) if ids else found).subquery()

    places = Places(scan, links, carriers, crosswalk)
    return places


def _in_ids(column: exp.Expr, ids: Ids, places: Places) -> exp.Expr:
    match ids:
        case Given(params=params):
            return exp.In(this=column, expressions=[exp.Placeholder(this=p) for p in params])
        case Found(searches=searches):
            return exp.and_(*(exp.In(this=column.copy(), query=relation_select(s, places).subquery()) for s in searches))
