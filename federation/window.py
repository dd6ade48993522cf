"""A profile's window: one person's survived values and what happened, from one run over all sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from federation.halt import cause_of
from federation.inbox import Stopped
from federation.planner import Prepared
from federation.python_values import dicts_of, values_of
from federation.report import Report
from federation.run import Run
from identity.crosswalk import Crosswalk, SourceKey
from views.branches import absent
from views.expand import CROSSWALK, TIMELINE, Views
from views.relations import Survived, View
from views.survive import EXTRA, attribute_of

if TYPE_CHECKING:
    from federation.session import Session

ENTITY = "individual"
_SOME_TIME = dt.datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Extent:
    """What a window shows: events `since` a moment (None: all), the newest `max_events`; where values come from; whether a source
    that fails is left out; how many seconds it may take (None: as the project says)."""

    since: dt.datetime | None
    max_events: int = 50
    provenance: bool = False
    partial: bool = True
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What was read. `there` is False if no record of the person may be seen. The rest as in federation.profile.Profile."""

    there: bool
    values: dict[str, Any]
    provenance: dict[str, dict[str, Any]]
    timeline: list[dict[str, Any]]
    records: tuple[SourceKey, ...]


def read_window(session: Session, id360: int, extent: Extent, report: Report, unresolved: Mapping[str, pa.Table] | None = None) -> Window:
    """Read a person's window, with all policies of the session. `unresolved` are links, by link table, that the crosswalk lacks: they
    count in this run as if it had them. Raises what Session.sql raises."""
    crosswalk = session.project.store.current()
    statements = _statements(session.views, extent.provenance, extent.max_events, extent.since is not None)
    report.resolved_at = crosswalk.resolved_at if crosswalk is not None else None
    bound = {"id": 0, "since": _SOME_TIME}
    prepared = session.project.planner.prepare_window(statements, bound, session.views, crosswalk, partial=extent.partial)
    run, tables = run_all(session, prepared, {"id": id360, "since": extent.since}, report, extent, unresolved)
    rows = dicts_of(tables[0])
    events = _newest(tables[1], id360, extent.since, extent.max_events) if len(tables) > 1 else []
    shown = crosswalk is not None and not session.views.closed(CROSSWALK)
    records = _records(prepared, run, crosswalk) if shown and crosswalk is not None else ()
    return Window(bool(rows), *_parted(rows[0] if rows else {}), events, records)


def run_all(
    session: Session,
    prepared: Prepared,
    values: Mapping[str, object],
    report: Report,
    extent: Extent,
    unresolved: Mapping[str, pa.Table] | None = None,
) -> tuple[Run, list[pa.Table]]:
    """Run a plan, and read all of its relations. Raises C360Error."""
    run = session.run_of(prepared, values, report, extent.timeout, extent.partial, unresolved)
    try:
        run.start()
        return run, run.tables()
    except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
        told = run.translated(error)
        raise told from cause_of(told, error)
    finally:
        run.close()
        session.project.running.pop(report.query_id, None)


def _parted(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A survived row as its values, and where they come from."""
    values = {k: v for k, v in row.items() if v is not None and k != "id360" and "__" not in k}
    provenance: dict[str, dict[str, Any]] = {}
    for name, value in row.items():
        attribute, _, part = name.rpartition("__")
        if attribute and attribute in values:
            provenance.setdefault(attribute, {})[part] = value
    return values, provenance


def _records(prepared: Prepared, run: Run, crosswalk: Crosswalk) -> tuple[SourceKey, ...]:
    """The source keys behind the id: the run has looked them up already."""
    tables = {t.name: t for t in crosswalk.links}
    found = []
    for lookup in prepared.plan.lookups:
        link = tables.get(lookup.table)
        if link is not None and link.entity == ENTITY:
            keys = zip(*(values_of(column) for column in run.links(lookup.slot).columns[: lookup.keys]), strict=True)
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
    return dicts_of(events.drop_columns(["id360"]).sort_by(order).slice(0, most))
