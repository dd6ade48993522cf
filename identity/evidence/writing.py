"""Why records are one, or nearly: kept in each version of the crosswalk, so that any link can be explained without a source.

    evidence(name, entity, space, document, patterns, odds, combinations)    one row per (entity, space) with evidence
      inside_<…>(cluster, l, r, pattern, proposed, rule)       pairs of records of one cluster
      near_<…>(cluster, l, r, beyond, pattern, proposed)       pairs of two clusters that are nearly one; once from either side
      refused_<…>(cluster, l, r, beyond, rule, kept_by)        of two clusters that something would have made one the strongest pair
      cluster_<…>(cluster, records, weakest_l, …, bridge_l, …) how clusters of three or more records hang together

Records are numbers (rec): first record of their link table + ord; a cluster is its smallest record. `pattern` and `proposed` are rows
of `patterns` (a level per factor) and `combinations` (blocking rules, as bits); -1 for a pair that was never scored. `rule` is what
joined a pair, or would have; `kept_by` the limit that kept the two clusters apart. Nothing here is a value of a record: levels say
"same", not what is the same.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb
import msgspec
import pyarrow as pa

from identity.column_fit import ColumnFit
from identity.evidence.gathering import Evidence
from identity.scratch import registered
from identity.versions.publishing import table_name

TABLES = {
    "inside": "cluster l r pattern proposed rule",
    "near": "cluster l r beyond pattern proposed",
    "refused": "cluster l r beyond rule kept_by",
    "cluster": "cluster records weakest_l weakest_r *weakest bridge_l bridge_r *bridge part",
}
"""Columns of the tables of pairs; * marks a FLOAT, the others are INTEGER."""

_EVIDENCE = """CREATE TABLE IF NOT EXISTS new.evidence (name VARCHAR, entity VARCHAR, space VARCHAR, document VARCHAR, patterns BLOB,
    odds BLOB, combinations BLOB)"""


def write_evidence(con: duckdb.DuckDBPyConnection, entity: str, space: str, evidence: Evidence, fits: tuple[ColumnFit, ...] = ()) -> None:
    """Write the evidence for one (entity, space) into the draft attached as `new`, after its links; with `fits` of its columns."""
    con.execute(_EVIDENCE)
    name = table_name("evidence", entity, space)[len("evidence_") :]
    for kind, table in evidence.tables.items():
        write_table(con, kind, name, table)
    ((run,),) = con.execute("SELECT value::BIGINT FROM new.meta WHERE key = 'version'").fetchall()
    document = msgspec.json.encode(replace(evidence.document, firsts=_firsts(con, entity, space), run=run, fits=fits)).decode()
    con.execute(
        "INSERT INTO new.evidence VALUES (?, ?, ?, ?, ?, ?, ?)",
        [name, entity, space, document, evidence.patterns, evidence.odds, evidence.combinations],
    )


def _firsts(con: duckdb.DuckDBPyConnection, entity: str, space: str) -> dict[str, int]:
    """The first record of each link table of the draft: records are numbered in the order of tables."""
    tables = con.execute(
        "SELECT name, source, source_table, links FROM new.link_table WHERE (entity, space) = (?, ?)", [entity, space]
    ).fetchall()
    found, first = {}, 0
    for name, _, _, links in sorted(tables, key=lambda t: (t[1], t[2])):
        found[name] = first
        first += links
    return found


def copy_evidence(con: duckdb.DuckDBPyConnection) -> None:
    """Write the evidence of the version attached as `old` into `new`: a rollback brings it back with the links."""
    there = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'").fetchall()}
    if "evidence" not in there:
        return
    con.execute(_EVIDENCE)
    con.execute("INSERT INTO new.evidence FROM old.evidence")
    for (name,) in con.execute("SELECT name FROM old.evidence").fetchall():
        for kind in TABLES:
            _create(con, kind, name)
            if f"{kind}_{name}" in there:
                con.execute(f"INSERT INTO new.{kind}_{name} FROM old.{kind}_{name}")


def write_table(con: duckdb.DuckDBPyConnection, kind: str, name: str, table: pa.Table) -> None:
    """Add the rows of one of TABLES to the draft attached as `new`; `name` is that of the (entity, space)."""
    _create(con, kind, name)
    with registered(con, "incoming", table):
        con.execute(f"INSERT INTO new.{kind}_{name} FROM incoming")


def _create(con: duckdb.DuckDBPyConnection, kind: str, name: str) -> None:
    """These tables are read in runs, not at scattered rows, and are many: unlike the others they are compressed."""
    columns = [
        f"{column[1:]} FLOAT" if column.startswith("*") else f"{column} INTEGER USING COMPRESSION bitpacking"
        for column in TABLES[kind].split()
    ]
    con.execute(f"CREATE TABLE IF NOT EXISTS new.{kind}_{name} ({', '.join(columns)})")
