"""What is different between two versions of the crosswalk: for `c360 plan`, and for `c360 crosswalk diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb

from identity.crosswalk import HOUSEHOLD_OF, Crosswalk, LinkTable
from identity.scratch import scratch

LISTED = 1000
"""As many merges, splits, new and retired ids are listed one by one, those with the most records first; the counts are of all."""


@dataclass(frozen=True, slots=True)
class Moved:
    """`records` records of id `was` are of id `now`."""

    entity: str
    space: str
    was: int
    now: int
    records: int


@dataclass(frozen=True, slots=True)
class TableChange:
    """The records of one source table: how many before and after, new, gone, and with another id than before."""

    entity: str
    space: str
    source: str
    table: str
    before: int
    after: int
    added: int
    removed: int
    moved: int


@dataclass(frozen=True, slots=True)
class HouseholdChange:
    """The households of one (entity, space): how many before and after; people who came into one, who left for none, who moved."""

    entity: str
    space: str
    before: int
    after: int
    came: int
    left: int
    moved: int


@dataclass(frozen=True, slots=True)
class VersionChanges:
    """From one version to another (`before` None: from nothing).

    `merged` ids ended and their records went to others; `split` ids are new and took records of others; `minted` counts all new
    ids, `retired` those whose records are all gone, `moved` the records whose id is another. `sizes_…` maps records per id to how
    many ids have so many.
    """

    before: int | None
    after: int
    tables: tuple[TableChange, ...]
    ids_before: int
    ids_after: int
    merged: int
    split: int
    minted: int
    retired: int
    moved: int
    sizes_before: dict[int, int]
    sizes_after: dict[int, int]
    merges: tuple[Moved, ...] = ()
    splits: tuple[Moved, ...] = ()
    new_ids: tuple[int, ...] = ()
    retired_ids: tuple[int, ...] = ()
    households: tuple[HouseholdChange, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether every record has the id that it had, none is new or gone, and every person's household is what it was."""
        records = self.moved or any(t.added or t.removed for t in self.tables)
        return not (records or any(h.came or h.left or h.moved for h in self.households))


def difference(before: Crosswalk, after: Crosswalk, *, memory_limit: str = "1200MiB") -> VersionChanges:
    """What changed from one kept version to another, in either direction. Raises: ResolveMemory."""
    with scratch(memory_limit) as con:
        before.attach(con, "old")
        after.attach(con, "new")
        return changes(con, before, after)


def changes(con: duckdb.DuckDBPyConnection, before: Crosswalk | None, after: Crosswalk) -> VersionChanges:
    """Compare two versions, attached to `con` as `old` (if there is one) and `new`, by source key."""
    places = flows(con, before, after)
    for side in ("was", "now"):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE size_{side} AS SELECT {side} AS id, sum(records)::BIGINT AS records FROM flow "
            f"WHERE {side} IS NOT NULL GROUP BY {side}"
        )
    con.execute(f"CREATE OR REPLACE TEMP VIEW merge AS {_MERGES if before else 'SELECT * FROM flow LIMIT 0'}")
    return VersionChanges(
        before.version if before else None, after.version, _tables(con, places),
        _one(con, "SELECT count(*) FROM size_was"), _one(con, "SELECT count(*) FROM size_now"),
        _one(con, "SELECT count(*) FROM merge"), _one(con, f"SELECT count(DISTINCT now) FROM ({_SPLITS})"),
        _one(con, f"SELECT count(*) FROM {_NEW}"), _one(con, f"SELECT count(*) FROM {_GONE}"),
        _one(con, "SELECT coalesce(sum(records), 0) FROM flow WHERE was <> now"),
        _histogram(con, "size_was"), _histogram(con, "size_now"),
        _moved(con, "merge"), _moved(con, f"({_SPLITS})"), _ids(con, _NEW), _ids(con, _GONE),
        tuple(_household_changes(con, before, after)),
    )  # fmt: skip


def flows(
    con: duckdb.DuckDBPyConnection, before: Crosswalk | None, after: Crosswalk, was: str = "old", now: str = "new", households: bool = False
) -> list[tuple[str, str, str, str]]:
    """CREATE TEMP TABLE flow (entity, space, was, now, records): how many records went from which id to which, NULL for neither;
    and went (nth, was, now, records), the same per place. Returns the places. `was` and `now` are the names of the two attached.
    With `households` people and their households count as records and ids too."""
    links, later = ({_place(t): t for t in (*c.links, *(c.households if households else ()))} if c else {} for c in (before, after))
    places = sorted(links.keys() | later.keys())
    con.execute("CREATE OR REPLACE TEMP TABLE went (nth INTEGER, entity VARCHAR, space VARCHAR, was BIGINT, now BIGINT, records BIGINT)")
    for nth, place in enumerate(places):
        pairs = _pairs(links.get(place), later.get(place), was, now)
        con.execute(f"INSERT INTO went SELECT {nth}, ?, ?, was, now, count(*) FROM ({pairs}) GROUP BY was, now", [place[0], place[1]])
    con.execute(
        "CREATE OR REPLACE TEMP TABLE flow AS SELECT any_value(entity) AS entity, any_value(space) AS space, was, now, "
        "sum(records)::BIGINT AS records FROM went GROUP BY was, now"
    )
    return places


_MERGES = """
SELECT f.entity, f.space, f.was, f.now, f.records FROM flow f LEFT JOIN new.redirect r ON r.old_id = f.was
WHERE f.was IS NOT NULL AND f.now IS NOT NULL AND f.was NOT IN (SELECT id FROM size_now)
QUALIFY row_number() OVER (PARTITION BY f.was ORDER BY (r.new_id IS NOT DISTINCT FROM f.now) DESC, f.records DESC, f.now) = 1"""
"""Each id that ended, with the id that it redirects to, else the one with most of its records."""
_SPLITS = "SELECT * FROM flow WHERE was IS NOT NULL AND now IS NOT NULL AND now NOT IN (SELECT id FROM size_was)"
"""Each new id with those whose records it took."""
_NEW = "(FROM size_now ANTI JOIN size_was USING (id))"
_GONE = "(FROM size_was ANTI JOIN (SELECT was AS id FROM flow WHERE was IS NOT NULL AND now IS NOT NULL) USING (id))"


def _pairs(was: LinkTable | None, now: LinkTable | None, before: str, after: str) -> str:
    """SQL for the ids that each source key has in both versions; NULL where it is not."""
    if was is not None and now is not None and len(was.columns) == len(now.columns):
        typed = list(zip(was.columns, was.key_types, now.key_types, strict=True))
        same = " AND ".join(f"o.{k} = n.{k}" if a == b else f"o.{k}::VARCHAR = n.{k}::VARCHAR" for k, a, b in typed)
        return f"SELECT o.id360 AS was, n.id360 AS now FROM {before}.{was.name} o FULL JOIN {after}.{now.name} n ON {same}"
    sides = [f"SELECT id360 AS was, NULL::BIGINT AS now FROM {before}.{was.name}"] if was else []
    sides += [f"SELECT NULL::BIGINT AS was, id360 AS now FROM {after}.{now.name}"] if now else []
    return " UNION ALL ".join(sides)


def _household_changes(con: duckdb.DuckDBPyConnection, before: Crosswalk | None, after: Crosswalk) -> Iterator[HouseholdChange]:
    links, later = ({_place(t): t for t in c.households} if c else {} for c in (before, after))
    for place in sorted(links.keys() | later.keys()):
        counts = con.execute(
            "SELECT count(DISTINCT was), count(DISTINCT now), count(*) FILTER (was IS NULL), count(*) FILTER (now IS NULL), "
            f"count(*) FILTER (was <> now) FROM ({_pairs(links.get(place), later.get(place), 'old', 'new')})"
        ).fetchall()
        yield HouseholdChange(place[0].removeprefix(HOUSEHOLD_OF), place[1], *map(int, counts[0]))


def _moved(con: duckdb.DuckDBPyConnection, relation: str) -> tuple[Moved, ...]:
    return tuple(Moved(*row) for row in con.execute(f"SELECT * FROM {relation} ORDER BY records DESC, was, now LIMIT {LISTED}").fetchall())


def _ids(con: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, ...]:
    return tuple(id360 for (id360,) in con.execute(f"SELECT id FROM {relation} ORDER BY records DESC, id LIMIT {LISTED}").fetchall())


def _tables(con: duckdb.DuckDBPyConnection, places: Iterable[tuple[str, str, str, str]]) -> tuple[TableChange, ...]:
    counts = "sum(records) FILTER (was IS NOT NULL), sum(records) FILTER (now IS NOT NULL), sum(records) FILTER (was IS NULL), " + (
        "sum(records) FILTER (now IS NULL), sum(records) FILTER (was <> now)"
    )
    found = {nth: rest for nth, *rest in con.execute(f"SELECT nth, {counts} FROM went GROUP BY nth").fetchall()}
    return tuple(TableChange(*place, *(int(n or 0) for n in found.get(nth, [0] * 5))) for nth, place in enumerate(places))


def _histogram(con: duckdb.DuckDBPyConnection, sizes: str) -> dict[int, int]:
    return dict(con.execute(f"SELECT records, count(*) FROM {sizes} GROUP BY records ORDER BY records").fetchall())


def _place(table: LinkTable) -> tuple[str, str, str, str]:
    return table.entity, table.space, table.source, table.table


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(con.execute(sql).fetchall()[0][0])
