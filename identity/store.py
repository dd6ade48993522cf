"""Where the versions of a crosswalk live, and how one is published: whole, or not at all.

DIR/current             "v000007.duckdb 60567552": the file that serves, and its size
DIR/v000007.duckdb      a version; never written again
DIR/.v000008.tmp        one being written (with DuckDB's log beside it); left by a crash, swept by the next writer
DIR/lock                held while writing
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb

from identity.crosswalk import FORMAT, Crosswalk, damaged, is_encrypted
from identity.errors import CrosswalkDamaged, MissingEncryption, ResolveRunning
from identity.scratch import literal

# Read by DuckDB 1.4 and later, whichever wrote it; the oldest that encrypts.
STORAGE_VERSION = "v1.4.0"

_TABLES = """
CREATE TABLE {db}.meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE {db}.link_table (name VARCHAR, entity VARCHAR, space VARCHAR, source VARCHAR, source_table VARCHAR,
    key_columns VARCHAR[], key_types VARCHAR[], links BIGINT, personal VARCHAR);
CREATE TABLE {db}.identifier_table (name VARCHAR, entity VARCHAR, space VARCHAR, identifier VARCHAR, normal VARCHAR, "values" BIGINT,
    ambiguous BIGINT);
CREATE TABLE {db}.redirect (entity VARCHAR, space VARCHAR, old_id BIGINT NOT NULL, new_id BIGINT NOT NULL, run BIGINT);
CREATE TABLE {db}.id_history (entity VARCHAR, space VARCHAR, id360 BIGINT NOT NULL, minted_run BIGINT NOT NULL, retired_run BIGINT);
CREATE TABLE {db}.foreign_id (entity VARCHAR, space VARCHAR, foreign_id VARCHAR NOT NULL, id360 BIGINT NOT NULL);
CREATE TABLE {db}.run (run BIGINT, finished_at TIMESTAMPTZ, links BIGINT, ids BIGINT, minted BIGINT, merged BIGINT,
    retired BIGINT, seconds DOUBLE);
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version being written: attached to the writer's DuckDB as `alias`, its tables (all but link_… and ident_…) made and empty.
    `previous` is the version that serves now, attached as `old` if there is one."""

    version: int
    alias: str
    previous: Crosswalk | None


class CrosswalkStore:
    """The versions of one crosswalk in `directory` (made if need be, for the owner's eyes only); `keep` of them stay.

    With `encryption_key` new versions are encrypted. Safe to use from many threads and processes; one writer at a time.
    """

    def __init__(self, directory: str | Path, encryption_key: str | None = None, *, keep: int = 5) -> None:
        self.directory = Path(directory)
        self.keep = max(keep, 1)
        self._encryption_key = encryption_key
        self._lock = threading.Lock()
        self._latest: tuple[str, Crosswalk] | None = None
        self._open: weakref.WeakSet[Crosswalk] = weakref.WeakSet()

    def current(self) -> Crosswalk | None:
        """The version that serves, None before the first. Cheap to ask before each query: one small read while nothing changes.

        Raises: CrosswalkDamaged, CrosswalkVersion, CrosswalkKey.
        """
        try:
            pointer = (self.directory / "current").read_text(errors="replace")
        except FileNotFoundError:
            return None
        with self._lock:
            if self._latest is None or self._latest[0] != pointer:
                self._latest = pointer, self._opened(pointer)
            return self._latest[1]

    def versions(self) -> tuple[int, ...]:
        """The versions that are kept, oldest first."""
        found = (re.fullmatch(r"v(\d{6,})\.duckdb", p.name) for p in self.directory.glob("v*.duckdb"))
        return tuple(sorted(int(m[1]) for m in found if m))

    def use(self, version: int) -> Crosswalk:
        """Let a kept version serve again. Raises: CrosswalkDamaged if it is gone or broken; ResolveRunning."""
        with self._writing():
            path = self._path(version)
            crosswalk = Crosswalk(path, self._encryption_key)
            self._point_at(path)
            return crosswalk

    @contextmanager
    def write(self, con: duckdb.DuckDBPyConnection) -> Iterator[Draft]:
        """Write the next version through `con`; it serves when the block ends, and never was if the block raises.

        Raises: ResolveRunning; MissingEncryption; what `current` raises: a broken crosswalk is never built upon.
        """
        with self._writing():
            self._sweep()
            previous = self.current()
            version = max((*self.versions(), previous.version if previous else 0)) + 1
            draft = self.directory / f".v{version:06d}.tmp"
            if previous:
                previous.attach(con, "old")
            try:
                self._attach_new(con, draft)
                con.execute(_TABLES.format(db="new"))
                con.executemany("INSERT INTO new.meta VALUES (?, ?)", [("format", FORMAT), ("version", str(version))])
                yield Draft(version, "new", previous)
                con.execute("CREATE INDEX redirect_old_id ON new.redirect (old_id)")
                con.execute("CHECKPOINT new")
                con.execute("DETACH new")
                self._publish(draft, version)
            except BaseException:
                with suppress(duckdb.Error):
                    con.execute("DETACH new")
                self._sweep()
                raise
            self._prune(version)

    def _attach_new(self, con: duckdb.DuckDBPyConnection, path: Path) -> None:
        options = [f"STORAGE_VERSION '{STORAGE_VERSION}'"]
        if self._encryption_key:
            load_encryption(con)
            options.append(f"ENCRYPTION_KEY {literal(self._encryption_key)}")
        # look-ups read a few scattered rows: text keys that DuckDB compresses (FSST) cost eight times as much to get at
        con.execute("SET force_compression = 'uncompressed'")
        con.execute(f"ATTACH {literal(str(path))} AS new ({', '.join(options)})")

    def _publish(self, draft: Path, version: int) -> None:
        """The order is the point: the data is on disk before its name, the name before the pointer to it."""
        _sync(draft)
        draft.replace(self._path(version))
        _sync(self.directory)
        self._point_at(self._path(version))

    def _point_at(self, path: Path) -> None:
        pointer = self.directory / ".current.tmp"
        pointer.write_text(f"{path.name} {path.stat().st_size}\n")
        _sync(pointer)
        pointer.replace(self.directory / "current")
        _sync(self.directory)

    def _opened(self, pointer: str) -> Crosswalk:
        name, _, size = pointer.strip().partition(" ")
        path = self.directory / name
        if not re.fullmatch(r"v\d{6,}\.duckdb", name) or not path.is_file() or str(path.stat().st_size) != size:
            raise damaged(path if name else self.directory / "current")
        crosswalk = Crosswalk(path, self._encryption_key)
        self._open.add(crosswalk)
        return crosswalk

    def _path(self, version: int) -> Path:
        return self.directory / f"v{version:06d}.duckdb"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as cause:
                raise ResolveRunning(
                    f"another process is writing the crosswalk in {self.directory}", hint="wait until it is done, then try again"
                ) from cause
            yield

    def _sweep(self) -> None:
        """Remove what a writer left that did not come to its end. Only under the lock."""
        for leftover in (*self.directory.glob(".v*.tmp*"), *self.directory.glob(".current.tmp")):
            leftover.unlink(missing_ok=True)

    def _prune(self, newest: int) -> None:
        """Drop versions beyond `keep`, and unencrypted ones once there is a key; none that this process may still open."""
        in_use = {crosswalk.path for crosswalk in list(self._open)} | {self._path(newest)}
        versions = self.versions()
        for version in versions:
            path = self._path(version)
            if path not in in_use and (version in versions[: -self.keep] or (self._encryption_key and not _is_encrypted(path))):
                path.unlink(missing_ok=True)


def load_encryption(con: duckdb.DuckDBPyConnection) -> None:
    """LOAD httpfs from its wheel: DuckDB's own crypto only reads. Raises: MissingEncryption."""
    release = duckdb.__version__
    package = find_spec("duckdb_extension_httpfs")
    files = [
        path
        for folder in (package.submodule_search_locations or [] if package else [])
        for path in Path(folder).glob(f"extensions/v{release}/httpfs.duckdb_extension")
    ]
    try:
        if not files:
            raise FileNotFoundError("duckdb_extension_httpfs")
        con.execute(f"LOAD {literal(str(files[0]))}")
    except (FileNotFoundError, duckdb.Error) as cause:
        raise MissingEncryption(
            f"an encrypted crosswalk needs DuckDB's httpfs extension for DuckDB {release}, which is not installed",
            hint=f"pip install duckdb-extension-httpfs=={release} (extra c360[encrypted]); where there is none, use a DuckDB that has one",
        ) from cause


def _is_encrypted(path: Path) -> bool:
    try:
        return is_encrypted(path)
    except CrosswalkDamaged:
        return True  # nothing can be read from it either way; the newest `keep` go first


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
