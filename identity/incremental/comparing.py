"""The records that are ready to be compared by a frozen model, each made ready once."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, distinct, places
from identity.constraints import no_pairs
from identity.households.mates import Mates, mates
from identity.incremental.pool import Pool
from identity.probabilistic.engine import Probabilistic
from identity.probabilistic.nicknames import create_nicknames
from identity.probabilistic.persons import Persons
from identity.scratch import each_beside

_NOT_READY = -1
FEW = 3000
"""Up to so many records are made ready by one thread: for more, to compile all patterns twice costs less than it gains."""


class Comparing:
    """Compares records of the pool, which are told by their numbers in the index: row i of `people` is the record `ready[i]`."""

    def __init__(self, pool: Pool, engine: Probabilistic, entity: str) -> None:
        self.pool, self.engine, self.entity = pool, engine, entity
        self.ready, self.people = np.empty(0, np.int64), Persons(pa.table({}))
        self._row = np.empty(0, np.int64)
        """By the number of a record: its row in `people`, or _NOT_READY."""
        create_nicknames(pool.con)

    def prepare(self, gids: Ints) -> None:
        """Have some records ready, and the engine told which columns there are. Raises: NoIndex, if a record is not there."""
        if (more := int(gids.max(initial=-1)) + 1 - len(self._row)) > 0:
            self._row = np.append(self._row, np.full(more, _NOT_READY))
        lacking = distinct(gids[self._row[gids] == _NOT_READY])
        if not len(lacking) and self.engine.columns:
            return
        self.pool.fetch(lacking)
        people, numbers = self._people(lacking)
        self._row[numbers] = len(self.ready) + np.arange(len(numbers))
        self.ready = np.concatenate([self.ready, numbers])
        self.people = Persons(pa.concat_tables([self.people.table, people] if self.people.count else [people]).combine_chunks())

    def _people(self, gids: Ints) -> tuple[pa.Table, Ints]:
        """Some records as the engine compares them, and in which order: DuckDB has one thread for so few rows, so that each half is made
        ready beside the other, in a schema of its own."""
        halves = np.array_split(gids, 2 if len(gids) > FEW else 1)

        def ready(own: duckdb.DuckDBPyConnection, i: int) -> tuple[pa.Table, Ints]:
            own.execute(f"CREATE SCHEMA IF NOT EXISTS half_{i}; SET search_path = 'half_{i},main'")
            records, numbers = self.pool.record(halves[i], own)
            return self.engine.people(records).table, numbers

        tables, numbers = zip(*each_beside(self.pool.con, range(len(halves)), ready).values(), strict=True)
        return pa.concat_tables(tables), np.concatenate(numbers)

    def rows(self, gids: Ints) -> Ints:
        """Which rows of `people` some ready records are."""
        return self._row[gids]

    def likely(self, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
        """For which pairs of ready records something speaks, in the order in which a whole resolve compares them.

        Within a table in either order, for which comes first is not known yet, and similarity of names need not be symmetrical.
        """
        (first, _), (second, _) = self.pool.of(left), self.pool.of(right)
        one, other = self.rows(np.where(second < first, right, left)), self.rows(np.where(second < first, left, right))
        same = np.flatnonzero(first == second)
        found = self.engine.likely(self.pool.about, self.people, np.append(one, other[same]), np.append(other, one[same]), self.entity)
        likely = found[: len(one)]
        likely[same] |= found[len(one) :]
        return likely

    def mates(self, left: Ints, right: Ints) -> Mates:
        """Which pairs of ready records are of one household, compared in the order in which a whole resolve does."""
        _, _, ordered = self.pool.load(distinct(left, right))
        swap = places(ordered, left) > places(ordered, right)
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        pairs = self.rows(left), self.rows(right)
        one, other, weight = mates(self.engine.scores(self.pool.about, self.people, *pairs, self.entity), no_pairs())
        return self.ready[one], self.ready[other], weight
