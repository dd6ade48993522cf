"""Who is who within one (entity, space): the seam behind which engines change places.

An engine (identity.exact_rules, identity.probabilistic) says which normal forms it compares, gets them as `Records` and answers with a
`Matching`. What stewards decided comes with the records, as pairs that must or cannot be one; every engine honours it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import duckdb
import numpy as np
import numpy.typing as npt

from identity.cardinality import NO_VALUE, Limited
from identity.clustering import Ints
from identity.constraints import NOBODY, Floats, Pairs, no_pairs
from identity.loading import RECORD, Loaded
from identity.model import AtMost, MatchKey, MatchRule
from identity.model_use import BlockingYield, ModelUse

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
