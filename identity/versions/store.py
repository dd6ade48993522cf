"""Where the versions of a crosswalk live, and how one is published: whole, or not at all.

DIR/current             "v000007.duckdb 60567552": the file that serves, and its size
DIR/v000007.duckdb      a version; never written again, and its number never given to another
DIR/plan-000008.duckdb  a version that was planned and does not serve; plan-000008.json tells what it would change (identity.versions.plans)
DIR/index-000007.duckdb what an incremental resolve upon version 7 builds upon (identity.incremental.record_index)
DIR/.v000008.tmp        one being written; left by a crash, swept by the next writer
DIR/lock                held while writing
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from identity.crosswalk import Crosswalk, damaged
from identity.errors import CrosswalkDamaged, CrosswalkKey, CrosswalkUnwritable, CrosswalkVersion, NoSuchVersion, ResolveRunning
from identity.versions import schema


@dataclass(frozen=True, slots=True)
class Draft:
    """A version being written: attached to the writer's DuckDB as `new`, its tables (all but link_… and ident_…) made and empty.
    `previous` is the version that it builds upon, attached as `old` if there is one. To amend it, wait until its copy is `opened()`.
    `before(run)` is the newest version that is kept from before a run, None if there is none that can be read."""

    version: int
    previous: Crosswalk | None
    opened: Callable[[], None]
    before: Callable[[int], Crosswalk | None]


class CrosswalkStore:
    """The versions of one crosswalk in `directory` (made if need be, for the owner's eyes only); `keep` of them stay.

    With `encryption_key` new versions are encrypted; `former_key` opens those that were written before it. Safe to use from many threads
    and processes; one writer at a time.
    """

    def __init__(self, directory: str | Path, encryption_key: str | None = None, *, former_key: str | None = None, keep: int = 5) -> None:
        self.directory = Path(directory)
        self.keep = max(keep, 1)
        self.encryption_key, self._former_key = encryption_key, former_key
        self._lock = threading.Lock()
        self._latest: Crosswalk | None = None
        self._seen: tuple[int, ...] | None = None
        self._open: weakref.WeakSet[Crosswalk] = weakref.WeakSet()

    def current(self) -> Crosswalk | None:
        """The version that serves, None before the first. Cheap to ask before each query: one stat() while nothing changes.

        Raises: CrosswalkDamaged, CrosswalkVersion, CrosswalkKey.
        """
        path = f"{self.directory}/current"
        try:
            status = os.stat(path)  # noqa: PTH116 (pathlib's takes several times as long)
            seen = status.st_ino, status.st_mtime_ns, status.st_size
            if self._latest is not None and self._seen == seen:
                return self._latest
            pointer = Path(path).read_text(errors="replace")
        except FileNotFoundError:
            return None
        with self._lock:
            if self._latest is None or self._seen != seen:  # the same words may name another file: that of a state brought back
                self._latest = self._opened(pointer)
            self._seen = seen
            return self._latest

    def versions(self) -> tuple[int, ...]:
        """The versions that are kept, oldest first."""
        found = (re.fullmatch(r"v(\d{6,})\.duckdb", p.name) for p in self.directory.glob("v*.duckdb"))
        return tuple(sorted(int(m[1]) for m in found if m))

    def at(self, version: int) -> Crosswalk:
        """A kept version, whether it serves or not. Raises: NoSuchVersion; CrosswalkDamaged, CrosswalkVersion, CrosswalkKey."""
        path = self.path(version)
        if not path.is_file():
            kept = ", ".join(map(str, self.versions())) or "none"
            raise NoSuchVersion(f"version {version} of the crosswalk is not kept", hint=f"kept: {kept}")
        crosswalk = self.open(path)
        self._open.add(crosswalk)
        return crosswalk

    def open(self, path: Path) -> Crosswalk:
        """The version in a file, published or not. Raises: CrosswalkDamaged, CrosswalkVersion, CrosswalkKey."""
        return Crosswalk(path, *(key for key in (self.encryption_key, self._former_key) if key))

    def _before(self, run: int) -> Crosswalk | None:
        kept = [version for version in self.versions() if version < run]
        with suppress(CrosswalkDamaged, CrosswalkVersion, CrosswalkKey):
            return self.open(self.path(kept[-1])) if kept else None
        return None

    @contextmanager
    def write(
        self,
        con: duckdb.DuckDBPyConnection,
        *,
        restores: Callable[[], Crosswalk] | None = None,
        finish: Callable[[Path, int], None] | None = None,
        amend: bool = False,
    ) -> Iterator[Draft]:
        """Write the next version through `con`; it serves when the block ends, and never was if the block raises.

        It builds upon the version that serves, or brings back the one that `restores` tells (asked under the lock).
        With `amend` the draft is not empty but a copy of the version that serves. `finish(path, version)` is called with the whole
        file, on disk, instead of publishing it. Raises: ResolveRunning; MissingEncryption; what `current` raises: a broken crosswalk
        is never built upon.
        """
        with self.locked():
            self._sweep()
            previous = restores() if restores else self.current()
            version = self._next()
            for leftover in self.directory.glob(f"{self.index_path(version).stem}.*"):
                leftover.unlink()
            draft = self.directory / f".v{version:06d}.tmp"
            if previous:
                previous.attach(con, "old")
            base = (previous.base if restores else previous.version) if previous else None
            meta = {"version": str(version), "base": str(base or ""), "restores": str(previous.version if previous and restores else "")}
            try:
                with ThreadPoolExecutor(1) as beside:
                    if amend and previous:
                        copied = beside.submit(_copy, previous.path, draft)  # while the sources are read
                    else:
                        schema.create(con, draft, self.encryption_key, meta)
                        copied = None

                    @cache
                    def opened() -> None:
                        if copied is not None:
                            copied.result()
                            with con.cursor() as own:  # perhaps in another thread
                                schema.reopen(own, draft, self.encryption_key, meta)

                    yield Draft(version, previous, opened, self._before)
                    opened()
                schema.close(con)
                sync(draft)
                (finish or self.publish)(draft, version)
            except BaseException:
                with suppress(duckdb.Error):
                    con.execute("DETACH new")
                self._sweep()
                raise

    def publish(self, file: Path, version: int) -> None:
        """Let a whole file, which is on disk, serve. Only under the lock, and in this order: its name before the pointer to it."""
        file.replace(self.path(version))
        sync(self.directory)
        self._point_at(self.path(version))
        self._prune(version)

    def path(self, version: int) -> Path:
        """Where a version lies."""
        return self.directory / f"v{version:06d}.duckdb"

    def index_path(self, version: int) -> Path:
        """Where the index of a version lies, if it has one; it may have a file beside it (identity.incremental.record_index)."""
        return self.directory / f"index-{version:06d}.duckdb"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes while the block runs. Raises: ResolveRunning; CrosswalkUnwritable, if the disk does not take it."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.directory / "lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as cause:
                    raise ResolveRunning(
                        f"another process is writing the crosswalk in {self.directory}", hint="wait until it is done, then try again"
                    ) from cause
                yield
        except (OSError, duckdb.Error) as cause:
            if (reason := _refused(cause, self.directory)) is None:
                raise
            raise CrosswalkUnwritable(
                f"the crosswalk in {self.directory} cannot be written: {reason}; what served before serves on",
                hint="make room on its disk, or let this user write there (`state` in c360.yml names the folder), then try again",
            ) from cause

    def pointed(self) -> int:
        """The number of the version that serves, or should: its file may be broken. 0 if that cannot be told."""
        with suppress(FileNotFoundError):
            if found := re.match(r"v(\d{6,9})\.duckdb ", (self.directory / "current").read_text(errors="replace")):
                return int(found[1])
        return 0

    def _next(self) -> int:
        """A number that no version has had, not even one that is broken or gone."""
        return max((self.pointed(), *self.versions())) + 1

    def _point_at(self, path: Path) -> None:
        pointer = self.directory / ".current.tmp"
        pointer.write_text(f"{path.name} {path.stat().st_size}\n")
        sync(pointer)
        pointer.replace(self.directory / "current")
        sync(self.directory)

    def _opened(self, pointer: str) -> Crosswalk:
        name, _, size = pointer.strip().partition(" ")
        path = self.directory / name
        if not re.fullmatch(r"v\d{6,}\.duckdb", name) or not path.is_file() or str(path.stat().st_size) != size:
            raise damaged(path if name else self.directory / "current")
        crosswalk = self.open(path)
        self._open.add(crosswalk)
        return crosswalk

    def _sweep(self) -> None:
        """Remove what a writer left that did not come to its end. Only under the lock."""
        untold = (p for p in self.directory.glob("plan-*.duckdb") if not p.with_suffix(".json").is_file())
        for leftover in (*self.directory.glob(".*.tmp*"), *untold):
            leftover.unlink(missing_ok=True)

    def _prune(self, newest: int) -> None:
        """Drop versions beyond `keep`, and once there is a key those that are not under it; none that this process may still open."""
        in_use = {crosswalk.path for crosswalk in list(self._open)} | {self.path(newest)}
        versions = self.versions()
        for version in versions:
            path = self.path(version)
            if path not in in_use and (version in versions[: -self.keep] or (self.encryption_key and self._under_another_key(path))):
                path.unlink(missing_ok=True)
        for plan in self.directory.glob("plan-*.duckdb"):
            if self.encryption_key and self._under_another_key(plan):
                plan.unlink(missing_ok=True)
                plan.with_suffix(".json").unlink(missing_ok=True)
        if not self.index_path(newest).is_file():
            for index in self.directory.glob("index-*"):
                index.unlink(missing_ok=True)

    def _under_another_key(self, path: Path) -> bool:
        """Whether a file is unencrypted, or under the former key. Of what cannot be opened nothing is known: it may only be broken."""
        with suppress(CrosswalkDamaged, CrosswalkVersion, CrosswalkKey):
            return self.open(path).key != self.encryption_key
        return False


def _refused(cause: Exception, directory: Path) -> str | None:
    """Why the disk under a directory does not take what is written; None if it is something else that failed."""
    number = cause.errno if isinstance(cause, OSError) else None
    for known in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO):
        if number == known or (isinstance(cause, duckdb.Error) and str(directory) in str(cause) and os.strerror(known) in str(cause)):
            return os.strerror(known)
    return None


def _copy(path: Path, to: Path) -> None:
    shutil.copyfile(path, to)
    sync(to)  # what is not changed need not be waited for in the end


def sync(path: Path) -> None:
    """Wait until a file or directory is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
