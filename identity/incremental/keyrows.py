"""Which records agree on what, as numbers: a row (rule, key, record) for each rule under which a record can meet others.

Blocking rules and exact rules alike. What two records share is told by their having one key, a keyed hash of the values; a block over
its rule's cap is cut by further columns, level by level, just as blocking does it, and each level has keys of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, runs
from identity.keyed import UInts, keyed
from identity.scratch import registered

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Records of `table` (rec, …) that agree on all `parts` meet, if none of the columns `known` is NULL; at most `cap` at a time.

    Larger blocks are cut by the columns `further`. Who meets under a rule that `joins` belongs together, whatever else is known. With
    `several` a record may have several rows in `table`, each with a value by which it may meet others.
    """

    name: str
    table: str
    parts: tuple[str, ...]
    known: tuple[str, ...]
    cap: int
    further: tuple[str, ...] = ()
    joins: bool = False
    several: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class KeyRows:
    """Row i: record `rec[i]` has `key[i]` under the rule number `rule[i]`. `meets[i]`: its block is within the cap."""

    rule: npt.NDArray[np.uint8]
    key: UInts
    rec: Ints
    meets: npt.NDArray[np.bool_]

    def where(self, chosen: npt.NDArray[np.bool_] | Ints) -> KeyRows:
        """Some of the rows, told by a mask or by their places."""
        return KeyRows(self.rule[chosen], self.key[chosen], self.rec[chosen], self.meets[chosen])


Outside = Callable[[UInts], Ints]
"""For each of some keys, how many records beside those at hand have it."""


def nobody_else(keys: UInts) -> Ints:
    """All records are at hand."""
    return np.zeros(len(keys), np.int64)


def key_rows(con: duckdb.DuckDBPyConnection, rules: Sequence[KeyRule], secret: bytes, outside: Outside = nobody_else) -> KeyRows:
    """The keys of the records at hand, on every level that their blocks are cut to."""
    found: list[tuple[npt.NDArray[np.uint8], UInts, Ints, npt.NDArray[np.bool_]]] = []
    current = [(number, rule, *own) for number, (rule, own) in enumerate(zip(rules, _first(con, rules), strict=True))]
    level = 0
    while current:
        keys = [keyed(raw, secret, f"{rule.name}\x1f{level}") for _, rule, _, raw in current]
        sizes = _sizes(np.concatenate(keys), outside)
        ends = np.cumsum([len(k) for k in keys])
        deeper = []
        for (number, rule, recs, raw), own, size in zip(current, keys, np.split(sizes, ends[:-1]), strict=True):
            large = size > rule.cap
            found.append((np.full(len(own), number, np.uint8), own, recs, ~large))
            if level < len(rule.further) and large.any():
                deeper.append((number, rule, recs[large], _cut(con, rule, level, recs[large], raw[large])))
        current = deeper
        level += 1
    if not found:
        return KeyRows(np.empty(0, np.uint8), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.bool_))
    return KeyRows(*(np.concatenate(column) for column in zip(*found, strict=True)))


def both(one: KeyRows, other: KeyRows) -> KeyRows:
    """The rows of both."""
    return KeyRows(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("rule", "key", "rec", "meets")))


def joined_by_key(keys: UInts, recs: Ints, other_keys: UInts, other_recs: Ints) -> tuple[Ints, Ints]:
    """All pairs (rec, other rec) with one key."""
    order = np.argsort(keys)  # what is in order is found several times as fast
    keys, recs = keys[order], recs[order]
    order = np.argsort(other_keys, kind="stable")
    other_keys, other_recs = other_keys[order], other_recs[order]
    start, end = np.searchsorted(other_keys, keys, "left"), np.searchsorted(other_keys, keys, "right")
    return np.repeat(recs, end - start), other_recs[spread(start, end - start)]


def spread(starts: Ints, sizes: Ints) -> Ints:
    """Every place of some stretches.

    >>> spread(np.array([7, 2]), np.array([3, 1])).tolist()
    [7, 8, 9, 2]
    """
    return np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))


def pairs_within(groups: npt.NDArray[np.generic], members: Ints) -> tuple[Ints, Ints]:
    """All pairs of members of one group."""
    order = np.lexsort((members, groups))
    groups, members = groups[order], members[order]
    starts, sizes = runs(groups)
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes[sizes > 1]):
        block = members[starts[sizes == size][:, None] + np.arange(size)]
        first, second = np.triu_indices(size, 1)
        left.append(block[:, first].ravel())
        right.append(block[:, second].ravel())
    return np.concatenate(left), np.concatenate(right)


def chains(keys: UInts, recs: Ints) -> tuple[Ints, Ints]:
    """As few pairs as connect all records of each key."""
    order = np.lexsort((recs, keys))
    keys, recs = keys[order], recs[order]
    same = keys[1:] == keys[:-1]
    return recs[:-1][same], recs[1:][same]


def _first(con: duckdb.DuckDBPyConnection, rules: Sequence[KeyRule]) -> list[tuple[Ints, UInts]]:
    """Of each rule the records that have all it needs, and the hashes of that. What reads the same table is one statement."""
    found: dict[int, tuple[Ints, UInts]] = {}
    for table, several in dict.fromkeys((rule.table, rule.several) for rule in rules):
        numbers = [number for number, rule in enumerate(rules) if (rule.table, rule.several) == (table, several)]
        hashes = []
        for number in numbers:
            known = " AND ".join(f"{part} IS NOT NULL" for part in (*rules[number].known, rules[number].parts[0]))
            hashes.append(f"CASE WHEN {known} THEN hash({', '.join(rules[number].parts)}) END AS h{number}")
        rows = con.sql(f"SELECT rec, {', '.join(hashes)} FROM {table}").to_arrow_table()
        recs = rows.column("rec").to_numpy()
        for number in numbers:
            hashed = rows.column(f"h{number}")
            there = hashed.is_valid().to_numpy()
            own = recs[there].astype(np.int64), hashed.fill_null(0).to_numpy()[there]
            found[number] = _distinct_rows(*own) if several else own
    return [found[number] for number in range(len(rules))]


def _distinct_rows(recs: Ints, hashes: UInts) -> tuple[Ints, UInts]:
    """Each record with each of its hashes once."""
    order = np.lexsort((hashes, recs))
    recs, hashes = recs[order], hashes[order]
    new = np.append(np.ones(min(len(recs), 1), np.bool_), (recs[1:] != recs[:-1]) | (hashes[1:] != hashes[:-1]))
    return recs[new], hashes[new]


def _cut(con: duckdb.DuckDBPyConnection, rule: KeyRule, level: int, recs: Ints, raw: UInts) -> UInts:
    """The keys of some records, cut by the next column; those that lack it stay together."""
    with registered(con, "oversize", pa.table({"rec": recs})):
        found = con.execute(
            f"SELECT rec, hash({rule.further[level]}) AS h FROM {rule.table} SEMI JOIN oversize USING (rec) ORDER BY rec"
        ).fetchnumpy()
    return raw * _ODD + np.asarray(found["h"], np.uint64)[np.searchsorted(np.asarray(found["rec"], np.int64), recs)]


def _sizes(keys: UInts, outside: Outside) -> Ints:
    values, of, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray((counts + outside(values))[of], np.int64)


def meetings_by_rule(rows: KeyRows) -> tuple[Ints, Ints, UInts]:
    """All pairs of records that meet, each once and in order (left < right), with the rules under which they do, as bits."""
    chosen = rows.where(rows.meets)
    rules = np.unique(chosen.rule).tolist() or [0]
    found = [pairs_within(chosen.key[chosen.rule == rule], chosen.rec[chosen.rule == rule]) for rule in rules]
    codes = np.concatenate([(np.minimum(*pair) << 32) | np.maximum(*pair) for pair in found])
    bits = np.concatenate([np.full(len(pair[0]), np.uint64(1) << np.uint64(rule)) for rule, pair in zip(rules, found, strict=True)])
    order = np.argsort(codes, kind="stable")
    codes, bits = codes[order], bits[order]
    starts, _ = runs(codes)
    agreed = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits
    return codes[starts] >> 32, codes[starts] & 0xFFFFFFFF, agreed
