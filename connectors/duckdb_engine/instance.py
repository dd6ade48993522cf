"""Standing, locked DuckDB instances, opened when first read and closed when nobody has read for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb

from connectors import watchdog
from connectors.lockdown import LOCKED_DOWN

T = TypeVar("T")


def open_memory(memory_limit: str = "", threads: int = 0) -> duckdb.DuckDBPyConnection:
    """An empty in-memory instance that installs, loads and spills nothing. Not yet locked: see `lock`."""
    config = dict(LOCKED_DOWN)
    if memory_limit:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, allowed: tuple[str, ...] = ()) -> duckdb.DuckDBPyConnection:
    """From here on only the `allowed` directories (or protocols) can be read, and no setting changed."""
    if allowed:
        connection.execute("SET allowed_directories = [" + ", ".join(literal(a) for a in allowed) + "]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


class Instance:
    """One open instance and how many use it."""

    __slots__ = ("connection", "retired", "stamp", "use", "users")

    def __init__(self, connection: duckdb.DuckDBPyConnection, stamp: object, use: str) -> None:
        self.connection, self.stamp, self.use = connection, stamp, use
        self.users, self.retired = 0, False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the instance: an interrupt, or what is registered on it, concerns it alone."""
        cursor = self.connection.cursor()
        if self.use:
            cursor.execute(f"USE {self.use}")
        return cursor


class Instances:
    """Lends the current instance of a source.

    `stamp()` identifies what is read: when it changes a new instance is opened beside the old one, which is closed after its
    last user. `idle`: seconds without a user after which the instance is closed (a DuckDB file open for reading locks out
    its writers); None keeps it. `use`: the catalog its cursors start in. Thread-safe.
    """

    def __init__(
        self, open_: Callable[[], duckdb.DuckDBPyConnection], stamp: Callable[[], object], idle: float | None, use: str = ""
    ) -> None:
        self._open, self._stamp, self._idle, self._use = open_, stamp, idle, use
        self._lock = threading.Lock()
        self._current: Instance | None = None
        self._idle_since = 0.0

    def borrow(self) -> Instance:
        """The current instance; give it back with `release`. Raises what opening raises."""
        with self._lock:
            stamp = self._stamp()
            if self._current is not None and self._current.stamp != stamp:
                self._retire(self._current)
            if self._current is None:
                self._current = Instance(self._open(), stamp, self._use)
            self._current.users += 1
            return self._current

    def hold(self, instance: Instance) -> None:
        """One more user of a borrowed instance: a thread that may outlive the borrower (closing under it would wait for it)."""
        with self._lock:
            instance.users += 1

    def release(self, instance: Instance) -> None:
        with self._lock:
            instance.users -= 1
            if instance.users == 0 and instance.retired:
                instance.connection.close()
            elif instance.users == 0 and self._idle is not None:
                self._idle_since = time.monotonic()
                watchdog.schedule(self._idle_since + self._idle, self._close_if_idle)

    def ask(self, question: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """What `question` makes of a cursor of its own on the current instance. Raises what opening and the question raise."""
        instance = self.borrow()
        try:
            with instance.cursor() as cursor:
                return question(cursor)
        finally:
            self.release(instance)

    def drop(self) -> None:
        """Close what is open, now or after its last user."""
        with self._lock:
            if self._current is not None:
                self._retire(self._current)

    def _retire(self, instance: Instance) -> None:
        instance.retired, self._current = True, None
        if instance.users == 0:
            instance.connection.close()

    def _close_if_idle(self) -> None:
        with self._lock:
            current = self._current
            if current is not None and not current.users and time.monotonic() - self._idle_since >= (self._idle or 0.0):
                self._retire(current)
