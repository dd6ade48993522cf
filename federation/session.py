"""A session: one principal, for one purpose, asking questions."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from connectors.spi import Deadline
from connectors.spi.errors import C360Error, InternalError
from federation import parameters, passes
from federation.answers import place, stream
from federation.errors import MissingParameter, QueryFailed
from federation.halt import cause_of, over_memory
from federation.inbox import Stopped
from federation.planner import Prepared
from federation.report import Report, size_of
from federation.result import Result
from federation.run import Run
from federation.virtual_table import VirtualTable
from federation.wording import said
from views.expand import Views

if TYPE_CHECKING:
    from federation.explain import Explanation
    from federation.profile import Profile, Who
    from federation.project import Project

CROSS_AS_TABLE = 64 << 20
"""A relation up to so many bytes enters the user's room as a table, a longer one as a stream."""

Params = Mapping[str, object] | Sequence[object] | None


class Session:
    """Made by `Project.session`. Thread-safe: queries of one session may run at the same time."""

    def __init__(self, project: Project, principal: str, purpose: str | None, views: Views) -> None:
        self.project, self.principal, self.purpose, self._views = project, principal, purpose, views

    def __repr__(self) -> str:
        return f"<Session of {self.principal} in project {self.project.model.name}{f' for {self.purpose}' if self.purpose else ''}>"

    def sql(
        self,
        query: str,
        params: Params = None,
        *,
        timeout: float | None = None,
        max_rows: int | None = None,
        partial: bool = False,
        query_id: str | None = None,
        passes_off: Collection[str] = (),
    ) -> Result:
        """Answer one SELECT over the unified views, in DuckDB's dialect.

        `params` bind `?` (a sequence) or `$name` (a mapping). `timeout` in seconds, `max_rows` of the answer; the project's settings
        hold where they are None. With `partial`, a source that fails is left out and named in `report.missing`; otherwise it fails
        the query. `query_id` names the query for `cancel`, the log and the report (by default it is made up). `passes_off` names
        planner passes to leave out: the rows are the same, only slower.

        Raises QueryError and its kind, PolicyRefused, NoCrosswalk, SourceError, QueryTimeout, OverMemory, OverRows, Cancelled.
        """
        started = time.perf_counter()
        values: Mapping[str, object] = bound(params)
        report = Report(query_id or uuid.uuid4().hex[:16])
        entry = self.project.log.opened(report.query_id, self.principal, self.purpose, query)
        try:
            crosswalk = self.project.store.current()
            planner = self.project.planner
            prepared, cached, values = planner.prepare(
                query, values, self._views, crosswalk, passes.known(passes_off), partial=partial
            )  # fmt: skip
            _check_params(prepared.plan.params, values)
            report.resolved_at = crosswalk.resolved_at if crosswalk is not None else None
            report.planned, report.plan_ms = not cached, (time.perf_counter() - started) * 1000
            run = self.run_of(prepared, values, report, timeout, partial)
            return self._answer(run, report, started, entry, max_rows)
        except BaseException as error:
            entry.closed(report, error)
            raise

    def explain(self, query: str, params: Params = None, *, analyze: bool = False, timeout: float | None = None) -> Explanation:
        """What `sql` would ask of whom, and why what stays local stays local; with `analyze`, what it did ask."""
        from federation.explain import explain

        return explain(self, query, params, analyze=analyze, timeout=timeout)

    def profile(self, who: Who, *, window: str | dt.timedelta | None = "90d", max_events: int = 50, **options: Any) -> Profile:
        """One person, live: survived values and what happened within `window`. See federation.profile."""
        from federation.profile import profile

        return profile(self, who, window=window, max_events=max_events, **options)

    def cancel(self, query_id: str) -> None:
        """Stop a running query of this project, from any thread. Raises UnknownQuery."""
        self.project.cancel(query_id)

    @property
    def views(self) -> Views:
        """What this session can see, as facts."""
        return self._views

    def run_of(
        self,
        prepared: Prepared,
        values: Mapping[str, object],
        report: Report,
        timeout: float | None,
        partial: bool,
        unresolved: Mapping[str, pa.Table] | None = None,
    ) -> Run:
        """A run of a prepared plan that has not begun, with everything bound; whoever has it made takes it out of `Project.running`."""
        plan = prepared.plan
        report.crosswalk_version, report.journal, report.user_sql = plan.crosswalk_version, plan.journal, plan.user_sql
        report.missing.update(prepared.missing)
        report.trusted_sql = ";\n\n".join(t.sql for t in (*plan.searches, *plan.relations))
        now = dt.datetime.now(dt.UTC)
        given = {parameters.NOW: now, **plan.constants, **values}
        given |= {name: _scalar(self.project.planner.evaluate(e, given)) for name, e in plan.computed.items()}
        deadline = Deadline.after(timeout if timeout is not None else self.project.timeout)
        project = self.project
        run = Run(
            plan, prepared.pool, project.source, given, deadline, report,
            memory=project.memory, drifted=project.drifted, partial=partial, unresolved=unresolved,
        )  # fmt: skip
        self.project.running[report.query_id] = run
        return run

    def _answer(self, run: Run, report: Report, started: float, entry: Any, max_rows: int | None) -> Result:
        cursor = self.project.user.cursor() if run.plan.direct is None else None

        def close(error: BaseException | None = None) -> None:
            ended = run.error or error  # looked at before the run is closed, which stops what is no longer wanted
            run.close()
            if cursor is not None:
                cursor.close()
            self.project.running.pop(report.query_id, None)
            report.total_ms = (time.perf_counter() - started) * 1000
            entry.closed(report, ended)

        try:
            if cursor is not None:
                run.watch(cursor)
            run.start()
            answer = self._direct(run, report) if cursor is None else self._in_room(run, cursor, report)
        except (duckdb.Error, pa.ArrowException, Stopped) as error:
            if isinstance(error, duckdb.FatalException | duckdb.InternalException):
                self.project.user.revive()
            told = _told(error, run)  # before closing, which stops what still runs
            close(told)
            raise told from cause_of(told, error)
        except BaseException as error:
            close(error)
            raise
        limit = max_rows if max_rows is not None else self.project.max_rows
        return Result(answer.schema, _told_stream(answer, run), report, close, limit)

    def _in_room(self, run: Run, cursor: duckdb.DuckDBPyConnection, report: Report) -> pa.RecordBatchReader:
        """Let what is permitted cross into the user's room, and run the user's SQL there."""
        plan = run.plan
        for trusted in plan.relations:
            rows = Crossing(run, run.rows(trusted), report)
            virtual = VirtualTable(rows.schema)
            virtual.rows = rows.settled()
            place(cursor, trusted.name, virtual, plan.user_sql)
        return stream(cursor, plan.user_sql, {n: run.values[n] for n in plan.user_params})

    def _direct(self, run: Run, report: Report) -> pa.RecordBatchReader:
        """The one relation's rows, where that is all that the user asks for (see federation.direct)."""
        crossing = Crossing(run, run.rows(run.plan.relations[0]), report)
        rows = pa.Table.from_batches(list(crossing.batches()), crossing.schema)
        return run.plan.direct.answer(rows).to_reader() if run.plan.direct is not None else rows.to_reader()


class Crossing:
    """A guarded relation on its way from the trusted room to the user's, metered."""

    def __init__(self, run: Run, stream: pa.RecordBatchReader, report: Report) -> None:
        self.schema = stream.schema
        self._run, self._stream, self._report = run, stream, report
        self._head: list[pa.RecordBatch] = []
        self._begun = False

    def settled(self) -> pa.Table | Crossing:
        """All rows as a table if they are few, else itself, to be streamed."""
        size = 0
        for batch in self._counted():
            self._head.append(batch)
            size += size_of(batch)
            if size > CROSS_AS_TABLE:
                return self
        return pa.Table.from_batches(self._head, self.schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self._begun:  # whoever read it again would get what the first has left over
            self._run.stop(InternalError("a stream was read twice", hint="report this with the query"))
            raise Stopped
        self._begun = True
        while self._head:
            yield self._head.pop(0)
        yield from self._counted()

    def _counted(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._stream:
                self._report.crossed_rows += batch.num_rows
                self._report.crossed_bytes += size_of(batch)
                yield batch
        except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
            told = self._run.translated(error)
            self._run.stop(told)
            raise told from cause_of(told, error)


def bound(params: Params) -> dict[str, object]:
    """Parameters by name; a sequence binds by position."""
    if params is None:
        return {}
    if isinstance(params, Mapping):
        return {str(n): v for n, v in params.items()}
    return {parameters.positional(i): v for i, v in enumerate(params, 1)}


def _check_params(wanted: tuple[str, ...], given: Mapping[str, object]) -> None:
    missing, extra = [n for n in wanted if n not in given], [n for n in given if n not in wanted]
    if missing:
        raise MissingParameter(
            f"no value for parameter {', '.join(map(parameters.shown, missing))}",
            hint="give it in `params`; on the command line with --param name=value",
        )
    if extra:
        said = ", ".join(map(parameters.shown, extra))
        raise MissingParameter(f"the query has no parameter {said}", hint="use it in the query, or leave it out")


def _scalar(value: pa.Scalar | None) -> object:
    try:
        return None if value is None else value.as_py()
    except (OverflowError, ValueError) as error:
        raise QueryFailed("a date or time of the query is out of range", hint="the years 1 to 9999 can be compared with") from error


def _told_stream(answer: pa.RecordBatchReader, run: Run) -> Iterator[pa.RecordBatch]:
    try:
        yield from answer
    except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
        told = _told(error, run)
        raise told from cause_of(told, error)


def _told(error: BaseException, run: Run) -> C360Error:
    """An error of the user's room. It holds only what the principal may see."""
    if run.error is not None:
        return run.error
    if isinstance(error, duckdb.OutOfMemoryException):
        return over_memory()
    if isinstance(error, duckdb.InterruptException):
        return run.raised(error)
    if isinstance(error, duckdb.FatalException | duckdb.InternalException):
        return InternalError("DuckDB broke down over this query", hint="run another form of it; report it with the query")
    hint = "TRY_CAST gives NULL where CAST fails" if isinstance(error, duckdb.ConversionException) else "mend the expression"
    return QueryFailed(said(error), hint=hint)
