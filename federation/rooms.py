"""The two rooms: standing DuckDB instances, one for what a principal may not see yet, one for the user's SQL.

The trusted room has the crosswalk attached and runs our SQL only. The user's room holds nothing: a query gets a cursor of its
own, sees only what that cursor registers, and the cursor is never used again. Neither reads files, loads extensions or spills.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from connectors.lockdown import LOCKED_DOWN
from federation.link_cache import LinkCache
from federation.statements import Idle
from identity.crosswalk import Crosswalk

if TYPE_CHECKING:
    from identity.probabilistic.nobodys import Told

UTC = "SET TimeZone = 'UTC'"
ATTACHED = 2
"""So many versions of the crosswalk stay attached: a query that was planned just before one was published goes by the one before."""


class _Room:
    """A DuckDB instance, opened by whoever asks first: many commands need one room only, and to open one takes as long as a query."""

    settings: tuple[str, ...] = (UTC,)

    def __init__(self, memory: str, threads: int | None = None) -> None:
        self._config: dict[str, Any] = {**LOCKED_DOWN, "memory_limit": memory, **({"threads": threads} if threads else {})}
        self._opening = threading.Lock()
        self._opened: duckdb.DuckDBPyConnection | None = None

    @property
    def _instance(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            with self._opening:
                self._opened = self._opened or self._open()
        return self._opened

    def _open(self) -> duckdb.DuckDBPyConnection:
        instance = duckdb.connect(":memory:", config=self._config)
        for setting in self.settings:
            instance.execute(setting)
        return instance

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection that shares nothing with any other query's but the memory limit, and what is attached."""
        return self._instance.cursor()


class UserRoom(_Room):
    """Runs the user's SQL over what crossed the boundary. `cursor()` per query; close it after."""

    settings = (
        UTC,
        "SET enable_external_access = false",
        "SET disabled_filesystems = 'LocalFileSystem'",
        "SET lock_configuration = true",
    )

    def revive(self) -> None:
        """Open anew if DuckDB has closed the instance: after an internal error of its own it refuses everybody's queries."""
        with self._opening:
            if self._opened is None:
                return
            try:
                self._opened.cursor().execute("SELECT 1").fetchall()
            except duckdb.Error:
                self._opened = self._open()


class TrustedRoom(_Room):
    """Runs relation SQL over fetched rows and the crosswalk. Statements are prepared once per plan and pooled."""

    def __init__(self, memory: str, links: LinkCache, threads: int | None = None, *, idle: int = 128 << 20) -> None:
        super().__init__(memory, threads)
        self.links = links
        self._lock = threading.Lock()
        self._attached: dict[int, int] = {}
        self._learned: set[str] = set()
        self._few = threads == 1
        self._local = threading.local()
        self.idle = Idle(idle)

    def attach(self, crosswalk: Crosswalk) -> str:
        """Attach a version of the crosswalk, once; return its alias. Versions that nobody holds go, but the two attached last."""
        alias = f"xw{crosswalk.version}"
        with self._lock:
            if crosswalk.version not in self._attached:
                crosswalk.attach(self._instance, alias)
                self._attached[crosswalk.version] = 0
                self._let_go()
        return alias

    def learn(self, functions: Mapping[str, Told]) -> None:
        """Know these functions from now on. Their names say what they do: one of a name is not replaced."""
        with self._lock:
            if new := [name for name in functions if name not in self._learned]:
                from identity.probabilistic.nobodys import learn

                learn(self._instance, {name: functions[name] for name in new}, few=self._few)
                self._learned |= set(new)

    def hold(self, version: int | None, runs: int = 1) -> None:
        """A run reads this version from now on; with `runs` -1 one no longer does."""
        with self._lock:
            if version in self._attached:
                self._attached[version] += runs
                self._let_go()

    def forget(self, version: int) -> None:
        """Another version has this number by now."""
        with self._lock:
            self.links.forget()
            self._detach(version)

    def _let_go(self) -> None:
        """A file that is attached takes a handle and memory, and its room on the disk when it was deleted long ago."""
        for version in [version for version, runs in list(self._attached.items())[:-ATTACHED] if not runs]:
            self._detach(version)

    def _detach(self, version: int) -> None:
        if self._attached.pop(version, None) is not None:
            with suppress(duckdb.ConnectionException):  # the room was closed meanwhile
                self._instance.execute(f"DETACH xw{version}")

    @property
    def own_cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor, for look-ups that are read at once and to the end. Not to be closed, nor to be left registered on."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._instance.cursor()
        cursor: duckdb.DuckDBPyConnection = self._local.cursor
        return cursor
