"""A steward's decision about records of a project: named as the project names them, kept in its file of decisions."""

from __future__ import annotations

import getpass
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from connectors.spi.errors import C360Error
from federation.state import project_secret
from identity.crosswalk import Crosswalk, LinkTable
from identity.errors import (
    ContradictoryDecisions,
    CrosswalkDamaged,
    CrosswalkKey,
    CrosswalkVersion,
    DecisionExpired,
    DecisionTable,
    KeyType,
)
from identity.scratch import key_type
from identity.stewardship.binding import key_hash
from identity.stewardship.decision_log import decide, iso, read_decisions, read_entries, withdraw
from identity.stewardship.decisions import PIN, Decision, Decisions, RecordName
from identity.versions.lineage import lineage
from views.model import Mapping

if TYPE_CHECKING:
    from federation.project import Project

Key = tuple[Any, ...]
"""A source record: ("crm", "contact", 42); the values of a composite key one after the other."""


def project_decisions(project: Project) -> Decisions:
    """What was decided so far. Raises: DecisionsFile, ContradictoryDecisions."""
    return read_decisions(project.model.decisions)


def project_entries(project: Project) -> Decisions:
    """What was decided so far, even if it contradicts itself: for showing. Raises: DecisionsFile."""
    return read_entries(project.model.decisions)


def standings(project: Project, decisions: Decisions) -> tuple[str, ...]:
    """Of each entry: withdrawn; expired; holds, if the version that serves says so; waits, for the next resolve; "no record", if that
    version does not have both records. In a crosswalk that is broken, or imported, none holds."""
    from identity.evidence.reading import evidence_of
    from identity.stewardship.standing import WAITS, standing

    active = {decision.id for decision in decisions.active()}
    crosswalk = None
    with suppress(CrosswalkDamaged, CrosswalkVersion, CrosswalkKey):
        crosswalk = project.store.current()

    def of(decision: Decision) -> str:
        if decision.id in decisions.withdrawn:
            return "withdrawn"
        if decision.id not in active:
            return "expired"
        if crosswalk is not None and project.model.crosswalk is None:
            with suppress(C360Error):
                return standing(evidence_of(crosswalk, decision.entity, decision.space), decision, project_secret(project.model))[0]
        return WAITS

    return tuple(map(of, decisions.entries))


def lingering(project: Project, decisions: Decisions) -> tuple[Decision, ...]:
    """Those that hold no longer, and none in their stead, although the version that serves was made with them."""
    active = decisions.active()
    with suppress(CrosswalkDamaged, CrosswalkVersion, CrosswalkKey):
        if crosswalk := project.store.current():
            made_with = [decision for decision in decisions.entries if decision.id in crosswalk.decisions]
            return tuple(decision for decision in made_with if not any(decision.says_of(other) for other in active))
    return ()


def decide_records(
    project: Project, verdict: str, a: Key, b: Key | int, *, reason: str, by: str | None = None, until: datetime | None = None
) -> Decision:
    """Note that two records are the "same" person or "different" ones, or ("pin") that the person of `a` keeps the id360 `b`.

    It holds from the next resolve on, until a moment (UTC) if one is given. Keys that are personal are written as a keyed hash. What
    holds already is not noted again: that decision is returned; one that says the same until another moment is replaced.

    Raises: DecisionExpired, DecisionTable, KeyType, UnknownId360, ContradictoryDecisions, DecisionsFile.
    """
    until = until.replace(tzinfo=UTC) if until is not None and until.tzinfo is None else until
    if until is not None and until <= datetime.now(UTC):
        raise DecisionExpired(f"until {iso(until)} is over: the decision would never hold", hint="give a moment to come (UTC), or none")
    crosswalk = project.store.current()
    records = [record for record in (a, b) if not isinstance(record, int)]
    mappings = mappings_of(project, records)
    names = [_named(project, crosswalk, mapping, record[2:]) for mapping, record in zip(mappings, records, strict=True)]
    id360 = b if isinstance(b, int) else None
    if verdict == PIN and crosswalk is not None and id360 is not None:
        _refuse_id_of_others(crosswalk, id360, mappings[0])
    entry = Decision(
        verdict, mappings[0].object, mappings[0].space, names[0], names[1] if len(names) > 1 else None, id360, reason,
        by or getpass.getuser(), datetime.now(UTC), until,
    )  # fmt: skip
    return decide(project.model.decisions, entry)


def _refuse_id_of_others(crosswalk: Crosswalk, id360: int, mapping: Mapping) -> None:
    """A pin to such an id would stop every resolve. Raises: UnknownId360, ContradictoryDecisions."""
    past = lineage(crosswalk, id360)
    if (past.entity, past.space) != (mapping.object, mapping.space):
        whose, mine = _place(past.entity, past.space), _place(mapping.object, mapping.space)
        raise ContradictoryDecisions(
            f"{id360} is an id of {whose}, and the record is of {mine}",
            hint=f"pin it to an id of {mine}: one of its own past, or of another of them",
        )


def _place(entity: str, space: str) -> str:
    return f"{entity}{f' in {space}' if space else ''}"


def unknown_records(project: Project, records: list[Key]) -> tuple[Key, ...]:
    """Those that the crosswalk does not have: a decision about one waits until a resolve finds it. () before the first resolve.

    Raises: DecisionTable.
    """
    crosswalk = project.store.current()
    if crosswalk is None:
        return ()
    found = []
    for mapping, record in zip(mappings_of(project, records), records, strict=True):
        link = crosswalk.link_of(mapping.object, mapping.space, mapping.source, mapping.table)
        if link is None or not _linked(crosswalk, link, record[2:]):
            found.append(record)
    return tuple(found)


def other_bearers(project: Project, record: Key, id360: int) -> int:
    """How many records bear an id that `record` is pinned to and does not bear itself. An id that was merged away is nobody's."""
    crosswalk = project.store.current()
    if crosswalk is None or crosswalk.canonical(id360) != id360:
        return 0
    found = crosswalk.lookup(id360)
    own = any((r.source, r.table, *map(str, r.key)) == record for r in found)
    return 0 if own else len(found)


def _linked(crosswalk: Crosswalk, link: LinkTable, key: Key) -> bool:
    if len(key) != len(link.columns):
        return False
    same = " AND ".join(f"{k} = TRY_CAST(? AS {kind})" for k, kind in zip(link.columns, link.key_types, strict=True))
    return bool(crosswalk.reader.execute(f"SELECT 1 FROM xw.{link.name} WHERE {same} LIMIT 1", list(key)).fetchall())


def undo_decision(project: Project, which: str, *, reason: str, by: str | None = None) -> Decision:
    """Withdraw a decision, by its id or number; it stays in the file. Raises: UnknownDecision, DecisionsFile."""
    return withdraw(project.model.decisions, which, reason=reason, by=by or getpass.getuser())


def mappings_of(project: Project, records: list[Key]) -> list[Mapping]:
    """The mapping of each record's table, all of one entity and space. Raises: DecisionTable."""
    resolved = project.model.resolved
    found = [{(m.object, m.space): m for m in resolved if (m.source, m.table) == record[:2]} for record in records]
    for record, places in zip(records, found, strict=True):
        if not places:
            tables = ", ".join(sorted({f"{m.source}.{m.table}" for m in resolved}))
            raise DecisionTable(f"{record[0]}.{record[1]} is not resolved", hint=f"tables that are: {tables or 'none'}")
    common = sorted(set.intersection(*(set(places) for places in found)))
    if not common:
        raise DecisionTable("the two records are of different entities or spaces", hint="records of one entity and space can be one")
    return [places[common[0]] for places in found]


def _named(project: Project, crosswalk: Crosswalk | None, mapping: Mapping, values: Key) -> RecordName:
    """The record by its key, in the form that DuckDB gives the key's values as text."""
    label = f"{mapping.source}.{mapping.table}"
    if len(values) != len(mapping.key):
        raise DecisionTable(f"the key of {label} is {', '.join(mapping.key)}", hint="give a value for each, with commas between")
    link = crosswalk.link_of(mapping.object, mapping.space, mapping.source, mapping.table) if crosswalk else None
    if link is not None and link.key_columns == mapping.key:
        types, personal = link.key_types, bool(link.personal)
    else:
        from federation.record_sets import record_set

        described = record_set(project, mapping, ())
        types, personal = tuple(key_type(column.type) for column in described.key), described.personal_key
    key = tuple(_text(value, kind, label) for value, kind in zip(values, types, strict=True))
    if personal:
        return RecordName(
            mapping.source, mapping.table, (key_hash(project_secret(project.model), mapping.source, mapping.table, key),), True
        )
    return RecordName(mapping.source, mapping.table, key)


def _text(value: Any, kind: str, label: str) -> str:
    try:
        with duckdb.connect() as con:
            return str(con.execute(f"SELECT CAST(CAST(? AS {kind}) AS VARCHAR)", [value]).fetchall()[0][0])
    except duckdb.Error as cause:
        raise KeyType(f"a key of {label} is a {kind}, which this is not", hint="give the record's key as the source has it") from cause
