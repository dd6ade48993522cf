"""Reading the evidence that a version of the crosswalk keeps (see identity.evidence.writing), and naming the records that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.constraints import Floats
from identity.crosswalk import Crosswalk, LinkTable
from identity.errors import NoEvidence, UnknownRecord
from identity.evidence.document import Document
from identity.held_links import Key
from identity.stewardship.binding import key_hash
from identity.stewardship.decisions import RecordName, written_key


@dataclass(frozen=True, slots=True)
class Member:
    """A record of the crosswalk: its number, its table, its key in native types, and whose it is."""

    rec: int
    table: LinkTable
    key: Key
    id360: int

    def __str__(self) -> str:
        return f"{self.table.source}.{self.table.table}:{written_key(self.key)}"


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of records left[i], right[i], and what is known of each; `rule` is what joined them (-1: nothing did by itself).

    Inside a cluster `beyond` equals `cluster`; a near pair is told from the side of its `cluster`, and `right` is of the cluster `beyond`.
    `odds` are NaN for a pair that was never scored.
    """

    cluster: Ints
    left: Ints
    right: Ints
    beyond: Ints
    pattern: Ints
    proposed: Ints
    rule: Ints
    odds: Floats

    def __len__(self) -> int:
        return len(self.left)

    def where(self, kept: npt.NDArray[np.bool_] | Ints) -> Pairs:
        """Some of them."""
        return Pairs(*(getattr(self, name)[kept] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class KeptApart:
    """Why two clusters are not one although `rule` (of Document.rules) spoke for it, of two records by number: the `limit` that refused."""

    limit: str
    rule: str
    pair: tuple[int, int]


class StoredEvidence:
    """The evidence of one (entity, space) in one version. Safe to use from many threads."""

    def __init__(self, crosswalk: Crosswalk, entity: str, space: str) -> None:
        """Raises: NoEvidence."""
        self.crosswalk, self.entity, self.space = crosswalk, entity, space
        self._by_hash: dict[tuple[str, str], Mapping[str, int]] = {}
        told = "SELECT name, document, patterns, odds, combinations FROM xw.evidence WHERE (entity, space) = (?, ?)"
        found = crosswalk.reader.execute(told, [entity, space]).fetchall() if _has_evidence(crosswalk) else []
        if not found:
            raise NoEvidence(
                f"version {crosswalk.version} of the crosswalk keeps no evidence for {entity}{f' in {space}' if space else ''}",
                hint="`c360 resolve` writes it; an imported crosswalk has none",
            )
        self.name, document, patterns, odds, combinations = found[0]
        self.document = msgspec.json.decode(document, type=Document)
        self.odds = np.frombuffer(odds, np.float32).astype(np.float64)
        self.patterns = np.frombuffer(patterns, np.uint8).reshape(len(self.odds), len(self.document.factors))
        self.combinations = np.frombuffer(combinations, np.uint64)

    @cached_property
    def tables(self) -> tuple[tuple[LinkTable, int], ...]:
        """The link tables, each with the number of its first record."""
        firsts = self.document.firsts
        return tuple(sorted(((t, firsts[t.name]) for t in self.crosswalk.links if t.name in firsts), key=lambda t: t[1]))

    # --- records ----------------------------------------------------------------------------------------------------------------------

    def find(self, source: str, table: str, key: Sequence[object]) -> Member:
        """The record with this key. Raises: UnknownRecord."""
        for link, first in self.tables:
            if (link.source, link.table) == (source, table) and len(key) == len(link.columns):
                same = " AND ".join(f"{k} = TRY_CAST(? AS {kind})" for k, kind in zip(link.columns, link.key_types, strict=True))
                rows = self.crosswalk.reader.execute(
                    f"SELECT ord, id360, {', '.join(link.columns)} FROM xw.{link.name} WHERE {same}", list(key)
                ).fetchall()
                if rows:
                    return Member(first + rows[0][0], link, tuple(rows[0][2:]), rows[0][1])
        raise UnknownRecord(
            f"there is no record {source}.{table}:{written_key(key)} in the crosswalk",
            hint="records are named source.table:key; one that is new comes in with the next `c360 resolve`",
        )

    def rec_of(self, name: RecordName, secret: bytes) -> int | None:
        """The record that a decision or label names, None if it is not there (any more)."""
        with suppress(UnknownRecord):
            if not name.hashed:
                return self.find(name.source, name.table, name.key).rec
            return self._hashed(name.source, name.table, secret).get(name.key[0])
        return None

    def _hashed(self, source: str, table: str, secret: bytes) -> Mapping[str, int]:
        """The records of a table whose keys are personal, by the keyed hash that stands for each."""
        place = (source, table)
        if place not in self._by_hash:
            self._by_hash[place] = {
                key_hash(secret, source, table, key_texts(tuple(key))): first + ord_
                for link, first in self.tables
                if (link.source, link.table) == place
                for ord_, *key in self.crosswalk.reader.execute(f"SELECT ord, {', '.join(link.columns)} FROM xw.{link.name}").fetchall()
            }
        return self._by_hash[place]

    def members(self, id360: int) -> tuple[Member, ...]:
        """The records of an id, in order; () if it has none here."""
        return tuple(
            Member(first + ord_, link, tuple(key), id360)
            for link, first in self.tables
            for ord_, *key in self.crosswalk.reader.execute(
                f"SELECT ord, {', '.join(link.columns)} FROM xw.{link.name} WHERE id360 = ? ORDER BY ord", [id360]
            ).fetchall()
        )

    def named(self, recs: Iterable[int]) -> Mapping[int, Member]:
        """The records with these numbers, wherever they are. One scan per link table."""
        wanted = np.unique(np.fromiter(recs, np.int64))
        found: dict[int, Member] = {}
        for link, first in self.tables:
            # no upper bound: a record that came later has a number beyond all others, whatever its table
            here = wanted[wanted >= first] - first
            if len(here):
                sql = f"SELECT ord, id360, {', '.join(link.columns)} FROM xw.{link.name} WHERE ord IN (SELECT unnest(?::INTEGER[]))"
                rows = self.crosswalk.reader.execute(sql, [here.tolist()]).fetchall()
                found |= {first + ord_: Member(first + ord_, link, tuple(key), id360) for ord_, id360, *key in rows}
        return found

    # --- pairs ------------------------------------------------------------------------------------------------------------------------

    def inside(self, cluster: int | None = None) -> Pairs:
        """The pairs inside one cluster (named by its smallest record), or inside any."""
        found = self._fetch("inside", "cluster, l, r, pattern, proposed, rule", cluster)
        of, left, right, pattern, proposed, rule = found
        return Pairs(of, left, right, of, pattern, proposed, rule, self._odds(pattern))

    def near(self, cluster: int | None = None) -> Pairs:
        """The pairs that are nearly one, from one cluster to others; all of them, each once, without a cluster."""
        of, left, right, beyond, pattern, proposed = self._fetch("near", "cluster, l, r, beyond, pattern, proposed", cluster)
        pairs = Pairs(of, left, right, beyond, pattern, proposed, np.full(len(left), -1, np.int64), self._odds(pattern))
        return pairs if cluster is not None else pairs.where(pairs.left < pairs.right)

    def refused(self) -> tuple[Pairs, Ints]:
        """Of two clusters each that something would have made one the strongest pair, and which limit of `document.limits` refused it.
        `rule` is what would have joined them; the odds of the pair are where it is near."""
        if not _has_table(self.crosswalk, f"refused_{self.name}"):  # a version of before there was one
            none = np.empty(0, np.int64)
            return Pairs(none, none, none, none, none, none, none, np.empty(0)), none
        of, left, right, beyond, rule, kept_by = self._fetch("refused", "cluster, l, r, beyond, rule, kept_by", None)
        none = np.full(len(of), -1, np.int64)
        return Pairs(of, left, right, beyond, none, none, rule, np.full(len(of), np.nan)), kept_by

    def kept_apart(self, one: int, other: int) -> KeptApart | None:
        """What would have made two clusters one, and the limit that refused it; None if nothing would have."""
        if not _has_table(self.crosswalk, f"refused_{self.name}"):
            return None
        sql = f"SELECT kept_by, rule, l, r FROM xw.refused_{self.name} WHERE (cluster, beyond) IN ((?, ?), (?, ?))"
        found = self.crosswalk.reader.execute(sql, [one, other, other, one]).fetchall()
        return KeptApart(self.document.limits[found[0][0]], self.document.rules[found[0][1]], found[0][2:]) if found else None

    def clusters(self, cluster: int | None = None) -> Mapping[str, npt.NDArray[np.float64]]:
        """How the clusters of three or more (or that one) hang together: columns as in `writing`; NaN where there is no bridge."""
        sql = f"SELECT * FROM xw.cluster_{self.name}" + ("" if cluster is None else " WHERE cluster = ?")
        found = self.crosswalk.reader.execute(sql, [] if cluster is None else [cluster]).fetchnumpy()
        return {
            name: np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values).astype(np.float64)) for name, values in found.items()
        }

    def labels(self) -> Ints:
        """Of each number the smallest record of its cluster; of a number that no record has (any more), itself."""
        recs, ids = self._recs_and_ids()
        _, cluster = np.unique(ids, return_inverse=True)
        smallest = np.full(len(recs), self.document.records, np.int64)
        np.minimum.at(smallest, cluster, recs)
        labels = np.arange(self.document.records, dtype=np.int64)
        labels[recs] = smallest[cluster]
        return labels

    def sizes(self) -> Ints:
        """The number of records of every cluster, in no order that means anything."""
        return np.unique(self._recs_and_ids()[1], return_counts=True)[1].astype(np.int64)

    def _recs_and_ids(self) -> tuple[Ints, Ints]:
        recs, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for link, first in self.tables:
            found = self.crosswalk.reader.execute(f"SELECT ord, id360 FROM xw.{link.name}").fetchnumpy()
            recs.append(np.asarray(found["ord"], np.int64) + first)
            ids.append(np.asarray(found["id360"], np.int64))
        return np.concatenate(recs), np.concatenate(ids)

    def cluster_sizes(self) -> Ints:
        """Records per cluster, at the place of its smallest record (1 at the others')."""
        sizes = np.ones(self.document.records, np.int64)
        sizes[self._fetch("inside", "cluster", None)[0]] = 2
        several = self.clusters()
        sizes[several["cluster"].astype(np.int64)] = several["records"].astype(np.int64)
        return sizes

    def _fetch(self, kind: str, columns: str, cluster: int | None) -> list[Ints]:
        sql = f"SELECT {columns} FROM xw.{kind}_{self.name}" + ("" if cluster is None else " WHERE cluster = ?")
        found = self.crosswalk.reader.execute(sql, [] if cluster is None else [cluster]).fetchnumpy()
        return [np.asarray(values, np.int64) for values in found.values()]

    def _odds(self, pattern: Ints) -> Floats:
        if not len(self.odds):
            return np.full(len(pattern), np.nan)
        return np.where(pattern >= 0, self.odds[pattern], np.nan)

    def proposed(self, combination: int) -> tuple[str, ...]:
        """The blocking rules of a pair."""
        if combination < 0 or not len(self.combinations):
            return ()
        bits = int(self.combinations[combination])
        return tuple(rule for i, rule in enumerate(self.document.blocking) if bits >> i & 1)


def key_texts(key: Key) -> tuple[str, ...]:
    """A key's values as DuckDB writes them as text."""
    return tuple(str(part).lower() if isinstance(part, bool) else str(part) for part in key)


def evidence_of(crosswalk: Crosswalk, entity: str, space: str) -> StoredEvidence:
    """The evidence of one (entity, space), read once per version. Raises: NoEvidence."""
    place = ("evidence", entity, space)
    if place not in crosswalk.remembered:
        crosswalk.remembered[place] = StoredEvidence(crosswalk, entity, space)
    found: StoredEvidence = crosswalk.remembered[place]
    return found


def places_with_evidence(crosswalk: Crosswalk) -> tuple[tuple[str, str], ...]:
    """Every (entity, space) of which there is evidence."""
    if not _has_evidence(crosswalk):
        return ()
    return tuple(crosswalk.reader.execute("SELECT entity, space FROM xw.evidence ORDER BY ALL").fetchall())


def _has_evidence(crosswalk: Crosswalk) -> bool:
    return _has_table(crosswalk, "evidence")


def _has_table(crosswalk: Crosswalk, name: str) -> bool:
    sql = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'xw' AND table_name = ?"
    return bool(crosswalk.reader.execute(sql, [name]).fetchall())
