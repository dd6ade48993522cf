"""One person, live, within milliseconds: survived values, contact points, and what happened in a window of time."""

from __future__ import annotations

import datetime as dt
import html
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.spi.errors import UserError
from federation.errors import AmbiguousPerson, NoSuchPerson, PolicyRefused
from federation.inbox import Stopped
from federation.planner import Prepared
from federation.render import absent
from federation.report import Report
from federation.run import Run, cause_of
from identity.crosswalk import Crosswalk, SourceKey
from views.expand import CROSSWALK, RECORD, TIMELINE, Views
from views.relations import Survived, View
from views.survive import EXTRA, attribute_of

if TYPE_CHECKING:
    from federation.session import Session

Who = int | str | Mapping[str, object] | tuple[Any, ...]
"""An id360; or {"email": …} (any attribute that identifies); or a source key: ("crm", "contact", 42), a composite key as a tuple."""

ENTITY = "individual"
_SOME_TIME = dt.datetime(2000, 1, 1)
_WINDOW = re.compile(r"^\s*(\d+)\s*(d|h|w|m|y)\s*$")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}


class BadWindow(UserError):
    """A window is no number of hours, days, weeks, months or years."""

    code = "C360_BAD_WINDOW"


@dataclass(slots=True)
class Profile:
    """A person as of now. `values` are the survived attributes that are not NULL; `provenance` tells, if it was asked for, where
    each comes from: {"email": {"source": "crm", "key": "42", "as_of": …}}. `timeline` is newest first. `records` are the source
    keys behind the id. `missing` names sources that did not answer, with the code of their error: then this is a part.
    """

    id360: int
    values: dict[str, Any]
    timeline: list[dict[str, Any]]
    records: tuple[SourceKey, ...] = ()
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)
    report: Report = field(default_factory=lambda: Report(""), repr=False)

    @property
    def complete(self) -> bool:
        return self.report.complete

    @property
    def missing(self) -> dict[str, str]:
        return self.report.missing

    def as_dict(self) -> dict[str, Any]:
        return {
            "id360": self.id360, "values": self.values, "provenance": self.provenance, "timeline": self.timeline,
            "records": [{"source": r.source, "table": r.table, "key": list(r.key)} for r in self.records],
            "complete": self.complete, "missing": self.missing,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in self.values.items())
        events = "".join(
            f"<tr><td>{e['at']}</td><td>{html.escape(str(e['kind']))}</td><td>{html.escape(str(e['summary']))}</td></tr>"
            for e in self.timeline
        )
        gap = "" if self.complete else f"<p><b>incomplete: {html.escape(', '.join(self.missing))}</b></p>"
        return f"<h4>{self.id360}</h4>{gap}<table>{rows}</table><table>{events}</table>"


def profile(
    session: Session,
    who: Who,
    *,
    window: str | dt.timedelta | None = "90d",
    max_events: int = 50,
    provenance: bool = False,
    partial: bool = True,
    timeout: float | None = None,
) -> Profile:
    """The profile of one person. `window` ("90d", "12h", a timedelta; None: for ever) and `max_events` bound the timeline.

    By default a source that is down leaves a marked gap (`Profile.missing`); with `partial=False` it raises.
    Raises NoSuchPerson, AmbiguousPerson, BadWindow, PolicyRefused, NoCrosswalk and what Session.sql raises.
    """
    started = time.perf_counter()
    since = _since(window)
    id360 = _id_of(session, who, timeout, partial)
    project = session.project
    crosswalk = project.store.current()
    report = Report(uuid.uuid4().hex[:16])
    entry = project.log.opened(report.query_id, session.principal, session.purpose, f"profile {id360}")
    values = {"id": id360, "since": since}
    statements = _statements(session.views, provenance, max_events, since is not None)
    prepared = project.planner.prepare_window(statements, {"id": 0, "since": _SOME_TIME}, session.views, crosswalk, partial=partial)
    run = session._run(prepared, values, report, timeout, partial)
    try:
        run.start()
        tables = run.tables()
    except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
        told = run.translated(error)
        entry.closed(report, told)
        raise told from cause_of(told, error)
    except BaseException as error:
        entry.closed(report, error)
        raise
    finally:
        run.close()
        project.running.pop(report.query_id, None)
    report.total_ms = (time.perf_counter() - started) * 1000
    entry.closed(report, None)
    person = tables[0].to_pylist()
    if not person and crosswalk is not None and (now := crosswalk.canonical(id360)) != id360:  # merged into another since
        return profile(
            session, now, window=window, max_events=max_events, provenance=provenance, partial=partial, timeout=timeout
        )  # fmt: skip
    if not person and report.complete:
        raise NoSuchPerson(f"nobody has the id360 {id360}, or you may not see them", hint="look them up by an identifier: {'email': …}")
    row = person[0] if person else {}
    events = _newest(tables[1], id360, since, max_events) if len(tables) > 1 else []
    records = _records(prepared, run, crosswalk) if crosswalk is not None and not session.views.closed(CROSSWALK) else ()
    return _made(id360, row, events, records, report)


def _made(id360: int, row: dict[str, Any], events: list[dict[str, Any]], records: tuple[SourceKey, ...], report: Report) -> Profile:
    values = {k: v for k, v in row.items() if v is not None and k != "id360" and "__" not in k}
    provenance: dict[str, dict[str, Any]] = {}
    for name, value in row.items():
        attribute, _, part = name.rpartition("__")
        if attribute and attribute in values:
            provenance.setdefault(attribute, {})[part] = value
    return Profile(id360, values, events, records, provenance, report)


def _records(prepared: Prepared, run: Run, crosswalk: Crosswalk) -> tuple[SourceKey, ...]:
    """The source keys behind the id: the run has looked them up already."""
    tables = {t.name: t for t in crosswalk.links}
    found = []
    for lookup in prepared.plan.lookups:
        link = tables.get(lookup.table)
        if link is not None and link.entity == ENTITY:
            keys = zip(*(column.to_pylist() for column in run.links(lookup.slot).columns[: lookup.keys]), strict=True)
            found += [SourceKey(link.entity, link.space, link.source, link.table, key) for key in keys]
    return tuple(found)


@lru_cache(maxsize=64)
def _statements(views: Views, provenance: bool, max_events: int, windowed: bool) -> tuple[str, ...]:
    """The window: two guarded relations narrowed to one id, the second to its newest rows; no user SQL at all."""
    columns = ", ".join(f'"{c}"' for c in _columns(views.get(ENTITY), provenance)) or "*"
    statements = [f"SELECT {columns} FROM {ENTITY} WHERE id360 = $id"]
    if max_events and views.get(TIMELINE) is not None and not views.closed(TIMELINE):
        after = "AND at >= $since " if windowed else ""
        events = f"SELECT at, kind, source, summary, details FROM {TIMELINE} WHERE id360 = $id {after}"
        statements.append(f"{events}ORDER BY at DESC LIMIT {int(max_events)}")
    return tuple(statements)


def _columns(view: View | None, provenance: bool) -> list[str]:
    """What a person may have a value of: columns that some mapping gives, with where they come from if that is asked."""
    if not isinstance(view, Survived):
        return []
    given = {a for branch in view.records.branches for a, e in branch.columns.items() if not absent(e)} | {"id360", *EXTRA}
    shown = view.types if provenance else [c for c in view.types if c not in view.hidden]
    return [c for c in shown if attribute_of(c) in given]


def _newest(events: pa.Table, id360: int, since: dt.datetime | None, most: int) -> list[dict[str, Any]]:
    """The person's own events of the window: no user SQL runs here, so what sources and rooms gave too much of is dropped now (rows of
    a table that cannot tell whose they are; a source that compares times by the day)."""
    if not events.num_rows:
        return []
    within = pc.equal(events["id360"], id360)
    if since is not None:
        within = pc.and_(within, pc.greater_equal(events["at"], pa.scalar(since, events.schema.field("at").type)))
    events = events.filter(within)
    order = [("at", "descending"), ("kind", "ascending"), ("source", "ascending"), ("summary", "ascending")]
    return events.drop_columns(["id360"]).sort_by(order).slice(0, most).to_pylist()  # type: ignore[no-any-return]


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


def _id_of(session: Session, who: Who, timeout: float | None, partial: bool) -> int:
    """The id360 that a caller means."""
    match who:
        case int():
            return who
        case str() if who.isdigit():
            return int(who)
        case Mapping() if len(who) == 1:
            name, value = next(iter(who.items()))
            return _by_identifier(session, str(name), value, timeout, partial)
        case (str() as source, str() as table, *key) if key:
            found = _by_key(session, source, table, tuple(key))
            if found is None:
                raise NoSuchPerson(
                    f"{source}.{table} has no resolved record of that key", hint="check the key; `c360 resolve` links new records"
                )
            return found
    raise NoSuchPerson("a profile is asked for by id360, one identifier, or a source key", hint='profile({"email": "ada@example.org"})')


def _by_identifier(session: Session, name: str, value: object, timeout: float | None, partial: bool) -> int:
    """Any record that carries the value: as it is given, or in lower case. The search binds to what the principal may see."""
    view = ENTITY + RECORD if not session.views.closed(ENTITY + RECORD) else ENTITY
    forms = dict.fromkeys([value, value.strip().lower()] if isinstance(value, str) else [value])
    marks = ", ".join("?" * len(forms))
    column = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT DISTINCT id360 FROM {view} WHERE {column} IN ({marks})"
    found = session.sql(sql, list(forms), timeout=timeout, partial=partial)
    ids = [row[0] for row in found.fetchall() if row[0] is not None]
    if not ids and found.report.missing:
        gap = ", ".join(found.report.missing)
        raise NoSuchPerson(
            f"no resolved record has that {name} in the sources that answered", hint=f"no answer from {gap}: try again later"
        )
    if not ids:
        raise NoSuchPerson(f"no resolved record has that {name}", hint="check the value; `c360 resolve` links new records")
    if len(ids) > 1:
        raise AmbiguousPerson(f"{len(ids)} people carry that {name}", hint=f"ask by id360: {', '.join(map(str, sorted(ids)[:5]))}")
    return int(ids[0])


def _by_key(session: Session, source: str, table: str, key: tuple[Any, ...]) -> int | None:
    if reason := session.views.closed(CROSSWALK):
        raise PolicyRefused(f"you may not look people up by source key: {reason}", hint="look them up by an identifier")
    crosswalk = session.project.store.current()
    link = next((x for x in crosswalk.links if (x.source, x.table) == (source, table)), None) if crosswalk is not None else None
    if link is None or crosswalk is None:
        return None
    where = " AND ".join(f"{c} = ?" for c in link.columns)
    cursor = session.project.windows.cursor()
    try:
        alias = session.project.windows.attach(crosswalk)
        row = cursor.execute(f"SELECT id360 FROM {alias}.main.{link.name} WHERE {where}", list(key)).fetchone()
    except duckdb.Error:
        return None
    finally:
        cursor.close()
    return int(row[0]) if row else None
