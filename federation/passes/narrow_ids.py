"""Turn predicates on id360 into a set of ids: the crosswalk's business, not the sources'."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from federation.context import Context
from federation.query import Given, Query, Relation, narrowable


def narrow_ids(query: Query, context: Context) -> Query:
    """`id360 = $p` and `id360 IN ($p, …)` become the relation's ids; each source is then asked by its keys of those ids.

    Needs: copy_filters. Safe: the predicate stays in the user's query, and rows of other ids cannot pass it. A row without an
    id360 cannot pass it either, so the crosswalk may be joined inner.
    """
    relations = tuple(_narrowed(r) for r in query.relations)
    changed = [r.name for r, before in zip(relations, query.relations, strict=True) if r is not before]
    done = replace(query, relations=relations)
    return done.note(f"narrow_ids: {', '.join(changed)} by id360") if changed else done


def _narrowed(relation: Relation) -> Relation:
    if relation.ids is not None or not narrowable(relation):
        return relation
    for conjunct in relation.filters:
        if given := given_ids(conjunct):
            return replace(relation, ids=given)
    return relation


def given_ids(conjunct: exp.Expr) -> Given | None:
    """The ids that a conjunct names, None if it is of another form."""
    match conjunct:
        case exp.EQ(this=exp.Column(this=exp.Identifier(this="id360")), expression=exp.Placeholder() as value):
            return Given((value.name,))
        case exp.In(this=exp.Column(this=exp.Identifier(this="id360")), expressions=values) if values:
            return Given(tuple(v.name for v in values))
    return None
