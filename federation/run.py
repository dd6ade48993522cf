"""Run a plan: all sources of a stage at the same time, one session and one snapshot per source, one deadline for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors import watchdog
from connectors.spi import Connector, Deadline, Fragment
from connectors.spi.errors import (
    C360Error,
    Cancelled,
    InternalError,
    MissingKey,
    SchemaDrift,
    SourceBroken,
    SourceError,
    SourceTimeout,
    UnmappedType,
)
from federation.errors import MappingFailed, OverMemory, QueryTimeout
from federation.inbox import POLL, Inbox, Stopped
from federation.lookups import Lookups, carry, fitting, key_arrays
from federation.plan import Fetch, IdSet, QueryPlan, Trusted, quick
from federation.report import FragmentReport, Report, size_of
from federation.source_sessions import SourceSessions
from federation.statements import Statement, StatementPool
from federation.turns import Turns

PATIENCE = 0.8
"""The share of its time after which a partial answer goes on without the sources that have not answered."""
AHEAD = 64 << 20
"""Bytes that a fetch may run ahead of the room that reads it."""
SMALL_LIMIT = 10_000
"""A fetch that is limited to so many rows is small."""
SETTLE = 32 << 20
"""Rows up to so many bytes are handed to a room as a table: DuckDB then knows their number and reads them in parallel."""

_workers = ThreadPoolExecutor(64, thread_name_prefix="c360-fetch")


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
        self.plan, self.pool, self.sources, self.values = plan, pool, sources, values
        self.deadline, self.report, self.partial, self._memory, self._drifted = deadline, report, partial, memory, drifted
        self.error: C360Error | None = None
        self._stop = threading.Event()
        self._closed = False
        pool.room.hold(plan.crosswalk_version)
        self._lock = threading.Lock()
        self._held = 0
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._borrowed: list[tuple[Trusted, Statement]] = []
        self._pending: dict[str, Future[None]] = {}
        self._futures: list[Future[None]] = []
        self._inboxes: dict[str, Inbox] = {}
        self._sessions = SourceSessions(plan, sources, deadline, self.stopped)
        self._lookups = Lookups(plan, pool.room, self.watch, self._searched, unresolved)
        self._alarm = watchdog.schedule(deadline.at, lambda: self.stop(_timed_out(self._silent())))
        self._late = False
        patience = time.monotonic() + deadline.remaining() * PATIENCE
        self._patience = watchdog.schedule(patience, self._leave_out_late) if partial else None

    # -- stopping --------------------------------------------------------------------------------------------------------

    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self, error: C360Error) -> None:
        """End the run with this error, from any thread, at once; the first error stands. A run that is closed has ended already."""
        with self._lock:
            if self._closed:
                return  # its statements may be another run's by now
            if self.error is None:
                self.error = error
            self._stop.set()
            cursors = list(self._cursors)
        self._sessions.cancel()
        self._interrupt(cursors)

    def _silent(self) -> list[str]:
        """Tables that were asked for and of which nothing has come yet."""
        open_ = [m for m in list(self.report.fragments) if m.asked and not m.rows and not m.ms]
        return list(dict.fromkeys(f"`{m.source}.{m.table}`" for m in open_))

    def _leave_out_late(self) -> None:
        """In a partial answer: whoever has not answered by now is left out, so that the others' rows still make it."""
        self._late = True
        self._sessions.cancel()

    def _interrupt(self, cursors: list[duckdb.DuckDBPyConnection]) -> None:
        """Interrupt, and go on doing so until the run is closed: what comes before DuckDB has begun is lost."""
        for cursor in cursors:
            with suppress(duckdb.Error):  # one that is closed already
                cursor.interrupt()
        if not self._closed:
            watchdog.schedule(time.monotonic() + POLL, lambda: self._interrupt(list(self._cursors)))

    def watch(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this cursor too when the run is stopped."""
        with self._lock:
            self._cursors.append(cursor)

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        self._alarm.cancel()
        if self._patience is not None:
            self._patience.cancel()
        if not all(inbox.finished for inbox in self._inboxes.values()):  # a fetcher that has handed over its last row needs no stopping
            self.stop(Cancelled("the answer was closed before its end"))  # frees the fetchers; nobody is told
        with self._lock:
            closed, self._closed, failed = self._closed, True, self.error is not None
        for future in self._futures:
            future.cancel()
        self._sessions.close()
        for trusted, statement in self._borrowed:
            if failed:
                statement.close()
            else:
                self.pool.give_back(trusted, statement)
        self._borrowed, self._cursors = [], []
        self._inboxes = {}
        if not closed:
            self.pool.room.hold(self.plan.crosswalk_version, -1)

    def raised(self, error: BaseException) -> C360Error:
        """What a user is told of an error that came up while the run went on: its own cause first."""
        if self.error is not None:
            return self.error
        if isinstance(error, C360Error):
            return error
        if isinstance(error, duckdb.OutOfMemoryException):
            return over_memory()
        return InternalError(f"{type(error).__name__} in the trusted room", hint="run again; report it if it stays")

    # -- going -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run all stages up to the point where the last one's rows are on their way. Raises C360Error."""
        try:
            if self.plan.stages > 1 or not quick(self.plan.fetches):
                self._sessions.open_all(partial=self.partial)
            for stage in range(self.plan.stages):
                self._settle_ids(stage)
                self._launch([f for f in self.plan.fetches if f.stage == stage])
        except (duckdb.Error, Stopped, C360Error) as error:
            told = self.raised(error)
            raise told from cause_of(told, error)

    def rows(self, trusted: Trusted) -> pa.RecordBatchReader:
        """A relation's rows, lazily. Raises C360Error."""
        try:
            statement = self.pool.borrow(trusted)
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
        if name in self._lookups:
            return self._lookups.slice(name)
        inbox = self._inboxes[name]
        settled = inbox.settle(1 << 62 if self.partial else SETTLE)
        return inbox if settled is None else settled

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

    def _launch(self, fetches: list[Fetch]) -> None:
        """Ask every source of a stage: quick ones in turn on this thread, all others at the same time (see federation.turns)."""
        ordered = sorted(fetches, key=lambda f: f.fragment.source)
        groups = {source: list(members) for source, members in groupby(ordered, key=lambda f: f.fragment.source)}
        mine = self.pool.pace.in_turn(groups) if all(map(self._small, fetches)) else ()
        for fetch in fetches:
            source = fetch.fragment.source
            unread = self._sessions.shared(source) or self.partial or source in mine
            # who must take in all of it before anybody reads may not wait for a reader
            self._inboxes[fetch.slot] = Inbox(fetch.schema, self.stopped, None if unread else AHEAD, self._account)

        def beside(source: str) -> None:
            self._pending[source] = _workers.submit(self._fetch, source, groups[source], self._pending.get(source))
            self._futures.append(self._pending[source])

        for source in groups:
            if source not in mine:
                beside(source)
        for source in Turns(mine, beside):
            if self.stopped():
                return
            self._fetch(source, groups[source], self._pending.get(source))

    def _small(self, fetch: Fetch) -> bool:
        """Whether a fetch brings rows that may all be taken in before anybody reads them."""
        limit = fetch.fragment.limit
        return (limit is not None and limit <= SMALL_LIMIT) or (bool(fetch.lookup) and self._lookups.few(fetch.lookup))

    def _account(self, size: int) -> None:
        with self._lock:  # every fetcher adds to it
            self._held += size
            held = self._held
        if held > self._memory:
            raise over_memory()

    def _fetch(self, source: str, fetches: list[Fetch], before: Future[None] | None) -> None:
        """Ask one source its fragments, in turn, after those of the stage before: a session is one thread's at a time.

        Whatever goes wrong stops the run (or, if partial, leaves the source out).
        """
        start = time.perf_counter()
        try:
            with self._sessions.reading(source):
                if before is not None:
                    before.result()
                for fetch in fetches:
                    self._one(fetch)
                    self._sessions.done(source)
            self.pool.pace.took(source, time.perf_counter() - start)
        except Stopped:
            pass
        except (C360Error, duckdb.Error) as error:
            self._failed(source, fetches, self.raised(error))
        except Exception as cause:
            broken = SourceBroken(source, f"`{source}` failed while it was read", hint="run `c360 debug`")
            broken.__cause__ = cause
            self._failed(source, fetches, broken)

    def _failed(self, source: str, fetches: list[Fetch], error: C360Error) -> None:
        if isinstance(error, SchemaDrift | UnmappedType):  # a value that does not fit may mean that its column has another type now
            self._drifted(source)
        if self._late and isinstance(error, Cancelled):
            error = SourceTimeout(source, f"`{source}` did not answer in time", hint="try again, or give the query more time")
        if not (self.partial and isinstance(error, SourceError)):
            self.stop(error)
            return
        self.report.missing[source] = error.code
        for fetch in fetches:
            self._inboxes[fetch.slot].abandon()

    def _one(self, fetch: Fetch) -> None:
        """Ask one fragment; not at all if it goes by key and nobody has a key there."""
        fragment, keys, inbox = fetch.fragment, fetch.fragment.keys, self._inboxes[fetch.slot]
        meter = FragmentReport(fragment.source, fragment.table, "", fetch.stage, reason_local=fetch.reasons)
        self.report.fragments.append(meter)
        links = fitting(fetch, keys, self._lookups.slice(fetch.lookup)) if fetch.lookup and keys is not None else None
        if links is not None and links.num_rows == 0:
            meter.asked, meter.sql = False, fragment.select().sql("duckdb", comments=False)
            inbox.finish()
            return
        fragment, bound = self._bound(fetch, links)
        start = time.perf_counter()
        stream = self._sessions.borrow(fragment.source).run(fragment, bound)
        try:
            meter.sql = stream.statement
            for batch in stream:
                meter.rows += batch.num_rows
                meter.bytes += size_of(batch)
                inbox.put(carry(fetch, keys, batch, links) if links is not None and keys is not None else batch)
        except C360Error as error:
            meter.error = error.code
            raise
        finally:
            meter.requests, meter.ms = stream.requests, (time.perf_counter() - start) * 1000
            stream.close()
        inbox.finish()

    def _bound(self, fetch: Fetch, links: pa.Table | None) -> tuple[Fragment, dict[str, object]]:
        """What is asked, and with which values: by the keys of `links`, unless these are more than are worth sending. Raises MissingKey."""
        fragment, keys = fetch.fragment, fetch.fragment.keys
        bound: dict[str, object] = {p.name: self.values[p.name] for p in fragment.params}
        if links is not None and links.num_rows > fetch.max_keys:
            if fetch.by_key_only:
                said = f"`{fragment.source}.{fragment.table}` is read by key only, and takes {fetch.max_keys:,} keys at a time"
                raise MissingKey(said, hint=f"ask for fewer people than {links.num_rows:,}")
            return replace(fragment, keys=None, order=(), limit=None), bound  # without its keys a limit would cut off the wrong rows
        if keys is not None:
            bound[keys.slot] = key_arrays(keys, links) if links is not None else self.values[keys.slot]
        return fragment, bound


def cause_of(told: C360Error, error: BaseException) -> BaseException | None:
    """What to raise `told` from: the cause it has already (a driver's error), else what made it come up here."""
    return told.__cause__ if told is error or told.__cause__ is not None else error


def _timed_out(silent: Sequence[str] = ()) -> QueryTimeout:
    waited = f"; {', '.join(silent)} had not answered" if silent else ""
    hint = "narrow it, or give it more: timeout=… (on the command line --timeout)"
    return QueryTimeout(f"the query ran out of its time{waited}", hint=hint)


def over_memory() -> OverMemory:
    """What a query is told that needs more than its budget, in whichever room."""
    return OverMemory(
        "the query needs more memory than its budget; nothing is spilled to disk",
        hint="narrow it (a filter, fewer columns), or raise `settings.memory`",
    )
