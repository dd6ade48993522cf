"""Evidence for the clusters that an incremental resolve touched; that for all others stays as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among, distinct
from identity.cohesion import cohesion
from identity.evidence.document import MODEL, RULES, Document
from identity.evidence.gathering import KeptPairs, as_scored, cluster_table, refused_table
from identity.evidence.writing import write_table
from identity.matching import Matching
from identity.scratch import registered
from identity.versions.publishing import table_name


@dataclass(frozen=True, slots=True)
class Left:
    """Pairs of a record that is matched anew and one that is not, by table: they go back into the evidence `name`, under the clusters of
    then."""

    name: str
    pairs: dict[str, pa.Table]


def leave_evidence(con: duckdb.DuckDBPyConnection, entity: str, space: str, touched: Ints, renewed: Ints) -> Left | None:
    """Take out of the draft what was known of records that are matched anew, and of those that are `renewed`: new, changed or gone.

    None if there is no evidence. Pairs between a renewed record and one that is not matched anew go: they are far from being one.
    """
    name = table_name("evidence", entity, space)[len("evidence_") :]
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE (database_name, table_name) = ('new', ?)", [f"inside_{name}"]).fetchall():
        return None
    recs = distinct(touched, renewed)
    left = {}
    with registered(con, "out", pa.table({"rec": recs.astype(np.int32), "renewed": among(recs, np.sort(renewed))})):
        for kind in ("inside", "cluster"):
            con.execute(f"DELETE FROM new.{kind}_{name} WHERE cluster IN (SELECT rec FROM out)")
        for kind in ("near", "refused"):
            # found in one pass over all
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE met AS SELECT p.rowid AS row, p.*, "
                f"a.renewed OR b.renewed OR (a.rec IS NOT NULL AND b.rec IS NOT NULL) AS goes FROM new.{kind}_{name} AS p "
                f"LEFT JOIN out AS a ON a.rec = p.l LEFT JOIN out AS b ON b.rec = p.r WHERE a.rec IS NOT NULL OR b.rec IS NOT NULL"
            )
            left[kind] = con.sql("SELECT * EXCLUDE (row, goes) FROM met WHERE goes IS NOT true").to_arrow_table()
            con.execute(f"DELETE FROM new.{kind}_{name} WHERE rowid IN (SELECT row FROM met)")
    return Left(name, left)


def amend_evidence(con: duckdb.DuckDBPyConnection, left: Left, found: Matching, gids: Ints, count: int, following: int) -> None:
    """Put into the draft what is known now. `gids[rec]` is the number of a record that was matched anew; there are `count` records by now,
    and `following` is the first number that none has."""
    name, scored, edges = left.name, found.scored, found.edges
    assert edges is not None  # the same engine gave evidence when all was matched
    ((text, patterns, odds, combinations),) = con.execute(
        "SELECT document, patterns, odds, combinations FROM new.evidence WHERE name = ?", [name]
    ).fetchall()
    document = msgspec.json.decode(text, type=Document)
    engine = MODEL if scored is not None else RULES
    scored = scored or as_scored(edges, count)
    pairs = KeptPairs(found.labels, scored, edges, engine)
    smallest = np.full(len(gids), np.iinfo(np.int64).max)
    np.minimum.at(smallest, found.labels, gids)
    label = smallest[found.labels]
    _put_back(con, left, gids, label)
    _enter(con, name, pairs, gids, label, len(odds) // 4, len(combinations) // 8)
    _insert(con, "refused", name, refused_table(found.labels, found.refusals), gids, label)
    stars = edges.left * len(edges.rules) + edges.rule if engine == RULES else None
    whole = cohesion(found.labels, edges.left, edges.right, edges.bits, stars=stars)
    numbered = replace(edges, left=gids[edges.left], right=gids[edges.right])
    write_table(con, "cluster", name, cluster_table(numbered, replace(whole, cluster=smallest[whole.cluster])))
    document = replace(document, records=following)
    con.execute(
        "UPDATE new.evidence SET document = ?, patterns = ?, odds = ?, combinations = ? WHERE name = ?",
        [
            msgspec.json.encode(document).decode(),
            bytes(patterns) + pairs.patterns.tobytes(),
            bytes(odds) + pairs.odds.astype(np.float32).tobytes(),
            bytes(combinations) + pairs.combinations.tobytes(),
            name,
        ],
    )


def _put_back(con: duckdb.DuckDBPyConnection, left: Left, gids: Ints, label: Ints) -> None:
    """Pairs that stay, under the clusters that their records are of now."""
    order = np.argsort(gids)
    ordered, labels = gids[order], label[order]

    def now(recs: Ints, before: Ints) -> Ints:
        if not len(ordered):
            return before
        at = np.minimum(np.searchsorted(ordered, recs), len(ordered) - 1)
        return np.where(ordered[at] == recs, labels[at], before)

    for kind, pairs in left.pairs.items():
        columns = {column: pairs.column(column).to_numpy() for column in pairs.column_names}
        columns["cluster"], columns["beyond"] = now(columns["l"], columns["cluster"]), now(columns["r"], columns["beyond"])
        _append(con, kind, left.name, columns)


def _enter(con: duckdb.DuckDBPyConnection, name: str, pairs: KeptPairs, gids: Ints, label: Ints, patterns: int, combinations: int) -> None:
    """Put in what is known now; rows of the dictionaries are counted on."""
    for kind, table in (("inside", pairs.inside_table()), ("near", pairs.near_table())):
        columns = {column: table.column(column).to_numpy().astype(np.int64) for column in table.column_names}
        for column, offset in (("pattern", patterns), ("proposed", combinations)):
            columns[column] = np.where(columns[column] >= 0, columns[column] + offset, columns[column])
        _insert(con, kind, name, pa.table(columns), gids, label)


def _insert(con: duckdb.DuckDBPyConnection, kind: str, name: str, table: pa.Table, gids: Ints, label: Ints) -> None:
    """Pairs of records that were matched anew, under their numbers in the evidence."""
    columns = {column: table.column(column).to_numpy().astype(np.int64) for column in table.column_names}
    left, right = columns["l"], columns["r"]
    columns["cluster"] = label[left]
    columns["l"], columns["r"] = gids[left], gids[right]
    if kind == "inside":
        columns["l"], columns["r"] = np.minimum(gids[left], gids[right]), np.maximum(gids[left], gids[right])
    else:
        columns["beyond"] = label[right]
    _append(con, kind, name, columns)


def _append(con: duckdb.DuckDBPyConnection, kind: str, name: str, columns: dict[str, Ints]) -> None:
    with registered(con, "incoming", pa.table({column: values.astype(np.int32) for column, values in columns.items()})):
        con.execute(f"INSERT INTO new.{kind}_{name} FROM (SELECT * FROM incoming ORDER BY cluster)")
