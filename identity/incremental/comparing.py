"""The records that are ready to be compared by a frozen model, each made ready once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, distinct, places, without
from identity.constraints import no_pairs
from identity.households.mates import Mates, mates
from identity.incremental.pool import Pool
from identity.matching import Records
from identity.probabilistic.engine import Probabilistic
from identity.probabilistic.persons import Persons


class Comparing:
    """Compares records of the pool, which are told by their numbers in the index: row i of `people` is `ready[i]`."""

    def __init__(self, pool: Pool, engine: Probabilistic, entity: str) -> None:
        self.pool, self.engine, self.entity = pool, engine, entity
        self.ready, self.people = np.empty(0, np.int64), Persons(pa.table({}))

    def add(self, records: Records, numbers: Ints) -> None:
        """Make ready what is in table record. Leaves the table prepared."""
        people = self.engine.people(records)
        fresh = ~np.isin(numbers, self.ready)
        self.ready = np.concatenate([self.ready, numbers[fresh]])
        more = people.table.filter(pa.array(fresh))
        self.people = Persons(pa.concat_tables([self.people.table, more]).combine_chunks() if self.people.count else more)

    def prepare(self, gids: Ints) -> None:
        """Have some records ready. Raises: NoIndex, if one is not there."""
        lacking = without(gids, self.ready)
        if len(lacking):
            self.pool.fetch(lacking)
            self.add(*self.pool.record(lacking))

    def people_of(self, gids: Ints) -> Persons:
        """Some ready records, in the order given."""
        return Persons(self.people.table.take(pa.array(places(self.ready, gids)))) if len(gids) else self.people

    def likely(self, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
        """For which pairs of ready records something speaks.

        In either order, for which comes first is not known yet, and similarity of names need not be symmetrical.
        """
        one, other = places(self.ready, left), places(self.ready, right)
        found = self.engine.likely(self.pool.about, self.people, np.append(one, other), np.append(other, one), self.entity)
        return np.asarray(found[: len(one)] | found[len(one) :])

    def mates(self, left: Ints, right: Ints) -> Mates:
        """Which pairs of ready records are of one household, compared in the order in which a whole resolve does."""
        _, _, ordered = self.pool.load(distinct(left, right))
        swap = places(ordered, left) > places(ordered, right)
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        pairs = places(self.ready, left), places(self.ready, right)
        one, other, weight = mates(self.engine.scores(self.pool.about, self.people, *pairs, self.entity), no_pairs())
        return self.ready[one], self.ready[other], weight
