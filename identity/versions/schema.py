"""Making the file of a new version: its tables, its storage format, its encryption. What they mean is told in identity.crosswalk."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from identity.crosswalk import FORMAT
from identity.errors import MissingEncryption
from identity.scratch import literal, registered

# Read by DuckDB 1.4 and later, whichever wrote it; the oldest that encrypts.
STORAGE_VERSION = "v1.4.0"

# A file that does not serve yet needs no log of its own, which every statement would wait for: it is whole, or thrown away.
UNLOGGED = "RECOVERY_MODE no_wal_writes"

_TABLES = """
CREATE TABLE new.meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE new.link_table (name VARCHAR, entity VARCHAR, space VARCHAR, source VARCHAR, source_table VARCHAR,
    key_columns VARCHAR[], key_types VARCHAR[], links BIGINT, personal VARCHAR);
CREATE TABLE new.identifier_table (name VARCHAR, entity VARCHAR, space VARCHAR, identifier VARCHAR, normal VARCHAR, "values" BIGINT,
    ambiguous BIGINT);
CREATE TABLE new.redirect (entity VARCHAR, space VARCHAR, old_id BIGINT NOT NULL, new_id BIGINT NOT NULL, run BIGINT);
CREATE TABLE new.id_history (entity VARCHAR, space VARCHAR, id360 BIGINT NOT NULL, minted_run BIGINT NOT NULL, retired_run BIGINT);
CREATE TABLE new.id_event (entity VARCHAR, space VARCHAR, run BIGINT NOT NULL, event VARCHAR NOT NULL, id360 BIGINT NOT NULL,
    other_id BIGINT, records BIGINT);
CREATE TABLE new.foreign_id (entity VARCHAR, space VARCHAR, foreign_id VARCHAR NOT NULL, id360 BIGINT NOT NULL);
CREATE TABLE new.run (run BIGINT, finished_at TIMESTAMPTZ, links BIGINT, ids BIGINT, minted BIGINT, merged BIGINT,
    retired BIGINT, seconds DOUBLE, base BIGINT, restores BIGINT);
"""


def create(con: duckdb.DuckDBPyConnection, path: Path, encryption_key: str | None, meta: dict[str, str]) -> None:
    """ATTACH a new file as `new`, with its tables made. Raises: MissingEncryption."""
    options = [f"STORAGE_VERSION '{STORAGE_VERSION}'", UNLOGGED]
    if encryption_key:
        load_encryption(con)
        options.append(f"ENCRYPTION_KEY {literal(encryption_key)}")
    # look-ups read a few scattered rows: text keys that DuckDB compresses (FSST) cost eight times as much to get at
    con.execute("SET force_compression = 'uncompressed'")
    con.execute(f"ATTACH {literal(str(path))} AS new ({', '.join(options)})")
    con.execute(_TABLES)
    write_meta(con, "INSERT INTO new.meta", {"format": FORMAT, **meta})


def reopen(con: duckdb.DuckDBPyConnection, path: Path, encryption_key: str | None, meta: dict[str, str]) -> None:
    """ATTACH a copy of a version as `new`, to be changed. Raises: MissingEncryption."""
    options = [UNLOGGED]
    if encryption_key:
        load_encryption(con)
        options.append(f"ENCRYPTION_KEY {literal(encryption_key)}")
    con.execute("SET force_compression = 'uncompressed'")
    con.execute(f"ATTACH {literal(str(path))} AS new ({', '.join(options)})")
    write_meta(con, "INSERT OR REPLACE INTO new.meta", meta)


def write_meta(con: duckdb.DuckDBPyConnection, into: str, meta: Mapping[str, str]) -> None:
    """What a file says of itself, in one statement and without parameters: for each of these DuckDB looks for pandas anew."""
    with registered(con, "told", pa.table({"key": list(meta), "value": list(meta.values())})):
        con.execute(f"{into} FROM told")


def close(con: duckdb.DuckDBPyConnection) -> None:
    """Finish the file: all is in the one file."""
    con.execute("CHECKPOINT new")
    con.execute("DETACH new")


def load_encryption(con: duckdb.DuckDBPyConnection) -> None:
    """LOAD httpfs from its wheel: DuckDB's own crypto only reads. Raises: MissingEncryption."""
    release = duckdb.__version__
    package = find_spec("duckdb_extension_httpfs")
    files = [
        path
        for folder in (package.submodule_search_locations or [] if package else [])
        for path in Path(folder).glob(f"extensions/v{release}/httpfs.duckdb_extension")
    ]
    try:
        if not files:
            raise FileNotFoundError("duckdb_extension_httpfs")
        con.execute(f"LOAD {literal(str(files[0]))}")
    except (FileNotFoundError, duckdb.Error) as cause:
        raise MissingEncryption(
            f"an encrypted crosswalk needs DuckDB's httpfs extension for DuckDB {release}, which is not installed",
            hint=f"pip install duckdb-extension-httpfs=={release} (extra c360[encrypted]); where there is none, use a DuckDB that has one",
        ) from cause
