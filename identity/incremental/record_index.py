"""What a resolve leaves for the next one, so that it need look at nothing but what changed: DIR/index-000007.duckdb beside version 7.

    meta(key, value)               the version, the one whose index this one continues (`base`), and what both must agree on
    keys_<…>(rule, key, rec)       under which keys a record meets others (identity.incremental.keyrows), by key
    state_<…>(rec, hash, part)     keyed hash of a record's normal forms; the part of the graph that it is connected with (NULL: it is gone)
    void_<…>(rec)                  records whose rows in `base` do not count any more

A whole resolve writes one index; an incremental one writes what differs from that. Keys and states of a whole one are in a file beside it
(identity.incremental.mapped_rows), unless the crosswalk is encrypted. Records are numbered as in the evidence; a number
is never given to another record. There is no value in it, and no key of a source; it is encrypted as the crosswalk is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, distinct
from identity.incremental.keyrows import KeyRows
from identity.incremental.mapped_rows import Arrays, MappedRowsWriter, mapped_rows, seal
from identity.keyed import UInts
from identity.scratch import literal, registered
from identity.versions.schema import STORAGE_VERSION, UNLOGGED, load_encryption, write_meta
from identity.versions.store import CrosswalkStore, sync

_META = "CREATE TABLE {0}.meta (key VARCHAR, value VARCHAR)"
_TABLES = """
CREATE TABLE {0}.keys_{1} (rule UTINYINT, key UBIGINT, rec INTEGER);
CREATE TABLE {0}.state_{1} (rec INTEGER, hash UBIGINT, part INTEGER);
CREATE TABLE {0}.void_{1} (rec INTEGER)
"""


KeySum = tuple[int, int]
"""How many keys there are, and the sum of their hashes: of other keys one of the two is another, all but surely."""


class NoIndex(Exception):
    """There is nothing to build upon: everything has to be resolved. The message says why."""


@dataclass(frozen=True, slots=True)
class IndexWriter:
    """An index being written, attached to `con` as `nx`."""

    con: duckdb.DuckDBPyConnection
    draft: Path
    path: Path
    rows: MappedRowsWriter | None = None

    @classmethod
    def begin(cls, con: duckdb.DuckDBPyConnection, store: CrosswalkStore, version: int, *, whole: bool = True) -> IndexWriter:
        """`whole`: the index of all records is to come, not what differs from one."""
        draft = store.directory / f".index-{version:06d}.tmp"
        options = [f"STORAGE_VERSION '{STORAGE_VERSION}'", UNLOGGED]
        if store.encryption_key:
            load_encryption(con)
            options.append(f"ENCRYPTION_KEY {literal(store.encryption_key)}")
        con.execute(f"ATTACH {literal(str(draft))} AS nx ({', '.join(options)})")
        con.execute(_META.format("nx"))
        con.execute("INSERT INTO nx.meta VALUES ('version', ?)", [str(version)])
        apart = whole and not store.encryption_key
        return cls(con, draft, store.index_path(version), MappedRowsWriter(draft.with_suffix(".tmp.arrow")) if apart else None)

    def create(self, group: str) -> None:
        """The tables of one (entity, space)."""
        self.con.execute(_TABLES.format("nx", group))

    def add(self, group: str, rows: KeyRows, recs: Ints, hashes: UInts, parts: Ints) -> None:
        """Keys, in the order in which whoever reads them wants them, and states (in order)."""
        keys = pa.table({"rule": rows.rule, "key": rows.key, "rec": rows.rec.astype(np.int32)})
        state = pa.table({"rec": recs.astype(np.int32), "hash": hashes, "part": parts.astype(np.int32)})
        with registered(self.con, "incoming", keys):
            ordered = "FROM incoming ORDER BY key, rec, rule"
            if self.rows is not None:
                keys = self.con.sql(ordered).to_arrow_table()
                self.rows.add(group, [column.combine_chunks() for column in (*keys.columns, *state.columns)])
                return
            self.con.execute(f"INSERT INTO nx.keys_{group} {ordered}")
        with registered(self.con, "incoming", state):
            self.con.execute(f"INSERT INTO nx.state_{group} FROM incoming")

    def close(self, meta: Mapping[str, str], keep: Sequence[Path] = ()) -> None:
        """The whole index, on disk; it does not count before its version serves. Others go, but those to `keep`."""
        seals: Mapping[str, str] = {}
        if self.rows is not None:
            seals = self.rows.close()
            sync(self.rows.path)
            self.rows.path.replace(_beside(self.path))
        write_meta(self.con, "INSERT INTO nx.meta", {**meta, "rows": json.dumps(seals)})
        self.con.execute("CHECKPOINT nx; DETACH nx")
        sync(self.draft)
        self.draft.replace(self.path)
        for other in self.path.parent.glob("index-*"):
            if other.with_suffix(".duckdb") not in (self.path, *keep):
                other.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RecordIndex:
    """The index of the version that serves, attached to `con`: `ix` whole, `dx` what differs from it by now."""

    con: duckdb.DuckDBPyConnection
    meta: Mapping[str, str]
    seals: Mapping[str, str]
    _rows: Mapping[str, Arrays]

    @classmethod
    def open(cls, con: duckdb.DuckDBPyConnection, store: CrosswalkStore, version: int, expected: Mapping[str, str]) -> RecordIndex:
        """Raises: NoIndex, if there is none, or one for other rules, models or sources than `expected` says."""
        path = store.index_path(version)
        _attach(con, store, path, "dx")
        meta = dict(con.execute("SELECT key, value FROM dx.meta").fetchall())
        if meta.get("version") != str(version):
            raise NoIndex("the index is of another version")
        differing = [name for name, value in expected.items() if meta.get(name) != value]
        if differing:
            raise NoIndex(f"since the last resolve there is another {differing[0]}")
        if base := meta.get("base"):
            _attach(con, store, store.index_path(int(base)), "ix")
        else:
            con.execute("DETACH dx")
            _attach(con, store, path, "ix")
            con.execute("ATTACH ':memory:' AS dx")
            for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'ix'").fetchall():
                con.execute(f"CREATE TABLE dx.{name} AS FROM ix.{name} LIMIT 0")
        ((seals,),) = con.execute("SELECT value FROM ix.meta WHERE key = 'rows'").fetchall()
        whole = store.index_path(int(base)) if base else path
        try:
            return cls(con, meta, json.loads(seals), mapped_rows(_beside(whole)) if json.loads(seals) else {})
        except (OSError, ValueError) as cause:  # pa.ArrowInvalid is one
            raise NoIndex("the index cannot be read") from cause

    def mapped(self, group: str) -> Arrays | None:
        """The rows of a group that are not in the tables of `ix`, after a look at each. Raises: NoIndex, if they are not as they were
        written."""
        if group not in self.seals:
            return None
        if group not in self._rows or seal(self._rows[group]) != self.seals[group]:
            raise NoIndex("the index cannot be read")
        return self._rows[group]

    def firsts(self) -> dict[str, int]:
        """The number of the first record of each link table."""
        return {str(name): int(first) for name, first in json.loads(self.meta["firsts"]).items()}

    def keys_summed(self, link: str) -> KeySum | None:
        """The keys of a link table; None if an earlier release left the index."""
        found = json.loads(self.meta.get("keys", "{}")).get(link)
        return (int(found[0]), int(found[1])) if found else None

    def base(self) -> int:
        """The version whose index this one continues."""
        return int(self.meta["base"] or self.meta["version"])

    def carry_on(self, writer: IndexWriter, group: str, renewed: Ints, rows: KeyRows, gone: Ints, states: tuple[Ints, UInts, Ints]) -> None:
        """Write what differs from `ix` now: `rows` are all keys of the `renewed` records; those `gone` are no longer there; `states`
        are (rec, hash, part)."""
        writer.create(group)
        voided = distinct(renewed, gone)
        touched = distinct(states[0], gone)
        with (
            registered(self.con, "voided", pa.table({"rec": voided.astype(np.int32)})),
            registered(self.con, "touched", pa.table({"rec": touched.astype(np.int32)})),
            registered(self.con, "gone", pa.table({"rec": gone.astype(np.int32)})),
        ):
            self.con.execute(f"INSERT INTO nx.keys_{group} FROM dx.keys_{group} ANTI JOIN voided USING (rec)")
            self.con.execute(f"INSERT INTO nx.void_{group} FROM dx.void_{group} UNION FROM voided")
            self.con.execute(f"INSERT INTO nx.state_{group} FROM dx.state_{group} ANTI JOIN touched USING (rec)")
            self.con.execute(f"INSERT INTO nx.state_{group} SELECT rec, NULL, NULL FROM gone")
        writer.add(group, rows, *states)


def key_sum(con: duckdb.DuckDBPyConnection, keys: str, rows: str) -> KeySum:
    """Of the keys (columns) of some rows."""
    ((count, total),) = con.execute(f"SELECT count(*), coalesce(sum(hash({keys})), 0) FROM {rows}").fetchall()
    return int(count), int(total)


def _beside(path: Path) -> Path:
    """Where the rows of an index are, if they are not in it."""
    return path.with_suffix(".arrow")


def _attach(con: duckdb.DuckDBPyConnection, store: CrosswalkStore, path: Path, alias: str) -> None:
    if not path.is_file():
        raise NoIndex("the version that serves left no index (a rollback leaves none)")
    key = f", ENCRYPTION_KEY {literal(store.encryption_key)}" if store.encryption_key else ""
    with suppress(duckdb.Error):
        con.execute(f"ATTACH {literal(str(path))} AS {alias} (READ_ONLY{key})")
        return
    raise NoIndex("the index cannot be read")
