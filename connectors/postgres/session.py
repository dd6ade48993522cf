"""Reading PostgreSQL: one connection per session; cancel and deadline end its socket, which frees even a stalled stream."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

import pyarrow as pa

from connectors import watchdog
from connectors.postgres.columns import to_arrow
from connectors.postgres.errors import lost, misfit, translate
from connectors.postgres.link import Answer, Link, Pool
from connectors.postgres.statement import Statement
from connectors.spi import Deadline, Fragment, Values
from connectors.spi.errors import Cancelled, SchemaDrift, SourceTimeout, UnmappedType

_T = TypeVar("_T")
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class PostgresStream:
    """The answer to one fragment; see `connectors.spi.session.Stream`."""

    requests = 1

    def __init__(self, session: PostgresSession, answer: Answer, statement: Statement, sql: str) -> None:
        self.schema = statement.schema
        self.statement = sql
        self._session, self._answer, self._plan = session, answer, statement
        self._ahead: deque[pa.RecordBatch] = deque()
        self._batches = iter(answer)
        self.open = True

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._ahead.popleft() if self._ahead else self._next()) is not None:
            yield batch

    def read_ahead(self) -> None:
        """Take in what is left: the connection is wanted for another statement."""
        while (batch := self._next()) is not None:
            self._ahead.append(batch)

    def _next(self) -> pa.RecordBatch | None:
        if not self.open:
            return None
        with self._session.guarded(self._plan):
            arrived = next(self._batches, None)
        if arrived is None:
            self._finish()
            return None
        arrays = [self._array(arrived.column(i), i) for i in range(arrived.num_columns)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, array: pa.Array, position: int) -> pa.Array:
        column = self._plan.columns[position]
        if array.type != self._plan.wires[position]:
            where = f"`{column.name}` of `{self._session.source}.{self._plan.fragment.table}`"
            raise SchemaDrift(
                self._session.source, f"{where} is no {column.native} any more", hint="look the source over again (c360 debug)"
            )
        try:
            return to_arrow(array, column)
        except (ValueError, pa.ArrowException) as error:
            raise misfit(self._session.source, self._plan.fragment.table, (column.name,)) from error

    def _finish(self) -> None:
        if self.open:
            self.open = False
            self._answer.close()

    def close(self) -> None:
        self._ahead.clear()
        self._finish()


class PostgresSession:
    """One reader; see `connectors.spi.session.Session`. With a snapshot, one REPEATABLE READ transaction spans every `run`."""

    def __init__(
        self, source: str, pool: Pool, deadline: Deadline, prepare: Callable[[Fragment], Statement], snapshot: bool, catalog: bool = False
    ) -> None:
        self.source, self._pool, self._deadline, self._prepare, self._snapshot = source, pool, deadline, prepare, snapshot
        self._lock = threading.Lock()  # between this session's thread and those that end it
        self._cancelled = self._closed = self._ended = self._broken = False
        self._streams: list[PostgresStream] = []
        self._link: Link = pool.borrow(deadline, catalog=catalog)
        self._alarm = watchdog.schedule(deadline.at, self._end)

    def run(self, fragment: Fragment, values: Values) -> PostgresStream:
        self.check()
        plan = self._prepare(fragment)
        try:
            row = plan.row(values)
        except ValueError as error:
            raise UnmappedType(
                self.source, f"a value compared with `{self.source}.{fragment.table}` holds a NUL character, which no PostgreSQL text can"
            ) from error
        self._settle()
        answer, sql = self._try_again_if_lost(lambda: self._start(plan, values, row), plan)
        self._streams.append(PostgresStream(self, answer, plan, sql))
        return self._streams[-1]

    def catalog(self, sql: str, row: pa.RecordBatch | None) -> list[dict[str, object]]:
        """All rows of a catalog query."""
        answer = self._try_again_if_lost(lambda: self._link.execute(sql, row), None)
        with self.guarded(None):
            rows: list[dict[str, object]] = pa.Table.from_batches(list(answer), answer.schema).to_pylist()
            answer.close()
        return rows

    def _try_again_if_lost(self, start: Callable[[], _T], plan: Statement | None) -> _T:
        """A connection may have died in the pool (the server restarted): nothing was asked yet, so ask on a fresh one."""
        with self.guarded(plan):
            try:
                return start()
            except Exception as error:
                if self._link.fresh or self._streams or self._ended or not lost(error):
                    raise
                self._reconnect()
                return start()

    def _start(self, plan: Statement, values: Values, row: pa.RecordBatch | None) -> tuple[Answer, str]:
        """By COPY if many rows are to be expected. COPY takes no parameters: then the values are bound to settings of the transaction."""
        texts = plan.settings(values) if plan.bulk else None
        if self._snapshot or texts:
            self._begin()
        if texts:
            settings = ", ".join(f"set_config('c360.v{i}', ${i + 1}::text, true)" for i in range(len(texts)))
            bound = pa.RecordBatch.from_arrays([pa.array([t]) for t in texts], [f"p{i}" for i in range(len(texts))])
            self._link.execute(f"SELECT {settings}", bound).close()
        if texts is not None:
            return self._link.execute(plan.copy_sql, copy=True), plan.copy_sql
        return self._link.execute(plan.sql, row), plan.sql

    def _begin(self) -> None:
        if not self._link.in_transaction:
            self._link.command(_BEGIN)
            self._link.in_transaction = True

    def _settle(self) -> None:
        """Make the connection ready for the next statement."""
        for stream in self._streams:
            stream.read_ahead()
        if self._link.in_transaction and not self._snapshot:
            with self.guarded(None):
                self._link.command("ROLLBACK")
            self._link.in_transaction = False

    def _reconnect(self) -> None:
        fresh = self._pool.replace(self._link, self._deadline)
        with self._lock:
            self._link = fresh
            if self._ended:
                fresh.shut()

    def check(self) -> None:
        """Raise if the session was cancelled or its time is over."""
        if self._cancelled:
            raise Cancelled(f"the query on source `{self.source}` was cancelled")
        if self._deadline.expired:
            late = f"source `{self.source}` did not answer within the deadline"
            raise SourceTimeout(self.source, late, hint="allow more time or ask for less")

    def guarded(self, plan: Statement | None) -> _Guard:
        """A block in which the driver's errors become ours."""
        return _Guard(self, plan)

    def broke(self) -> None:
        """The connection's state is unknown: do not lend it again."""
        self._broken = True

    def _end(self) -> None:
        """Free whoever waits on the connection. On the watchdog's thread, or a canceller's."""
        with self._lock:
            if not self._closed:
                self._ended = True
                self._link.shut()

    def cancel(self) -> None:
        self._cancelled = True
        self._end()

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._alarm.cancel()
        sound = not (self._ended or self._broken or any(s.open for s in self._streams))
        try:
            if sound and self._link.in_transaction:
                self._link.command("ROLLBACK")
                self._link.in_transaction = False
        except Exception:  # the connection died while idle: nothing was lost
            sound = False
        finally:
            if not sound:
                self._link.shut()  # first, or closing an unfinished stream would read it to its end
            for stream in self._streams:
                stream.close()
            self._pool.give_back(self._link, sound=sound)


class _Guard:
    def __init__(self, session: PostgresSession, plan: Statement | None) -> None:
        self._session, self._plan = session, plan

    def __enter__(self) -> None:
        self._session.check()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        self._session.broke()
        if hasattr(error, "status_code"):  # the driver's
            self._session.check()  # an ended socket is an error too: say whose it was
            fragment = self._plan.fragment if self._plan else None
            risky = tuple(c.name for c in self._plan.columns if pa.types.is_decimal(c.type)) if self._plan else ()
            raise translate(error, self._session.source, fragment.table if fragment else "", risky) from error  # type: ignore[arg-type]
