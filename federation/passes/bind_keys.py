"""Ask each source by its own keys of the persons that matter."""

from __future__ import annotations

from dataclasses import replace

from connectors.spi import KeyFilter
from federation.context import Context
from federation.query import Query, Relation, Scan


def bind_keys(query: Query, context: Context) -> Query:
    """Where a relation's ids are known or will be found, let the crosswalk turn them into each source's keys.

    The keys are a bound array, looked up when the query runs; a source of which a person has no key is not asked at all.

    Needs: narrow_ids or find_candidates. Safe: a row whose key is not among them has another id360, or none.
    """
    relations = tuple(_bound(r, context) if r.ids is not None else r for r in query.relations)
    return replace(query, relations=relations)


def _bound(relation: Relation, context: Context) -> Relation:
    return replace(relation, scans=tuple(_keyed(relation, s, context) for s in relation.scans))


def _keyed(relation: Relation, scan: Scan, context: Context) -> Scan:
    link = scan.branch.link
    if link is None or not link.columns or not context.capabilities(scan.branch.source).keys:
        return scan
    names = {c.name.lower(): c.name for c in scan.table.columns}
    return replace(scan, keys=KeyFilter(tuple(names.get(c.lower(), c) for c in link.columns), f"{relation.name}.{scan.name}"))
