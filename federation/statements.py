"""The prepared statements of the trusted room: made once per plan, borrowed by one query at a time, closed when they hold too much."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from federation.answers import BATCH, FEW, place, reader
from federation.plan import QueryPlan, Trusted
from federation.report import size_of
from federation.turns import Pace
from federation.virtual_table import VirtualTable

if TYPE_CHECKING:
    from federation.rooms import TrustedRoom

HASH_TABLE = 8 << 20
"""What a hash join of DuckDB takes for the smallest of inputs, twice over (3.5 MiB measured)."""
STREAMED = 64 << 20
"""A slot that was streamed had more rows than a table: its hash table is at least so big."""


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
