"""One connection to PostgreSQL, with its socket at hand, and the pool that lends them."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connectors import watchdog
from connectors.postgres.address import Address, leading_to, shut, sockets
from connectors.postgres.errors import refused
from connectors.spi import Deadline
from connectors.spi.errors import MissingDriver, SourceBusy, SourceTimeout, SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

_opening: dict[tuple[object, ...], threading.Lock] = {}  # by server: a new socket is told from others by its peer
_opening_guard = threading.Lock()

_BATCH = str(4 << 20)  # bytes: some 80 000 rows; the driver's 16 MiB would make the first batch wait
_GREETING = """
SELECT current_setting('server_version') AS version, current_setting('standard_conforming_strings') AS strings,
  (SELECT set_config(name, '500', false) FROM pg_settings WHERE name = 'client_connection_check_interval') AS checked
"""


class Link:
    """An open connection. `fresh` until it was given back once: only an old one may have died unnoticed."""

    slots: threading.BoundedSemaphore  # where the right to hold it came from, and goes back to

    def __init__(self, connection: Any, tcp: socket.socket) -> None:
        self._connection, self._socket = connection, tcp
        self.fresh, self.in_transaction, self.version = True, False, ""

    def execute(self, sql: str, row: pa.RecordBatch | None = None, *, copy: bool = False) -> Answer:
        """Start a statement. Raises the driver's errors."""
        from adbc_driver_manager import AdbcStatement
        from adbc_driver_manager._reader import AdbcRecordBatchReader

        statement = AdbcStatement(self._connection)
        try:
            statement.set_options(
                **{"adbc.postgresql.use_copy": "true" if copy else "false", "adbc.postgresql.batch_size_hint_bytes": _BATCH}
            )
            statement.set_sql_query(sql)
            if row is not None:
                statement.bind(row)
            handle, _ = statement.execute_query()
            return Answer(statement, AdbcRecordBatchReader._import_from_c(handle.address))
        except BaseException:
            statement.close()
            raise

    def command(self, sql: str) -> None:
        """Run a statement that returns nothing."""
        from adbc_driver_manager import AdbcStatement

        with AdbcStatement(self._connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def shut(self) -> None:
        """From any thread: whoever waits on this connection wakes up with an error. It is of no use afterwards."""
        shut(self._socket)

    def close(self) -> None:
        self.shut()
        self._connection.close()
        self._socket.close()


class Answer:
    """A statement's rows: a reader, and the statement to be closed after it."""

    def __init__(self, statement: Any, reader: Any) -> None:
        self._statement, self._reader = statement, reader
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._reader

    def close(self) -> None:
        self._reader.close()
        self._statement.close()


class Pool:
    """At most `size` links to one server, and one more for its catalog: a session that needs to know a table must not wait for itself.

    Opening a link is bounded by the deadline, whatever the server does.
    """

    def __init__(self, source: str, address: Address, size: int) -> None:
        self._source, self._address = source, address
        self._slots, self._catalog_slot = threading.BoundedSemaphore(size), threading.BoundedSemaphore(1)
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._database: Any = None

    def borrow(self, deadline: Deadline, *, catalog: bool = False) -> Link:
        """A link, used or new. Raises SourceBusy if none came free in time."""
        slots = self._catalog_slot if catalog else self._slots
        if not slots.acquire(timeout=deadline.remaining()):
            raise SourceBusy(
                self._source, f"source `{self._source}`: all its connections are in use", hint="raise `connections`, or try again"
            )
        try:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            link = link or self._open(deadline)
            link.slots = slots
            return link
        except BaseException:
            slots.release()
            raise

    def replace(self, link: Link, deadline: Deadline) -> Link:
        """A fresh link for a dead one. The other idle ones are dropped as well: a restart ended them all."""
        link.close()
        self.drop_idle()
        fresh = self._open(deadline)
        fresh.slots = link.slots
        return fresh

    def give_back(self, link: Link, *, sound: bool) -> None:
        slots = link.slots
        try:
            if sound:
                link.fresh = False
                with self._lock:
                    self._idle.append(link)
            else:
                link.close()
        finally:
            slots.release()

    def drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _open(self, deadline: Deadline) -> Link:
        peers = self._address.peers()
        with _opening_guard:
            lock = _opening.setdefault(tuple(sorted(map(str, peers))), threading.Lock())
        if not lock.acquire(timeout=deadline.remaining()):
            raise self._late()
        try:
            before = sockets()
            alarm = watchdog.schedule(deadline.at, lambda: _shut_new(peers, before))
            try:
                return self._connect(peers, before)
            finally:
                alarm.cancel()
        except Exception as error:
            if deadline.expired:
                raise self._late() from error
            if hasattr(error, "status_code"):
                raise refused(error, self._source) from error
            raise
        finally:
            lock.release()

    def _connect(self, peers: frozenset[object], before: frozenset[int]) -> Link:
        try:
            import adbc_driver_manager
            import adbc_driver_postgresql
        except ImportError as error:
            raise MissingDriver("PostgreSQL needs its driver", hint="pip install 'c360[postgres]'") from error
        if self._database is None:
            self._database = adbc_driver_postgresql.connect(self._address.uri)
        for _ in range(3):
            connection = adbc_driver_manager.AdbcConnection(self._database)
            found = leading_to(peers, sockets() - before)
            if len(found) == 1:
                return _greet(Link(connection, found[0]), self._source)
            connection.close()  # none or several: somebody else in this process is connecting to the same server just now
            for candidate in found:
                candidate.close()
            time.sleep(0.01)
            before = sockets()
        raise SourceUnreachable(self._source, f"source `{self._source}`: the connection's socket was not found", hint="report this")

    def _late(self) -> SourceTimeout:
        return SourceTimeout(
            self._source,
            f"source `{self._source}`: no connection within the deadline",
            hint="check that the server answers, or allow more time",
        )


def _greet(link: Link, source: str) -> Link:
    """Look at what was pinned, and let the server notice within half a second when we hang up (PostgreSQL 14 and later)."""
    answer = link.execute(_GREETING)
    row = pa.Table.from_batches(list(answer), answer.schema).to_pylist()[0]
    answer.close()
    if row["strings"] != "on":
        link.close()
        raise SourceUnreachable(source, f"source `{source}` does not keep standard_conforming_strings", hint="check the pooler in between")
    link.version = str(row["version"])
    return link


def _shut_new(peers: frozenset[object], before: frozenset[int]) -> None:
    for candidate in leading_to(peers, sockets() - before):
        shut(candidate)
        candidate.close()
