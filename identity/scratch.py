"""The DuckDB in which records are matched: in memory only, since what it holds are values of source rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakKeyDictionary

import duckdb

from connectors.arrow_scan import WithSchema, place
from connectors.lockdown import LOCKED_DOWN
from identity.errors import KeyType, ResolveMemory

T = TypeVar("T")
R = TypeVar("R")


ROW_GROUP = 122_880
"""A table of up to so many rows DuckDB scans with one thread."""

_WORKERS: WeakKeyDictionary[duckdb.DuckDBPyConnection, int] = WeakKeyDictionary()
"""How many statements run side by side in a scratch for few rows."""


@contextmanager
def scratch(memory_limit: str, threads: int | None = None, *, few: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that never spills. Raises: ResolveMemory when the work needs more than `memory_limit`.

    With `few` it is for few rows (see `suit`), and blocks are small.
    """
    # preserve_insertion_order stays on: without it DuckDB (1.5 and 2.0) hands over ordered results of many rows out of order
    config = {**LOCKED_DOWN, "memory_limit": memory_limit, "allocator_flush_threshold": "16MiB"}  # give back what is no longer used
    if threads is not None:
        config["threads"] = threads
    if few:
        config["default_block_size"] = "16384"
    con = duckdb.connect(":memory:", config=config)
    try:
        if few:
            suit(con, 0)
        yield con
    except duckdb.OutOfMemoryException as cause:
        raise ResolveMemory(
            f"resolving needs more than its {memory_limit} of memory; nothing was published",
            hint="raise `settings: memory`, or resolve fewer tables",
        ) from cause
    finally:
        con.close()


def suit(con: duckdb.DuckDBPyConnection, rows: float) -> None:
    """Divide the threads of a scratch as suits tables of so many rows.

    For few, each statement has one thread, and as many run side by side: DuckDB gives so few rows to one thread anyway, and its idle ones
    looking for work take up to a fifth of all processor time.
    """
    few = rows <= ROW_GROUP
    if few and con not in _WORKERS:
        _WORKERS[con] = _threads(con)
        con.execute("SET threads = 1")
    elif not few and (threads := _WORKERS.pop(con, None)):
        con.execute(f"SET threads = {threads:d}")


@contextmanager
def worker_pool(con: duckdb.DuckDBPyConnection, tasks: int) -> Iterator[ThreadPoolExecutor]:
    """A pool for statements on cursors of `con`, with no more workers than DuckDB has threads, among whom those are divided meanwhile.

    With all its threads for each statement DuckDB's own workers get in the way of ours: both are slower than either alone.
    """
    ours = _WORKERS.get(con)
    threads = ours or _threads(con)
    workers = max(min(threads, tasks), 1)
    divided = workers > 1 and ours is None
    if divided:
        con.execute(f"SET threads = {threads // workers:d}")
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if divided:
            con.execute(f"SET threads = {threads:d}")


def _threads(con: duckdb.DuckDBPyConnection) -> int:
    ((threads,),) = con.execute("SELECT current_setting('threads')").fetchall()
    return int(threads)


def each_beside(con: duckdb.DuckDBPyConnection, items: Sequence[T], work: Callable[[duckdb.DuckDBPyConnection, T], R]) -> dict[T, R]:
    """What `work` makes of each item, with a cursor of its own; side by side. A failure ends the others too."""
    cursors = [con.cursor() for _ in items]
    try:
        with worker_pool(con, len(items)) as pool:
            try:
                return dict(zip(items, pool.map(work, cursors, items), strict=True))
            except BaseException:
                for cursor in cursors:
                    cursor.interrupt()
                raise
    finally:
        for cursor in cursors:
            cursor.close()


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, name: str, rows: WithSchema) -> Iterator[None]:
    """`rows` as relation `name` of `con` while the block runs."""
    viewed = place(con, name, rows)
    try:
        yield
    finally:
        if viewed:
            con.execute(f"DROP VIEW temp.{name}")
        con.unregister(f"{name}_in" if viewed else name)


def key_type(name: str) -> str:
    """The name under which DuckDB knows a type ("TEXT" is VARCHAR). Raises: KeyType. What is no type never reaches SQL."""
    try:
        return str(duckdb.sqltype(name))
    except duckdb.Error as cause:
        raise KeyType(
            f"a key column is declared as {name!r}, which is no type of DuckDB", hint="declare the key's type as DuckDB names it"
        ) from cause


def identifier(name: str) -> str:
    """`name` quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string, for statements that take no parameters (ATTACH)."""
    return "'" + text.replace("'", "''") + "'"
