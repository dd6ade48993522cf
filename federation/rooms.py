"""The two rooms: standing DuckDB instances, one for what a principal may not see yet, one for the user's SQL.

The trusted room has the crosswalk attached and runs our SQL only. The user's room holds nothing: a query gets a cursor of its
own, sees only what that cursor registers, and the cursor is never used again. Neither reads files, loads extensions or spills.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import duckdb
import pyarrow as pa

from connectors.lockdown import LOCKED_DOWN
from federation.link_cache import LinkCache
from federation.plan import QueryPlan, Trusted
from federation.report import size_of
from federation.turns import Pace
from federation.virtual_table import VirtualTable
from identity.crosswalk import Crosswalk

UTC = "SET TimeZone = 'UTC'"
ATTACHED = 2
"""So many versions of the crosswalk stay attached: a query that was planned just before one was published goes by the one before."""
V2 = int(duckdb.__version__.split(".")[0]) >= 2

# DuckDB 2.0 says so of every answer that is not a relation's; that of a prepared statement cannot be had otherwise.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


class UserRoom:
    """Runs the user's SQL over what crossed the boundary. `cursor()` per query; close it after."""

    def __init__(self, memory: str, threads: int | None = None) -> None:
        self._config: dict[str, Any] = {**LOCKED_DOWN, "memory_limit": memory, **_threads(threads)}
        self._lock = threading.Lock()
        self._instance = self._open()

    def _open(self) -> duckdb.DuckDBPyConnection:
        instance = duckdb.connect(":memory:", config=self._config)
        instance.execute(UTC)
        instance.execute("SET enable_external_access = false")
        instance.execute("SET disabled_filesystems = 'LocalFileSystem'")
        instance.execute("SET lock_configuration = true")
        return instance

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection that shares nothing with any other query's but the memory limit."""
        return self._instance.cursor()

    def revive(self) -> None:
        """Open anew if DuckDB has closed the instance: after an internal error of its own it refuses everybody's queries."""
        with self._lock:
            try:
                self._instance.cursor().execute("SELECT 1").fetchall()
            except duckdb.Error:
                self._instance = self._open()

    def close(self) -> None:
        self._instance.close()


class TrustedRoom:
    """Runs relation SQL over fetched rows and the crosswalk. Statements are prepared once per plan and pooled."""

    def __init__(self, memory: str, links: LinkCache, threads: int | None = None, *, idle: int = 128 << 20) -> None:
        self.links = links
        self._instance = duckdb.connect(":memory:", config={**LOCKED_DOWN, "memory_limit": memory, **_threads(threads)})
        self._instance.execute(UTC)
        self._lock = threading.Lock()
        self._attached: dict[int, int] = {}
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

    def hold(self, version: int | None, runs: int = 1) -> None:
        """A run reads this version from now on; with `runs` -1 one no longer does."""
        with self._lock:
            if version in self._attached:
                self._attached[version] += runs
                self._let_go()

    def _let_go(self) -> None:
        """A file that is attached takes a handle and memory, and its room on the disk when it was deleted long ago."""
        for version in [version for version, runs in list(self._attached.items())[:-ATTACHED] if not runs]:
            del self._attached[version]
            with suppress(duckdb.ConnectionException):  # the room was closed meanwhile
                self._instance.execute(f"DETACH xw{version}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._instance.cursor()

    @property
    def own_cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor, for look-ups that are read at once and to the end. Not to be closed, nor to be left registered on."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._instance.cursor()
        cursor: duckdb.DuckDBPyConnection = self._local.cursor
        return cursor

    def close(self) -> None:
        self._instance.close()


def place(cursor: duckdb.DuckDBPyConnection, name: str, rows: VirtualTable, sql: str, *, correlated: bool = True) -> None:
    """Let a room's `sql` read `rows` under a name.

    DuckDB 1.5 hands filters to an Arrow scan that Arrow answers in its own way: NaN is not the greatest number there, IS DISTINCT
    FROM is refused, and over a DECIMAL in a correlated subquery (which `sql` may have, if `correlated`) DuckDB itself breaks down.
    There a view with OFFSET 0 keeps the filters above the scan. 2.0 does not need it.
    """
    types = [field.type for field in rows.schema]
    nested = correlated and sql.count("SELECT ") > 1 and not all(_filterable(t) for t in types)
    if V2 or not (nested or " DISTINCT FROM " in sql or any(pa.types.is_floating(t) for t in types)):
        cursor.register(name, rows)
        return
    cursor.register(f"{name}_in", rows)
    cursor.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {name}_in OFFSET 0")


def _filterable(type_: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(type_) or pa.types.is_string(type_)) and not pa.types.is_decimal(type_)


class Statement:
    """A relation's (or search's) SELECT, prepared on a cursor of its own over virtual tables: set `slots`, then `run`.

    `schema` is its answer's, known after the first run.
    """

    def __init__(self, room: TrustedRoom, trusted: Trusted, schemas: Mapping[str, pa.Schema]) -> None:
        self.cursor = room.cursor()
        self.slots = {name: VirtualTable(schemas[name]) for name in trusted.slots}
        for name, table in self.slots.items():
            place(self.cursor, name, table, trusted.sql, correlated=False)
        self.cursor.execute(f"PREPARE q AS {trusted.sql}")
        self.schema: pa.Schema | None = None
        self._least = HASH_TABLE * (1 + trusted.sql.count(" JOIN ")) // 2

    def run(self) -> pa.RecordBatchReader:
        """Execute over what the slots hold now; a lazy stream where DuckDB streams. Raises duckdb.Error."""
        answer = reader(self.cursor.execute("EXECUTE q"), BATCH if self._rows > FEW else FEW)
        self.schema = answer.schema
        return answer

    @property
    def _rows(self) -> float:
        tables = [table.rows for table in self.slots.values()]
        return sum(rows.num_rows if isinstance(rows, pa.Table) else math.inf for rows in tables)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in any slot. Then there is nothing in the answer: a relation's rows come from its sources' rows,
        and nothing is counted but what is grouped."""
        return bool(self.slots) and not self._rows

    def clear(self) -> int:
        """Let go of the rows; about how many bytes the statement holds on to until it is run again or closed."""
        held = self._least
        for table in self.slots.values():
            if not isinstance(table.rows, pa.Table):
                held += STREAMED
            elif table.rows.num_rows > FEW:
                held += 2 * size_of(table.rows)
            table.rows = None
        return held

    def close(self) -> None:
        self.cursor.close()


BATCH, FEW = 100_000, 1000
"""Rows of an answer's batch. DuckDB sets aside room for whole batches: for few rows that takes longer than they do."""
HASH_TABLE = 8 << 20
"""What a hash join of DuckDB takes for the smallest of inputs, twice over (3.5 MiB measured)."""
STREAMED = 64 << 20
"""A slot that was streamed had more rows than a table: its hash table is at least so big."""


class Idle:
    """The statements of all plans that wait for their next use: the longest unused go when they hold more than `most` bytes.

    A prepared statement of DuckDB 1.5 keeps the hash tables of its last run, so a few hundred plans would fill any room.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._waiting: OrderedDict[Statement, tuple[list[Statement], int]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, statement: Statement, home: list[Statement], held: int) -> None:
        """Keep a statement in its pool's list `home`."""
        gone = []
        with self._lock:
            self._waiting[statement] = home, held
            self._held += held
            home.append(statement)
            while self._held > self._most:
                oldest, (its_home, its_held) = self._waiting.popitem(last=False)
                self._held -= its_held
                its_home.remove(oldest)
                gone.append(oldest)
        for statement in gone:
            statement.close()

    def take(self, home: list[Statement]) -> Statement | None:
        """One of the statements that wait in `home`, None if there is none."""
        with self._lock:
            if not home:
                return None
            statement = home.pop()
            self._held -= self._waiting.pop(statement)[1]
            return statement


class StatementPool:
    """Prepared statements of one plan, borrowed by one query at a time; at most `spare` of each are kept for the next.

    `pace` is how quickly the plan's sources have answered lately.
    """

    def __init__(self, room: TrustedRoom, plan: QueryPlan, schemas: Mapping[str, pa.Schema], spare: int = 8) -> None:
        self.room, self._schemas, self._spare = room, schemas, spare
        self._free: dict[str, list[Statement]] = {t.name: [] for t in (*plan.relations, *plan.searches)}
        self._closed = False
        self.pace = Pace()

    def borrow(self, trusted: Trusted) -> Statement:
        return self.room.idle.take(self._free[trusted.name]) or Statement(self.room, trusted, self._schemas)

    def give_back(self, trusted: Trusted, statement: Statement) -> None:
        """Only after its stream was read to the end or closed; a statement that failed is closed instead."""
        held = statement.clear()
        free = self._free[trusted.name]
        if self._closed or len(free) >= self._spare:
            statement.close()
        else:
            self.room.idle.put(statement, free, held)

    def close(self) -> None:
        self._closed = True
        for free in self._free.values():
            while statement := self.room.idle.take(free):
                statement.close()


def stream(cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object]) -> pa.RecordBatchReader:
    """A SELECT's answer that is never held whole: DuckDB 2.0 streams relations, 1.5 executed statements, neither both."""
    if V2:
        return cursor.sql(sql, params=params or None).to_arrow_reader(BATCH)
    return reader(cursor.execute(sql, params or None), BATCH)


def reader(result: Any, rows_per_batch: int) -> pa.RecordBatchReader:
    """The stream of an executed statement, by the name it has in this version of DuckDB."""
    return (result.to_arrow_reader if hasattr(result, "to_arrow_reader") else result.fetch_record_batch)(rows_per_batch)


def table(result: Any) -> pa.Table:
    """The whole answer of an executed statement."""
    return reader(result, 1_000_000).read_all()


def one_row(cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object] | Sequence[object]) -> list[pa.Scalar]:
    """The single row of a SELECT as Arrow scalars."""
    got = table(cursor.execute(sql, params or None))
    return [column[0] for column in got.columns]


def _threads(threads: int | None) -> dict[str, Any]:
    return {"threads": threads} if threads else {}
