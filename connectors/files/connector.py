"""The connector to Parquet, CSV and JSON files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import fsspec

from connectors.duckdb_engine.errors import translate
from connectors.duckdb_engine.instance import Instances, lock, open_memory
from connectors.duckdb_engine.rules import NATIVE, capabilities_on
from connectors.duckdb_engine.session import EngineSession
from connectors.files.config import FileTable, format_of, is_pattern, located, protocol, read_table, shown, table_name, tables_below
from connectors.files.facts import Facts, remembers_facts
from connectors.files.reading import Read, discover, statistics
from connectors.options import Options
from connectors.relay import Relay
from connectors.spi.errors import C360Error, MissingDriver, SchemaDrift, SourceConfig, SourceTimeout, SourceUnreachable
from connectors.spi.schema import Statistics, Table
from connectors.spi.session import Deadline, Session

T = TypeVar("T")
_S3 = ("s3", "s3a")
_S3_RETRIES = {"mode": "standard", "total_max_attempts": 2}
"""Unless `storage` or AWS_MAX_ATTEMPTS says otherwise: botocore's own five attempts take eight seconds to tell that nobody is there.
A store that asks to slow down is asked again by s3fs all the same."""
_EXTRAS = {"s3": "s3", "s3a": "s3", "http": "http", "https": "http"}


def connect(name: str, options: Mapping[str, object]) -> Files:
    """See `connectors.registry.Factory`."""
    taken = Options(name, options)
    path, format_ = taken.take("path", str, ""), taken.take("format", str, "")
    tables = {str(t): read_table(name, str(t), entry, format_) for t, entry in taken.take("tables", dict, {}).items()}
    connector = Files(
        name, located(path) if path else "", tables, format_=format_, storage=taken.take("storage", dict, {}),
        memory_limit=taken.take("memory_limit", str, ""), threads=taken.take("threads", int, 0), timeout=taken.take("timeout", float, 30.0),
    )  # fmt: skip
    taken.done()
    if not path and not tables:
        raise SourceConfig(f"source `{name}`: neither `path` nor `tables` is given", hint="add `path:` (a file, a glob or a directory)")
    return connector


class Files:
    """Files as tables, read by a DuckDB instance of its own that may read nothing else.

    It cannot promise a snapshot: each `run` reads the files as they are when it starts, and a file rewritten in place meanwhile
    may fail it. A file that never was there is SourceUnreachable; one that was discovered and has gone is SchemaDrift.
    `timeout`: seconds for looking at files, where no query's deadline holds.
    """

    kind = "files"
    capabilities = capabilities_on(NATIVE | {"uuid", "json"})

    def __init__(
        self, name: str, path: str, tables: Mapping[str, FileTable], *, format_: str, storage: Mapping[str, object],
        memory_limit: str, threads: int, timeout: float,
    ) -> None:  # fmt: skip
        self.name, self._path, self._configured, self._format = name, path, dict(tables), format_
        self._storage, self._memory_limit, self._threads, self._timeout = dict(storage), memory_limit, threads, timeout
        places = [t.path for t in tables.values()] + ([path] if path else [])
        self._local = tuple(p for p in places if not protocol(p))
        self._remote = tuple(sorted({protocol(p) for p in places} - {""}))
        for scheme in self._remote:
            _require_driver(name, scheme)
        self._instances = Instances(self._open, lambda: None, None)
        self._lock = threading.RLock()
        self._facts = Facts()
        self._found: dict[str, FileTable] | None = None
        self._reads: dict[str, Read] = {}
        self._statistics: dict[str, Statistics] = {}

    def tables(self) -> tuple[str, ...]:
        return tuple(sorted(self._located()))

    def table(self, name: str, deadline: Deadline | None = None) -> Table:
        with self._lock:
            if name not in self._reads:
                files = self._files(name)
                self._reads[name] = self._ask(lambda c: discover(c, self.name, files), deadline, where=shown(files.path))
            return self._reads[name].table

    def statistics(self, name: str) -> Statistics:
        table, files = self.table(name), self._files(name)
        with self._lock:
            if name not in self._statistics:
                self._statistics[name] = self._ask(lambda c: statistics(c, files, table), where=shown(files.path))
            return self._statistics[name]

    def ping(self, deadline: Deadline) -> str:
        tables = self._located(deadline)
        for files in tables.values():
            if not self._ask(partial(_matches, files), deadline, where=shown(files.path)):
                raise SourceUnreachable(self.name, f"{self.name}.{files.name}: no file matches {shown(files.path)}", hint="check `path`")
        return f"{len(tables)} table{'' if len(tables) == 1 else 's'} of files, read by DuckDB {duckdb.__version__}"

    def session(self, deadline: Deadline, *, snapshot: bool) -> Session:
        self._located(deadline)

        def table(name: str) -> Table:
            return self.table(name, deadline)

        return EngineSession(self.name, self._instances, table, deadline, relayed=bool(self._remote), prelude=self._prelude)

    def forget(self) -> None:
        with self._lock:
            self._found, self._reads, self._statistics = None, {}, {}

    def close(self) -> None:
        self._instances.drop()

    def _prelude(self, name: str) -> str:
        self._facts.forget()
        with self._lock:
            return self._reads[name].prelude if name in self._reads else ""

    def _files(self, name: str) -> FileTable:
        found = self._located().get(name)
        if found is None:
            raise SchemaDrift(
                self.name, f"source `{self.name}` has no table `{name}`", hint=f"it has: {', '.join(self.tables()) or 'none'}"
            )
        return found

    def _located(self, deadline: Deadline | None = None) -> dict[str, FileTable]:
        with self._lock:
            if self._found is None:
                found = self._ask(lambda _: self._look(), deadline, where=shown(self._path)) if self._path else {}
                self._found = {**found, **self._configured}
            return self._found

    def _look(self) -> dict[str, FileTable]:
        """The tables under `path`. Runs where a stalled filesystem can be left behind."""
        if is_pattern(self._path):
            name = table_name(self._path)
            return {name: FileTable(name, self._path, format_of(self.name, self._path, self._format))}
        system, root = self._filesystem(protocol(self._path)), self._path
        system.info(root)  # raises what is wrong; exists() would say of a store that cannot be reached that it is empty
        if not system.isdir(root):
            name = table_name(root)
            return {name: FileTable(name, root, format_of(self.name, root, self._format))}
        files = system.find(root)
        if protocol(root):
            root, files = system.unstrip_protocol(system._strip_protocol(root)), map(system.unstrip_protocol, files)
        return tables_below(self.name, root, files, self._format)

    def _ask(self, question: Callable[[duckdb.DuckDBPyConnection], T], deadline: Deadline | None = None, where: str = "") -> T:
        deadline = deadline or Deadline.after(self._timeout)
        self._facts.forget()
        try:
            if not self._remote and not deadline.expired:
                return self._instances.ask(question)
            relay = Relay(f"look-{self.name}", lambda _: self._answers(question), deadline, self._late)
            answer = relay.take()
            assert answer is not None
            return answer[0]
        except Exception as error:
            raise translate(error, self.name, None, where) from error

    def _answers(self, question: Callable[[duckdb.DuckDBPyConnection], T]) -> Iterator[tuple[T]]:
        yield (self._instances.ask(question),)

    def _late(self) -> C360Error:
        return SourceTimeout(self.name, f"source `{self.name}` did not show its files in time", hint="raise the source's `timeout`")

    def _filesystem(self, scheme: str) -> fsspec.AbstractFileSystem:
        # no cache of listings: a file that came or went must be seen by the next query
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True, **self._storage}
        if scheme in ("", "memory"):
            options = {}
        if scheme in _S3:
            if "AWS_MAX_ATTEMPTS" not in os.environ:
                options["config_kwargs"] = {"retries": _S3_RETRIES, **options.get("config_kwargs", {})}
            remembering = remembers_facts(fsspec.get_filesystem_class(scheme))(self._facts, **options)
            return _dated(remembering)
        return _dated(fsspec.filesystem(scheme or "file", **options))

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = open_memory(self._memory_limit, self._threads)
        try:
            for scheme in self._remote:
                connection.register_filesystem(self._filesystem(scheme))
            return lock(connection, (*(_folder(p) for p in self._local), *(f"{scheme}://" for scheme in self._remote)))
        except BaseException:
            connection.close()
            raise


def _matches(files: FileTable, connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("SELECT 1 FROM glob($path) LIMIT 1", {"path": files.path}).fetchall())


def _folder(path: str) -> str:
    """The nearest folder above the first wildcard, or the folder itself: what the instance may read."""
    fixed = Path(path)
    while is_pattern(str(fixed)) or not (fixed.is_dir() or fixed == fixed.parent):
        fixed = fixed.parent
    return str(fixed)


def _dated(system: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    """DuckDB asks when a file was modified, to see whether what it remembers of it still holds. Where a filesystem cannot say
    (HTTP), it was modified just now: nothing is remembered."""

    def modified(path: str) -> datetime:
        try:
            known: datetime = type(system).modified(system, path)
        except NotImplementedError:
            return datetime.now(UTC)
        return known

    system.modified = modified
    return system


def _require_driver(source: str, scheme: str) -> None:
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f"pip install 'c360[{extra}]'" if extra else f"install the fsspec implementation of {scheme}://"
        raise MissingDriver(f"source `{source}`: reading {scheme}:// needs a package that is not installed", hint=hint) from error
    except ValueError as error:
        raise SourceConfig(f"source `{source}`: no filesystem is known for {scheme}://", hint="see fsspec's list of protocols") from error
