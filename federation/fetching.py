"""Asking the sources: all of a stage at the same time or in turn, each in one session, into inboxes that a room reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

import duckdb
import pyarrow as pa

from connectors.spi import Deadline, Fragment
from connectors.spi.errors import (
    C360Error,
    Cancelled,
    MissingKey,
    SchemaDrift,
    SourceBroken,
    SourceError,
    SourceTimeout,
    UnmappedType,
)
from federation.halt import Halt, over_memory, timed_out
from federation.inbox import Inbox, Stopped
from federation.lookups import Lookups, carry, fitting, key_arrays
from federation.plan import Fetch
from federation.report import FragmentReport, Report, size_of
from federation.source_sessions import SourceSessions
from federation.turns import Pace, Turns

AHEAD = 64 << 20
"""Bytes that a fetch may run ahead of the room that reads it."""
SMALL_LIMIT = 10_000
"""A fetch that is limited to so many rows is small."""
SETTLE = 32 << 20
"""Rows up to so many bytes are handed to a room as a table: DuckDB then knows their number and reads them in parallel."""

_workers = ThreadPoolExecutor(64, thread_name_prefix="c360-fetch")


class Fetching:
    """The fetches of one run. `values` are all bound values by name, `memory` the bytes that may wait here.

    With `partial`, a source that fails is left out and named in `report.missing`. `drifted` is told of a source whose tables are no
    longer what the plan says.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        report: Report,
        deadline: Deadline,
        sessions: SourceSessions,
        lookups: Lookups,
        pace: Pace,
        halt: Halt,
        *,
        memory: int,
        partial: bool,
        drifted: Callable[[str], None],
    ) -> None:
        self._values, self._report, self._deadline, self._halt = values, report, deadline, halt
        self._sessions, self._lookups, self._pace = sessions, lookups, pace
        self._memory, self._partial, self._drifted = memory, partial, drifted
        self._inboxes: dict[str, Inbox] = {}
        self._pending: dict[str, Future[None]] = {}
        self._futures: list[Future[None]] = []
        self._lock = threading.Lock()
        self._held = 0
        self._late = False

    def launch(self, fetches: Sequence[Fetch]) -> None:
        """Ask every source of a stage: quick ones in turn on this thread, all others at the same time (see federation.turns)."""
        ordered = sorted(fetches, key=lambda f: f.fragment.source)
        groups = {source: list(members) for source, members in groupby(ordered, key=lambda f: f.fragment.source)}
        mine = self._pace.in_turn(groups) if all(map(self._small, fetches)) else ()
        for fetch in fetches:
            source = fetch.fragment.source
            unread = self._sessions.shared(source) or self._partial or source in mine
            # who must take in all of it before anybody reads may not wait for a reader
            self._inboxes[fetch.slot] = Inbox(fetch.schema, self._halt.stopped, None if unread else AHEAD, self._account)

        def beside(source: str) -> None:
            self._pending[source] = _workers.submit(self._fetch, source, groups[source], self._pending.get(source))
            self._futures.append(self._pending[source])

        for source in groups:
            if source not in mine:
                beside(source)
        for source in Turns(mine, beside):
            if self._halt.stopped():
                return
            self._fetch(source, groups[source], self._pending.get(source))

    def rows(self, slot: str) -> pa.Table | Inbox:
        """What a fetch brings: all of it if it is little, else as it comes. Raises Stopped."""
        inbox = self._inboxes[slot]
        settled = inbox.settle(1 << 62 if self._partial else SETTLE)
        return inbox if settled is None else settled

    def leave_out_late(self) -> None:
        """In a partial answer: whoever has not answered by now is left out, so that the others' rows still make it."""
        self._late = True
        self._sessions.cancel()

    @property
    def finished(self) -> bool:
        """Whether all rows have come: a fetcher that has handed over its last row needs no stopping."""
        return all(inbox.finished for inbox in self._inboxes.values())

    def close(self) -> None:
        """Give back every session, and what was not read."""
        for future in self._futures:
            future.cancel()
        self._sessions.close()
        self._inboxes = {}

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
            self._pace.took(source, time.perf_counter() - start)
        except Stopped:
            pass
        except (C360Error, duckdb.Error) as error:
            self._failed(source, fetches, self._halt.raised(error))
        except Exception as cause:
            broken = SourceBroken(source, f"`{source}` failed while it was read", hint="run `c360 debug`")
            broken.__cause__ = cause
            self._failed(source, fetches, broken)

    def _failed(self, source: str, fetches: list[Fetch], error: C360Error) -> None:
        if isinstance(error, SchemaDrift | UnmappedType):  # a value that does not fit may mean that its column has another type now
            self._drifted(source)
        if self._late and isinstance(error, Cancelled):
            error = SourceTimeout(source, f"`{source}` did not answer in time", hint="try again, or give the query more time")
        if not (self._partial and isinstance(error, SourceError)):
            # whoever looks at the clock first, the source or the watchdog: the query's time is over, and that is what is told
            late = isinstance(error, SourceTimeout) and self._deadline.expired
            self._halt.stop(timed_out(self._report) if late else error)
            return
        self._report.missing[source] = error.code
        for fetch in fetches:
            self._inboxes[fetch.slot].abandon()

    def _one(self, fetch: Fetch) -> None:
        """Ask one fragment; not at all if it goes by key and nobody has a key there."""
        fragment, keys, inbox = fetch.fragment, fetch.fragment.keys, self._inboxes[fetch.slot]
        meter = FragmentReport(fragment.source, fragment.table, "", fetch.stage, reason_local=fetch.reasons)
        self._report.fragments.append(meter)
        links = fitting(fetch, keys, self._lookups.slice(fetch.lookup)) if fetch.lookup and keys is not None else None
        if links is not None and links.num_rows == 0:
            meter.asked, meter.sql = False, fragment.select().sql("duckdb", copy=False, comments=False)
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
        bound: dict[str, object] = {p.name: self._values[p.name] for p in fragment.params}
        if links is not None and links.num_rows > fetch.max_keys:
            if fetch.by_key_only:
                said = f"`{fragment.source}.{fragment.table}` is read by key only, and takes {fetch.max_keys:,} keys at a time"
                raise MissingKey(said, hint=f"ask for fewer people than {links.num_rows:,}")
            return replace(fragment, keys=None, order=(), limit=None), bound  # without its keys a limit would cut off the wrong rows
        if keys is not None:
            bound[keys.slot] = key_arrays(keys, links) if links is not None else self._values[keys.slot]
        return fragment, bound
