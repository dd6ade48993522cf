"""Ask each source by its own keys of the people who matter."""

from __future__ import annotations

from dataclasses import replace

from connectors.spi import KeyFilter, family
from federation.context import Context, kind_of
from federation.query import Query, Relation, Scan
from federation.render import key_types


def bind_keys(query: Query, context: Context) -> Query:
    """Where a relation's ids are known or will be found, let the crosswalk turn them into each source's keys.

    The keys are a bound array of the columns' own types, looked up when the query runs; a source of which a person has no key is
    not asked at all.

    Needs: narrow_ids or find_candidates. Safe: a row whose key is not among them has another id360, or none.
    """
    relations = tuple(_bound(r, context) if r.ids is not None else r for r in query.relations)
    return replace(query, relations=relations)


def _bound(relation: Relation, context: Context) -> Relation:
    return replace(relation, scans=tuple(_keyed(relation, s, context) for s in relation.scans))


def _keyed(relation: Relation, scan: Scan, context: Context) -> Scan:
    link, capabilities = scan.branch.link, context.capabilities(scan.branch.source)
    if link is None or not link.columns or not capabilities.keys:
        return scan
    by_name = {c.name.lower(): c for c in scan.table.columns}
    columns = [found for c in link.columns if (found := by_name.get(c.lower())) is not None]
    types = key_types(scan, context.crosswalk)
    exact = all(c.kind in capabilities.key_kinds and family(c.type) == kind_of(t) for c, t in zip(columns, types, strict=False))
    if not exact or not len(columns) == len(types) == len(link.columns):
        return scan  # `'01'` is not 1 to every source: such keys are compared in the trusted room
    return replace(scan, keys=KeyFilter(tuple(c.name for c in columns), f"{relation.name}.{scan.name}"))
