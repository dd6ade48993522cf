"""The key rows that an index holds, and how large the blocks are that they make."""

from __future__ import annotations

import numpy as np

from identity.clustering import Ints, among, distinct
from identity.incremental.indexing import no_rows
from identity.incremental.keyrows import KeyRows, Outside
from identity.incremental.record_index import RecordIndex
from identity.keyed import UInts


class Stored:
    """The rows of the index, each key looked up once."""

    def __init__(self, index: RecordIndex, group: str) -> None:
        self.index, self.group = index, group
        self.asked, self.rows = np.empty(0, np.uint64), no_rows()

    def sharing(self, keys: UInts, void: Ints) -> KeyRows:
        """The rows with one of some (ordered, distinct) keys, but for those of some (ordered) records."""
        missing = keys[~among(keys, self.asked)]
        if len(missing):
            more = self.index.sharing(self.group, missing)
            order = np.argsort(np.concatenate([self.rows.key, more.key]), kind="stable")
            columns = (np.concatenate([getattr(self.rows, name), getattr(more, name)])[order] for name in ("rule", "key", "rec", "meets"))
            self.rows, self.asked = KeyRows(*columns), distinct(self.asked, missing)
        rows = self.rows.where(among(self.rows.key, keys))
        return rows.where(~among(rows.rec, void))

    def outside(self, void: Ints, beside: KeyRows) -> Outside:
        """How many rows each of some (ordered, distinct) keys has here, without those of `void`, and among others."""
        return lambda keys: counted(keys, self.sharing(keys, void).key) + counted(keys, beside.key)


def counted(keys: UInts, among: UInts) -> Ints:
    """How often each of some ordered keys is among others."""
    ordered = np.sort(among)
    return np.asarray(np.searchsorted(ordered, keys, "right") - np.searchsorted(ordered, keys, "left"), np.int64)
