"""Let only those columns cross the boundary that the user's query reads."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from federation.context import Context
from federation.query import Query


def prune_columns(query: Query, context: Context) -> Query:
    """Leave each relation the columns that some expression of the user's query names.

    What a branch, a survivorship rule or a policy needs below the boundary follows from these (render.source_columns), so the
    sources are asked for less as well. A relation of which nothing is read still has its rows counted.

    Needs: a qualified query. Safe: a column that is not named cannot be seen.
    """
    read: dict[str, set[str]] = {}
    for select in query.user.find_all(exp.Select):
        names = _aliases(select)
        for column in _columns_of(select):
            if column.table in names:
                read.setdefault(names[column.table], set()).add(column.name)
    relations = tuple(replace(r, columns=tuple(c for c in r.columns if c in read.get(r.name, ()))) for r in query.relations)
    return replace(query, relations=relations).note("prune_columns: " + "; ".join(f"{r.name}({', '.join(r.columns)})" for r in relations))


def _aliases(select: exp.Select) -> dict[str, str]:
    """Alias → table name for what a SELECT reads itself, in brackets (`a LEFT JOIN (b JOIN c …)`) or not."""
    return {t.alias_or_name: t.name for t in select.find_all(exp.Table) if t.find_ancestor(exp.Select) is select}


def _columns_of(select: exp.Select) -> list[exp.Column]:
    """Every column below a SELECT: subqueries may be correlated, and an alias that means something else there reads too much,
    never too little."""
    return list(select.find_all(exp.Column))
