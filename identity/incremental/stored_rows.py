"""What an index holds of one (entity, space): some hundred bytes a record, mapped or (of an encrypted one) in memory.

Each changed record is looked for by ten keys, which may be anywhere in the index. DuckDB would read every key of it each time; in a sorted
array they are found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from identity.clustering import Ints, among
from identity.incremental.keyrows import KeyRows, Outside, both, spread
from identity.incremental.mapped_rows import Arrays
from identity.incremental.record_index import RecordIndex
from identity.keyed import UInts

_GONE = -1
_MANY = 10_000
_SHORT = 8


class Stored:
    """The key rows of an index, and of each record (by its number) the hash of its normal forms and the part that it is connected with."""

    def __init__(self, index: RecordIndex, con: duckdb.DuckDBPyConnection, group: str) -> None:
        """Read `ix` and what differs from it by now, `dx`, through a cursor of its own. Raises: NoIndex, if it is broken."""
        whole = index.mapped(group) or [*_keys(con, "ix", group), *_states(con, "ix", group)]
        self.base, old = _key_rows(*whole[:3]), whole[3:]
        self.more, new = _key_rows(*_keys(con, "dx", group)), _states(con, "dx", group)
        self._base, self._more = _Places(self.base.key), _Places(self.more.key)
        self.differing = len(new[0]) / max(len(old[0]), 1)
        """How much is not as `ix` has it."""
        self.next_rec = 1 + max(int(recs.max(initial=-1)) for recs in (old[0], new[0]))
        """The next number that no record ever had."""
        self._hash, self._part = np.zeros(self.next_rec, np.uint64), np.full(self.next_rec, _GONE, np.int32)
        for recs, hashes, parts in (old, new):
            self._hash[recs], self._part[recs] = hashes, parts
        self._void = np.zeros(self.next_rec, np.bool_)
        self._void[_columns(con, f"SELECT rec FROM dx.void_{group}")[0]] = True  # their rows in `base` do not count any more
        self._void_keys = self.base.key[self._void[self.base.rec]] if self._void.any() else np.empty(0, np.uint64)

    def sharing(self, keys: UInts, void: Ints) -> KeyRows:
        """The rows with one of some (ordered, distinct) keys, but for those of some (ordered) records."""
        rows = self._both(*(found.at(keys) for found in (self._base, self._more)))
        return rows.where(~among(rows.rec, void)) if len(void) else rows

    def count(self, keys: UInts) -> Ints:
        """How many rows each of some (ordered, distinct) keys has."""
        return self._base.count(keys) + self._more.count(keys) - counted(keys, self._void_keys)

    def of(self, recs: Ints) -> KeyRows:
        """All rows of some records."""
        if not len(recs):
            return self._both(recs, recs)
        wanted = self._flags(recs)
        return self._both(*(_flagged(wanted, rows.rec) for rows in (self.base, self.more)))

    def outside(self, left: KeyRows, beside: KeyRows) -> Outside:
        """How many rows each of some (ordered, distinct) keys has here, without some that are here (`left`), and among others."""
        return lambda keys: self.count(keys) - counted(keys, left.key) + counted(keys, beside.key)

    def connected(self, recs: Ints) -> Ints:
        """Every record of the parts that some records are in, those included."""
        parts = self._part[self._flags(recs)]
        return np.flatnonzero(self._flags(parts[parts != _GONE])[self._part] & (self._part != _GONE))

    def everybody(self) -> Ints:
        """Every record that there is."""
        return np.flatnonzero(self._part != _GONE)

    def hashes(self, recs: Ints) -> tuple[Ints, UInts]:
        """Those of some records that there are, and the hash of their normal forms."""
        recs = recs[recs < self.next_rec]
        there = recs[self._part[recs] != _GONE]
        return there, self._hash[there]

    def _flags(self, recs: Ints) -> npt.NDArray[np.bool_]:
        found = np.zeros(self.next_rec, np.bool_)
        found[recs[recs < self.next_rec]] = True
        return found

    def _both(self, base: Ints, more: Ints) -> KeyRows:
        """The rows at some places."""
        base = base[~self._void[self.base.rec[base]]]
        return both(self.base.where(base), self.more.where(more))


def counted(keys: UInts, among: UInts) -> Ints:
    """How often each of some ordered keys is among others."""
    ordered = np.sort(among)
    return np.asarray(np.searchsorted(ordered, keys, "right") - np.searchsorted(ordered, keys, "left"), np.int64)


def _keys(con: duckdb.DuckDBPyConnection, db: str, group: str) -> Arrays:
    return _columns(con, f"SELECT rule, key, rec FROM {db}.keys_{group} ORDER BY key")


def _states(con: duckdb.DuckDBPyConnection, db: str, group: str) -> Arrays:
    return _columns(con, f"SELECT rec, coalesce(hash, 0), coalesce(part, {_GONE}) FROM {db}.state_{group}")


def _key_rows(rule: npt.NDArray[np.uint8], key: UInts, rec: Ints) -> KeyRows:
    return KeyRows(rule, key, rec, np.broadcast_to(np.bool_(True), len(rec)))


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> Arrays:
    return [column.to_numpy() for column in con.sql(query).to_arrow_table().columns]


class _Places:
    """Where keys are in an ordered array. To look for one costs a dozen misses of the processor's cache, so each is looked for once."""

    def __init__(self, ordered: UInts) -> None:
        self._ordered = ordered
        self._asked, self._first, self._count = np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)

    def at(self, keys: UInts) -> Ints:
        """Every place of some (ordered, distinct) keys."""
        asked = self._look(keys)
        return spread(self._first[asked], self._count[asked])

    def count(self, keys: UInts) -> Ints:
        """In how many places each of some (ordered, distinct) keys is."""
        asked = self._look(keys)
        return self._count[asked]

    def _look(self, keys: UInts) -> Ints:
        missing = keys[~among(keys, self._asked)]
        if len(missing):
            first = _first(self._ordered, missing)
            asked = np.concatenate([self._asked, missing])
            order = np.argsort(asked)
            self._asked = asked[order]
            self._first = np.concatenate([self._first, first])[order]
            self._count = np.concatenate([self._count, _run_lengths(self._ordered, missing, first)])[order]
        return np.searchsorted(self._asked, keys)


def _first(ordered: UInts, keys: UInts) -> Ints:
    """Where each of some keys would stand first in an ordered array: two halves side by side, since it is the memory that is waited for."""
    return np.concatenate(_by_halves(ordered.searchsorted, keys))


def _flagged(flags: npt.NDArray[np.bool_], numbers: Ints) -> Ints:
    """The places of the numbers that have a flag."""
    first, *second = _by_halves(lambda half: np.flatnonzero(flags[half]), numbers)
    return np.concatenate([first, *(half + len(numbers[: (len(numbers) + 1) // 2]) for half in second)])


def _by_halves(work: Callable[[npt.NDArray[Any]], Ints], values: npt.NDArray[Any]) -> list[Ints]:
    """What `work` makes of each half, side by side where there are many, the first being as long as the second or one longer."""
    if len(values) < _MANY:
        return [work(values)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, np.array_split(values, 2)))


def _run_lengths(ordered: UInts, keys: UInts, first: Ints) -> Ints:
    """How often each of some keys is in an ordered array, of which it is known where it would stand first."""
    counts = np.zeros(len(keys), np.int64)
    more = np.arange(len(keys))
    for n in range(_SHORT):  # most runs are short: their end is close by
        more = more[first[more] + n < len(ordered)]
        more = more[ordered[first[more] + n] == keys[more]]
        counts[more] = n + 1
    counts[more] = np.searchsorted(ordered, keys[more], "right") - first[more]
    return counts
