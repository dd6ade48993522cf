"""How far the crosswalk lags behind its sources: what was linked then, against what is there now."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from connectors.spi import Connector, Deadline
from connectors.spi.errors import C360Error
from federation.identifier_search import COLUMNAR, FILTERED_COLUMNS, FILTERED_WHOLE, READ_WHOLE
from federation.key_counts import count_keys
from federation.passes.push_filters import push_filters
from federation.passes.push_top import push_top
from federation.query import Query, Relation, Scan
from federation.report import Report
from federation.run import Run
from identity.crosswalk import Crosswalk
from views.branches import bare_branch
from views.model import Mapping, Survivorship
from views.relations import Branch, Records

if TYPE_CHECKING:
    from federation.project import Project

LARGE_ROWS, LARGE_SHARE = 1000, 0.1
"""A table lags far behind if its rows differ from its links by more than both: so many, and such a share of the links."""
SECONDS = 60.0
AHEAD = dt.timedelta(days=1)
"""Clocks and time zones of sources differ by less. What is dated later is no change that happened: 2099-12-31, a slip of the pen."""
_FIRST, _LAST = (pa.scalar(moment, pa.timestamp("us")) for moment in (dt.datetime.min, dt.datetime.max))


@dataclass(frozen=True, slots=True)
class TableLag:
    """One mapped table. `linked`: its records in the version that serves, None if it was never resolved. `rows`: what it has now, by
    the source's own estimate (`at_most`: so many or fewer, perhaps far fewer); or (`exact`) counted, with the mapping's filter: then
    `unlinked` are those that came since, `gone` the links whose record went. `newest` is the latest change that its updated-at attribute
    tells (UTC; nothing dated in the future), `covered` whether it came before the resolve. None: the source cannot tell cheaply. `error`
    is the code of what went wrong."""

    entity: str
    space: str
    source: str
    table: str
    linked: int | None
    rows: int | None = None
    at_most: bool = False
    exact: bool = False
    unlinked: int | None = None
    gone: int | None = None
    newest: dt.datetime | None = None
    covered: bool | None = None
    filtered: bool = False
    error: str = ""

    @property
    def behind(self) -> int | None:
        """Records that the crosswalk has too few or too many. None: it cannot be told; an estimate says nothing of some of the rows, and
        one that tells the most there can be only of links that are too many."""
        if self.unlinked is not None and self.gone is not None:
            return self.unlinked + self.gone
        links = self.linked or 0
        if self.rows is None or self.filtered or (self.at_most and self.rows >= links):
            return None
        return abs(self.rows - links)

    @property
    def about(self) -> str:
        """The estimate of its rows, for people."""
        return "an unknown number of" if self.rows is None else f"{'at most' if self.at_most else 'about'} {self.rows:,}"

    @property
    def far(self) -> bool:
        """Whether it lags far behind."""
        return self.behind is not None and self.behind > max(LARGE_ROWS, LARGE_SHARE * (self.linked or 0))


@dataclass(frozen=True, slots=True)
class Lag:
    """Of the version that serves (None: there is none yet), whose sources were read at `resolved_at` (UTC)."""

    version: int | None
    resolved_at: dt.datetime | None
    tables: tuple[TableLag, ...]

    def as_dict(self) -> dict[str, Any]:
        told = [{f: getattr(t, f) for f in (*TableLag.__slots__, "behind", "far")} for t in self.tables]
        for table in told:
            table["newest"] = table["newest"].isoformat() if table["newest"] else None
        return {"version": self.version, "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None, "tables": told}


def lag(project: Project, *, exact: bool = False, sources: frozenset[str] | None = None) -> Lag:
    """Ask each source (or some) what it has now. Without `exact` only what costs it little: its own statistics, and the newest change
    where an index leads to it or the table is small. With `exact` all keys are read and counted.

    A source that fails is told in its tables' `error`. Raises what Project.store raises for a crosswalk that cannot be read.
    """
    crosswalk = project.store.current()
    model = project.model
    mappings = [m for m in model.resolved if sources is None or m.source in sources]
    tables = tuple(lag_of(project, m, crosswalk, exact=exact) for m in mappings)
    return Lag(crosswalk.version if crosswalk else None, crosswalk.resolved_at if crosswalk else None, tables)


def lag_of(project: Project, mapping: Mapping, crosswalk: Crosswalk | None, *, exact: bool = False) -> TableLag:
    """The lag of one mapped table. See `lag`."""
    link = crosswalk.link_of(mapping.object, mapping.space, mapping.source, mapping.table) if crosswalk else None
    linked, place = link.links if link else None, (mapping.object, mapping.space, mapping.source, mapping.table)
    filtered = mapping.where is not None
    try:
        source = project.source(mapping.source)
        source.table(mapping.table)  # one that is gone says so, instead of having no statistics
        statistics = source.statistics(mapping.table)
        rows = statistics.rows
        newest = _newest(project, mapping, source, rows, exact)
        resolved = crosswalk.resolved_at if crosswalk else None
        covered = None if newest is None or resolved is None else newest <= resolved
        if not exact:
            return TableLag(*place, linked, rows, statistics.at_most, newest=newest, covered=covered, filtered=filtered)
        count = count_keys(project, mapping, crosswalk)
        there = count.rows - count.nulls - (count.repeated_rows - count.repeated)
        gone = None if linked is None or count.unlinked is None else max(0, linked - (there - count.unlinked))
        return TableLag(*place, linked, there, False, True, count.unlinked, gone, newest, covered, filtered)
    except C360Error as error:
        return TableLag(*place, linked, error=error.code)


def _newest(project: Project, mapping: Mapping, source: Connector, rows: int | None, exact: bool) -> dt.datetime | None:
    """The latest moment of the mapping's updated-at attribute; None if there is none, or asking would be dear."""
    until = dt.datetime.now(dt.UTC) + AHEAD
    found = _latest(project, mapping, source, rows, exact, None)
    if found is not None and found > until:  # seldom, and then dearer: not every source compares
        found = _latest(project, mapping, source, rows, exact, until)
    return found


def _latest(
    project: Project, mapping: Mapping, source: Connector, rows: int | None, exact: bool, until: dt.datetime | None
) -> dt.datetime | None:
    """As `_newest`, of the moments up to `until` if one is given."""
    rules = project.model.survivorship.get(mapping.object) or Survivorship(mapping.object)
    at = mapping.attributes.get(rules.updated_at)
    table = source.table(mapping.table)
    if at is None or table.required:
        return None
    column = at.name if isinstance(at, exp.Column) else ""
    indexed = {c.lower() for c in source.statistics(mapping.table).indexed}
    query = (
        exp.select(exp.column("at")).from_("c360_r0").order_by(exp.Ordered(this=exp.column("at"), desc=True, nulls_first=False)).limit(1)
    )
    if until is not None:
        moment = exp.cast(exp.Literal.string(until.strftime("%Y-%m-%d %H:%M:%S")), "TIMESTAMP")
        query = query.where(exp.LTE(this=exp.column("at"), expression=moment))
    whole = bare_branch(project.model, mapping)
    branch = Branch(mapping.source, mapping.table, mapping.key, {"at": whole.columns[rules.updated_at]}, None, whole.where, mapping.object)
    scan = Scan("s0", branch, table)
    context = project.planner.context({}, None)
    relation = Relation("c360_r0", Records(mapping.object, {"at": "TIMESTAMP"}, (branch,)), ("at",), (scan,))
    state = push_top(push_filters(Query(query, (relation,)), context), context)
    sorts = state.relations[0].scans[0].limit is not None
    most = READ_WHOLE if not sorts else FILTERED_COLUMNS if source.kind in COLUMNAR else FILTERED_WHOLE
    if not (exact or (rows is not None and rows <= most) or (sorts and column.lower() in indexed)):
        return None
    prepared = project.planner.finish(state, context, ())
    run = Run(prepared.plan, prepared.pool, project.source, prepared.plan.constants, Deadline.after(SECONDS), Report(uuid.uuid4().hex),
              memory=project.memory)  # fmt: skip
    run.start()
    moments = pa.chunked_array([b.column(0) for b in run.reader(prepared.plan.relations[0])] or [[]], pa.timestamp("us"))
    if until is not None:  # a source that does not compare gives all
        moments = moments.filter(pc.less_equal(moments, pa.scalar(until.replace(tzinfo=None), pa.timestamp("us"))))
    moments = moments.filter(pc.greater(moments, _FIRST))  # '-infinity' is none
    latest = pc.max(pc.min_element_wise(moments, _LAST)).as_py()
    return latest.replace(tzinfo=dt.UTC) if latest is not None else None
