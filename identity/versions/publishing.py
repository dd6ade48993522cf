"""Writing what was resolved into the draft of the next version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.crosswalk import IdentifierTable, LinkTable
from identity.loading import Loaded
from identity.model import MatchKey
from identity.scratch import registered


def write_links(con: duckdb.DuckDBPyConnection, loaded: Loaded, ids: Ints) -> None:
    """Write the link table of one record set; `ids[i]` is the id360 of its i-th key."""
    records = loaded.records
    name = table_name("link", *records.place)
    columns = tuple(column.name for column in records.key)
    table = LinkTable(name, *records.place, columns, loaded.key_types, loaded.count, loaded.personal)
    with registered(con, "numbered", _numbered(loaded.first, ids)):
        keys = ", ".join(loaded.keys)
        fill_links(con, table, f"SELECT {keys}, id360, rec - {loaded.first:d} AS ord FROM {loaded.table} JOIN numbered USING (rec)")


def copy_links(con: duckdb.DuckDBPyConnection, table: LinkTable) -> None:
    """Write a link table as it is in the version attached as `old`."""
    fill_links(con, table, f"FROM old.{table.name}")


def fill_links(con: duckdb.DuckDBPyConnection, table: LinkTable, links: str) -> None:
    """Make a link table from a query for its keys, id360 and ord."""
    name = table.name
    columns = ", ".join(f"{k} {t} NOT NULL" for k, t in zip(table.columns, table.key_types, strict=True))
    con.execute(f"CREATE TABLE new.{name} ({columns}, id360 BIGINT NOT NULL, ord INTEGER NOT NULL)")
    con.execute(f"INSERT INTO new.{name} FROM ({links}) ORDER BY id360, ord")
    place = (table.entity, table.space, table.source, table.table)
    con.execute(
        "INSERT INTO new.link_table VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [name, *place, list(table.key_columns), list(table.key_types), table.links, table.personal],
    )


def copy_identifiers(con: duckdb.DuckDBPyConnection, table: IdentifierTable) -> None:
    """Write a table of identifiers as it is in the version attached as `old`."""
    con.execute(f"CREATE TABLE new.{table.name} (value VARCHAR NOT NULL, id360 BIGINT NOT NULL)")
    con.execute(f"INSERT INTO new.{table.name} FROM old.{table.name} ORDER BY value")
    _register_identifiers(con, table)


def _register_identifiers(con: duckdb.DuckDBPyConnection, table: IdentifierTable) -> None:
    con.execute("INSERT INTO new.identifier_table VALUES (?, ?, ?, ?, ?, ?, ?)", list(astuple(table)))


def write_identifiers(
    con: duckdb.DuckDBPyConnection, entity: str, space: str, table: str, ids: Ints, identifiers: Mapping[str, tuple[MatchKey, str]]
) -> int:
    """Write a table per stored identifier (name → its key and column in `table`); returns how many values were ambiguous."""
    ambiguous = 0
    with registered(con, "numbered", _numbered(0, ids)):
        for identifier, (key, column) in identifiers.items():
            name = table_name("ident", entity, space, identifier)
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE carried AS SELECT {column} AS value, min(id360) AS id360, max(id360) AS other "
                f"FROM {table} JOIN numbered USING (rec) WHERE value IS NOT NULL GROUP BY value"
            )
            con.execute(f"CREATE TABLE new.{name} (value VARCHAR NOT NULL, id360 BIGINT NOT NULL)")
            con.execute(f"INSERT INTO new.{name} SELECT value, id360 FROM carried WHERE id360 = other ORDER BY value")
            counts = "SELECT count(*) FILTER (id360 = other), count(*) FILTER (id360 <> other) FROM carried"
            values, left_out = con.execute(counts).fetchall()[0]
            _register_identifiers(con, IdentifierTable(name, entity, space, identifier, key.normal, values, left_out))
            con.execute("DROP TABLE carried")
            ambiguous += left_out
    return ambiguous


def _numbered(first: int, ids: Ints) -> pa.Table:
    return pa.table({"rec": pa.array(np.arange(first, first + len(ids))), "id360": pa.array(ids)})


def table_name(prefix: str, *place: str) -> str:
    """A name that is a plain SQL identifier, readable, and the same for a place in every version.

    >>> table_name("link", "individual", "", "crm", "Contact")
    'link_crm_contact_850743ac'
    """
    readable = re.sub(r"[^a-z0-9]+", "_", "_".join(place[-2:]).lower()).strip("_")[:40]
    return f"{prefix}_{readable}_{hashlib.blake2b(chr(31).join(place).encode(), digest_size=4).hexdigest()}"
