"""Sessions and streams over an own DuckDB instance: one cursor per stream, ended by cancel or the deadline wherever it stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import duckdb
import pyarrow as pa

from connectors import watchdog
from connectors.arrow_scan import V2, place
from connectors.duckdb_engine.errors import translate
from connectors.duckdb_engine.instance import Instance, Instances
from connectors.duckdb_engine.statement import KEYS, SHORT, Statement, render
from connectors.naming import check_names
from connectors.relay import Relay
from connectors.spi.errors import C360Error, Cancelled, SchemaDrift, SourceTimeout
from connectors.spi.fragment import Fragment
from connectors.spi.schema import Table
from connectors.spi.session import Deadline, Stream, Values

T = TypeVar("T")
BATCH_ROWS = 65_536


def open_reader(cursor: duckdb.DuckDBPyConnection, statement: Statement) -> pa.RecordBatchReader:
    """Start a statement as an Arrow stream that is never held whole.

    Measured: with parameters, DuckDB 1.5 streams from `execute` and materialises from `sql`; 2.0 the other way round.
    """
    if statement.keys is not None:
        place(cursor, KEYS, statement.keys)
    if V2:
        return cursor.sql(statement.prelude + statement.sql, params=statement.params or None).to_arrow_reader(BATCH_ROWS)
    return cursor.execute(statement.prelude + statement.sql, statement.params or None).to_arrow_reader(BATCH_ROWS)


class Guard:
    """Runs the DuckDB calls of one cursor so that `stop`, or the deadline, ends them. An interrupt that arrives before DuckDB
    has begun is lost, so it is repeated until the call returns."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, deadline: Deadline, late: Callable[[], C360Error]) -> None:
        self._cursor = cursor
        self._error: C360Error | None = None
        self._inside = False
        self._alarm = watchdog.schedule(deadline.at, lambda: self.stop(late()))

    def stop(self, error: C360Error) -> None:
        """End the call that is running, if one is, and refuse further ones. From any thread."""
        self._error = self._error or error
        self._interrupt()

    def _interrupt(self) -> None:
        if self._inside:
            self._cursor.interrupt()
            watchdog.schedule(time.monotonic() + 0.02, self._interrupt)

    def call(self, function: Callable[[], T]) -> T:
        """`function()`. Raises the error given to `stop`, or what DuckDB raised."""
        self._inside = True
        try:
            if self._error is not None:
                raise self._error
            return function()
        except StopIteration:
            raise
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            self._inside = False

    def done(self) -> None:
        self._alarm.cancel()


class EngineSession:
    """A session of the contract. `relayed`: reads go through filesystems that an interrupt does not reach. `prelude` gives the
    WITH clause that a table needs, '' if none; up to `short` keys are bound as scalars."""

    def __init__(
        self, source: str, instances: Instances, table: Callable[[str], Table], deadline: Deadline, *, relayed: bool,
        prelude: Callable[[str], str] = lambda table: "", short: int = SHORT,
    ) -> None:  # fmt: skip
        self._source, self._table, self._deadline, self._relayed = source, table, deadline, relayed
        self._prelude, self._short = prelude, short
        self._instances = instances
        self._instance: Instance | None = instances.borrow()
        self._streams: list[EngineStream] = []
        self._cancelled = False
        self._lock = threading.Lock()

    def run(self, fragment: Fragment, values: Values) -> Stream:
        table = self._checked(fragment)
        statement = render(fragment, table, values, self._prelude(table.name), self._short)
        with self._lock:
            if self._cancelled or self._instance is None:
                raise Cancelled(f"the session with source `{self._source}` was cancelled or closed")
            instance = self._instance
            stream = EngineStream(
                self._source, table, fragment.columns, statement, instance.cursor(), self._deadline, relayed=self._relayed
            )
            if self._relayed:
                self._instances.hold(instance)
                stream.left = partial(self._instances.release, instance)
            self._streams.append(stream)
        stream.open()
        return stream

    def _checked(self, fragment: Fragment) -> Table:
        if self._deadline.expired:
            raise SourceTimeout(self._source, f"source `{self._source}`: the deadline had passed before it was asked")
        table = self._table(fragment.table)
        check_names(self._source, fragment, table)
        return table

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            streams = list(self._streams)
        for stream in streams:
            stream.stop(Cancelled(f"the query on source `{self._source}` was cancelled"))

    def close(self) -> None:
        with self._lock:
            instance, self._instance = self._instance, None
        if instance is not None:
            for stream in self._streams:
                stream.close()
            self._instances.release(instance)


class EngineStream:
    """A stream of the contract over one cursor of its own."""

    def __init__(
        self, source: str, table: Table, columns: tuple[str, ...], statement: Statement, cursor: duckdb.DuckDBPyConnection,
        deadline: Deadline, *, relayed: bool,
    ) -> None:  # fmt: skip
        self._source, self._table = source, table
        self._statement, self._cursor, self._deadline = statement, cursor, deadline
        self.schema = table.arrow_schema(columns)
        self.statement = statement.sql
        self.requests = 0
        self._guard = Guard(cursor, deadline, self._late)
        self._relay: Relay[pa.RecordBatch | None] | None = None
        self._relayed = relayed
        self.left: Callable[[], None] = lambda: None  # told when the worker has ended, which may be long after `close`
        self._reader: pa.RecordBatchReader | None = None
        self._closed = False

    def open(self) -> None:
        """Send the statement. Raises SourceError, Cancelled."""
        try:
            if self._relayed:
                self._relay = Relay(f"read-{self._source}", self._worker, self._deadline, self._late)
                self._relay.take()  # the worker has opened its reader
            else:
                self._reader = self._opened()
        except BaseException:
            self.close()
            raise
        self.requests = 1

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := self._next()) is not None:
                if batch.num_rows:
                    yield batch
        finally:
            self.close()

    def _next(self) -> pa.RecordBatch | None:
        if self._relay is not None:
            return None if self._closed else self._relay.take()
        return None if self._reader is None else self._read(self._reader)

    def stop(self, error: C360Error) -> None:
        if self._relay is not None:
            self._relay.end(error)
        self._guard.stop(error)

    def close(self) -> None:
        if self._closed:
            return
        self._closed, self._reader = True, None
        self._guard.done()
        if self._relayed:  # the worker may be inside a read that nothing ends: the cursor is its to close
            self.stop(Cancelled(f"the stream of source `{self._source}` was closed"))
        else:
            self._cursor.close()

    def _worker(self, relay: Relay[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch | None]:
        try:
            reader = self._opened()
            yield pa.RecordBatch.from_pylist([], schema=self.schema)
            while (batch := self._read(reader)) is not None:
                yield batch
        finally:
            self._cursor.close()
            self.left()

    def _opened(self) -> pa.RecordBatchReader:
        reader: pa.RecordBatchReader = self._ask(lambda: open_reader(self._cursor, self._statement))
        for expected in self.schema:
            found = reader.schema.field(expected.name).type
            if found != expected.type:
                message = f"{self._source}.{self._table.name}.{expected.name}: the type was {expected.type}, and is now {found}"
                raise SchemaDrift(self._source, message, hint="ask again: the schema is discovered afresh")
        return reader

    def _read(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        def read() -> pa.RecordBatch | None:
            try:
                return reader.read_next_batch()
            except StopIteration:
                return None

        batch = self._ask(read)
        return None if batch is None else pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)

    def _ask(self, function: Callable[[], T]) -> T:
        try:
            return self._guard.call(function)
        except Exception as error:
            raise translate(error, self._source, self._table) from error

    def _late(self) -> C360Error:
        hint = "give the query more time, or narrow what it reads"
        return SourceTimeout(self._source, f"{self._source}.{self._table.name} did not answer within the query's deadline", hint=hint)
