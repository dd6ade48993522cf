"""A planner's state in few lines, for people to compare."""

from __future__ import annotations

from collections.abc import Iterator

from federation.query import Found, Given, Query, Relation, Scan


def shown(query: Query) -> str:
    """One line per relation (its view, the columns that cross, the copied filters, its ids) and one per branch under it."""
    return "\n".join(line for relation in query.relations for line in _relation(relation))


def _relation(relation: Relation, prefix: str = "") -> Iterator[str]:
    every = len(relation.columns) == len(relation.view.types)
    columns = "*" if every else ", ".join(relation.columns)
    where = " and ".join(f.sql("duckdb") for f in relation.filters)
    yield f"{prefix}{relation.view.name}({columns})" + (f" if {where}" if where else "") + _ids(relation)
    for scan in relation.scans:
        yield f"{prefix}  {_scan(scan)}"
    if isinstance(relation.ids, Found):
        for search in relation.ids.searches:
            yield from _relation(search, f"{prefix}  found by ")


def _ids(relation: Relation) -> str:
    match relation.ids:
        case Given(params=params):
            return f" of {', '.join('$' + p for p in params)}"
        case Found():
            return " of those found"
    return ""


def _scan(scan: Scan) -> str:
    parts = [f"{scan.branch.source}.{scan.table.name}"]
    if scan.conjuncts:
        parts.append("where " + " and ".join(c.sql("duckdb") for c in scan.conjuncts))
    if scan.keys:
        parts.append(f"by ({', '.join(scan.keys.columns)})")
    if scan.order:
        parts.append("order by " + ", ".join(f"{o.column}{' desc' * o.descending}{' nulls first' * o.nulls_first}" for o in scan.order))
    if scan.limit is not None:
        parts.append(f"limit {scan.limit}")
    return " ".join(parts)
