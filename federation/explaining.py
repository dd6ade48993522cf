"""Why the crosswalk says what it says, for a project: from the evidence it keeps, and for pairs of which it keeps none, live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from federation.deciding import Key, mappings_of, project_decisions
from federation.state import project_secret, serving
from identity.errors import UnknownId360
from identity.evidence.reading import Member, StoredEvidence, evidence_of, places_with_evidence
from identity.evidence.why import ClusterEvidence, PairEvidence, Why, best_pair, why, why_cluster
from identity.households.reading import HouseholdEvidence, why_household
from identity.model import RecordSet
from identity.stewardship.kinds import KINDS
from identity.stewardship.review import Queue, ordered, review
from views.model import Mapping

if TYPE_CHECKING:
    from federation.project import Project


def why_records(project: Project, a: Key, b: Key, *, live: bool = True) -> Why:
    """Why records ("crm", "contact", 42) and ("shop", "customer", "C-3") are one person, or are not.

    Of a pair that the crosswalk kept nothing of, the two records are read from their sources now and compared (`live` False: not).
    Raises: NoCrosswalk, NoEvidence, UnknownRecord, DecisionTable; for a live comparison what the sources raise.
    """
    crosswalk = serving(project)
    mapping, other = mappings_of(project, [a, b])
    evidence = evidence_of(crosswalk, mapping.object, mapping.space)
    one, two = evidence.find(a[0], a[1], a[2:]), evidence.find(b[0], b[1], b[2:])
    found = why(evidence, one, two, project_decisions(project).active(), project_secret(project.model))
    if found.direct is None and not found.path and live and one.rec != two.rec:
        return replace(found, direct=_live(project, evidence, (mapping, other), (one, two)))
    return found


def why_people(project: Project, one: int, other: int) -> Why | ClusterEvidence | HouseholdEvidence:
    """Why two ids (of now, or merged) are two people: as `why_records` of the pair of their records that speaks most for one person.

    If they are one by now, how it hangs together. Raises: NoCrosswalk, UnknownId360; what `why_records` raises.
    """
    crosswalk = serving(project)
    a, b = crosswalk.canonical(one), crosswalk.canonical(other)
    if a == b:
        return why_id360(project, a)
    for place in places_with_evidence(crosswalk):
        if pair := best_pair(evidence_of(crosswalk, *place), a, b):
            first, second = ((m.table.source, m.table.table, *m.key) for m in pair)
            return why_records(project, first, second)
    for id360 in (a, b):
        why_id360(project, id360)
    raise UnknownId360(f"{one} and {other} are not two ids of one entity and space", hint="`c360 why ID360` shows each")


def why_id360(project: Project, id360: int) -> ClusterEvidence | HouseholdEvidence:
    """How the records of an id (of now, or one merged into it) hang together; of a household's id, who is of it and why.

    Raises: NoCrosswalk, NoEvidence, UnknownId360.
    """
    crosswalk = serving(project)
    now = crosswalk.canonical(id360)
    decisions, secret = project_decisions(project).active(), project_secret(project.model)
    for place in places_with_evidence(crosswalk):
        if found := why_cluster(evidence_of(crosswalk, *place), now, decisions, secret):
            return found
        if household := why_household(evidence_of(crosswalk, *place), now):
            return household
    raise UnknownId360(f"no record has the id360 {id360}, or nothing is kept of why", hint="`c360 crosswalk show ID360` tells its history")


def review_project(project: Project, limit: int = 20, kinds: Collection[str] = ()) -> Queue:
    """What is worth a steward's look, of all entities, weightiest first; of some `kinds` only, if they are given.

    Raises: NoCrosswalk, DecisionsFile.
    """
    crosswalk, decisions = serving(project), project_decisions(project).active()
    secret = project_secret(project.model)
    parts = [review(evidence_of(crosswalk, *p), secret, decisions, limit, kinds or KINDS) for p in places_with_evidence(crosswalk)]
    return ordered([item for part in parts for item in part], sum((part.totals for part in parts), Counter()), limit)


def _live(project: Project, evidence: StoredEvidence, mappings: Sequence[Mapping], members: Sequence[Member]) -> PairEvidence | None:
    """The two records compared now; None if one of them is gone."""
    from federation.resolving import engines_of
    from identity.evidence.live_comparison import compare_live

    entity = evidence.entity
    engines = engines_of(project)
    sets = [_one(project, m, (member,)) for m, member in zip(mappings, members, strict=True)]
    if sets[0].place == sets[1].place:
        sets = [_one(project, mappings[0], members)]
    sets.sort(key=lambda s: s.place)
    compared = compare_live(sets, evidence.document, project.model.rules.get(entity, ()), engines, entity, evidence.space)
    if compared is None:
        return None
    found, proposed, unmet = compared
    return PairEvidence(str(members[0]), str(members[1]), proposed, None, found, live=True, unmet=unmet)


def _one(project: Project, mapping: Mapping, members: Sequence[Member]) -> RecordSet:
    """Only these records of a mapped table."""
    from federation.record_sets import needed_attributes, record_set

    keys = [exp.and_(*(_is(k, v, t) for k, v, t in zip(mapping.key, m.key, m.table.key_types, strict=True))) for m in members]
    chosen = exp.paren(exp.or_(*keys))
    where = exp.and_(mapping.where.copy(), chosen) if mapping.where is not None else chosen
    return record_set(project, replace(mapping, where=where), needed_attributes(project, mapping.object))


def _is(column: str, value: Any, kind: str) -> exp.Expr:
    if isinstance(value, int):
        literal: exp.Expr = exp.Literal.number(value)
    elif isinstance(value, str):
        literal = exp.Literal.string(value)
    else:
        literal = exp.cast(exp.Literal.string(str(value)), kind)
    return exp.EQ(this=exp.column(column, quoted=True), expression=literal)
