"""Evidence for the clusters that an incremental resolve touched; that for all others stays as it was."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, without
from identity.cohesion import cohesion
from identity.evidence.document import MODEL, RULES, Document
from identity.evidence.gathering import KeptPairs, as_scored, cluster_table, refused_table
from identity.evidence.writing import write_table
from identity.matching import Matching
from identity.scratch import registered
from identity.versions.publishing import table_name


def amend_evidence(
    con: duckdb.DuckDBPyConnection, entity: str, space: str, found: Matching, gids: Ints, renewed: Ints, following: int
) -> None:
    """Bring the evidence in the draft up to date. `gids[rec]` is the number of a record that was matched anew; `renewed` are those
    that are new, changed or gone; `following` is the first number that no record has.

    Pairs between a renewed record and one that was not matched anew are left out: they are far from being one.
    """
    name = table_name("evidence", entity, space)[len("evidence_") :]
    scored, edges = found.scored, found.edges
    if edges is None or not con.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = 'new' AND table_name = 'evidence'").fetchall():
        return
    ((text, patterns, odds, combinations),) = con.execute(
        "SELECT document, patterns, odds, combinations FROM new.evidence WHERE name = ?", [name]
    ).fetchall()
    document = msgspec.json.decode(text, type=Document)
    engine = MODEL if scored is not None else RULES
    scored = scored or as_scored(edges, document.records)
    pairs = KeptPairs(found.labels, scored, edges, engine)
    smallest = np.full(len(gids), np.iinfo(np.int64).max)
    np.minimum.at(smallest, found.labels, gids)
    label = smallest[found.labels]
    _leave(con, name, gids, label, renewed)
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


def _leave(con: duckdb.DuckDBPyConnection, name: str, gids: Ints, label: Ints, renewed: Ints) -> None:
    """Take out what was known of touched clusters; near pairs from them to others stay, under the cluster's new name."""
    gone = without(renewed, gids)
    recs = np.concatenate([gids, gone]).astype(np.int32)
    labels = pa.array(np.concatenate([label, gone]).astype(np.int32), mask=np.arange(len(recs)) >= len(gids))
    out = pa.table({"rec": recs, "label": labels, "renewed": np.isin(recs, renewed)})
    with registered(con, "out", out):
        for kind in ("inside", "cluster"):
            con.execute(f"DELETE FROM new.{kind}_{name} WHERE cluster IN (SELECT rec FROM out)")
        for kind in ("near", "refused"):
            table = f"new.{kind}_{name}"
            # pairs of a touched record, found in one pass over all
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE met AS SELECT p.rowid AS row, coalesce(a.label, p.cluster) AS one, "
                f"coalesce(b.label, p.beyond) AS other, a.renewed OR b.renewed OR (a.rec IS NOT NULL AND b.rec IS NOT NULL) AS goes, "
                f"one <> p.cluster OR other <> p.beyond AS moves FROM {table} AS p LEFT JOIN out AS a ON a.rec = p.l "
                f"LEFT JOIN out AS b ON b.rec = p.r WHERE a.rec IS NOT NULL OR b.rec IS NOT NULL"
            )
            con.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT row FROM met WHERE goes)")
            con.execute(
                f"UPDATE {table} SET cluster = one, beyond = other FROM met WHERE {kind}_{name}.rowid = row AND goes IS NOT true AND moves"
            )


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
    with registered(con, "incoming", pa.table({column: values.astype(np.int32) for column, values in columns.items()})):
        con.execute(f"INSERT INTO new.{kind}_{name} FROM (SELECT * FROM incoming ORDER BY cluster)")
