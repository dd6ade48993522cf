"""One person, live, within milliseconds: survived values, contact points, and what happened in a window of time."""

from __future__ import annotations

import datetime as dt
import html
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from federation.errors import AmbiguousPerson, BadWindow, NoSuchPerson, PolicyRefused
from federation.identifier_search import unresolved
from federation.provisional import Finder, Provisional
from federation.report import Report
from federation.window import ENTITY, Extent, read_window
from identity.crosswalk import SourceKey
from views.expand import CROSSWALK, RECORD

if TYPE_CHECKING:
    from federation.session import Session

Who = int | str | Mapping[str, object] | tuple[Any, ...]
"""An id360; or {"email": …} (any attribute that identifies); or a source key: ("crm", "contact", 42), a composite key as a tuple."""

T = TypeVar("T")
_WINDOW = re.compile(r"^\s*(\d+)\s*(d|h|w|m|y)\s*$")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}


@dataclass(slots=True)
class Profile:
    """A person as of now. `values` are the survived attributes that are not NULL; `provenance` tells, if it was asked for, where
    each comes from: {"email": {"source": "crm", "key": "42", "as_of": …}}. `timeline` is newest first. `records` are the source
    keys behind the id. `missing` names sources that did not answer, with the code of their error: then this is a part.

    `provisional` are records that the crosswalk does not know yet, if they were looked for: values and events of theirs are not among
    `values` and `timeline`. Only of somebody who is known by such records alone they are, and `id360` is None.
    """

    id360: int | None
    values: dict[str, Any]
    timeline: list[dict[str, Any]]
    records: tuple[SourceKey, ...] = ()
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)
    report: Report = field(default_factory=lambda: Report(""), repr=False)
    provisional: Provisional | None = None

    @property
    def complete(self) -> bool:
        return self.report.complete

    @property
    def missing(self) -> dict[str, str]:
        return self.report.missing

    def as_dict(self) -> dict[str, Any]:
        new = self.provisional.records if self.provisional is not None else ()
        return {
            "id360": self.id360, "values": self.values, "provenance": self.provenance, "timeline": self.timeline,
            "records": [*(_record(r, False) for r in self.records), *(_record(r, True) for r in new)],
            "provisional": self.provisional.as_dict() if self.provisional is not None else None,
            "complete": self.complete, "missing": self.missing,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in self.values.items())
        events = "".join(
            f"<tr><td>{e['at']}</td><td>{html.escape(str(e['kind']))}</td><td>{html.escape(str(e['summary']))}</td></tr>"
            for e in self.timeline
        )
        gap = "" if self.complete else f"<p><b>incomplete: {html.escape(', '.join(self.missing))}</b></p>"
        head = str(self.id360) if self.id360 is not None else "provisional"
        return f"<h4>{head}</h4>{gap}<table>{rows}</table><table>{events}</table>"


def _record(record: SourceKey, provisional: bool) -> dict[str, Any]:
    return {"source": record.source, "table": record.table, "key": list(record.key), "provisional": provisional}


def profile(
    session: Session,
    who: Who,
    *,
    window: str | dt.timedelta | None = "90d",
    max_events: int = 50,
    provenance: bool = False,
    partial: bool = True,
    timeout: float | None = None,
    provisional: bool | None = None,
) -> Profile:
    """The profile of one person. `window` ("90d", "12h", a timedelta; None: for ever) and `max_events` bound the timeline.

    `provisional` looks for records that the crosswalk does not know yet, by exact identifiers: True always, False never, None only
    where an identifier or a source key is nobody's so far. See federation.provisional.

    By default a source that is down leaves a marked gap (`Profile.missing`); with `partial=False` it raises.
    Raises NoSuchPerson, AmbiguousPerson, BadWindow, PolicyRefused, NoCrosswalk and what Session.sql raises.
    """
    asked = _Asked(session, Extent(_since(window), max_events, provenance, partial, timeout), provisional)
    match who:
        case int():
            return asked.by_id(who)
        case str() if who.isdigit():
            return asked.by_id(int(who))
        case Mapping() if len(who) == 1:
            name, value = next(iter(who.items()))
            return asked.by_identifier(str(name), value)
        case (str() as source, str() as table, *key) if key:
            return asked.by_key(source, table, tuple(key))
    raise NoSuchPerson("a profile is asked for by id360, one identifier, or a source key", hint='profile({"email": "ada@example.org"})')


class _Asked:
    """One call of `profile`: all that it asks is metered in one report and logged as one entry."""

    def __init__(self, session: Session, extent: Extent, provisional: bool | None) -> None:
        self.session, self.extent, self.provisional = session, extent, provisional
        self.report = Report(uuid.uuid4().hex[:16])
        self._started = time.perf_counter()

    def by_id(self, id360: int) -> Profile:
        found = self._logged(f"profile {id360}", lambda: self._known(id360))
        return found if not self.provisional or found.id360 is None else self._with_unknown(found, found.id360)

    def by_identifier(self, name: str, value: object) -> Profile:
        people, missing = _carriers(self.session, name, value, self.extent)
        if len(people) > 1:
            told = f"ask by id360: {', '.join(map(str, sorted(people)[:5]))}"
            raise AmbiguousPerson(f"{len(people)} people carry that {name}", hint=told)
        if people:
            return self.by_id(people.pop())
        finder = self._finder()
        found = self._logged(f"profile by {name}", lambda: finder.by_identifier(name, value)) if finder is not None else None
        if isinstance(found, int):
            return self.by_id(found)
        if found is not None:
            return self._made(None, None, found)
        gap = ", ".join(dict.fromkeys((*missing, *self.report.missing)))
        if gap:
            raise NoSuchPerson(f"no record has that {name} in the sources that answered", hint=f"no answer from {gap}: try again later")
        raise NoSuchPerson(f"no record has that {name}", hint=_unsearched(finder, "check the value; `c360 resolve` links new records"))

    def by_key(self, source: str, table: str, key: tuple[Any, ...]) -> Profile:
        if reason := self.session.views.closed(CROSSWALK):
            raise PolicyRefused(f"you may not look people up by source key: {reason}", hint="look them up by an identifier")
        people = [f"{m.source}.{m.table}" for m in self.session.project.model.mappings_of(ENTITY)]
        if f"{source}.{table}" not in people:
            told = f"profiles are of `{ENTITY}`, and {source}.{table} is not mapped to it"
            raise NoSuchPerson(told, hint=f"{', '.join(people)} are; of anything else ask SQL: SELECT * FROM account WHERE id360 = …")
        crosswalk = self.session.project.store.current()
        link = next((x for x in crosswalk.links if (x.entity, x.source, x.table) == (ENTITY, source, table)), None) if crosswalk else None
        found = unresolved(self.session, crosswalk, link, key) if crosswalk is not None and link is not None else None
        if isinstance(found, int):
            return self.by_id(found)
        finder = self._finder()
        if found is not None and finder is not None:
            shown = self._logged(f"profile of a record of {source}.{table}", lambda: finder.by_record(found))
            if shown is not None and (owner := shown[0]) is not None:
                return self._made(owner, self._logged(f"profile {owner}", lambda: self._known(owner)), shown[1])
            if shown is not None:
                return self._made(None, None, shown[1])
        if gap := ", ".join(self.report.missing):
            raise NoSuchPerson(f"no source that answered has that key of {source}.{table}", hint=f"no answer from {gap}: try again later")
        raise NoSuchPerson(f"{source}.{table} has no record of that key", hint="check the key; `c360 resolve` links new records")

    def _known(self, id360: int) -> Profile:
        """What the crosswalk's records say."""
        window = read_window(self.session, id360, self.extent, self.report)
        crosswalk = self.session.project.store.current()
        if not window.there and crosswalk is not None and (now := crosswalk.canonical(id360)) != id360:  # merged into another since
            return self._known(now)
        if not window.there and self.report.complete:
            raise NoSuchPerson(
                f"nobody has the id360 {id360}, or you may not see them", hint="look them up by an identifier, such as their e-mail address"
            )
        return Profile(id360, window.values, window.timeline, window.records, window.provenance, self.report)

    def _with_unknown(self, known: Profile, id360: int) -> Profile:
        finder = self._finder()
        if finder is None:
            return known
        return self._made(id360, known, self._logged(f"profile {id360}, provisional", lambda: finder.of_person(id360)))

    def _made(self, id360: int | None, known: Profile | None, found: Provisional) -> Profile:
        if known is None:
            return Profile(None, found.values, found.timeline, (), found.provenance, self.report, found)
        return replace(known, id360=id360, provisional=found)

    def _finder(self) -> Finder | None:
        crosswalk = self.session.project.store.current()
        if crosswalk is None or self.provisional is False:
            return None
        return Finder(self.session, crosswalk, self.report, self.extent)

    def _logged(self, said: str, work: Callable[[], T]) -> T:
        session = self.session
        entry = session.project.log.opened(self.report.query_id, session.principal, session.purpose, said)
        try:
            done = work()
        except BaseException as error:
            entry.closed(self.report, error)
            raise
        self.report.total_ms = (time.perf_counter() - self._started) * 1000
        entry.closed(self.report, None)
        return done


def _since(window: str | dt.timedelta | None) -> dt.datetime | None:
    if window is None:
        return None
    if isinstance(window, dt.timedelta):
        length = window
    else:
        match = _WINDOW.match(window)
        if match is None:
            raise BadWindow(f"`{window}` is no window", hint="write a number and h, d, w, m or y, like 90d")
        length = dt.timedelta(days=int(match[1]) * _DAYS[match[2]])
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - length


def _carriers(session: Session, name: str, value: object, extent: Extent) -> tuple[set[int], tuple[str, ...]]:
    """The known people of whom a record carries the value as it is given, or in lower case, and the sources that did not answer. The
    search binds to what the principal may see."""
    view = ENTITY + RECORD if not session.views.closed(ENTITY + RECORD) else ENTITY
    forms = dict.fromkeys([value, value.strip().lower()] if isinstance(value, str) else [value])
    marks = ", ".join("?" * len(forms))
    column = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT DISTINCT id360 FROM {view} WHERE {column} IN ({marks})"
    found = session.sql(sql, list(forms), timeout=extent.timeout, partial=extent.partial)
    return {int(row[0]) for row in found.fetchall() if row[0] is not None}, tuple(found.report.missing)


def _unsearched(finder: Finder | None, otherwise: str) -> str:
    """What to do next: what could not be looked through may hold the record."""
    if finder is None or not finder.not_searched:
        return otherwise
    return f"not searched for new records: {'; '.join(sorted(finder.not_searched))}. `c360 resolve` links them"
