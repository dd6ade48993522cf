"""Which records are new, changed or gone since the last resolve, and the values of those that have to be looked at.

A source that can tell is asked for what changed, for its keys, and for neighbours by key; any other is read whole, and a row counts
as changed if the keyed hash of its normal forms is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints
from identity.crosswalk import Crosswalk, LinkTable
from identity.errors import DuplicateKeys
from identity.incremental.record_index import NoIndex, RecordIndex
from identity.keyed import UInts, keyed
from identity.loading import RECORD, Loaded, Progress, read_all
from identity.model import MatchKey, RecordSet
from identity.personal import kind_of_keys
from identity.scratch import registered


@dataclass(frozen=True, slots=True)
class Changes:
    """Numbers of records: `new` (numbered after all there ever were), `changed`, `gone`; `null_keys` by place."""

    new: Ints
    changed: Ints
    gone: Ints
    null_keys: Mapping[tuple[str, str, str, str], int]


def among(values: Ints | UInts, ordered: Ints | UInts) -> npt.NDArray[np.bool_]:
    """Which values are among some others, which are in order."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[at] == values)


class Pool:
    """The records of one (entity, space) that are at hand, a table pool_<i> (gid, k0 …, normal forms, h) per record set.

    `gid` is a record's number in index and crosswalk; `old` is attached.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        group: Sequence[RecordSet],
        columns: Mapping[MatchKey, str],
        previous: Crosswalk,
        firsts: Mapping[str, int],
        secret: bytes,
        progress: Progress,
    ) -> None:
        """Raises: NoIndex, if the last resolve did not have these tables, with these keys."""
        self.con, self.group, self.columns, self.secret, self.progress = con, group, columns, secret, progress
        self.links: list[LinkTable] = []
        for records in group:
            link = previous.link_of(*records.place)
            if link is None or link.name not in firsts or link.key_columns != tuple(c.name for c in records.key):
                raise NoIndex(f"{records.label} was not resolved before, or by another key")
            self.links.append(link)
        self.firsts = [firsts[link.name] for link in self.links]
        self.forms = ", ".join(columns.values())
        self.have = np.empty(0, np.int64)
        self.states = self.have, np.empty(0, np.uint64)

    def keys(self, i: int, alias: str = "") -> str:
        """The key columns of a record set."""
        return ", ".join(f"{alias}{k}" for k in self.links[i].columns)

    def read(self, index: RecordIndex, name: str) -> Changes:
        """Read what may have changed, and compare it with the index. Raises what the sources raise; DuplicateKeys; KeyType."""
        asked = [replace(r, read=r.changed) if r.changed else r for r in self.group]
        read_all(self.con, asked, [f"pool_{i}" for i in range(len(asked))], self.columns, self.progress)
        for i, records in enumerate(self.group):
            if records.changed is not None and records.keys is not None:
                self._hold_against_keys(i, records.keys)
        self.states = recs, hashes = index.hashes(name)
        following = index.next_rec(name)
        new, changed, gone, nulls, have = [], [], [], {}, []
        for i, records in enumerate(self.group):
            nulls[records.place] = self._number(i, following)
            found = self.con.execute(f"SELECT gid, h FROM pool_{i}").fetchnumpy()
            gid, now = np.asarray(found["gid"], np.int64), keyed(np.asarray(found["h"], np.uint64), self.secret, "row")
            have.append(gid)
            fresh = gid >= following
            new.append(np.sort(gid[fresh]))
            following += int(fresh.sum())
            known, now = gid[~fresh], now[~fresh]
            changed.append(known[hashes[np.searchsorted(recs, known)] != now])
            gone.append(self._gone(i))
        self.have = np.sort(np.concatenate(have))
        return Changes(np.concatenate(new), np.sort(np.concatenate(changed)), np.sort(np.concatenate(gone)), nulls)

    def _hold_against_keys(self, i: int, keys: Callable[[], pa.RecordBatchReader]) -> None:
        """Read all keys. Rows that went meanwhile are not looked at; new ones that came with an old watermark are read by key."""
        con, link, records = self.con, self.links[i], self.group[i]
        read_all(con, [replace(records, read=keys)], [f"keys_{i}"], {}, self.progress)
        con.execute(
            f"CREATE OR REPLACE TABLE pool_{i}_unsorted AS FROM pool_{i}_unsorted SEMI JOIN keys_{i}_unsorted USING ({self.keys(i)})"
        )
        unseen = con.sql(
            f"SELECT DISTINCT {self.keys(i)} FROM keys_{i}_unsorted ANTI JOIN old.{link.name} USING ({self.keys(i)}) "
            f"ANTI JOIN pool_{i}_unsorted USING ({self.keys(i)}) WHERE NOT ({_null_key(link)})"
        ).to_arrow_table()
        if unseen.num_rows:
            read_all(con, [replace(records, read=_reading(records, unseen))], [f"more_{i}"], self.columns, self.progress)
            with registered(con, "missing", unseen):
                con.execute(f"INSERT INTO pool_{i}_unsorted BY NAME FROM more_{i}_unsorted SEMI JOIN missing USING ({self.keys(i)})")
            con.execute(f"DROP TABLE more_{i}_unsorted")

    def _number(self, i: int, following: int) -> int:
        """Give the rows that were read their numbers; those of new ones start at `following`. Returns how many had no key."""
        link, first = self.links[i], self.firsts[i]
        null_key, all_ = _null_key(link), self._all(i)
        ((nulls, doubled),) = self.con.execute(
            f"SELECT (SELECT count(*) FROM {all_} WHERE {null_key}), (SELECT count(*) FROM "
            f"(SELECT 1 FROM {all_} WHERE NOT ({null_key}) GROUP BY {self.keys(i)} HAVING count(*) > 1))"
        ).fetchall()
        if doubled:
            raise DuplicateKeys(self.group[i].label, doubled)
        same = " AND ".join(f"o.{k} = n.{k}" for k in link.columns)
        self.con.execute(
            f"CREATE TEMP TABLE numbered_{i} AS SELECT o.ord, n.*, hash({self.forms or '1'}) AS h FROM pool_{i}_unsorted n "
            f"LEFT JOIN old.{link.name} o ON {same} WHERE NOT ({_null_key(link, 'n.')})"
        )
        self.con.execute(
            f"CREATE TABLE pool_{i} AS SELECT (ord + {first:d})::BIGINT AS gid, * EXCLUDE (ord) FROM numbered_{i} WHERE ord IS NOT NULL "
            f"UNION ALL SELECT {following - 1:d} + row_number() OVER (ORDER BY {self.keys(i)}), * EXCLUDE (ord) "
            f"FROM numbered_{i} WHERE ord IS NULL"
        )
        self.con.execute(f"DROP TABLE numbered_{i}")
        return int(nulls)

    def _all(self, i: int) -> str:
        """The table of all keys there are now; where the source does not tell them, those of the rows that were read."""
        records = self.group[i]
        return f"keys_{i}_unsorted" if records.changed is not None and records.keys is not None else f"pool_{i}_unsorted"

    def _gone(self, i: int) -> Ints:
        records, link, first = self.group[i], self.links[i], self.firsts[i]
        gone = np.empty(0, np.int64)
        if records.changed is None or records.keys is not None:
            found = self.con.execute(
                f"SELECT ord + {first:d} AS gid FROM old.{link.name} ANTI JOIN {self._all(i)} USING ({self.keys(i)})"
            ).fetchnumpy()
            gone = np.asarray(found["gid"], np.int64)
        self.con.execute(f"DROP TABLE pool_{i}_unsorted; DROP TABLE IF EXISTS keys_{i}_unsorted")
        return gone

    def fetch(self, gids: Ints) -> None:
        """Have some records at hand. Raises: NoIndex, if one is not there."""
        lacking = np.setdiff1d(gids, self.have)
        if not len(lacking):
            return
        self.have = np.union1d(self.have, lacking)
        wanted: dict[int, pa.Table] = {}
        with registered(self.con, "wanted", pa.table({"gid": lacking})):
            for i, (records, link, first) in enumerate(zip(self.group, self.links, self.firsts, strict=True)):
                if records.changed is not None:  # else it was read whole
                    found = self.con.sql(
                        f"SELECT ord + {first:d} AS gid, {self.keys(i)} FROM old.{link.name} "
                        f"WHERE ord IN (SELECT gid - {first:d} FROM wanted)"
                    ).to_arrow_table()
                    wanted |= {i: found} if found.num_rows else {}
        asked = [replace(self.group[i], read=_reading(self.group[i], table.drop_columns(["gid"]))) for i, table in wanted.items()]
        read_all(self.con, asked, [f"more_{i}" for i in wanted], self.columns, self.progress)
        for i, table in wanted.items():
            self._take(i, table)

    def _take(self, i: int, wanted: pa.Table) -> None:
        """Put what was read into the pool."""
        with registered(self.con, "missing", wanted):
            self.con.execute(
                f"INSERT INTO pool_{i} BY NAME SELECT gid::BIGINT AS gid, m.*, hash({self.forms or '1'}) AS h "
                f"FROM more_{i}_unsorted m JOIN missing USING ({self.keys(i)})"
            )
            self.con.execute(f"DROP TABLE more_{i}_unsorted")
            ((lacking,),) = self.con.execute(f"SELECT count(*) FROM missing ANTI JOIN pool_{i} USING (gid)").fetchall()
        if lacking:
            raise NoIndex(f"records of {self.group[i].label} went while it was read")

    def unlike(self, index_recs: Ints, index_hashes: UInts) -> Ints:
        """The records at hand that are not as the index has them (new ones aside)."""
        found = [self.con.execute(f"SELECT gid, h FROM pool_{i}").fetchnumpy() for i in range(len(self.group))]
        gid = np.concatenate([np.asarray(f["gid"], np.int64) for f in found])
        now = keyed(np.concatenate([np.asarray(f["h"], np.uint64) for f in found]), self.secret, "row")
        known = among(gid, index_recs)
        gid, now = gid[known], now[known]
        return np.asarray(gid[index_hashes[np.searchsorted(index_recs, gid)] != now], np.int64)

    def load(self, gids: Ints) -> tuple[list[Loaded], Ints]:
        """CREATE VIEW record over some records that are at hand, as `loading.load_all` does; with the gid of each rec."""
        loaded: list[Loaded] = []
        found = []
        with registered(self.con, "wanted", pa.table({"gid": np.unique(gids)})):
            for i, records in enumerate(self.group):
                first = loaded[-1].first + loaded[-1].count if loaded else 0
                self.con.execute(
                    f"CREATE OR REPLACE TABLE some_{i} AS SELECT row_number() OVER (ORDER BY {self.keys(i)}) - 1 + {first:d} AS rec, * "
                    f"FROM pool_{i} SEMI JOIN wanted USING (gid)"
                )
                own = np.asarray(self.con.execute(f"SELECT gid FROM some_{i} ORDER BY rec").fetchnumpy()["gid"], np.int64)
                loaded.append(Loaded(records, f"some_{i}", first, len(own), 0, ""))
                found.append(own)
        everything = " UNION ALL ".join(f"SELECT {', '.join(['rec', *self.columns.values()])} FROM {one.table}" for one in loaded)
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {RECORD} AS {everything}")
        return loaded, np.concatenate(found)

    def personal(self, i: int, loaded: Loaded) -> str:
        """What the keys of a table give away: what was known, or what the records at hand say."""
        return self.links[i].personal or kind_of_keys(self.con, loaded.table, loaded.records)

    def drop(self) -> None:
        """Drop all tables."""
        self.con.execute(f"DROP VIEW IF EXISTS {RECORD}")
        for i in range(len(self.group)):
            self.con.execute(f"DROP TABLE IF EXISTS pool_{i}; DROP TABLE IF EXISTS some_{i}")


def _null_key(link: LinkTable, alias: str = "") -> str:
    return " OR ".join(f"{alias}{k} IS NULL" for k in link.columns)


def _reading(records: RecordSet, keys: pa.Table) -> Callable[[], pa.RecordBatchReader]:
    """Reads the rows with some keys, or all where the source cannot look them up."""
    some = records.some
    return (lambda: some(keys)) if some is not None else records.read
