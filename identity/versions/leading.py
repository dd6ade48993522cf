"""Where ids lead that ended in a merge, once that merge is taken apart again: to the part that had them before it.

Otherwise whoever kept such an id (an app, a letter) would be led by it to the other person. The version from before the merge tells
whose it was, as long as it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.crosswalk import Crosswalk
from identity.loading import Loaded
from identity.scratch import registered
from identity.versions.stable_ids import NO_ID, NO_IDS, Overlaps

Before = Callable[[int], Crosswalk | None]
"""The newest kept version from before a run."""


def leading(
    con: duckdb.DuckDBPyConnection, before: Before, loaded: Sequence[Loaded], clusters: Ints, found: Overlaps, by_cluster: Ints
) -> tuple[Ints, Ints]:
    """Ids that ended in a merge into somebody who is parted now, and of each the cluster with most of its records from before it.

    `old` is the version before, `clusters[rec]` the cluster of each record, `found` what the clusters have in common with earlier ids,
    and `by_cluster` NO_ID for those that keep none.
    """
    parting = by_cluster[found.cluster] == NO_ID
    ids, theirs = [NO_IDS], [NO_IDS]
    for run, ended in _ended(con, np.unique(found.ids[found.owner[parting]])):
        if (version := before(run)) is not None:
            recs, owner = _records(con, version, loaded, ended)
            pairs, shared = np.unique(np.stack([owner, clusters[recs]]), axis=1, return_counts=True)
            order = np.lexsort((pairs[1], -shared, pairs[0]))
            best = order[np.unique(pairs[0][order], return_index=True)[1]]
            ids.append(pairs[0][best])
            theirs.append(pairs[1][best])
    return np.concatenate(ids), np.concatenate(theirs)


def _ended(con: duckdb.DuckDBPyConnection, heirs: Ints) -> list[tuple[int, Ints]]:
    """The ids that were merged into some others, by the run in which they ended."""
    if not len(heirs):
        return []
    with registered(con, "heir", pa.table({"id360": heirs})):
        found = con.execute("SELECT run, old_id FROM old.redirect JOIN heir ON new_id = id360 ORDER BY old_id").fetchnumpy()
    runs, ended = np.asarray(found["run"], np.int64), np.asarray(found["old_id"], np.int64)
    return [(int(run), ended[runs == run]) for run in np.unique(runs)]


def _records(con: duckdb.DuckDBPyConnection, version: Crosswalk, loaded: Sequence[Loaded], ids: Ints) -> tuple[Ints, Ints]:
    """The records that had some ids in a version, as recs, and the id of each."""
    recs, theirs = [NO_IDS], [NO_IDS]
    version.attach(con, "past")
    try:
        with registered(con, "wanted", pa.table({"id360": ids})):
            for one in loaded:
                found = ids_in(con, "past", version, one, "SEMI JOIN wanted USING (id360)")
                recs.append(found[0])
                theirs.append(found[1])
    finally:
        con.execute("DETACH past")
    return np.concatenate(recs), np.concatenate(theirs)


def ids_in(con: duckdb.DuckDBPyConnection, alias: str, version: Crosswalk, one: Loaded, which: str = "") -> tuple[Ints, Ints]:
    """The records of a table that a version (attached as `alias`) had, by source key, and the id of each; of `which` links only."""
    link = version.link_of(*one.records.place)
    if link is None or len(link.columns) != len(one.keys):
        return NO_IDS, NO_IDS
    # A key column may have changed its type since: its values are then compared as text.
    same = " AND ".join(
        f"o.{k} = n.{k}" if was == is_ else f"o.{k}::VARCHAR = n.{k}::VARCHAR"
        for k, was, is_ in zip(one.keys, link.key_types, one.key_types, strict=True)
    )
    found = con.execute(f"SELECT n.rec, o.id360 FROM {one.table} n JOIN (FROM {alias}.{link.name} {which}) o ON {same}").fetchnumpy()
    return np.asarray(found["rec"], np.int64), np.asarray(found["id360"], np.int64)
