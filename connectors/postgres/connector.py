"""PostgreSQL as a source."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import pyarrow as pa

from connectors.naming import check_names
from connectors.options import Options, required_columns
from connectors.postgres import discovery
from connectors.postgres.address import address
from connectors.postgres.link import Pool
from connectors.postgres.rules import CAPABILITIES
from connectors.postgres.session import PostgresSession
from connectors.postgres.statement import Statement, render
from connectors.spi import Deadline, Fragment, Statistics, Table
from connectors.spi.errors import SchemaDrift, SourceConfig

_CATALOG_S = 15.0  # for looking at the catalog, where no query's deadline applies


def connect(name: str, options: Mapping[str, object]) -> PostgresConnector:
    """Options: `uri` (required; a libpq URI or keyword string), `connections` (4, and one more for the catalog), `connect_timeout`
    (2 s), `statement_timeout` (s; 0 leaves it to the server), `schemas` (default: all but the system's), `tables`
    ({contact: {required: [id]}})."""
    given = Options(name, options)
    uri, connections = given.require("uri", str), given.take("connections", int, 4)
    connect_timeout, statement_timeout = given.take("connect_timeout", float, 2.0), given.take("statement_timeout", float, 0.0)
    schemas = tuple(str(s) for s in given.take("schemas", list, []))
    required = {_canonical(t): c for t, c in required_columns(name, given.take("tables", dict, {})).items()}
    given.done()
    try:
        where = address(uri, connect_timeout, statement_timeout)
    except ValueError:
        hint = "postgresql://user@host:5432/database"
        raise SourceConfig(f"source `{name}`: `uri` is not a PostgreSQL connection string", hint=hint) from None  # it may hold a password
    return PostgresConnector(name, Pool(name, where, connections), schemas, required)


class PostgresConnector:
    """A PostgreSQL database; see `connectors.spi.session.Connector`. A snapshot is one REPEATABLE READ transaction.

    Tables of the schema `public` are named without it; `public.contact` is understood too.
    """

    kind = "postgres"
    capabilities = CAPABILITIES

    def __init__(self, name: str, pool: Pool, schemas: tuple[str, ...], required: Mapping[str, tuple[str, ...]]) -> None:
        self.name, self._pool, self._schemas, self._required = name, pool, schemas, required
        self._sessions: weakref.WeakSet[PostgresSession] = weakref.WeakSet()
        self.forget()

    def __repr__(self) -> str:
        return f"PostgresConnector({self.name!r})"

    def forget(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._found: dict[str, discovery.IndexedTable] = {}
        self._statistics: dict[str, Statistics] = {}
        self._statements: dict[int, Statement] = {}

    def tables(self) -> tuple[str, ...]:
        if self._names is None:
            self._names = discovery.table_names(self._ask, self._schemas)
        return self._names

    def table(self, name: str) -> Table:
        return self._find(name).table

    def statistics(self, name: str) -> Statistics:
        if name not in self._statistics:
            self._statistics[name] = discovery.statistics(self._ask, name, self._find(name))
        return self._statistics[name]

    def ping(self, deadline: Deadline) -> str:
        link = self._pool.borrow(deadline)
        self._pool.give_back(link, sound=True)
        self._ask("SELECT 1", deadline=deadline)
        return f"PostgreSQL {link.version}"

    def session(self, deadline: Deadline, *, snapshot: bool) -> PostgresSession:
        session = PostgresSession(self.name, self._pool, deadline, self._prepare, snapshot)
        self._sessions.add(session)
        return session

    def close(self) -> None:
        for session in tuple(self._sessions):
            session.cancel()
        self._pool.drop_idle()

    def _find(self, name: str) -> discovery.IndexedTable:
        canonical = _canonical(name)
        if canonical not in self._found:
            found = discovery.discover(self._ask, canonical, self._required.get(canonical, ()))
            if found is None:
                hint = "list what it has: c360 discover; a table that the role may not read counts as absent"
                raise SchemaDrift(self.name, f"source `{self.name}` has no table `{name}`", hint=hint)
            self._found[canonical] = found
        return self._found[canonical]

    def _prepare(self, fragment: Fragment) -> Statement:
        """The statement of a fragment, kept for its next run; SchemaDrift for a name the source does not have."""
        known = self._statements.get(id(fragment))
        if known is None or known.fragment is not fragment:
            found = self._find(fragment.table)
            check_names(self.name, fragment, found.table)
            known = render(fragment, found.table, found.indexed)
            if len(self._statements) > 1000:
                self._statements.clear()
            self._statements[id(fragment)] = known
        return known

    def _ask(self, sql: str, *texts: str, deadline: Deadline | None = None) -> list[dict[str, object]]:
        """A catalog query, on a session like any other's: bounded in time, retried once on a connection that died in the pool."""
        until = deadline or Deadline.after(_CATALOG_S)
        session = PostgresSession(self.name, self._pool, until, self._prepare, snapshot=False, catalog=True)
        self._sessions.add(session)
        try:
            row = pa.RecordBatch.from_pydict({f"p{i}": [t] for i, t in enumerate(texts)}) if texts else None
            return session.catalog(sql, row)
        finally:
            session.close()


def _canonical(name: str) -> str:
    return name.removeprefix("public.")
