"""From pairs of household mates to households: groups of people, with ids that stay as people's do.

A household is kept as a link table like any other: its entity is `household of <entity>`, it has no source, its key is the id360 of a
person, and the id360 that this leads to is the household's. So its ids are minted, kept, merged, split and retired, brought back by a
rollback and told by `crosswalk show` by what does so for people.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.crosswalk import HOUSEHOLD_OF, LinkTable
from identity.evidence.document import Document
from identity.households.mates import table_of
from identity.model import Households
from identity.probabilistic.correlation import correlation_clusters
from identity.report import HouseholdCount
from identity.scratch import registered
from identity.versions.history import History
from identity.versions.publishing import fill_links, table_name
from identity.versions.stable_ids import NO_ID, heirs, keep, measured, mint, overlaps, parents

UNSCORED = -2000
"""Weight, in thousandths, of two people none of whose records were found to be of one household: who lives together mostly shares more
than one value, so that a chain of acquaintances is no household."""
MOST = 8_000
"""No pair weighs more against the rest of a group."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """What came of it, and the ids that households had in the version before."""

    count: HouseholdCount
    before: Ints


def make_households(
    con: duckdb.DuckDBPyConnection, history: History, previous: LinkTable | None, secret: bytes, entity: str, space: str, asked: Households
) -> Grouped:
    """Make the households of one (entity, space) of the people in the draft attached as `new`, and write them there.

    `previous` is their link table in the version before, attached as `old`.
    """
    people, left, right, weight = _related(con, entity, space, asked.threshold)
    labels = correlation_clusters(len(people), left, right, np.minimum(weight, MOST), unscored=UNSCORED, most=asked.largest)
    _, of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.flatnonzero(sizes[of] > 1)
    people, (anchors, clusters) = people[members], np.unique(labels[members], return_inverse=True)
    before, ever = _before(con, previous, people)
    common = overlaps(clusters.astype(np.int64), before, history.registry(np.unique(before)))
    ids = keep(common, np.full(len(anchors), NO_ID, np.int64))
    fresh = ids == NO_ID
    first = people[np.unique(clusters, return_index=True)[1]]
    minted = mint(secret, _texts(entity, space, first[fresh]), history.taken)
    ids[fresh] = minted
    history.record(HOUSEHOLD_OF + entity, space, minted, ids, heirs(common, ids), parents(common, ids, minted))
    _write(con, entity, space, people, ids[clusters])
    return Grouped(HouseholdCount(entity, space, len(ids), len(people), int(sizes.max(initial=0)), len(minted)), ever)


def _related(con: duckdb.DuckDBPyConnection, entity: str, space: str, threshold: float) -> tuple[Ints, Ints, Ints, Ints]:
    """The people that have mates, by id360; and pairs of them, as indices, with the weight of their best pair of records."""
    ((told,),) = con.execute("SELECT document FROM new.evidence WHERE (entity, space) = (?, ?)", [entity, space]).fetchall()
    firsts = msgspec.json.decode(told, type=Document).firsts
    owners = " UNION ALL ".join(f"SELECT ord + {first:d} AS rec, id360 FROM new.{name}" for name, first in sorted(firsts.items()))
    least = round(float(np.log(threshold / (1 - threshold))) * 1000)
    found = con.execute(
        f"WITH owner AS ({owners}) SELECT least(a.id360, b.id360) AS one, greatest(a.id360, b.id360) AS other, max(weight) AS weight "
        f"FROM new.{table_of(entity, space)} JOIN owner a ON a.rec = l JOIN owner b ON b.rec = r "
        f"WHERE weight > {least:d} AND a.id360 <> b.id360 GROUP BY ALL ORDER BY ALL"
    ).fetchnumpy()
    pairs = np.concatenate([np.asarray(found["one"], np.int64), np.asarray(found["other"], np.int64)])
    people, ends = np.unique(pairs, return_inverse=True)
    half = len(ends) // 2
    return people, ends[:half].astype(np.int64), ends[half:].astype(np.int64), np.asarray(found["weight"], np.int64)


def _before(con: duckdb.DuckDBPyConnection, previous: LinkTable | None, people: Ints) -> tuple[Ints, Ints]:
    """The household that each of some people had in the version before, or NO_ID; and every household there was."""
    households = np.full(len(people), NO_ID, np.int64)
    if previous is None:
        return households, np.empty(0, np.int64)
    found = con.execute(f"SELECT k0, id360 FROM old.{previous.name} ORDER BY k0").fetchnumpy()
    known, ids = np.asarray(found["k0"], np.int64), np.asarray(found["id360"], np.int64)
    there = np.isin(people, known)
    households[there] = ids[np.searchsorted(known, people[there])]
    return households, np.unique(ids)


def _texts(entity: str, space: str, anchors: Ints) -> pa.Array:
    """What an id is minted from: the household's place, and its first person."""
    place = measured(HOUSEHOLD_OF + entity, space, "", entity)
    return pa.array([place + measured(str(anchor)) for anchor in anchors.tolist()], pa.string())


def _write(con: duckdb.DuckDBPyConnection, entity: str, space: str, people: Ints, ids: Ints) -> None:
    place = (HOUSEHOLD_OF + entity, space, "", entity)
    table = LinkTable(table_name("link", *place), *place, ("id360",), ("BIGINT",), len(people), "")
    con.execute(f"DROP TABLE IF EXISTS new.{table.name}")
    con.execute("DELETE FROM new.link_table WHERE name = ?", [table.name])
    with registered(con, "grouped", pa.table({"k0": people, "id360": ids, "ord": np.arange(len(people), dtype=np.int32)})):
        fill_links(con, table, "SELECT k0, id360, ord FROM grouped")
