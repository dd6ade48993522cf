"""The connector to a JSON-over-HTTP API."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pyarrow as pa

from connectors.relay import Relay
from connectors.rest.client import Api
from connectors.rest.question import Request, requests
from connectors.rest.table import RestCapabilities, RestTable
from connectors.rest.values import batch, decoded, follow, items
from connectors.spi.errors import C360Error, Cancelled, SchemaDrift, SourceBroken, SourceTimeout
from connectors.spi.fragment import Fragment
from connectors.spi.schema import Statistics, Table
from connectors.spi.session import Deadline, Session, Stream, Values

KEY_KINDS = frozenset({"int", "decimal", "text", "date", "timestamp", "timestamptz", "bool"})


class Rest:
    """An API as tables. Tables are as the project file declares them: the API is not asked.

    It cannot promise a snapshot: an API has none, and pages may shift under a reader. Rows for a key list are picked again by
    their keys, so that an API that compares loosely, or answers more than was asked, adds no row.
    """

    kind = "rest"

    def __init__(self, api: Api, tables: Mapping[str, RestTable], *, ping: str, max_keys: int) -> None:
        self.name = api.source
        self.capabilities = RestCapabilities(key_kinds=KEY_KINDS, max_keys=max_keys, limit=True)
        self._api, self._tables, self._ping = api, dict(tables), ping
        self._sessions: set[RestSession] = set()
        self._lock = threading.Lock()

    def tables(self) -> tuple[str, ...]:
        return tuple(sorted(self._tables))

    def table(self, name: str) -> Table:
        return self._declared(name).table

    def statistics(self, name: str) -> Statistics:
        table = self._declared(name)
        return Statistics(indexed=frozenset(lookup.columns[0] for lookup in table.lookups))

    def ping(self, deadline: Deadline) -> str:
        def ask(relay: Relay[bytes]) -> Iterator[bytes]:
            yield self._api.get(self._ping, (), deadline, lambda: relay.ended, lambda: None) or b""

        relay = Relay(f"ping-{self.name}", ask, deadline, self._late)
        relay.take()
        return f"HTTP API at {self._api.host}"

    def session(self, deadline: Deadline, *, snapshot: bool) -> Session:
        session = RestSession(self, self._api, deadline)
        with self._lock:
            self._sessions.add(session)
        return session

    def forget(self) -> None:
        """Nothing is cached: the schema is the project file's."""

    def close(self) -> None:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        self._api.pool.clear()

    def _declared(self, name: str) -> RestTable:
        found = self._tables.get(name)
        if found is None:
            raise SchemaDrift(self.name, f"source `{self.name}` has no table `{name}`", hint=f"it has: {', '.join(self.tables())}")
        return found

    def _left(self, session: RestSession) -> None:
        with self._lock:
            self._sessions.discard(session)

    def _late(self) -> C360Error:
        return SourceTimeout(self.name, f"source `{self.name}` did not answer within the deadline", hint="give the query more time")


class RestSession:
    """A session of the contract."""

    def __init__(self, connector: Rest, api: Api, deadline: Deadline) -> None:
        self._connector, self._api, self._deadline = connector, api, deadline
        self._streams: list[RestStream] = []
        self._cancelled = False
        self._lock = threading.Lock()

    def run(self, fragment: Fragment, values: Values) -> Stream:
        if self._deadline.expired:
            raise self._connector._late()
        table = self._connector._declared(fragment.table)
        missing = next((c for c in fragment.columns if table.table.column(c) is None), None)
        if missing is not None:
            raise SchemaDrift(
                self._api.source, f"{self._api.source}.{fragment.table} has no column `{missing}`", hint="declare it, or mend the mapping"
            )
        statement, asked = requests(self._api.source, fragment, table, values)
        with self._lock:
            if self._cancelled:
                raise Cancelled(f"the session with source `{self._api.source}` was cancelled")
            stream = RestStream(self._api, table, fragment, statement, asked, self._deadline, self._connector._late)
            self._streams.append(stream)
        return stream

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            streams = list(self._streams)
        for stream in streams:
            stream.stop(Cancelled(f"the query on source `{self._api.source}` was cancelled"))

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._connector._left(self)


class RestStream:
    """A stream of the contract: its requests are shared out among a few threads."""

    def __init__(
        self, api: Api, table: RestTable, fragment: Fragment, statement: str, asked: list[Request],
        deadline: Deadline, late: Callable[[], C360Error],
    ) -> None:  # fmt: skip
        self.schema = table.table.arrow_schema(fragment.columns)
        self.statement = statement
        self._api, self._table, self._fragment, self._deadline = api, table, fragment, deadline
        self._asked = deque(asked)
        self._sent = 0
        self._counting = threading.Lock()
        workers = max(1, min(api.concurrency, len(asked)))
        self._relay: Relay[pa.RecordBatch] = Relay(f"rest-{api.source}", self._work, deadline, late, workers=workers)

    @property
    def requests(self) -> int:
        return self._sent

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        left = self._fragment.limit
        try:
            while (left is None or left > 0) and (found := self._relay.take()) is not None:
                found = found if left is None else found.slice(0, left)
                left = left if left is None else left - found.num_rows
                if found.num_rows:
                    yield found
        finally:
            self.close()

    def stop(self, error: C360Error) -> None:
        self._relay.end(error)

    def close(self) -> None:
        self.stop(Cancelled(f"the stream of source `{self._api.source}` was closed"))

    def _work(self, relay: Relay[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while self._asked:
            try:
                request = self._asked.popleft()
            except IndexError:
                return
            yield from self._pages(request, relay)

    def _pages(self, request: Request, relay: Relay[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        page, seen, position = self._table.page, set[str](), str(self._table.page.start if self._table.page.style == "page" else "")
        read = 0
        while True:
            answer = self._ask(request, position, relay)
            rows = [] if answer is None else items(self._api.source, self._table, answer, lone=request.lone)
            if rows:
                yield self._picked(rows, request)
            read += len(rows)
            following = self._following(request, answer, rows, position, read)
            if following is None:
                return
            if following in seen:
                message = f"{self._api.source}.{self._table.table.name}: the API leads back to a page that was read"
                raise SourceBroken(self._api.source, message, hint=f"compare `page.next` ({'.'.join(page.next)}) with what it answers")
            seen.add(following)
            position = following

    def _ask(self, request: Request, position: str, relay: Relay[pa.RecordBatch]) -> object:
        page = self._table.page
        params = list(request.params)
        if page.style and not request.lone:
            params += [(page.size_param, str(page.size))] if page.size_param and page.size else []
            params += [(page.param, position)] if position else []
        body = self._api.get(request.path, params, self._deadline, lambda: relay.ended, self._count)
        if body is None:
            if request.lone:
                return None
            message = f"{self._api.source}.{self._table.table.name}: the API has no {request.path}"
            raise SchemaDrift(self._api.source, message, hint="compare `path` with the API's papers")
        try:
            return decoded(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{self._api.source}.{self._table.table.name}: the answer is not JSON"
            raise SourceBroken(self._api.source, message, hint="check that `base_url` leads to the API itself") from error

    def _following(self, request: Request, answer: object, rows: list[dict[str, object]], position: str, read: int) -> str | None:
        """Where the next page is, None after the last."""
        page = self._table.page
        if request.lone or not page.style:
            return None
        if page.style == "cursor":
            cursor = follow(answer, page.next)
            return str(cursor) if cursor not in (None, "", False) else None
        if not rows or (page.size and len(rows) < page.size):
            return None
        return str(int(position) + 1) if page.style == "page" else str(read)

    def _picked(self, rows: list[dict[str, object]], request: Request) -> pa.RecordBatch:
        keyed = self._fragment.keys
        columns = self._fragment.columns
        if request.keys is None or keyed is None:
            return batch(self._api.source, self._table, rows, columns)
        found = batch(self._api.source, self._table, rows, tuple(dict.fromkeys((*columns, *keyed.columns))))
        tuples = zip(*(found.column(name).to_pylist() for name in keyed.columns), strict=True)
        return found.filter(pa.array([key in request.keys for key in tuples], pa.bool_())).select(list(columns))

    def _count(self) -> None:
        with self._counting:
            self._sent += 1
