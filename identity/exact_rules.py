"""Exact rules: records are one if they agree on every part of a rule, and so on through others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from identity.clustering import Ints
from identity.constraints import NOBODY, Pairs, constrained
from identity.keyed import keyed_hash
from identity.matching import DECISION, ONE_PER_SOURCE, Edges, Matching, Records, Refusals, Refused, RuleYield, SharedValue
from identity.model import AtMost, MatchKey, MatchRule
from identity.scratch import literal

REPORTED_SHARED_VALUES = 100
CAP = 100
"""The most records that one value links, unless an engine says otherwise."""


@dataclass(frozen=True, slots=True)
class ExactRules:
    """Connected components over records that agree on all parts of some rule.

    A value on more than `cap` records is shared by people, not one person's: it links nobody and is reported. A value on k of n
    records is log2(n / k) bits of evidence. Where a steward's `different` cuts a component, the rarest values join first.
    """

    secret: bytes
    cap: int = CAP
    unlinked: str = ""
    """A table (rule, rec): these records are not linked by these rules, for their values are known to be on more than `cap` records,
    or nobody's."""
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
        """CREATE TABLE block: the values on more than one record, and the records that each links."""
        columns = ", ".join(records.columns[part] for part in rule.parts)
        known = " AND ".join(f"{records.columns[part]} IS NOT NULL" for part in rule.parts)
        rows, recs = records.table, "list(rec)"
        if self.unlinked:  # these count as records that have the value, and stay as they are
            apart = f"SELECT rec FROM {self.unlinked} WHERE rule = {literal(rule.name)}"
            rows, recs = f"(SELECT *, rec NOT IN ({apart}) AS linked FROM {rows})", "coalesce(list(rec) FILTER (linked), [])"
        records.con.execute(
            f"CREATE OR REPLACE TEMP TABLE block AS SELECT {columns}, {recs} AS recs, count(*) AS size "
            f"FROM {rows} WHERE {known} GROUP BY {columns} HAVING size > 1"
        )

    def _yield(self, con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
        """Pairs, values that link, values on too many records."""
        return _row(
            con,
            f"SELECT coalesce(sum(len(recs) * (len(recs) - 1) // 2) FILTER (size <= {self.cap:d}), 0)::BIGINT, "
            f"count(*) FILTER (size <= {self.cap:d} AND len(recs) > 1), count(*) FILTER (size > {self.cap:d}) FROM block",
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
    for members in con.sql(f"SELECT recs FROM block WHERE size <= {cap:d} AND len(recs) > 1").to_arrow_table().column(0).chunks:
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


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    (row,) = con.execute(sql).fetchall()
    return tuple(row)
