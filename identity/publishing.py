"""Writing what was resolved into the draft of the next version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.loading import Loaded
from identity.model import MatchKey
from identity.scratch import registered


def write_links(con: duckdb.DuckDBPyConnection, loaded: Loaded, ids: Ints) -> None:
    """Write the link table of one record set; `ids[i]` is the id360 of its i-th key."""
    records, keys = loaded.records, ", ".join(loaded.keys)
    name = table_name("link", *records.place)
    columns = ", ".join(f"{k} {t} NOT NULL" for k, t in zip(loaded.keys, loaded.key_types, strict=True))
    single = len(loaded.keys) == 1
    con.execute(f"CREATE TABLE new.{name} ({columns}, id360 BIGINT NOT NULL, ord INTEGER NOT NULL)")
    with registered(con, "numbered", _numbered(loaded.first, ids)):
        con.execute(
            f"INSERT INTO new.{name} SELECT {keys}, id360, rec - {loaded.first:d} FROM {loaded.table} JOIN numbered USING (rec) "
            f"ORDER BY {'id360, rec' if single else 'rec'}"
        )
    if single:
        con.execute(f"CREATE INDEX {name}_k0 ON new.{name} (k0)")
    con.execute(f"CREATE INDEX {name}_id ON new.{name} (id360)")
    con.execute(
        "INSERT INTO new.link_table VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [name, *records.place, [c.name for c in records.key], list(loaded.key_types), loaded.count, loaded.personal],
    )


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
            con.execute(f"INSERT INTO new.{name} SELECT value, id360 FROM carried WHERE id360 = other ORDER BY id360, value")
            con.execute(f"CREATE INDEX {name}_value ON new.{name} (value)")
            con.execute(f"CREATE INDEX {name}_id ON new.{name} (id360)")
            counts = "SELECT count(*) FILTER (id360 = other), count(*) FILTER (id360 <> other) FROM carried"
            values, left_out = con.execute(counts).fetchall()[0]
            con.execute(
                "INSERT INTO new.identifier_table VALUES (?, ?, ?, ?, ?, ?, ?)",
                [name, entity, space, identifier, key.normal, values, left_out],
            )
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
