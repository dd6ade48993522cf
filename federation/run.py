"""Run a plan: stage by stage, one session and one snapshot per source, one deadline for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors import watchdog
from connectors.spi import Connector, Deadline
from connectors.spi.errors import C360Error, Cancelled
from federation.errors import MappingFailed
from federation.fetching import Fetching
from federation.halt import Halt, cause_of, timed_out
from federation.inbox import Inbox, Stopped
from federation.lookups import Lookups
from federation.plan import IdSet, QueryPlan, Trusted, quick
from federation.report import Report
from federation.source_sessions import SourceSessions
from federation.statements import Statement, StatementPool

PATIENCE = 0.8
"""The share of its time after which a partial answer goes on without the sources that have not answered."""


class Run:
    """One execution of a plan. Made by a session, used by one thread; `stop` may be called from any.

    `values` are all bound values by name. With `partial`, a source that fails is left out and named in `report.missing`.
    `drifted` is told of a source whose tables are no longer what the plan says. `unresolved` are links that the crosswalk lacks
    (see federation.provisional).
    """

    def __init__(
        self,
        plan: QueryPlan,
        pool: StatementPool,
        sources: Callable[[str], Connector],
        values: Mapping[str, object],
        deadline: Deadline,
        report: Report,
        *,
        memory: int,
        drifted: Callable[[str], None] = lambda source: None,
        partial: bool = False,
        unresolved: Mapping[str, pa.Table] | None = None,
    ) -> None:
        self.plan, self.values, self._pool, self._report, self._partial = plan, values, pool, report, partial
        pool.room.hold(plan.crosswalk_version)
        self._halt = Halt(lambda: self._sessions.cancel())
        self._borrowed: list[tuple[Trusted, Statement]] = []
        self._sessions = SourceSessions(plan, sources, deadline, self._halt.stopped)
        self._lookups = Lookups(plan, pool.room, self.watch, self._searched, unresolved)
        self._fetching = Fetching(
            values, report, deadline, self._sessions, self._lookups, pool.pace, self._halt, memory=memory, partial=partial, drifted=drifted
        )
        patience = time.monotonic() + deadline.remaining() * PATIENCE
        self._alarms = [watchdog.schedule(deadline.at, lambda: self.stop(timed_out(report)))]
        self._alarms += [watchdog.schedule(patience, self._fetching.leave_out_late)] if partial else []

    @property
    def error(self) -> C360Error | None:
        """What ended the run before its time, if anything did."""
        return self._halt.error

    def stop(self, error: C360Error) -> None:
        """End the run with this error, from any thread, at once; the first error stands."""
        self._halt.stop(error)

    def watch(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this cursor too when the run is stopped."""
        self._halt.watch(cursor)

    def raised(self, error: BaseException) -> C360Error:
        """What a user is told of an error that came up while the run went on: its own cause first."""
        return self._halt.raised(error)

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        for alarm in self._alarms:
            alarm.cancel()
        if not self._fetching.finished:
            self.stop(Cancelled("the answer was closed before its end"))  # frees the fetchers; nobody is told
        first = self._halt.close()
        self._fetching.close()
        for trusted, statement in self._borrowed:
            if self.error is not None:
                statement.close()
            else:
                self._pool.give_back(trusted, statement)
        self._borrowed = []
        if first:
            self._pool.room.hold(self.plan.crosswalk_version, -1)

    def start(self) -> None:
        """Run all stages up to the point where the last one's rows are on their way. Raises C360Error."""
        try:
            if len(self.plan.stages) > 1 or not quick(self.plan.fetches):
                self._sessions.open_all(partial=self._partial)
            for stage in self.plan.stages:
                self._settle_ids(stage)
                self._fetching.launch([f for f in self.plan.fetches if f.stage == stage])
        except (duckdb.Error, Stopped, C360Error) as error:
            told = self.raised(error)
            raise told from cause_of(told, error)

    def rows(self, trusted: Trusted) -> pa.RecordBatchReader:
        """A relation's rows, lazily. Raises C360Error."""
        try:
            statement = self._pool.borrow(trusted)
            self._borrowed.append((trusted, statement))
            self.watch(statement.cursor)
            for slot, virtual in statement.slots.items():
                virtual.rows = self._slot(slot)
            return statement.run() if statement.schema is None or not statement.empty else statement.schema.empty_table().to_reader()
        except (duckdb.Error, Stopped) as error:
            told = self.translated(error)
            raise told from cause_of(told, error)

    def tables(self) -> list[pa.Table]:
        """The rows of every relation. Raises C360Error, duckdb.Error, Stopped."""
        return [self.rows(trusted).read_all() for trusted in self.plan.relations]

    def reader(self, trusted: Trusted) -> pa.RecordBatchReader:
        """Like `rows`, but what goes wrong on the way is raised as a C360Error, and the run is closed after the last row."""
        stream = self.rows(trusted)

        def told() -> Iterator[pa.RecordBatch]:
            try:
                yield from stream
            except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
                shown = self.translated(error)
                raise shown from cause_of(shown, error)
            finally:
                self.close()

        return pa.RecordBatchReader.from_batches(stream.schema, told())

    def links(self, slot: str) -> pa.Table:
        """A slice of the crosswalk that this run has used."""
        return self._lookups.slice(slot)

    def translated(self, error: BaseException) -> C360Error:
        """An error of the trusted room, told without a word of DuckDB's: its text may quote a hidden value, and would show in a
        traceback as the cause."""
        if isinstance(error, duckdb.Error | pa.ArrowException):
            error.args = (f"{type(error).__name__}: its text is withheld, for it may quote a row",)
        if self.error is None and isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException | duckdb.InvalidInputException):
            objects = ", ".join(dict.fromkeys(f"{f.fragment.source}.{f.fragment.table}" for f in self.plan.fetches))
            return MappingFailed(
                f"a mapping's expression or type does not fit a row of {objects}",
                hint="run `c360 check`; use TRY_CAST in the mapping if such rows are to be NULL",
            )
        return self.raised(error)

    def _slot(self, name: str) -> pa.Table | Inbox:
        return self._lookups.slice(name) if name in self._lookups else self._fetching.rows(name)

    def _settle_ids(self, stage: int) -> None:
        for ids in self.plan.ids:
            if ids.stage == stage:
                self._lookups.know(ids.name, self._found(ids) if ids.searches else self._given(ids))

    def _given(self, ids: IdSet) -> list[int]:
        given = (int(v) for p in ids.params if (v := self.values[p]) is not None)  # type: ignore[call-overload]
        return list(dict.fromkeys(given))  # the links of an id that is named twice would come twice

    def _found(self, ids: IdSet) -> list[int]:
        common: set[int] | None = None
        for search in self.plan.searches:
            if search.name in ids.searches:
                got = pc.unique(self.rows(search).read_all().column(0)).to_pylist()
                common = {g for g in got if g is not None} & (common if common is not None else set(got))
        return sorted(common or ())

    def _searched(self, name: str) -> pa.Table:
        return self.rows(next(s for s in self.plan.searches if s.name == name)).read_all()
