"""The connector to a DuckDB database file (kind `duckdb`). Options: `path`, `memory_limit`, `threads`, `idle`, `tables`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import duckdb

from connectors.duckdb_engine.discovery import discover, statistics
from connectors.duckdb_engine.errors import translate
from connectors.duckdb_engine.instance import Instances, literal, lock, open_memory
from connectors.duckdb_engine.rules import CAPABILITIES
from connectors.duckdb_engine.session import EngineSession
from connectors.options import Options, required_columns
from connectors.spi.errors import C360Error, SchemaDrift, SourceTimeout
from connectors.spi.schema import Statistics, Table
from connectors.spi.session import Deadline, Session

T = TypeVar("T")
CATALOG = "source"


def connect(name: str, options: Mapping[str, object]) -> DuckDBFile:
    """See `connectors.registry.Factory`."""
    taken = Options(name, options)
    connector = DuckDBFile(
        name,
        taken.require("path", str),
        memory_limit=taken.take("memory_limit", str, ""),
        threads=taken.take("threads", int, 0),
        idle=taken.take("idle", float, 5.0),
        required=required_columns(name, taken.take("tables", dict, {})),
    )
    taken.done()
    return connector


class DuckDBFile:
    """A DuckDB file, read by a DuckDB instance of its own that may read nothing else.

    The file is open, and so closed to writers of other processes, while it is read and for `idle` seconds after. A file that
    was replaced is seen by the next session. Every session sees one state of the file: while it is open nobody can write.
    Tables and views of schema `main` go without a schema; names that hold a dot cannot be told from a schema and are left out.
    """

    kind = "duckdb"
    capabilities = CAPABILITIES

    def __init__(
        self, name: str, path: str, *, memory_limit: str = "", threads: int = 0, idle: float = 5.0,
        required: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:  # fmt: skip
        self.name, self._path = name, Path(path)
        self._memory_limit, self._threads, self._required = memory_limit, threads, dict(required or {})
        self._instances = Instances(self._open, self._stamp, idle, use=CATALOG)
        self._tables: dict[str, Table] | None = None
        self._statistics: dict[str, Statistics] = {}
        self._lock = threading.Lock()

    def tables(self) -> tuple[str, ...]:
        return tuple(sorted(self._discovered()))

    def table(self, name: str) -> Table:
        found = self._discovered().get(name)
        if found is None:
            raise SchemaDrift(self.name, f"source `{self.name}` has no table `{name}`", hint="list its tables with `c360 discover`")
        return found

    def statistics(self, name: str) -> Statistics:
        table = self.table(name)
        if name not in self._statistics:
            self._statistics[name] = self._ask(lambda connection: statistics(connection, table))
        return self._statistics[name]

    def ping(self, deadline: Deadline) -> str:
        if deadline.expired:
            raise SourceTimeout(self.name, f"source `{self.name}`: the deadline had passed before it was asked")
        self._ask(lambda connection: connection.execute("SELECT 1").fetchall())
        return f"DuckDB file, read by DuckDB {duckdb.__version__}"

    def session(self, deadline: Deadline, *, snapshot: bool) -> Session:
        self._discovered()
        try:
            return EngineSession(self.name, self._instances, self.table, deadline, relayed=False, short=10)
        except Exception as error:
            raise self._coded(error) from error

    def forget(self) -> None:
        with self._lock:
            self._tables = None
            self._statistics = {}

    def close(self) -> None:
        self._instances.drop()

    def _discovered(self) -> dict[str, Table]:
        with self._lock:
            if self._tables is None:
                self._tables = {t.name: t for t in self._ask(lambda connection: discover(connection, self._required))}
            return self._tables

    def _ask(self, question: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        try:
            return self._instances.ask(question)
        except Exception as error:
            raise self._coded(error) from error

    def _coded(self, error: Exception) -> C360Error:
        return translate(error, self.name, None, where=str(self._path))

    def _stamp(self) -> object:
        status = self._path.stat()  # FileNotFoundError and PermissionError are coded by `_coded`
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = open_memory(self._memory_limit, self._threads)
        try:
            connection.execute(f"ATTACH {literal(str(self._path))} AS {CATALOG} (TYPE duckdb, READ_ONLY)")
            return lock(connection)
        except BaseException:
            connection.close()
            raise
