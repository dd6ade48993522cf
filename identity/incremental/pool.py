"""The records that an incremental resolve looks at: their keys and normal forms, in the scratch DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among, distinct
from identity.crosswalk import Crosswalk, LinkTable
from identity.incremental.record_index import NoIndex, RecordIndex
from identity.incremental.stored_rows import Stored
from identity.keyed import UInts, keyed
from identity.loading import RECORD, Loaded, Progress, incoming, streaming
from identity.matching import Records
from identity.model import MatchKey, RecordSet
from identity.personal import kind_of_keys
from identity.scratch import each_beside, registered
from identity.versions.stable_ids import NO_ID


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What came into the pool: numbers, ids in the version before (NO_ID for new records), keyed hashes of normal forms."""

    gids: Ints
    ids: Ints
    hashes: UInts


NOTHING = Held(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))


def held(con: duckdb.DuckDBPyConnection, rows: str, secret: bytes) -> Held:
    """What rows of (gid, id360, h, …) hold."""
    found = con.execute(f"SELECT gid, coalesce(id360, {NO_ID:d}) AS id360, h FROM {rows}").fetchnumpy()
    return Held(
        np.asarray(found["gid"], np.int64), np.asarray(found["id360"], np.int64), keyed(np.asarray(found["h"], np.uint64), secret, "row")
    )


class Pool:
    """The records of one (entity, space) that are at hand: a table pool_<i> (gid, id360, k0 …, normal forms, h) per record set.

    `gid` is a record's number in index and crosswalk, `id360` its id in the version before, which is attached as `old`; `h` the hash of its
    normal forms.
    `changed_unsaid` are the records that were fetched and are not as the index has them, though nothing said so.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        group: Sequence[RecordSet],
        columns: Mapping[MatchKey, str],
        previous: Crosswalk,
        index: RecordIndex,
        stored: Callable[[], Stored],
        secret: bytes,
        progress: Progress,
    ) -> None:
        """`stored` gives what the index holds of the group, once it is read.

        Raises: NoIndex, if the last resolve did not have these tables, with these keys.
        """
        self.con, self.group, self.columns, self.index, self.stored = con, group, columns, index, stored
        self.secret, self.progress = secret, progress
        self.links: list[LinkTable] = []
        firsts = index.firsts()
        for records in group:
            link = previous.link_of(*records.place)
            if link is None or link.name not in firsts or link.key_columns != tuple(c.name for c in records.key):
                raise NoIndex(f"{records.label} was not resolved before, or by another key")
            self.links.append(link)
        self.firsts = [firsts[link.name] for link in self.links]
        self.forms = ", ".join(columns.values())
        self.gids = self.sets = self.ids = self.changed_unsaid = np.empty(0, np.int64)
        self.hashes = np.empty(0, np.uint64)
        self._personal: dict[int, str] = {}
        self.about = self._about([0] * len(group))
        """Where records come from, without any."""

    def keys(self, i: int, alias: str = "") -> str:
        """The key columns of a record set."""
        return ", ".join(f"{alias}{k}" for k in self.links[i].columns)

    def hold(self, found: Sequence[Held]) -> None:
        """Of each record set, what came into its table."""
        gids = np.concatenate([self.gids, *(some.gids for some in found)])
        sets = np.concatenate([self.sets, *(np.full(len(some.gids), i) for i, some in enumerate(found))])
        ids = np.concatenate([self.ids, *(some.ids for some in found)])
        hashes = np.concatenate([self.hashes, *(some.hashes for some in found)])
        order = np.argsort(gids, kind="stable")
        self.gids, self.sets, self.ids, self.hashes = gids[order], sets[order], ids[order], hashes[order]

    def of(self, gids: Ints) -> tuple[Ints, UInts]:
        """The record set of some records at hand, and the keyed hash of their normal forms."""
        at = np.searchsorted(self.gids, gids)
        return self.sets[at], self.hashes[at]

    def borne(self, gids: Ints) -> Ints:
        """The ids that some records at hand had; NO_ID for new ones."""
        return np.asarray(self.ids[np.searchsorted(self.gids, gids)], np.int64)

    def unlike(self, gids: Ints) -> Ints:
        """Those of some records at hand that are not as the index has them (it has them all)."""
        recs, hashes = self.stored().hashes(gids)
        return np.asarray(recs[self.of(recs)[1] != hashes], np.int64)

    def bearing(self, ids: Ints) -> Ints:
        """The records that have some ids in the version before."""
        with registered(self.con, "wanted", pa.table({"id360": ids})):
            found = [
                self.con.execute(f"SELECT ord + {first:d} AS gid FROM old.{link.name} SEMI JOIN wanted USING (id360)").fetchnumpy()["gid"]
                for link, first in zip(self.links, self.firsts, strict=True)
            ]
        return np.concatenate([np.empty(0, np.int64), *(np.asarray(f, np.int64) for f in found)])

    def ids_before(self, gids: Ints) -> tuple[Ints, Ints]:
        """Those of some records that the version before has, in order, and the ids that they had."""
        if not len(gids):
            return gids, gids
        with registered(self.con, "wanted", pa.table({"gid": distinct(gids)})):
            links = " UNION ALL ".join(
                f"SELECT ord + {first:d} AS gid, id360 FROM old.{link.name} WHERE ord + {first:d} IN (FROM wanted)"
                for link, first in zip(self.links, self.firsts, strict=True)
            )
            found = self.con.execute(f"SELECT gid::BIGINT AS gid, id360 FROM ({links}) ORDER BY gid").fetchnumpy()
        return np.asarray(found["gid"], np.int64), np.asarray(found["id360"], np.int64)

    def fetch(self, gids: Ints) -> None:
        """Have some records at hand. Raises: NoIndex, if one is not there."""
        lacking = distinct(gids[~among(gids, self.gids)])
        if not len(lacking):
            return
        told = [i for i, records in enumerate(self.group) if records.changed is not None]  # any other was read whole
        found = each_beside(self.con, told, lambda own, i: self._fetch(own, i, lacking))
        self.hold([found.get(i, NOTHING) for i in range(len(self.group))])
        if not among(lacking, self.gids).all():
            raise NoIndex("records went while they were read")
        self.changed_unsaid = distinct(self.changed_unsaid, self.unlike(lacking))

    def _fetch(self, own: duckdb.DuckDBPyConnection, i: int, gids: Ints) -> Held:
        """Put those of some records that are of a record set into the pool. Raises: NoIndex, if a row came twice."""
        records, first = self.group[i], self.firsts[i]
        with registered(own, "wanted", pa.table({"ord": gids - first})):
            links = f"old.{self.links[i].name} SEMI JOIN wanted USING (ord)"
            missing = own.sql(f"SELECT ord + {first:d} AS gid, id360, {self.keys(i)} FROM {links}").to_arrow_table()
        if not missing.num_rows:
            return NOTHING
        asked = replace(records, read=reading(records, missing.drop_columns(["gid", "id360"])))
        with registered(own, "missing", missing), streaming(own, asked, self.progress):
            rows = f"SELECT gid, id360, m.*, hash({self.forms or '1'}) AS h FROM ({incoming(asked, self.columns)}) m"
            own.execute(f"INSERT INTO pool_{i} BY NAME {rows} JOIN missing USING ({self.keys(i)})")
        found = held(own, f"pool_{i} WHERE rowid >= {int((self.sets == i).sum()):d}", self.secret)
        if len(distinct(found.gids)) < len(found.gids):
            raise NoIndex(f"rows of {records.label} came twice")
        return found

    def record(self, gids: Ints, con: duckdb.DuckDBPyConnection | None = None) -> tuple[Records, Ints]:
        """CREATE TABLE record over some records that are at hand; with the gid of each rec."""
        gids = distinct(gids)
        return self._record(gids[np.argsort(self.of(gids)[0], kind="stable")], con or self.con)

    def load(self, gids: Ints) -> tuple[list[Loaded], Records, Ints]:
        """The same in the order in which a whole resolve numbers records; with their keys, as `loading.load_all` leaves them."""
        gids = distinct(gids)
        counts = np.bincount(self.of(gids)[0], minlength=len(self.group)).tolist()
        loaded: list[Loaded] = []
        numbers: list[Ints] = []
        with registered(self.con, "wanted", pa.table({"gid": gids})):
            for i, (one, count) in enumerate(zip(self.group, counts, strict=True)):
                first = loaded[-1].first + loaded[-1].count if loaded else 0
                ordered = f"row_number() OVER (ORDER BY {self.keys(i)}) - 1 + {first:d} AS rec, gid, {self.keys(i)}"
                self.con.execute(f"CREATE OR REPLACE TABLE some_{i} AS SELECT {ordered} FROM pool_{i} SEMI JOIN wanted USING (gid)")
                numbers.append(self.con.execute(f"SELECT gid FROM some_{i} ORDER BY rec").fetchnumpy()["gid"])
                loaded.append(Loaded(one, f"some_{i}", first, count, 0, ""))
        records, found = self._record(np.concatenate(numbers), self.con)
        return loaded, records, found

    def _record(self, numbers: Ints, con: duckdb.DuckDBPyConnection) -> tuple[Records, Ints]:
        rows = " UNION ALL ".join(f"SELECT gid, {self.forms or '1 AS one'} FROM pool_{i}" for i in range(len(self.group)))
        with registered(con, "numbered", pa.table({"rec": np.arange(len(numbers)), "gid": numbers})):
            # one table: what reads it is made ready once, not for every record set
            con.execute(f"CREATE OR REPLACE TABLE {RECORD} AS SELECT rec, * EXCLUDE (rec, gid) FROM ({rows}) JOIN numbered USING (gid)")
        counts = np.bincount(self.of(numbers)[0], minlength=len(self.group))
        return replace(self._about(counts.tolist()), con=con), numbers

    def _about(self, counts: Sequence[int]) -> Records:
        """The records in table record, so many of each record set."""
        ends = np.cumsum(counts).tolist()
        sources = tuple((one.source, first) for one, first in zip(self.group, [0, *ends[:-1]], strict=True))
        return Records(self.con, RECORD, ends[-1], self.columns, sources=sources, tables=tuple(one.label for one in self.group))

    def personal(self, con: duckdb.DuckDBPyConnection, i: int, loaded: Loaded) -> str:
        """What the keys of a table give away: what was known, or what the records at hand say."""
        if i not in self._personal:
            self._personal[i] = self.links[i].personal or kind_of_keys(con, loaded.table, loaded.records)
        return self._personal[i]

    def drop(self) -> None:
        """Drop all tables."""
        tables = [RECORD, *(f"{kind}_{i}" for i in range(len(self.group)) for kind in ("pool", "some"))]
        self.con.execute("; ".join(f"DROP TABLE IF EXISTS {table}" for table in tables))


def reading(records: RecordSet, keys: pa.Table) -> Callable[[], pa.RecordBatchReader]:
    """Reads the rows with some keys, or all where the source cannot look them up."""
    some = records.some
    return (lambda: some(keys)) if some is not None else records.read
