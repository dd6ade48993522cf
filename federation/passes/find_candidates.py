"""Predicates through the golden record: search candidates first, fetch them whole, let survivorship and the check follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from connectors.spi import Support
from federation.conjuncts import TRUE_OF_NULL, total
from federation.context import Context, kind_of
from federation.passes.push_filters import folded, judge
from federation.query import Found, Query, Relation, Scan
from federation.values import Values
from views.model import SurvivorshipRule
from views.relations import Records, Survived

MOST = 0.2
"""The largest share of a table's rows worth searching for first."""
UNSEARCHED = (*TRUE_OF_NULL, exp.Not, exp.NEQ)
"""Satisfied by people without any value, whom no search finds; or by nearly everybody."""
PICKS_A_VALUE = frozenset(
    {
        SurvivorshipRule.LATEST,
        SurvivorshipRule.PRIORITY,
        SurvivorshipRule.FREQUENT,
        SurvivorshipRule.LONGEST,
        SurvivorshipRule.MIN,
        SurvivorshipRule.MAX,
        SurvivorshipRule.ANY,
    }
)


def find_candidates(query: Query, context: Context) -> Query:
    """Narrow a survived view to the people of whom *any* record satisfies a predicate on a survived value.

    Filtering records before survivorship would change who wins. But the winner is one of the person's values, so if it
    satisfies P, some record does: ids with such a record are a superset. Their records are then fetched whole, by key,
    survivorship decides, and the user's own WHERE checks P again.

    A policy's filter on the entity is such a predicate too, and binds to the true value even where the column is masked.

    Where a policy hides rows, and so the records too, only its own filter is searched for: a person found by a value that has lost
    would enter the user's room, and an expression that throws on them would tell of that value.

    Needs: copy_filters, narrow_ids. Safe: for rules that pick one of the values, for predicates that NULL does not satisfy.
    Applied only where every contributing source can search by P itself, so that no source is read whole for it. Where none of a view's
    predicates could be searched for, its scans say who cannot, and why.
    """
    values = Values(query, context)
    relations = tuple(_searched(r, context, values) for r in query.relations)
    changed = [r.name for r, before in zip(relations, query.relations, strict=True) if r.ids is not before.ids]
    done = replace(values.stored(), relations=relations)
    return done.note(f"find_candidates: {', '.join(changed)}") if changed else done


def _searched(relation: Relation, context: Context, values: Values) -> Relation:
    view = relation.view
    if not isinstance(view, Survived) or relation.ids is not None or context.crosswalk is None:
        return relation
    searches: list[Relation] = []
    refusals: list[_Refusal] = []
    asked = relation.filters if view.filter is None else ()
    for conjunct in (*asked, *_policy(view, values)):
        names = {c.name for c in conjunct.find_all(exp.Column)}
        attribute = next(iter(names)) if len(names) == 1 else ""
        masked = attribute in view.masks and conjunct in relation.filters
        if attribute not in view.records.types or masked or attribute == "id360" or conjunct.find(*UNSEARCHED):
            continue
        if view.survivorship.rule(attribute) in PICKS_A_VALUE:
            search = _search(f"{relation.name}f{len(searches)}", view.records, relation.scans, conjunct, context, values)
            if isinstance(search, Relation):
                searches.append(search)
            else:
                refusals.append(search)
    if searches:
        return replace(relation, ids=Found(tuple(searches)))
    return replace(relation, scans=tuple(replace(s, reasons=(*s.reasons, *(r.told(s) for r in refusals))) for s in relation.scans))


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a view is read whole: what one of its tables cannot be searched for."""

    scan: Scan
    conjunct: exp.Expr
    reason: str

    def told(self, scan: Scan) -> str:
        """The same to each table of the view; the reason to the one that it is about."""
        asked = self.conjunct.sql("duckdb")
        if scan is self.scan:
            return f"read whole: {asked} cannot be searched for ({self.reason})"
        return f"read whole: {self.scan.branch.source}.{self.scan.table.name} cannot be searched for {asked}"


def _policy(view: Survived, values: Values) -> list[exp.Expr]:
    """The conjuncts of the policy's own filter, which only survived rows pass; its literals become parameters.

    Only those of the shapes that a source may be asked: of these it is known that NULL does not satisfy them unless they say so.
    (`coalesce(region, 'DE') = 'DE'` does not, and is true of somebody of whom no record has a region.)
    """
    if view.filter is None:
        return []
    kinds = {name: kind_of(type_) for name, type_ in view.types.items()}
    parts = view.filter.flatten() if isinstance(view.filter, exp.And) else [view.filter]
    bound = (values.bind(part.unnest(), kinds) for part in parts)
    return [b for b in bound if b is not None and total(b, kinds, values.params)]


def _common(emitted: exp.Expr, scan: Scan, context: Context) -> bool:
    """Whether the source's own statistics say that an equality keeps a large share of its rows: then a search first is waste."""
    columns = {c.name for c in emitted.find_all(exp.Column)}
    if not isinstance(emitted.unnest(), exp.EQ | exp.In) or len(columns) != 1:
        return False
    known = context.statistics(scan.branch.source, scan.table.name).distinct.get(columns.pop())
    wanted = len(emitted.unnest().expressions) or 1
    return known is not None and wanted > known * MOST


def _search(
    name: str, records: Records, scans: tuple[Scan, ...], conjunct: exp.Expr, context: Context, values: Values
) -> Relation | _Refusal:
    """The search for a conjunct, or which source cannot be asked for it."""
    found = []
    for scan in scans:
        condition = folded(conjunct, scan.branch)
        if isinstance(condition, exp.Null | exp.Boolean) and not (isinstance(condition, exp.Boolean) and condition.this):
            continue  # this source never has the attribute: it contributes no candidate
        judgement = judge(condition, scan, context, values)
        if judgement.support is Support.LOCAL or judgement.emitted is None:
            return _Refusal(scan, conjunct, judgement.reason)
        if _common(judgement.emitted, scan, context):
            return _Refusal(scan, conjunct, "a large share of its rows has that")
        found.append(replace(scan, name=f"{name}{scan.name}", conjuncts=(judgement.emitted,)))
    return Relation(name, records, ("id360",), tuple(found), (conjunct,))
