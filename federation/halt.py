"""How a run ends: the first error stands, whoever works for the run is stopped, and its user is told one thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import duckdb

from connectors import watchdog
from connectors.spi.errors import C360Error, InternalError
from federation.errors import OverMemory, QueryTimeout
from federation.inbox import POLL
from federation.report import Report


class Halt:
    """The end of one run, before its time or not. `also` is called when the run is stopped. Thread-safe."""

    def __init__(self, also: Callable[[], None]) -> None:
        self.error: C360Error | None = None
        self._also = also
        self._event = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._cursors: list[duckdb.DuckDBPyConnection] = []

    def stopped(self) -> bool:
        """Whether nobody wants the rest any more."""
        return self._event.is_set()

    def stop(self, error: C360Error) -> None:
        """End the run with this error, from any thread, at once; the first error stands. A run that is closed has ended already."""
        with self._lock:
            if self._closed:
                return  # its statements may be another run's by now
            if self.error is None:
                self.error = error
            self._event.set()
        self._also()
        self._interrupt()

    def watch(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Interrupt this cursor too when the run is stopped."""
        with self._lock:
            self._cursors.append(cursor)

    def close(self) -> bool:
        """Nothing can be stopped any more. False if it was so already."""
        with self._lock:
            was, self._closed = self._closed, True
            self._cursors = []
        return not was

    def raised(self, error: BaseException) -> C360Error:
        """What a user is told of an error that came up while the run went on: its own cause first."""
        if self.error is not None:
            return self.error
        if isinstance(error, C360Error):
            return error
        if isinstance(error, duckdb.OutOfMemoryException):
            return over_memory()
        return InternalError(f"{type(error).__name__} in the trusted room", hint="run again; report it if it stays")

    def _interrupt(self) -> None:
        """Interrupt, and go on doing so until the run is closed: what comes before DuckDB has begun is lost."""
        with self._lock:
            cursors, closed = list(self._cursors), self._closed
        for cursor in cursors:
            with suppress(duckdb.Error):  # one that is closed already
                cursor.interrupt()
        if not closed:
            watchdog.schedule(time.monotonic() + POLL, self._interrupt)


def cause_of(told: C360Error, error: BaseException) -> BaseException | None:
    """What to raise `told` from: the cause it has already (a driver's error), else what made it come up here."""
    return told.__cause__ if told is error or told.__cause__ is not None else error


def over_memory() -> OverMemory:
    """What a query is told that needs more than its budget, in whichever room."""
    return OverMemory(
        "the query needs more memory than its budget; nothing is spilled to disk",
        hint="narrow it (a filter, fewer columns), or raise `settings.memory`",
    )


def timed_out(report: Report) -> QueryTimeout:
    """Which names the tables that were asked and of which nothing has come."""
    silent = [m for m in list(report.fragments) if m.asked and not m.rows and (m.error or not m.ms)]
    tables = ", ".join(dict.fromkeys(f"`{m.source}.{m.table}`" for m in silent))
    hint = "narrow it, or give it more: timeout=… (on the command line --timeout)"
    return QueryTimeout("the query ran out of its time" + (f"; {tables} had not answered" if tables else ""), hint=hint)
