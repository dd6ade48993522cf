"""Reading a SQLite file: one connection per session, stopped by interrupt and by a deadline looked at between steps."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pyarrow as pa

from connectors import watchdog
from connectors.spi import Column, Deadline, Fragment, Table, Values
from connectors.spi.errors import Cancelled, SourceTimeout, UnmappedType
from connectors.sqlite.columns import to_arrow
from connectors.sqlite.errors import translate
from connectors.sqlite.statement import Statement

BUSY_S = 2.0
"""Seconds that a reader waits for a writer's lock, if its deadline allows so many."""
_LOOK_AGAIN_S = 0.01
BATCH = 50_000  # rows: large enough for column-wise conversion to pay, small enough to stop soon


class SqliteStream:
    """The answer to one fragment; see `connectors.spi.session.Stream`."""

    requests = 1

    def __init__(self, session: SqliteSession, cursor: sqlite3.Cursor, statement: str, columns: tuple[Column, ...], table: str) -> None:
        self.schema = pa.schema([pa.field(c.name, c.type) for c in columns])
        self.statement = statement
        self._session, self._cursor, self._columns, self._table = session, cursor, columns, table

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while rows := self._fetch():
            yield self._batch(rows)

    def _fetch(self) -> list[tuple[object, ...]]:
        with self._session.guarded():
            return self._cursor.fetchmany(BATCH)

    def _batch(self, rows: list[tuple[object, ...]]) -> pa.RecordBatch:
        arrays = [self._array(values, c) for values, c in zip(zip(*rows, strict=True), self._columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, values: tuple[object, ...], column: Column) -> pa.Array:
        try:
            return to_arrow(values, column)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise UnmappedType(
                self._session.source,
                f"column `{column.name}` of `{self._session.source}.{self._table}` holds a value that is no {column.native or column.kind}",
                hint="correct the value at the source, or map the column through a view that casts it",
            ) from error

    def close(self) -> None:
        self._cursor.close()


class SqliteSession:
    """One reader; see `connectors.spi.session.Session`. With a snapshot, one read transaction spans every `run`."""

    def __init__(
        self,
        source: str,
        db: sqlite3.Connection,
        deadline: Deadline,
        prepare: Callable[[Fragment], tuple[Statement, Table]],
        give_back: Callable[[sqlite3.Connection, bool], None],
        snapshot: bool,
    ) -> None:
        self.source, self._db, self._deadline, self._prepare, self._give_back = source, db, deadline, prepare, give_back
        self._snapshot, self._cancelled, self._closed = snapshot, False, False
        self._cursors: list[sqlite3.Cursor] = []
        self._alarm = watchdog.schedule(deadline.at, self._interrupt)
        if snapshot:
            with self.guarded():
                db.execute("BEGIN")

    def run(self, fragment: Fragment, values: Values) -> SqliteStream:
        self.check()
        statement, table = self._prepare(fragment)
        columns = tuple(c for name in fragment.columns if (c := table.column(name)))
        with self.guarded(fragment.table):
            cursor = self._begun(statement.sql, statement.values(values))
        self._cursors.append(cursor)
        return SqliteStream(self, cursor, statement.sql, columns, fragment.table)

    def _begun(self, sql: str, values: dict[str, object]) -> sqlite3.Cursor:
        """The statement at its first row: a writer's lock is waited for, unless the session is cancelled or its time is over."""
        patience = time.monotonic() + BUSY_S
        while True:
            try:
                return self._db.execute(sql, values)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                    raise
            self.check()
            time.sleep(_LOOK_AGAIN_S)

    def check(self) -> None:
        """Raise if the session was cancelled or its time is over."""
        if self._cancelled:
            raise Cancelled(f"the query on source `{self.source}` was cancelled")
        if self._deadline.expired:
            raise SourceTimeout(
                self.source, f"source `{self.source}` did not answer within the deadline", hint="allow more time or ask for less"
            )

    def guarded(self, table: str = "") -> _Guard:
        """A block in which the driver's errors become ours."""
        return _Guard(self, table)

    def _interrupt(self) -> None:
        if not self._closed:
            with suppress(sqlite3.ProgrammingError):  # closed a moment ago
                self._db.interrupt()

    def cancel(self) -> None:
        self._cancelled = True
        self._interrupt()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._alarm.cancel()
        for cursor in self._cursors:
            cursor.close()
        sound = not self._cancelled and not self._deadline.expired
        if self._snapshot and sound:
            self._db.rollback()
        self._give_back(self._db, sound)


class _Guard:
    def __init__(self, session: SqliteSession, table: str) -> None:
        self._session, self._table = session, table

    def __enter__(self) -> None:
        self._session.check()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            self._session.check()  # an interrupt is an error too: say whose it was
            raise translate(error, self._session.source, self._table) from error
