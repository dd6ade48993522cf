"""Ids that survive: who keeps an id, who gets a new one, what becomes of the others.

An id360 is a BIGINT in [10^14, 10^15): exact in JSON, JavaScript and spreadsheets. It is minted by HMAC-SHA256 under the
project's secret from the cluster's smallest (entity, space, source, table, key) and a generation, which counts up until the id is
one that never was: nobody can tell the key from the id, and the same input mints the same id anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints

LOW = 10**14
SPAN = 9 * 10**14
NO_ID = -1
NO_IDS: Ints = np.empty(0, np.int64)
_PART = 1 << 17
HMAC = "sha256(?::BLOB || unhex(sha256(?::BLOB || encode({text}))))"
"""HMAC-SHA256 by RFC 2104 in SQL, as hex; its parameters are `hmac_keys`."""


def hmac_keys(secret: bytes) -> tuple[bytes, bytes]:
    """The outer and the inner key."""
    key = (secret if len(secret) <= 64 else hashlib.sha256(secret).digest()).ljust(64, b"\0")
    return bytes(b ^ 0x5C for b in key), bytes(b ^ 0x36 for b in key)


def measured(*parts: str) -> str:
    """Parts each with its length in bytes, so that no two lists of parts agree: what a hash of several is made of.

    >>> measured("crm", "contact") == measured("crmcontact"), measured("crm", "Ü")
    (False, '3:crm2:Ü')
    """
    return "".join(f"{len(part.encode())}:{part}" for part in parts)


def measured_sql(*parts: str) -> str:
    """SQL: `measured` of some expressions' values as texts."""
    return " || ".join(f"strlen({part}::VARCHAR) || ':' || {part}::VARCHAR" for part in parts)


Taken = Callable[[Ints], npt.NDArray[np.bool_]]
"""Which of some ids there ever were."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Ids that there ever were (sorted) and the run that minted each."""

    ids: Ints
    minted: Ints

    def age(self, ids: Ints) -> Ints:
        """The run that minted each id."""
        return self.minted[np.searchsorted(self.ids, ids)]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Which earlier ids a cluster's records had: pair i is cluster[i] and ids[owner[i]], with shared[i] records in common.

    The best pair first: most records in common; then the older id, the one with more records, the smaller id; the larger
    cluster, the one with the smaller first record.
    """

    ids: Ints
    cluster: Ints
    owner: Ints
    shared: Ints


def overlaps(clusters: Ints, before: Ints, registry: Registry) -> Overlaps:
    """`clusters[rec]` is the record's cluster, 0 …; `before[rec]` its id of the run before, or NO_ID."""
    known = before != NO_ID
    ids, old = np.unique(before[known], return_inverse=True)
    width = max(len(ids), 1)
    pairs, shared = np.unique(clusters[known] * width + old, return_counts=True)
    cluster, owner = np.divmod(pairs, width)
    new_size, old_size = np.bincount(clusters), np.bincount(old, minlength=len(ids))
    order = np.lexsort((cluster, -new_size[cluster], owner, -old_size[owner], registry.age(ids)[owner], -shared))
    return Overlaps(ids, cluster[order], owner[order], shared[order])


def keep(found: Overlaps, by_cluster: Ints) -> Ints:
    """Fill in the ids of the clusters that are NO_ID yet and keep one of the run before; NO_ID stays where a new one is needed.

    Cluster and id must each be the other's best among those still free, repeated until none is left.
    """
    by_cluster = by_cluster.copy()
    kept = _borne(found.ids, by_cluster)
    free = (by_cluster[found.cluster] == NO_ID) & ~kept[found.owner]
    cluster, owner = found.cluster[free], found.owner[free]
    while len(cluster):
        mutual = np.intersect1d(np.unique(cluster, return_index=True)[1], np.unique(owner, return_index=True)[1])
        by_cluster[cluster[mutual]] = found.ids[owner[mutual]]
        kept[owner[mutual]] = True
        free = (by_cluster[cluster] == NO_ID) & ~kept[owner]
        cluster, owner = cluster[free], owner[free]
    return by_cluster


def heirs(found: Overlaps, by_cluster: Ints) -> tuple[Ints, Ints, Ints]:
    """The earlier ids that no cluster bears now; for each the id of the cluster with most of its records, and how many those are."""
    owners, best = np.unique(found.owner, return_index=True)
    ended = ~_borne(found.ids, by_cluster)[owners]
    return found.ids[owners][ended], by_cluster[found.cluster[best]][ended], found.shared[best][ended]


def _borne(ids: Ints, by_cluster: Ints) -> npt.NDArray[np.bool_]:
    """Which of some ids (sorted) some cluster bears."""
    borne = np.zeros(len(ids), np.bool_)
    if len(ids):
        at = np.minimum(np.searchsorted(ids, by_cluster), len(ids) - 1)
        borne[at[ids[at] == by_cluster]] = True
    return borne


def parents(found: Overlaps, by_cluster: Ints, minted: Ints) -> tuple[Ints, Ints, Ints]:
    """For each new id whose records were somebody's before: the new id, the earlier one, and how many records went over."""
    if not len(found.cluster):
        return NO_IDS, NO_IDS, NO_IDS
    child = by_cluster[found.cluster]
    left = np.isin(child, minted)
    return child[left], found.ids[found.owner[left]], found.shared[left]


def mint(secret: bytes, anchors: pa.Array, taken: Taken) -> Ints:
    """New ids for clusters named by `anchors` (distinct texts, in cluster order), none of them `taken`.

    Of two anchors that hash to one id the first has it; the other, like one whose id was taken, goes on to the next generation.
    """
    ids = np.full(len(anchors), NO_ID, np.int64)
    waiting = np.arange(len(anchors))
    generation = 0
    while len(waiting):
        wanted = _hashed(secret, anchors.take(pa.array(waiting)), generation)
        first = np.zeros(len(waiting), bool)
        first[np.unique(wanted, return_index=True)[1]] = True
        free = first & ~taken(wanted) & ~(np.isin(wanted, ids) if generation else np.zeros(len(wanted), bool))
        ids[waiting[free]] = wanted[free]
        waiting = waiting[~free]
        generation += 1
    return ids


def _hashed(secret: bytes, anchors: pa.Array, generation: int) -> Ints:
    """LOW + (first 64 bits of HMAC-SHA256(secret, anchor#generation)) mod SPAN. Part by part: all at once would take much room.

    Here and not in DuckDB, whose SHA-256 takes six times as long; and by copies of the two keys' hashes, for `hmac` takes twice as long.
    """
    outer, inner = (hashlib.sha256(key) for key in hmac_keys(secret))
    found, suffix = bytearray(), f"#{generation}".encode()
    for start in range(0, len(anchors), _PART):
        for anchor in anchors[start : start + _PART].cast(pa.binary()).to_pylist():
            within, around = inner.copy(), outer.copy()
            within.update(anchor + suffix)
            around.update(within.digest())
            found += around.digest()[:8]
    return np.asarray(LOW + (np.frombuffer(found, ">u8") % SPAN).astype(np.int64))
