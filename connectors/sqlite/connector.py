"""SQLite files as a source: opened read-only, each reader on its own connection."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from connectors.naming import check_names
from connectors.options import Options, required_columns
from connectors.spi import Deadline, Fragment, Statistics, Table
from connectors.spi.errors import SchemaDrift, SourceBusy, SourceUnreachable
from connectors.sqlite import discovery
from connectors.sqlite.errors import translate
from connectors.sqlite.rules import CAPABILITIES
from connectors.sqlite.session import BUSY_S, SqliteSession
from connectors.sqlite.statement import Statement, render

_ALLOWED = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION}
)


def connect(name: str, options: Mapping[str, object]) -> SqliteConnector:
    """Options: `path` (required), `connections` (8), `tables` ({ticket: {required: [id]}})."""
    given = Options(name, options)
    path = Path(given.require("path", str)).expanduser()
    connector = SqliteConnector(name, path, given.take("connections", int, 8), required_columns(name, given.take("tables", dict, {})))
    given.done()
    return connector


class SqliteConnector:
    """A SQLite file; see `connectors.spi.session.Connector`. A snapshot is one read transaction: it holds for all of a session."""

    kind = "sqlite"
    capabilities = CAPABILITIES

    def __init__(self, name: str, path: Path, connections: int, required: Mapping[str, tuple[str, ...]]) -> None:
        self.name, self._path, self._required = name, path, required
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._sessions: weakref.WeakSet[SqliteSession] = weakref.WeakSet()
        self.forget()

    def forget(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._tables: dict[str, Table] = {}
        self._statistics: dict[str, Statistics] = {}
        self._statements: dict[int, Statement] = {}

    def tables(self) -> tuple[str, ...]:
        if self._names is None:
            with self._catalog() as db:
                self._names = discovery.table_names(db)
        return self._names

    def table(self, name: str) -> Table:
        if name not in self._tables:
            with self._catalog() as db:
                found = discovery.discover(db, name, self._required.get(name, ()))
            if found is None:
                raise SchemaDrift(self.name, f"source `{self.name}` has no table `{name}`", hint="list what it has: c360 discover")
            self._tables[name] = found
        return self._tables[name]

    def statistics(self, name: str) -> Statistics:
        if name not in self._statistics:
            with self._catalog() as db:
                self._statistics[name] = discovery.statistics(db, name)
        return self._statistics[name]

    def ping(self, deadline: Deadline) -> str:
        with self._catalog(deadline) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return f"SQLite {sqlite3.sqlite_version}"

    def session(self, deadline: Deadline, *, snapshot: bool) -> SqliteSession:
        if not self._slots.acquire(timeout=deadline.remaining()):
            raise SourceBusy(self.name, f"source `{self.name}`: all connections are in use", hint="raise `connections`, or try again")
        db: sqlite3.Connection | None = None
        try:
            with self._lock:
                db = self._idle.pop() if self._idle else None
            db = db or self._reader(deadline)
            session = SqliteSession(self.name, db, deadline, self._prepare, self._give_back, snapshot)
        except sqlite3.Error as error:
            self._give_back(db, sound=False)
            raise translate(error, self.name) from error
        except BaseException:
            self._give_back(db, sound=False)
            raise
        self._sessions.add(session)
        return session

    def close(self) -> None:
        for session in tuple(self._sessions):
            session.cancel()
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _prepare(self, fragment: Fragment) -> tuple[Statement, Table]:
        """The statement of a fragment, kept for the fragment's next run; SchemaDrift for a name the source does not have."""
        table = self.table(fragment.table)
        known = self._statements.get(id(fragment))
        if known is None or known.fragment is not fragment:
            check_names(self.name, fragment, table)
            known = render(fragment, table)
            if len(self._statements) > 1000:
                self._statements.clear()
            self._statements[id(fragment)] = known
        return known, table

    def _reader(self, deadline: Deadline) -> sqlite3.Connection:
        """A connection for sessions: its authorizer refuses everything but reading tables. Waiting for locks is the session's business,
        for nothing ends SQLite's own waiting."""
        db = self._open(deadline)
        try:
            db.execute("SELECT value FROM json_each('[]')").fetchall()  # makes the virtual table, which the authorizer would refuse
            db.execute("PRAGMA busy_timeout = 0")
            db.set_authorizer(_reading_only)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _open(self, deadline: Deadline | None = None) -> sqlite3.Connection:
        """A connection that cannot write. Autocommit: a transaction starts only where a session asks for a snapshot."""
        busy = BUSY_S if deadline is None else max(0.0, min(BUSY_S, deadline.remaining()))
        uri = f"file:{quote(str(self._path.absolute()))}?mode=ro"
        try:
            return sqlite3.connect(uri, uri=True, timeout=busy, isolation_level=None, check_same_thread=False, cached_statements=256)
        except sqlite3.Error as error:
            raise SourceUnreachable(
                self.name, f"source `{self.name}`: the file `{self._path.name}` cannot be opened", hint="check `path` and its permissions"
            ) from error

    def _give_back(self, db: sqlite3.Connection | None, sound: bool) -> None:
        if db is not None and sound:
            with self._lock:
                self._idle.append(db)
        elif db is not None:
            db.close()
        self._slots.release()

    @contextmanager
    def _catalog(self, deadline: Deadline | None = None) -> Iterator[sqlite3.Connection]:
        db = self._open(deadline)
        try:
            yield db
        except sqlite3.Error as error:
            raise translate(error, self.name) from error
        finally:
            db.close()


def _reading_only(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """SQLite asks for each thing a statement would do: reading user tables is allowed, nothing else is."""
    if action not in _ALLOWED or (action == sqlite3.SQLITE_READ and (first or "").startswith("sqlite_")):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
