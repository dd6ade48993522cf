"""Who is who within one (entity, space): the seam behind which engines change places.

`ExactRules` says that records are one if they agree on every part of a rule, and so on through others. A probabilistic engine
implements `Matcher` too: it asks for the normal forms it compares, gets the same table, answers with the same labels. What stewards
decided comes with the records, as pairs that must or cannot be one; every engine honours it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import duckdb
import numpy as np
import numpy.typing as npt

from identity.cardinality import NO_VALUE, Limited
from identity.clustering import Ints
from identity.constraints import NOBODY, Floats, Pairs, constrained, no_pairs
from identity.loading import RECORD, Loaded
from identity.model import AtMost, MatchKey, MatchRule
from identity.model_use import BlockingYield, ModelUse
from identity.scratch import literal

REPORTED_SHARED_VALUES = 100
DECISION = "decision"
"""The rule of an edge that a steward's `same` put there."""


@dataclass(frozen=True, slots=True)
class Records:
    """All records of one (entity, space), normalised, as `table` of `con`.

    Columns: rec BIGINT, 0 … count-1 in the order of (source, table, key); then one VARCHAR per match key, named by `columns`
    (NULL where a source has no such attribute). Each row of `must` and `cannot` (int64, shape (n, 2)) is a pair of recs that is
    one person, or is not, because a steward says so; they do not contradict each other, not even through others.
    """

    con: duckdb.DuckDBPyConnection
    table: str
    count: int
    columns: Mapping[MatchKey, str]
    must: Pairs = field(default_factory=no_pairs)
    cannot: Pairs = field(default_factory=no_pairs)
    sources: tuple[tuple[str, int], ...] = ()
    """Of each record set, in order of recs: its source, and its first rec."""
    tables: tuple[str, ...] = ()
    """Of each record set, in that order: `source.table`."""
    release: Callable[[Iterable[MatchKey]], None] = lambda keys: None
    """Told by an engine that it will read no other columns than those of some keys again: the others need not be held any longer."""

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, loaded: Sequence[Loaded], columns: Mapping[MatchKey, str]) -> Records:
        """What `load_all` read, nothing decided yet."""
        return cls(
            con,
            RECORD,
            loaded[-1].first + loaded[-1].count,
            columns,
            sources=tuple((one.records.source, one.first) for one in loaded),
            tables=tuple(one.records.label for one in loaded),
        )

    def once(self, names: Sequence[str]) -> Ints | None:
        """Of each record the first of `names` (source, or source.table) that it is of, NOBODY for none; None if there are no names."""
        if not names:
            return None
        found = np.full(self.count, NOBODY, np.int64)
        ends = [*(first for _, first in self.sources[1:]), self.count]
        for (source, first), table, end in zip(self.sources, self.tables, ends, strict=True):
            found[first:end] = next((nth for nth, name in enumerate(names) if name in (source, table)), NOBODY)
        return found

    def limited(self, limits: Mapping[str, AtMost]) -> tuple[Limited, ...]:
        """How many values of some attributes one person has, by the name of the limit, held against these records."""
        return tuple(Limited(name, self._values(self.columns[limit.key]), limit.most) for name, limit in limits.items())

    def _values(self, column: str) -> Ints:
        """Of each record the first that has the same value, NO_VALUE where it is NULL."""
        sql = f"SELECT rec, min(rec) OVER (PARTITION BY {column}) AS same FROM {self.table} WHERE {column} IS NOT NULL"
        known = self.con.execute(sql).fetchnumpy()
        found = np.full(self.count, NO_VALUE, np.int64)
        found[np.asarray(known["rec"], np.int64)] = np.asarray(known["same"], np.int64)
        return found


@dataclass(frozen=True, slots=True)
class RuleYield:
    """What one rule did: pairs of records that agree, values that agree on more than one record, values shared by too many."""

    entity: str
    space: str
    rule: str
    pairs: int
    values: int
    shared_values: int


@dataclass(frozen=True, slots=True)
class SharedValue:
    """A value (a switchboard, info@) on more records than the cap, which therefore links nobody. `keyed_hash` tells values apart
    without showing them: HMAC-SHA256 under the project's secret, 16 hex digits."""

    entity: str
    space: str
    rule: str
    keyed_hash: str
    records: int


@dataclass(frozen=True, slots=True)
class FactorBits:
    """What each level of a factor is worth: bits[level] = log2(how likely among matches / among two people who met by chance).

    `household[level]` is the same for two people of one household against chance; empty if the engine has no such class.
    """

    name: str
    levels: tuple[str, ...]
    bits: tuple[float, ...]
    household: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Pairs of records that were compared, left[i] < right[i]: odds[i] is log2 of the odds that they are one.

    `levels[i, f]` is the level of factor f; bit r of `rules[i]` says that blocking rule r proposed the pair. The bits of a pair's
    levels and `prior` add up to its odds against chance; what is missing to odds[i] speaks for two people of one household:
    `household` is log2 of how many such pairs there are per pair that met by chance, None if the engine has no such class.
    """

    left: Ints
    right: Ints
    odds: Floats
    levels: npt.NDArray[np.uint8]
    rules: npt.NDArray[np.uint64]
    factors: tuple[FactorBits, ...]
    blocking: tuple[str, ...]
    prior: float
    household: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Why records are one: edge i joined left[i] and right[i] by rules[rule[i]], with bits[i] of evidence.

    Bits are log2(how likely the agreement is for one person / for any two records); +inf for a decision. The edges of a cluster
    connect it; they need not be all pairs that agree, and their order means nothing.
    """

    left: Ints
    right: Ints
    rule: Ints
    bits: Floats
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule would have joined the records `left` and `right`, but for row `cannot` of `Records.cannot`."""

    left: int
    right: int
    rule: str
    cannot: int


OUTVOTED, TOO_LARGE = "other pairs", "largest_cluster"
"""Limits that refuse a merge besides DECISION and those that the settings name: what speaks against it outweighs; too many records."""
ONE_PER_SOURCE = "one_per_source"
"""The limit that a source (named after it) holds each person once."""


@dataclass(frozen=True, slots=True, eq=False)
class Refusals:
    """Merges that something spoke for and a limit refused: of two clusters the records left[i] < right[i] for which rules[rule[i]] spoke
    most, and limits[limit[i]] that kept the two apart."""

    left: Ints
    right: Ints
    rule: Ints
    limit: Ints
    rules: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """An engine's answer: `labels[rec]` is the smallest rec of the same person. The rest is for reports; only `labels` is needed."""

    labels: Ints
    yields: tuple[RuleYield, ...] = ()
    shared: tuple[SharedValue, ...] = ()
    edges: Edges | None = None
    refused: tuple[Refused, ...] = ()
    refusals: Refusals | None = None
    scored: Scored | None = None
    notes: tuple[str, ...] = ()
    blocking: tuple[BlockingYield, ...] = ()
    model: ModelUse | None = None


class Matcher(Protocol):
    """An engine that finds which records are one. Same records, same answer, whatever their order and the number of threads."""

    def needs(self, rules: Sequence[MatchRule], entity: str) -> tuple[MatchKey, ...]:
        """The attributes of an entity, each in its normal form, that the engine compares."""
        ...

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        """Cluster the records."""
        ...


@dataclass(frozen=True, slots=True)
class ExactRules:
    """Connected components over records that agree on all parts of some rule.

    A value on more than `cap` records is shared by people, not one person's: it links nobody and is reported. A value on k of n
    records is log2(n / k) bits of evidence. Where a steward's `different` cuts a component, the rarest values join first.
    """

    secret: bytes
    cap: int = 100
    crowded: str = ""
    """A table (rule, rec): the values of these records under these rules are known to be on more than `cap` records."""
    population: int | None = None
    """How many records there are, if not only those at hand."""
    once: tuple[str, ...] = ()
    """Sources (or source.table) that hold each person once: two of their records are never one, unless a steward says so."""
    at_most: tuple[AtMost, ...] = ()
    """How many values of an attribute one person has, unless a steward says so."""

    def needs(self, rules: Sequence[MatchRule], entity: str = "") -> tuple[MatchKey, ...]:
        return tuple(dict.fromkeys([*(part for rule in rules for part in rule.parts), *(limit.key for limit in self.at_most)]))

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        stars, yields, shared = [], [], []
        for rule in rules:
            self._block(records, rule)
            stars.append(_stars(records.con, self.cap))
            yields.append(RuleYield(entity, space, rule.name, *self._yield(records.con)))
            shared += self._shared(records, rule, entity, space)
        records.con.execute("DROP TABLE IF EXISTS block")
        edges, block = _edges(self.population or records.count, [rule.name for rule in rules], stars)
        once, limits = records.once(self.once), records.limited({limit.name: limit for limit in self.at_most})
        decided = records.must, records.cannot
        labels, left, refused = constrained(records.count, edges.left, edges.right, edges.bits, block, *decided, once, limits)
        told = tuple(Refused(one, other, edges.rules[edges.rule[edge]], row) for edge, one, other, row in refused if row >= 0)
        names = (*(limit.name for limit in limits), *(f"{ONE_PER_SOURCE} {name}" for name in self.once))
        limited = _limited(labels, [r for r in refused if r[3] < 0], edges, names) if names else None
        return Matching(labels, tuple(yields), tuple(shared), _joined(edges, left, records.must), told, limited)

    def _block(self, records: Records, rule: MatchRule) -> None:
        """CREATE TABLE block: the values on more than one record, and the records of each."""
        columns = ", ".join(records.columns[part] for part in rule.parts)
        known = " AND ".join(f"{records.columns[part]} IS NOT NULL" for part in rule.parts)
        records.con.execute(
            f"CREATE OR REPLACE TEMP TABLE block AS SELECT {columns}, list(rec) AS recs, count(*) AS size "
            f"FROM {records.table} WHERE {known}{self._uncrowded(rule)} GROUP BY {columns} HAVING size > 1"
        )

    def _uncrowded(self, rule: MatchRule) -> str:
        return f" AND rec NOT IN (SELECT rec FROM {self.crowded} WHERE rule = {literal(rule.name)})" if self.crowded else ""

    def _yield(self, con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
        """Pairs, values, values on too many records."""
        return _row(
            con,
            f"SELECT coalesce(sum(size * (size - 1) // 2) FILTER (size <= {self.cap:d}), 0)::BIGINT, "
            f"count(*) FILTER (size <= {self.cap:d}), count(*) FILTER (size > {self.cap:d}) FROM block",
        )

    def _shared(self, records: Records, rule: MatchRule, entity: str, space: str) -> list[SharedValue]:
        columns = ", ".join(records.columns[part] for part in rule.parts)
        too_many = f"SELECT size, {columns} FROM block WHERE size > {self.cap:d} ORDER BY ALL DESC LIMIT {REPORTED_SHARED_VALUES}"
        return [
            SharedValue(entity, space, rule.name, keyed_hash(self.secret, rule.name, value), size)
            for size, *value in records.con.execute(too_many).fetchall()
        ]


def _stars(con: duckdb.DuckDBPyConnection, cap: int) -> tuple[Ints, Ints, Ints]:
    """(left, right, sizes) of the blocks up to `cap`: each a star around its smallest record, which is an edge to itself too."""
    lefts, rights, all_sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for members in con.sql(f"SELECT recs FROM block WHERE size <= {cap:d}").to_arrow_table().column(0).chunks:
        recs = members.flatten().to_numpy()
        offsets = members.offsets.to_numpy()
        sizes = np.diff(offsets).astype(np.int64)
        if len(recs):
            lefts.append(np.repeat(np.minimum.reduceat(recs, offsets[:-1] - offsets[0]), sizes))
            rights.append(recs)
            all_sizes.append(sizes)
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(all_sizes)


def _edges(count: int, rules: list[str], stars: list[tuple[Ints, Ints, Ints]]) -> tuple[Edges, Ints]:
    """The stars of all rules as edges, and the block that each is of."""
    none = [np.empty(0, np.int64)]
    left, right = (np.concatenate([*none, *(star[side] for star in stars)]) for side in (0, 1))
    sizes = np.concatenate([*none, *(star[2] for star in stars)])
    block = np.repeat(np.arange(len(sizes)), sizes)
    rule = np.repeat(np.arange(len(rules)), [len(star[0]) for star in stars])
    bits = np.log2(count / sizes)[block] if len(sizes) else np.empty(0)
    real = left != right
    return Edges(left[real], right[real], rule[real], bits[real], tuple(rules)), block[real]


def _joined(edges: Edges, left: Ints, must: Pairs) -> Edges:
    """The edges that did join, from where they did, and those of decisions."""
    if not len(must) and left is edges.left:
        return edges
    did = left != NOBODY
    return Edges(
        np.concatenate([left[did], must[:, 0]]),
        np.concatenate([edges.right[did], must[:, 1]]),
        np.concatenate([edges.rule[did], np.full(len(must), len(edges.rules))]),
        np.concatenate([edges.bits[did], np.full(len(must), np.inf)]),
        (*edges.rules, DECISION),
    )


def _limited(labels: Ints, refused: Sequence[tuple[int, int, int, int]], edges: Edges, limits: tuple[str, ...]) -> Refusals:
    """What limits refused: per pair of clusters the first, which is what most evidence speaks for."""
    first: dict[frozenset[int], tuple[int, int, int, int]] = {}
    for edge, one, other, row in refused:
        if labels[one] != labels[other]:  # they may have become one through a third that holds the values of both
            first.setdefault(frozenset((int(labels[one]), int(labels[other]))), (min(one, other), max(one, other), edge, -1 - row))
    rows = np.array(sorted(first.values()), np.int64).reshape(-1, 4)
    return Refusals(rows[:, 0], rows[:, 1], edges.rule[rows[:, 2]], rows[:, 3], edges.rules, limits)


def keyed_hash(secret: bytes, rule: str, value: Sequence[str]) -> str:
    """What stands for a value in reports: 16 hex digits that tell it apart, under the project's secret."""
    return hmac.digest(secret, "\x1f".join(["shared value", rule, *value]).encode(), "sha256").hex()[:16]


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    (row,) = con.execute(sql).fetchall()
    return tuple(row)
