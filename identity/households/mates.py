"""Pairs of records that the model takes for two people of one household: what households are made of, kept with the evidence.

    mates_<…>(l, r, weight)     records by number, l < r; weight in thousandths of the natural log odds, above 0

The odds are those of one household against both one person and chance. Whose the records are is not looked at here: pairs of one person
are left out when households are made, so that a merge or a split changes nothing in this table.
"""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints
from identity.constraints import Pairs
from identity.matching import Scored
from identity.scratch import registered
from identity.versions.publishing import table_name

MOST = 32_000
"""No pair weighs more."""
Mates = tuple[Ints, Ints, Ints]
"""left, right, weight"""
NO_MATES: Mates = (np.empty(0, np.int64),) * 3


def mates(scored: Scored | None, apart: Pairs) -> Mates:
    """The pairs that are rather of one household than anything else; none from an engine that has no such class.

    Pairs `apart` are two people because a steward says so: that they could be one does not count.
    """
    if scored is None or scored.household is None or not len(scored.left):
        return NO_MATES
    match, household = np.full(len(scored.left), scored.prior), np.full(len(scored.left), scored.household)
    for f, factor in enumerate(scored.factors):
        level = scored.levels[:, f]
        match += np.asarray(factor.bits)[level]
        household += np.asarray(factor.household)[level]
    match[pairs_among(scored.left, scored.right, apart)] = -np.inf
    odds = household - np.logaddexp2(match, 0.0)
    weight = np.rint(np.clip(odds * np.log(2) * 1000, -MOST, MOST)).astype(np.int64)
    kept = np.flatnonzero(weight > 0)
    return scored.left[kept], scored.right[kept], weight[kept]


def pairs_among(left: Ints, right: Ints, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Which pairs of records are among some others, in whatever order of the two."""
    wanted = (pairs.min(axis=1) << 32) | pairs.max(axis=1) if len(pairs) else np.empty(0, np.int64)
    return np.isin((np.minimum(left, right) << 32) | np.maximum(left, right), wanted)


def table_of(entity: str, space: str) -> str:
    """The table's name."""
    return table_name("mates", entity, space)


def write_mates(con: duckdb.DuckDBPyConnection, entity: str, space: str, found: Mates) -> None:
    """Write the pairs of one (entity, space) into the draft attached as `new`."""
    name = table_of(entity, space)
    con.execute(f"CREATE TABLE new.{name} (l INTEGER, r INTEGER, weight INTEGER)")
    _insert(con, name, found)


def amend_mates(con: duckdb.DuckDBPyConnection, entity: str, space: str, renewed: Ints, *found: Mates) -> None:
    """Bring the draft's pairs up to date: `renewed` records are new, changed or gone; `found` are all pairs with one of them,
    and others that may weigh something else now. Of two weights the first counts."""
    name = table_of(entity, space)
    with registered(con, "renewed", pa.table({"rec": renewed})):
        con.execute(f"DELETE FROM new.{name} WHERE l IN (SELECT rec FROM renewed) OR r IN (SELECT rec FROM renewed)")
    left, right, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    low, high = np.minimum(left, right), np.maximum(left, right)
    _, first = np.unique((low << 32) | high, return_index=True)
    with registered(con, "again", pa.table({"l": low[first], "r": high[first]})):
        con.execute(f"DELETE FROM new.{name} WHERE (l, r) IN (SELECT (l, r) FROM again)")
    _insert(con, name, (low[first], high[first], weight[first]))


def copy_mates(con: duckdb.DuckDBPyConnection) -> None:
    """Write the pairs of the version attached as `old` into `new`."""
    for (name,) in con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old' AND table_name LIKE 'mates\\_%' ESCAPE '\\'"
    ).fetchall():
        con.execute(f"CREATE TABLE new.{name} AS FROM old.{name}")


def has_mates(con: duckdb.DuckDBPyConnection, database: str, entity: str, space: str) -> bool:
    """Whether the version attached as `database` keeps such pairs."""
    sql = "SELECT 1 FROM duckdb_tables() WHERE (database_name, table_name) = (?, ?)"
    return bool(con.execute(sql, [database, table_of(entity, space)]).fetchall())


def _insert(con: duckdb.DuckDBPyConnection, name: str, found: Mates) -> None:
    table = pa.table({column: values.astype(np.int32) for column, values in zip(("l", "r", "weight"), found, strict=True)})
    with registered(con, "incoming", table):
        con.execute(f"INSERT INTO new.{name} FROM (FROM incoming ORDER BY l, r)")
