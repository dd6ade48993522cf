"""Ids that survive: who keeps an id, who gets a new one, what becomes of the others.

An id360 is a BIGINT in [10^14, 10^15): exact in JSON, JavaScript and spreadsheets. It is minted by HMAC-SHA256 under the
project's secret from the cluster's smallest (entity, space, source, table, key) and a generation, which counts up until the id is
one that never was: nobody can tell the key from the id, and the same input mints the same id anywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints

LOW = 10**14
SPAN = 9 * 10**14
NO_ID = -1


@dataclass(frozen=True, slots=True)
class Registry:
    """Every id there ever was (sorted) and the run that minted it."""

    ids: Ints
    minted: Ints

    def age(self, ids: Ints) -> Ints:
        """The run that minted each id."""
        return self.minted[np.searchsorted(self.ids, ids)]


def keep(clusters: Ints, before: Ints, count: int, registry: Registry) -> Ints:
    """Give the ids of the previous run to the clusters of this one; NO_ID to those that get a new one.

    `clusters[rec]` is 0 … count-1, `before[rec]` the record's id of the run before or NO_ID. Cluster and id must each be the
    other's best by records in common among those still free, repeated until none is left. Ties: the older id, the one with
    more records, the smaller id; the larger cluster, the one with the smaller first record.
    """
    ids, cluster, owner = _overlaps(clusters, before, registry)
    by_cluster = np.full(count, NO_ID, np.int64)
    kept = np.zeros(len(ids), bool)
    while len(cluster):
        mutual = np.intersect1d(np.unique(cluster, return_index=True)[1], np.unique(owner, return_index=True)[1])
        by_cluster[cluster[mutual]] = ids[owner[mutual]]
        kept[owner[mutual]] = True
        free = (by_cluster[cluster] == NO_ID) & ~kept[owner]
        cluster, owner = cluster[free], owner[free]
    return by_cluster


def heirs(clusters: Ints, before: Ints, by_cluster: Ints, registry: Registry) -> tuple[Ints, Ints]:
    """The ids of `before` that no cluster bears now, and for each the id of the cluster with most of its records."""
    ids, cluster, owner = _overlaps(clusters, before, registry)
    owners, best = np.unique(owner, return_index=True)
    ended = ~np.isin(ids[owners], by_cluster)
    return ids[owners][ended], by_cluster[cluster[best]][ended]


def _overlaps(clusters: Ints, before: Ints, registry: Registry) -> tuple[Ints, Ints, Ints]:
    """(ids, cluster, owner): the i-th pair is cluster[i] and ids[owner[i]], which have records in common; the best pair first."""
    known = before != NO_ID
    ids, old = np.unique(before[known], return_inverse=True)
    width = max(len(ids), 1)
    pairs, shared = np.unique(clusters[known] * width + old, return_counts=True)
    cluster, owner = np.divmod(pairs, width)
    new_size, old_size = np.bincount(clusters), np.bincount(old, minlength=len(ids))
    order = np.lexsort((cluster, -new_size[cluster], owner, -old_size[owner], registry.age(ids)[owner], -shared))
    return ids, cluster[order], owner[order]


def mint(con: duckdb.DuckDBPyConnection, secret: bytes, anchors: pa.Array, taken: Ints) -> Ints:
    """New ids for clusters named by `anchors` (distinct texts, in cluster order), none of them in `taken`.

    Of two anchors that hash to one id the first has it; the other, like one whose id was taken, goes on to the next generation.
    """
    ids = np.full(len(anchors), NO_ID, np.int64)
    waiting = np.arange(len(anchors))
    generation = 0
    while len(waiting):
        wanted = _hashed(con, secret, anchors.take(pa.array(waiting)), generation)
        first = np.zeros(len(waiting), bool)
        first[np.unique(wanted, return_index=True)[1]] = True
        free = first & ~np.isin(wanted, taken)
        ids[waiting[free]] = wanted[free]
        taken = np.concatenate([taken, wanted[free]])
        waiting = waiting[~free]
        generation += 1
    return ids


def _hashed(con: duckdb.DuckDBPyConnection, secret: bytes, anchors: pa.Array, generation: int) -> Ints:
    """LOW + (first 64 bits of HMAC-SHA256(secret, anchor#generation)) mod SPAN, by RFC 2104 in SQL: one pass over all."""
    key = (secret if len(secret) <= 64 else hashlib.sha256(secret).digest()).ljust(64, b"\0")
    inner, outer = bytes(b ^ 0x36 for b in key), bytes(b ^ 0x5C for b in key)
    anchors_to_mint = pa.table({"nth": pa.array(np.arange(len(anchors))), "anchor": anchors})
    con.register("anchors_to_mint", anchors_to_mint)
    digest = "sha256(?::BLOB || unhex(sha256(?::BLOB || encode(anchor || '#' || ?))))"
    hashed = con.execute(
        f"SELECT ? + (('0x' || substr({digest}, 1, 16))::UBIGINT % ?)::BIGINT AS id FROM anchors_to_mint ORDER BY nth",
        [LOW, outer, inner, str(generation), SPAN],
    ).fetchnumpy()
    con.unregister("anchors_to_mint")
    return np.asarray(hashed["id"], np.int64)
