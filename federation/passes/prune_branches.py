"""Do not ask sources that cannot contribute a row."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from federation.context import Context
from federation.passes.push_filters import folded
from federation.query import Query, Relation, Scan
from views.relations import Survived


def prune_branches(query: Query, context: Context) -> Query:
    """Drop a branch of which a conjunct can never be true: it has no such attribute, or a constant says otherwise
    (`source = 'crm'`, the `kind` of a timeline). And where ids are given, one whose rows are nobody's.

    Needs: copy_filters, narrow_ids. Safe: none of its rows would pass the user's WHERE. Branches of a survived view stay: a record
    that fails P may still decide who survives.
    """
    relations = tuple(_pruned(r, query, context) for r in query.relations)
    gone = sum(len(before.scans) - len(r.scans) for r, before in zip(relations, query.relations, strict=True))
    done = replace(query, relations=relations)
    return done.note(f"prune_branches: {gone} branches without a row") if gone else done


def _pruned(relation: Relation, query: Query, context: Context) -> Relation:
    if isinstance(relation.view, Survived) or not relation.filters:
        return relation
    somebodys = (s for s in relation.scans if relation.ids is None or s.branch.link is not None)
    kept = tuple(s for s in somebodys if not any(_never(f, s, query, context) for f in relation.filters))
    return replace(relation, scans=kept) if len(kept) < len(relation.scans) else relation


def _never(conjunct: exp.Expr, scan: Scan, query: Query, context: Context) -> bool:
    condition = folded(conjunct, scan.branch)
    if isinstance(condition, exp.Null):
        return True
    if condition.find(exp.Column):
        return False
    if any(p.name not in query.constants for p in condition.find_all(exp.Placeholder)):
        return False  # a bound value is not known when the plan is made
    found = context.evaluate(condition, query.constants)
    return found is not None and found.as_py() is not True
