"""Run a plan: all sources of a stage at the same time, one session and one snapshot per source, one deadline for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors import watchdog
from connectors.spi import Connector, Deadline, Fragment, KeyFilter, Session
from connectors.spi.errors import C360Error, InternalError, SchemaDrift, SourceBroken, SourceError
from federation.errors import MappingFailed, OverMemory, QueryTimeout
from federation.inbox import Inbox, Stopped
from federation.plan import Fetch, IdSet, Lookup, Plan, Trusted
from federation.report import FragmentReport, Report
from federation.rooms import Statement, StatementPool, TrustedRoom, table

AHEAD = 64 << 20
"""Bytes that a fetch may run ahead of the room that reads it."""
SETTLE = 32 << 20
"""Rows up to so many bytes are handed to a room as a table: DuckDB then knows their number and reads them in parallel."""
LISTED = 1000
"""Up to so many ids stand in an IN list, which the crosswalk's index serves; beyond, a join reads the link table once."""

_workers = ThreadPoolExecutor(64, thread_name_prefix="c360-fetch")


class Run:
    """One execution of a plan. Made by a session, used by one thread; `stop` may be called from any.

    `values` are all bound values by name. With `partial`, a source that fails is left out and named in `report.missing`.
    """

    def __init__(
        self,
        plan: Plan,
        pool: StatementPool,
        room: TrustedRoom,
        sources: Callable[[str], Connector],
        values: Mapping[str, object],
        deadline: Deadline,
        report: Report,
        *,
        memory: int,
        partial: bool = False,
    ) -> None:
        self.plan, self.pool, self.room, self.sources, self.values = plan, pool, room, sources, values
        self.deadline, self.report, self.partial, self._memory = deadline, report, partial, memory
        self.error: C360Error | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._held = 0
        self._sessions: dict[str, Session] = {}
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._borrowed: list[tuple[Trusted, Statement]] = []
        self._pending: list[Future[None]] = []
        self._tables: dict[str, pa.Table] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._ids: dict[str, list[int]] = {}
        self._alarm = watchdog.schedule(deadline.at, lambda: self.stop(_timed_out()))

    # -- stopping --------------------------------------------------------------------------------------------------------

    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self, error: C360Error) -> None:
        """End the run with this error, from any thread, at once; the first error stands."""
        with self._lock:
            if self.error is None:
                self.error = error
            self._stop.set()
            sessions, cursors = list(self._sessions.values()), list(self._cursors)
        for session in sessions:
            session.cancel()
        for cursor in cursors:
            cursor.interrupt()

    def watch(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this cursor too when the run is stopped."""
        with self._lock:
            self._cursors.append(cursor)

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        self._alarm.cancel()
        failed = self.error is not None
        if any(not f.done() for f in self._pending) and not failed:
            self.stop(InternalError("the answer was closed before its end"))  # frees the fetchers; nobody is told
            failed = True
        for future in self._pending:
            future.cancel()
        for session in list(self._sessions.values()):
            session.close()
        for trusted, statement in self._borrowed:
            if failed:
                statement.close()
            else:
                self.pool.give_back(trusted, statement)
        self._sessions, self._borrowed, self._cursors = {}, [], []
        self._tables, self._inboxes = {}, {}

    def raised(self, error: BaseException) -> C360Error:
        """What a user is told of an error that came up while the run went on: its own cause first."""
        if self.error is not None:
            return self.error
        if isinstance(error, C360Error):
            return error
        if isinstance(error, duckdb.OutOfMemoryException):
            return _over_memory()
        return InternalError(f"{type(error).__name__} in the trusted room", hint="run again; report it if it stays")

    # -- going -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run all stages up to the point where the last one's rows are on their way. Raises C360Error."""
        try:
            for stage in range(self.plan.stages):
                self._settle_ids(stage)
                self._look_up(stage)
                self._launch([f for f in self.plan.fetches if f.stage == stage], last=stage == self.plan.stages - 1)
        except (duckdb.Error, Stopped, C360Error) as error:
            raise self.raised(error) from error

    def rows(self, trusted: Trusted) -> pa.RecordBatchReader:
        """A relation's rows, lazily. Raises C360Error."""
        try:
            statement = self.pool.borrow(trusted)
            self._borrowed.append((trusted, statement))
            self.watch(statement.cursor)
            for slot, virtual in statement.slots.items():
                virtual.rows = self._slot(slot)
            return statement.run()
        except (duckdb.Error, Stopped) as error:
            raise self.translated(error) from error

    def reader(self, trusted: Trusted) -> pa.RecordBatchReader:
        """Like `rows`, but what goes wrong on the way is raised as a C360Error, and the run is closed after the last row."""
        stream = self.rows(trusted)

        def told() -> Iterator[pa.RecordBatch]:
            try:
                yield from stream
            except (duckdb.Error, pa.ArrowException, OSError, Stopped) as error:
                raise self.translated(error) from error
            finally:
                self.close()

        return pa.RecordBatchReader.from_batches(stream.schema, told())

    def translated(self, error: BaseException) -> C360Error:
        """An error of the trusted room, told without a word of DuckDB's: its text may quote a hidden value."""
        if self.error is None and isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException | duckdb.InvalidInputException):
            objects = ", ".join(dict.fromkeys(f"{f.fragment.source}.{f.fragment.table}" for f in self.plan.fetches))
            return MappingFailed(
                f"a mapping's expression or type does not fit a row of {objects}",
                hint="run `c360 check`; use TRY_CAST in the mapping if such rows are to be NULL",
            )
        return self.raised(error)

    def _slot(self, name: str) -> pa.Table | Inbox:
        if name in self._tables:
            return self._tables[name]
        inbox = self._inboxes[name]
        settled = inbox.settle(1 << 62 if self.partial else SETTLE)
        if settled is None:
            return inbox
        self._tables[name] = settled
        return settled

    def _settle_ids(self, stage: int) -> None:
        for ids in self.plan.ids:
            if ids.stage == stage:
                self._ids[ids.name] = self._found(ids) if ids.searches else self._given(ids)

    def _given(self, ids: IdSet) -> list[int]:
        return [int(v) for p in ids.params if (v := self.values[p]) is not None]  # type: ignore[call-overload]

    def _found(self, ids: IdSet) -> list[int]:
        common: set[int] | None = None
        for search in self.plan.searches:
            if search.name in ids.searches:
                got = pc.unique(self.rows(search).read_all().column(0)).to_pylist()
                common = {g for g in got if g is not None} & (common if common is not None else set(got))
        for future in self._pending:  # a session is one thread's at a time
            future.result()
        return sorted(common or ())

    def _look_up(self, stage: int) -> None:
        known = {i.name for i in self.plan.ids if i.stage == stage}
        wanted = [x for x in self.plan.lookups if x.ids in known]
        if wanted:
            cursor = self.room.cursor()
            self.watch(cursor)
            for lookup in wanted:
                self._tables[lookup.slot] = self._links(cursor, lookup)
            cursor.close()

    def _links(self, cursor: duckdb.DuckDBPyConnection, lookup: Lookup) -> pa.Table:
        ids = self._ids[lookup.ids]
        columns = ", ".join(lookup.columns)
        source = f"xw{self.plan.crosswalk_version}.main.{lookup.table}"
        if len(ids) <= LISTED:
            marks = ", ".join("?" * len(ids)) or "NULL"
            return table(cursor.execute(f"SELECT {columns} FROM {source} WHERE id360 IN ({marks})", ids))
        cursor.register("c360_ids", pa.table({"id360": pa.array(ids, pa.int64())}))
        return table(cursor.execute(f"SELECT {columns} FROM {source} SEMI JOIN c360_ids USING (id360)"))

    def _launch(self, fetches: list[Fetch], *, last: bool) -> None:
        groups: list[tuple[str, list[tuple[Fetch, Fragment, Mapping[str, object]]]]] = []
        for source, members in groupby(sorted(fetches, key=lambda f: f.fragment.source), key=lambda f: f.fragment.source):
            asked = [job for f in members if (job := self._prepared(f)) is not None]
            if asked:
                groups.append((source, asked))
        small = last and all(f.fragment.keys or f.fragment.limit for f in fetches)
        inline = groups.pop() if groups and small else None
        self._pending = [_workers.submit(self._fetch, source, asked) for source, asked in groups]
        if inline:
            self._fetch(*inline)

    def _prepared(self, fetch: Fetch) -> tuple[Fetch, Fragment, Mapping[str, object]] | None:
        """The fragment to ask with its bindings, or None if nobody has a key there: then the source is not asked."""
        fragment, bound = fetch.fragment, {p.name: self.values[p.name] for p in fetch.fragment.params}
        if fetch.lookup and fragment.keys is not None:
            links = self._tables[fetch.lookup]
            if links.num_rows == 0:
                self._tables[fetch.slot] = fetch.schema.empty_table()
                sql = fragment.select().sql("duckdb", comments=False)
                self.report.fragments.append(
                    FragmentReport(fragment.source, fragment.table, sql, fetch.stage, asked=False, reason_local=fetch.reasons)
                )
                return None
            if links.num_rows > fetch.max_keys:  # without its keys a limit would cut off the wrong rows
                fragment = Fragment(fragment.source, fragment.table, fragment.columns, fragment.conjuncts, fragment.params)
            else:
                bound[fragment.keys.slot] = _keys(fetch, fragment.keys, links)
        shared = sum(f.fragment.source == fragment.source for f in self.plan.fetches) > 1
        self._inboxes[fetch.slot] = Inbox(fetch.schema, self.stopped, None if shared or self.partial else AHEAD, self._account)
        return fetch, fragment, bound

    def _account(self, size: int) -> None:
        self._held += size
        if self._held > self._memory:
            raise _over_memory()

    def _fetch(self, source: str, jobs: list[tuple[Fetch, Fragment, Mapping[str, object]]]) -> None:
        """Ask one source its fragments, in turn. Whatever goes wrong stops the run (or, if partial, leaves the source out)."""
        try:
            session = self._session(source)
            for fetch, fragment, bound in jobs:
                self._one(session, fetch, fragment, bound)
        except Stopped:
            pass
        except C360Error as error:
            self._failed(source, jobs, error)
        except Exception as cause:
            broken = SourceBroken(source, f"`{source}` failed while it was read", hint="run `c360 debug`")
            broken.__cause__ = cause
            self._failed(source, jobs, broken)

    def _failed(self, source: str, jobs: list[tuple[Fetch, Fragment, Mapping[str, object]]], error: C360Error) -> None:
        if isinstance(error, SchemaDrift):
            self.sources(source).forget()
        if not (self.partial and isinstance(error, SourceError)):
            self.stop(error)
            return
        self.report.missing[source] = error.code
        for fetch, _, _ in jobs:
            self._inboxes[fetch.slot].abandon()

    def _session(self, source: str) -> Session:
        with self._lock:
            found = self._sessions.get(source)
        if found is None:
            several = sum(f.fragment.source == source for f in self.plan.fetches) > 1
            found = self.sources(source).session(self.deadline, snapshot=several)
            with self._lock:
                self._sessions[source] = found
        if self.stopped():
            found.cancel()
            raise Stopped
        return found

    def _one(self, session: Session, fetch: Fetch, fragment: Fragment, bound: Mapping[str, object]) -> None:
        start = time.perf_counter()
        inbox = self._inboxes[fetch.slot]
        meter = FragmentReport(fragment.source, fragment.table, "", fetch.stage, reason_local=fetch.reasons)
        self.report.fragments.append(meter)
        stream = session.run(fragment, bound)
        try:
            meter.sql = stream.statement
            for batch in stream:
                meter.rows += batch.num_rows
                meter.bytes += batch.nbytes
                inbox.put(batch)
        except C360Error as error:
            meter.error = error.code
            raise
        finally:
            meter.requests, meter.ms = stream.requests, (time.perf_counter() - start) * 1000
            stream.close()
        inbox.finish()


def _keys(fetch: Fetch, keys: KeyFilter, links: pa.Table) -> tuple[pa.Array, ...]:
    """A list of keys in the columns' own types, where the fragment fetches them; the crosswalk's differ in width only."""
    arrays = []
    for i, name in enumerate(keys.columns):
        array = links.column(i).combine_chunks()
        arrays.append(array.cast(fetch.schema.field(name).type) if name in fetch.schema.names else array)
    return tuple(arrays)


def _timed_out() -> QueryTimeout:
    return QueryTimeout("the query ran out of its time", hint="narrow it, or give it more: timeout=…")


def _over_memory() -> OverMemory:
    return OverMemory(
        "the query needs more memory than its budget; nothing is spilled to disk",
        hint="narrow it (a filter, fewer columns), or raise `settings.memory`",
    )
