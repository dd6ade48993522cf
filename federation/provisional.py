"""Records that the crosswalk does not know yet, found by exact identifiers when a profile asks for them.

They are shown beside what is known of a person, never mixed into it: that they are this person's is what an identifier says, and the next
resolve decides. So nothing that an application reads of a known person changes because somebody else signed up with their address.
Everything of them comes from a window of their own, under all policies of the session, as if they were a person; of people whom the
principal may not see nothing is told here either, not even by refusing to choose between them and somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from federation.deciding import project_decisions
from federation.errors import AmbiguousPerson
from federation.identifier_search import PROVISIONAL, Carriers, Hit, masked, match_keys, search
from federation.report import Report
from federation.state import project_secret
from federation.window import ENTITY, Extent, read_window, run_all
from identity.crosswalk import Crosswalk, SourceKey
from identity.model import MatchKey
from identity.stewardship.binding import key_hash
from identity.stewardship.decisions import DIFFERENT, RecordName
from views.expand import RECORD
from views.relations import Survived

if TYPE_CHECKING:
    from federation.session import Session

MOST_VALUES = 20
"""So many values of one identifier are searched for, and so many records without a person are told apart; more are somebody's mistake."""


@dataclass(frozen=True, slots=True)
class Provisional:
    """Records that agree exactly with an identifier of the person and are in no crosswalk yet: `values`, `provenance` and `timeline`
    are theirs alone. `agree_on` are the attributes that found them; none if they were asked for by source key. `not_searched` names
    the tables that could not be looked through, or not wholly, and why. `records` is empty if the session may not see source keys.
    """

    records: tuple[SourceKey, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    agree_on: tuple[str, ...] = ()
    not_searched: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "values": self.values, "provenance": self.provenance, "timeline": self.timeline, "agree_on": list(self.agree_on),
            "not_searched": list(self.not_searched),
        }  # fmt: skip


@dataclass(slots=True)
class Finder:
    """Finds unknown records for one profile. `report` takes the meters of all that it asks; `not_searched` grows as it goes."""

    session: Session
    crosswalk: Crosswalk
    report: Report
    extent: Extent
    not_searched: set[str] = field(default_factory=set)

    def by_identifier(self, attribute: str, given: object) -> int | Provisional | None:
        """Who carries a value that no known record was found by as it was given: a known person after all (another spelling of it),
        unknown records, or nobody. Raises AmbiguousPerson, and what Session.sql raises."""
        keys = {key: ruled for key, ruled in match_keys(self.session.project.model).items() if key.attribute == attribute}
        for key, ruled in keys.items():
            found = self._search(key, given)
            people = self._visible(found.people)
            if len(people) > 1:
                raise AmbiguousPerson(f"{len(people)} people carry that {attribute}", hint="ask by id360 or source key")
            if people:
                return people.pop()
            seen = [p for group in _groups(found.unknown, ruled) if (p := self.shown(group)) is not None]
            if len(seen) > 1:
                said = f"{len(seen)} new records carry that {attribute}, and nobody knows yet whether they are one person"
                raise AmbiguousPerson(said, hint="run `c360 resolve`, or ask by source key")
            if seen:
                return seen[0]
        return None

    def by_record(self, hit: Hit) -> tuple[int | None, Provisional] | None:
        """The person whom an unknown record belongs to by its identifiers, if there is exactly one, and what is unknown of them.
        None if the record may not be seen, or is not there."""
        alone = self.shown((hit,))
        if alone is None:
            return None
        people: dict[int, list[str]] = {}
        more = {hit: None}
        for key, ruled in match_keys(self.session.project.model).items():
            if (value := alone.values.get(key.attribute)) is not None:
                found = self._search(key, value)
                for person in self._visible(found.people):
                    people.setdefault(person, []).append(key.attribute)
                more |= {h: None for h in found.unknown if ruled and h.link.space == hit.link.space}
        if len(people) == 1:
            ((owner, agree),) = people.items()
            if self._undisputed(owner, [hit]):
                return owner, self.shown(self._undisputed(owner, more), agree) or alone
        return None, (self.shown(more) if not people and len(more) > 1 else None) or alone

    def of_person(self, id360: int) -> Provisional:
        """The unknown records that agree with an identifier of a person, which nobody else (whom the principal may see) carries."""
        hits: dict[Hit, None] = {}
        for key, values in self._identifiers(id360).items():
            for value in values:
                found = self._search(key, value)
                if not self._visible(found.people - {id360}):
                    hits |= dict.fromkeys(found.unknown)
        shown = self.shown(self._undisputed(id360, hits))
        return shown or Provisional(not_searched=tuple(sorted(self.not_searched)))

    def shown(self, hits: Iterable[Hit], agree: Iterable[str] = ()) -> Provisional | None:
        """What may be seen of unknown records, as if they were one person; None if nothing."""
        hits = self._seen(sorted(hits, key=lambda h: (h.link.name, tuple(map(str, h.key)))))
        if not hits:
            return None
        window = read_window(self.session, PROVISIONAL, self.extent, self.report, _links(hits, [PROVISIONAL] * len(hits)))
        if not window.there:
            return None
        by = tuple(sorted({*agree, *(hit.attribute for hit in hits if hit.attribute)}))
        return Provisional(window.records, window.values, window.provenance, window.timeline, by, tuple(sorted(self.not_searched)))

    def _seen(self, hits: list[Hit]) -> list[Hit]:
        """Those records that the principal might see if each were a person by itself: one that is hidden shows nothing of itself
        through others, not even that it is there."""
        view = self.session.views.get(ENTITY)
        if len(hits) < 2 or not isinstance(view, Survived) or view.filter is None:
            return hits
        ids = {f"p{i}": PROVISIONAL - i for i in range(len(hits))}
        sql = f"SELECT id360 FROM {ENTITY} WHERE id360 IN ({', '.join(f'${name}' for name in ids)})"
        session, crosswalk = self.session, self.crosswalk
        prepared = session.project.planner.prepare_window((sql,), dict(ids), session.views, crosswalk, partial=self.extent.partial)
        part = Report(self.report.query_id)
        _, (rows,) = run_all(session, prepared, ids, part, self.extent, _links(hits, list(ids.values())))
        self.report.fragments += part.fragments
        self.report.missing |= part.missing
        seen = set(rows.column("id360").to_pylist())
        return [hit for hit, stand_in in zip(hits, ids.values(), strict=True) if stand_in in seen]

    def _search(self, key: MatchKey, given: object) -> Carriers:
        return search(self.session, self.crosswalk, key, given, self.report, self.extent, self.not_searched)

    def _visible(self, people: Iterable[int]) -> set[int]:
        """Those of some people whom the principal may see."""
        wanted = sorted(people)
        if not wanted:
            return set()
        marks = ", ".join("?" * len(wanted))
        sql = f"SELECT id360 FROM {ENTITY} WHERE id360 IN ({marks})"
        return {int(i) for i in self._asked(sql, wanted).column(0).to_pylist()}

    def _identifiers(self, id360: int) -> Mapping[MatchKey, list[object]]:
        """A person's identifiers, as far as the principal may see them: of all records where records may be seen, else those that
        have survived."""
        views = self.session.views
        given = {name for m in views.model.mappings_of(ENTITY) for name in m.attributes}
        keys = [k for k in match_keys(views.model) if k.attribute in given and not masked(views, k.attribute)]
        if not keys:
            return {}
        columns = list(dict.fromkeys(k.attribute for k in keys))
        view = ENTITY + RECORD if not views.closed(ENTITY + RECORD) else ENTITY
        quoted = ", ".join(f'"{c}"' for c in columns)
        answer = self._asked(f"SELECT {quoted} FROM {view} WHERE id360 = ?", [id360])
        held = {c: [v for v in dict.fromkeys(answer.column(c).to_pylist()) if v is not None][:MOST_VALUES] for c in columns}
        return {key: held[key.attribute] for key in keys}

    def _asked(self, sql: str, values: list[int]) -> pa.Table:
        """The answer to a query of the principal's, metered with all else."""
        answer = self.session.sql(sql, values, timeout=self.extent.timeout, partial=self.extent.partial)
        rows = answer.arrow()
        self.report.fragments += answer.report.fragments
        self.report.missing |= answer.report.missing
        return rows

    def _undisputed(self, id360: int, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """Those in a space of the person that no steward has said to be somebody else than one of their records."""
        records = self.crosswalk.lookup(id360)
        spaces = {r.space for r in records if r.entity == ENTITY}
        near = tuple(h for h in hits if h.link.space in spaces)
        apart = [d for d in project_decisions(self.session.project).active() if d.verdict == DIFFERENT and d.entity == ENTITY]
        if not apart or not near:
            return near
        own = {self._named(r) for r in records}
        return tuple(h for h in near if not any(_parts(d.records, self._hit_named(h), own) for d in apart))

    def _hit_named(self, hit: Hit) -> RecordName:
        return self._named(SourceKey(ENTITY, hit.link.space, hit.link.source, hit.link.table, hit.key))

    def _named(self, record: SourceKey) -> RecordName:
        link = self.crosswalk.link_of(record.entity, record.space, record.source, record.table)
        key = tuple(map(str, record.key))
        if link is not None and link.personal:
            secret = project_secret(self.session.project.model)
            return RecordName(record.source, record.table, (key_hash(secret, record.source, record.table, key),), True)
        return RecordName(record.source, record.table, key)


def _links(hits: Sequence[Hit], ids: Sequence[int]) -> dict[str, pa.Table]:
    """By link table the links that lead unknown records to these ids."""
    links: dict[str, list[pa.Table]] = {}
    for rank, (hit, id360) in enumerate(zip(hits, ids, strict=True)):
        columns = {"id360": pa.array([id360], pa.int64()), "ord": pa.array([rank], pa.int32())}
        links.setdefault(hit.link.name, []).append(
            pa.table({name: columns.get(name, hit.row.column(name)) for name in hit.row.column_names})
        )
    return {name: pa.concat_tables(rows) for name, rows in links.items()}


def _parts(records: tuple[RecordName, ...], unknown: RecordName, own: set[RecordName]) -> bool:
    """Whether a decision that two records differ parts the unknown one from one of these."""
    return unknown in records and any(r in own for r in records if r != unknown)


def _groups(hits: tuple[Hit, ...], ruled: bool) -> list[tuple[Hit, ...]]:
    """Unknown records that would be one person each: all of a space where a rule says so, else every one by itself; none if too many."""
    groups: dict[object, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.link.space if ruled else (hit.link.name, hit.key), []).append(hit)
    return [tuple(g) for g in groups.values()] if len(groups) <= MOST_VALUES else []
