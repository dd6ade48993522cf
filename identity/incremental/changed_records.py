"""Which records are new, changed or gone since the last resolve.

A source that can tell is asked for what changed, and for its keys; any other is read whole, and a row counts as changed if the keyed
hash of its normal forms is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.crosswalk import LinkTable
from identity.errors import DuplicateKeys
from identity.incremental.pool import Held, Pool, held, reading
from identity.incremental.record_index import KeySum, NoIndex, key_sum
from identity.loading import read
from identity.scratch import each_beside, registered

_BUCKETS = 4096


@dataclass(frozen=True, slots=True)
class Changes:
    """Numbers of records: `new` (numbered after all there ever were), `changed`, `gone`; `null_keys` by place; by link table, what keys
    there are now."""

    new: Ints
    changed: Ints
    gone: Ints
    null_keys: Mapping[tuple[str, str, str, str], int]
    keys: Mapping[str, KeySum | None]

    @property
    def count(self) -> int:
        """How many records changed in any way."""
        return len(self.new) + len(self.changed) + len(self.gone)


@dataclass(frozen=True, slots=True)
class _Came:
    """What came of one record set, in a table came_<i>: how many rows are new, how many had a NULL in the key; who is gone; what keys
    there are."""

    new: int
    nulls: int
    gone: Ints
    keys: KeySum | None


def read_changes(pool: Pool) -> Changes:
    """Read what may have changed into the pool, and compare it with the index.

    Raises what the sources raise; DuplicateKeys; KeyType; NoIndex.
    """
    con, group = pool.con, pool.group
    every = range(len(group))
    came = each_beside(con, every, lambda own, i: _came(pool, own, i))
    first_new = pool.stored().next_rec
    following = first_new + np.cumsum([0, *(came[i].new for i in every)])
    numbered = each_beside(con, every, lambda own, i: _numbered(pool, own, i, int(following[i])))
    pool.hold([numbered[i] for i in every])
    known = pool.gids[pool.gids < first_new]
    return Changes(
        np.arange(first_new, following[-1]),
        pool.unlike(known),
        np.sort(np.concatenate([came[i].gone for i in every])),
        {records.place: came[i].nulls for i, records in enumerate(group)},
        {link.name: came[i].keys for i, link in enumerate(pool.links)},
    )


def _came(pool: Pool, own: duckdb.DuckDBPyConnection, i: int) -> _Came:
    """CREATE TABLE came_<i> (ord, id360, k0 …, normal forms): what was read, beside what the version before has; NULL for new rows."""
    records, link, rows = pool.group[i], pool.links[i], f"pool_{i}_unsorted"
    read(own, replace(records, read=records.changed or records.read), f"pool_{i}", pool.columns, pool.progress)
    same = " AND ".join(f"o.{k} = n.{k}" for k in link.columns)
    beside = f"{rows} n LEFT JOIN old.{link.name} o ON {same}"
    own.execute(f"CREATE TABLE came_{i} AS SELECT o.ord, o.id360, n.* FROM {beside} WHERE NOT ({_null_key(link, 'n.')})")
    _refuse_doubled(pool, own, i, f"came_{i}")
    told, gone, keys = rows, np.empty(0, np.int64), pool.keys(i)
    came, before = key_sum(own, keys, f"came_{i} WHERE ord IS NULL"), pool.index.keys_summed(link.name)
    there = (before[0] + came[0], before[1] + came[1]) if before else None
    if records.changed and records.keys:
        # later than rows: one that comes in between is then seen as one that nobody told of
        read(own, replace(records, read=records.keys), f"keys_{i}", {}, pool.progress)
        told = f"keys_{i}_unsorted"
        expected, there = there, key_sum(own, keys, f"{told} WHERE NOT ({_null_key(link)})")
        if there != expected and len(buckets := _differing(pool, own, i)):
            with registered(own, "bucket", pa.table({"bucket": buckets})):
                gone = _hold_against_keys(pool, own, i)
            there = _linked(pool, own, i, gone)  # a key whose row was not found is not: it is looked for again next time
    elif records.changed is None:
        gone, there = _gone(pool, own, i, f"old.{link.name} ANTI JOIN came_{i} USING (ord)"), key_sum(own, keys, f"came_{i}")
    ((nulls,),) = own.execute(f"SELECT count(*) FROM {told} WHERE {_null_key(link)}").fetchall()
    ((new,),) = own.execute(f"SELECT count(*) FROM came_{i} WHERE ord IS NULL").fetchall()
    own.execute(f"DROP TABLE {rows}; DROP TABLE IF EXISTS keys_{i}_unsorted")
    return _Came(int(new), int(nulls), gone, there)


def _linked(pool: Pool, own: duckdb.DuckDBPyConnection, i: int, gone: Ints) -> KeySum:
    """What keys the link table will hold."""
    link, keys = pool.links[i], pool.keys(i)
    with registered(own, "gone", pa.table({"ord": gone - pool.firsts[i]})):
        old = f"SELECT {keys} FROM old.{link.name} ANTI JOIN gone USING (ord)"
        return key_sum(own, keys, f"({old} UNION ALL SELECT {keys} FROM came_{i} WHERE ord IS NULL)")


def _differing(pool: Pool, own: duckdb.DuckDBPyConnection, i: int) -> Ints:
    """The buckets (of hashes) in which the keys that there are now are not those that were there before and those that came: only
    there need anything be looked up by key."""
    link, keys = pool.links[i], pool.keys(i)
    summed = f"SELECT {_bucket(keys)} AS bucket, count(*) AS n, sum(hash({keys})) AS s FROM {{0}} GROUP BY bucket"
    now = summed.format(f"keys_{i}_unsorted WHERE NOT ({_null_key(link)})")
    expected = summed.format(f"(SELECT {keys} FROM old.{link.name} UNION ALL SELECT {keys} FROM came_{i} WHERE ord IS NULL)")
    found = own.execute(
        f"SELECT bucket FROM ({now}) a FULL JOIN ({expected}) b USING (bucket) WHERE a.n IS DISTINCT FROM b.n OR a.s IS DISTINCT FROM b.s"
    ).fetchnumpy()
    return np.asarray(found["bucket"], np.int64)


def _hold_against_keys(pool: Pool, own: duckdb.DuckDBPyConnection, i: int) -> Ints:
    """Rows of a `bucket` that went meanwhile are not looked at; new ones that nobody told of are read by key. Returns who is gone.

    Raises: DuplicateKeys; NoIndex, if a row came twice.
    """
    link, keys, records = pool.links[i], pool.keys(i), pool.group[i]
    within = f"SEMI JOIN bucket ON {_bucket(keys)} = bucket"
    own.execute(f"CREATE TABLE there_{i} AS SELECT {keys} FROM keys_{i}_unsorted {within} WHERE NOT ({_null_key(link)})")
    _refuse_doubled(pool, own, i, f"there_{i}")
    same = " AND ".join(f"t.{k} = came_{i}.{k}" for k in link.columns)
    own.execute(f"DELETE FROM came_{i} WHERE {_bucket(keys)} IN (FROM bucket) AND NOT EXISTS (SELECT 1 FROM there_{i} AS t WHERE {same})")
    old = f"(SELECT * FROM old.{link.name} {within})"
    unseen = own.sql(f"SELECT {keys} FROM there_{i} ANTI JOIN {old} USING ({keys}) ANTI JOIN came_{i} USING ({keys})").to_arrow_table()
    if unseen.num_rows:
        read(own, replace(records, read=reading(records, unseen)), f"more_{i}", pool.columns, pool.progress)
        with registered(own, "missing", unseen):
            own.execute(f"INSERT INTO came_{i} BY NAME FROM more_{i}_unsorted SEMI JOIN missing USING ({keys})")
        own.execute(f"DROP TABLE more_{i}_unsorted")
        if _doubled(pool, own, i, f"came_{i}"):
            raise NoIndex(f"rows of {records.label} came twice")
    gone = _gone(pool, own, i, f"{old} ANTI JOIN there_{i} USING ({keys})")
    own.execute(f"DROP TABLE there_{i}")
    return gone


def _numbered(pool: Pool, own: duckdb.DuckDBPyConnection, i: int, following: int) -> Held:
    """CREATE TABLE pool_<i> from what came; the numbers of new rows start at `following`."""
    rest = f"* EXCLUDE (ord), hash({pool.forms or '1'}) AS h FROM came_{i}"
    own.execute(
        f"CREATE TABLE pool_{i} AS SELECT (ord + {pool.firsts[i]:d})::BIGINT AS gid, {rest} WHERE ord IS NOT NULL "
        f"UNION ALL SELECT {following - 1:d} + row_number() OVER (ORDER BY {pool.keys(i)}), {rest} WHERE ord IS NULL"
    )
    own.execute(f"DROP TABLE came_{i}")
    return held(own, f"pool_{i}", pool.secret)


def _refuse_doubled(pool: Pool, own: duckdb.DuckDBPyConnection, i: int, table: str) -> None:
    if doubled := _doubled(pool, own, i, table):
        raise DuplicateKeys(pool.group[i].label, doubled)


def _doubled(pool: Pool, own: duckdb.DuckDBPyConnection, i: int, table: str) -> int:
    ((doubled,),) = own.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {pool.keys(i)} HAVING count(*) > 1)").fetchall()
    return int(doubled)


def _gone(pool: Pool, own: duckdb.DuckDBPyConnection, i: int, links: str) -> Ints:
    found = own.execute(f"SELECT ord + {pool.firsts[i]:d} AS gid FROM {links}").fetchnumpy()
    return np.asarray(found["gid"], np.int64)


def _bucket(keys: str) -> str:
    return f"(hash({keys}) % {_BUCKETS})::BIGINT"


def _null_key(link: LinkTable, alias: str = "") -> str:
    return " OR ".join(f"{alias}{k} IS NULL" for k in link.columns)
