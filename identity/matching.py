"""Who is who within one (entity, space): the seam behind which engines change places.

`ExactRules` says that records are one if they agree on every part of a rule, and so on through others. A probabilistic engine
implements `Matcher` too: it asks for the normal forms it compares, gets the same table, answers with the same labels.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb
import numpy as np

from identity.clustering import Ints, components
from identity.model import MatchKey, MatchRule

REPORTED_SHARED_VALUES = 100


@dataclass(frozen=True, slots=True)
class Records:
    """All records of one (entity, space), normalised, as `table` of `con`.

    Columns: rec BIGINT, 0 … count-1 in the order of (source, table, key); then one VARCHAR per match key, named by `columns`
    (NULL where a source has no such attribute).
    """

    con: duckdb.DuckDBPyConnection
    table: str
    count: int
    columns: Mapping[MatchKey, str]


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
class Matching:
    """An engine's answer: `labels[rec]` is the smallest rec of the same person."""

    labels: Ints
    yields: tuple[RuleYield, ...] = ()
    shared: tuple[SharedValue, ...] = ()


class Matcher(Protocol):
    """An engine that finds which records are one. Same records, same answer, whatever their order and the number of threads."""

    def needs(self, rules: Sequence[MatchRule]) -> tuple[MatchKey, ...]:
        """The attributes, each in its normal form, that the engine compares."""
        ...

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        """Cluster the records."""
        ...


@dataclass(frozen=True, slots=True)
class ExactRules:
    """Connected components over records that agree on all parts of some rule.

    A value on more than `cap` records is shared by people, not one person's: it links nobody and is reported.
    """

    secret: bytes
    cap: int = 100

    def needs(self, rules: Sequence[MatchRule]) -> tuple[MatchKey, ...]:
        return tuple(dict.fromkeys(part for rule in rules for part in rule.parts))

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        left, right, yields, shared = [], [], [], []
        for rule in rules:
            columns = ", ".join(records.columns[part] for part in rule.parts)
            known = " AND ".join(f"{records.columns[part]} IS NOT NULL" for part in rule.parts)
            records.con.execute(
                f"CREATE OR REPLACE TEMP TABLE block AS SELECT {columns}, list(rec) AS recs, count(*) AS size "
                f"FROM {records.table} WHERE {known} GROUP BY {columns} HAVING size > 1"
            )
            blocks = records.con.sql(f"SELECT recs FROM block WHERE size <= {self.cap:d}").to_arrow_table()
            for members in blocks.column(0).chunks:
                sizes = np.diff(members.offsets.to_numpy())
                recs = members.flatten().to_numpy()
                first = np.cumsum(sizes) - sizes
                left.append(np.repeat(recs[first], sizes))
                right.append(recs)
            pairs, values, oversize = _row(
                records.con,
                f"SELECT coalesce(sum(size * (size - 1) // 2) FILTER (size <= {self.cap:d}), 0)::BIGINT, "
                f"count(*) FILTER (size <= {self.cap:d}), count(*) FILTER (size > {self.cap:d}) FROM block",
            )
            yields.append(RuleYield(entity, space, rule.name, pairs, values, oversize))
            too_many = f"SELECT size, {columns} FROM block WHERE size > {self.cap:d} ORDER BY ALL DESC LIMIT {REPORTED_SHARED_VALUES}"
            for size, *value in records.con.execute(too_many).fetchall():
                shared.append(SharedValue(entity, space, rule.name, _keyed_hash(self.secret, rule.name, value), size))
        records.con.execute("DROP TABLE IF EXISTS block")
        none = np.empty(0, np.int64)
        return Matching(
            components(records.count, np.concatenate([none, *left]), np.concatenate([none, *right])), tuple(yields), tuple(shared)
        )


def _keyed_hash(secret: bytes, rule: str, value: Sequence[str]) -> str:
    return hmac.digest(secret, "\x1f".join(["shared value", rule, *value]).encode(), "sha256").hex()[:16]


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    (row,) = con.execute(sql).fetchall()
    return tuple(row)
