"""Taking over an existing crosswalk: another tool's links become a version of ours, its ids the id360s."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from identity.clustering import Ints
from identity.engines import Engines
from identity.errors import CrosswalkImport
from identity.loading import Loaded, Progress
from identity.model import KeyColumn, MatchKey, MatchRule, RecordSet
from identity.report import ResolveReport
from identity.resolve import MEMORY_LIMIT, check, quiet
from identity.run import Run
from identity.scratch import registered, scratch
from identity.versions.stable_ids import measured, mint
from identity.versions.store import CrosswalkStore

_ID = MatchKey("id360", "exact")
_SAME_ID = MatchRule("same id", (_ID,))


def import_crosswalk(
    store: CrosswalkStore,
    rows: pa.Table | str | Path,
    secret: bytes,
    *,
    entity: str = "individual",
    space: str = "",
    keys: Mapping[tuple[str, str], tuple[KeyColumn, ...]] | None = None,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> ResolveReport:
    """Publish the links in `rows` (an Arrow table, or a Parquet file by path) as the next version; a later resolve keeps its ids.

    Columns: source, table, id360, and the key as `key` or k0 … kn; entity and space, where they are not the defaults given.
    `keys[source, table]` says of which columns and types that table's key is; by default columns k0 … kn of the types they have.
    Ids that are integers are kept as they are, from 0 to 2^63 - 1; one may name records of one (entity, space) only. Ids that
    are text, whatever they look like, get an id360 under `secret`; which one is kept in `foreign_id` and holds for later imports.

    Raises: CrosswalkImport; DuplicateKeys, KeyType, WeakSecret; what CrosswalkStore.write raises.
    """
    started = time.monotonic()
    table = rows if isinstance(rows, pa.Table) else _parquet(Path(rows))
    table = _with_defaults(table, entity, space)
    records = _record_sets(table, keys or {})
    rules = {one.entity: (_SAME_ID,) for one in records}
    check(records, rules, {}, secret)
    with scratch(memory_limit) as con, store.write(con) as draft:
        run = _Import(con, draft, secret, Engines(secret, {}, store.directory, cap=2**62), progress or quiet)
        run.texts = pa.types.is_string(table.schema.field("id360").type)
        run.resolve(records, rules, {})
        return run.close(started)


class _Import(Run):
    """A run in which records with the same foreign id are one, and keep it."""

    texts = False

    def _assign(self, entity: str, space: str, loaded: Sequence[Loaded], anchors: Ints, by_cluster: Ints) -> tuple[Ints, Ints]:
        with registered(self.con, "anchor", pa.table({"rec": pa.array(anchors)})):
            found = self.con.sql("SELECT n0 AS id FROM record SEMI JOIN anchor USING (rec) ORDER BY rec").to_arrow_table()
        foreign = found.column("id").combine_chunks()
        if foreign.null_count:
            raise CrosswalkImport(f"{foreign.null_count} row(s) to import have no id360", hint="leave them out, or give each an id")
        ids = self._ids_of_texts(entity, space, foreign) if self.texts else np.asarray(foreign.cast(pa.int64()))
        if np.isin(ids, np.concatenate([np.empty(0, np.int64), *self.claimed])).any():
            raise CrosswalkImport(
                "an id360 names records of more than one entity or space", hint="give each entity and space ids of its own"
            )
        self.claimed.append(ids)
        return ids, ids[~np.isin(ids, self.history.registry(ids).ids)]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.claimed: list[Ints] = []

    def _ids_of_texts(self, entity: str, space: str, foreign: pa.Array) -> Ints:
        """The id360s of foreign text ids: as imported before, else minted; the mapping is kept."""
        with registered(self.con, "wanted", pa.table({"nth": pa.array(np.arange(len(foreign))), "foreign_id": foreign})):
            if self.draft.previous:
                known = self.con.sql(
                    "SELECT o.id360 FROM wanted w LEFT JOIN old.foreign_id o "
                    "ON (o.foreign_id, o.entity, o.space) = (w.foreign_id, ?, ?) ORDER BY w.nth",
                    params=[entity, space],
                ).to_arrow_table()["id360"]
            else:
                known = pa.chunked_array([pa.nulls(len(foreign), pa.int64())])
        new = np.asarray(known.is_null())
        prefix = measured("foreign id", entity, space)
        anchors = pa.array([f"{prefix}{text}" for text in foreign.filter(pa.array(new)).to_pylist()], pa.string())
        ids = np.asarray(known.fill_null(0), np.int64).copy()
        ids[new] = mint(self.secret, anchors, self.history.taken)
        mapping = pa.table({"foreign_id": foreign.filter(pa.array(new)), "id360": pa.array(ids[new])})
        with registered(self.con, "mapping", mapping):
            self.con.execute("INSERT INTO new.foreign_id SELECT ?, ?, foreign_id, id360 FROM mapping ORDER BY foreign_id", [entity, space])
        return ids


def _parquet(path: Path) -> pa.Table:
    try:
        with duckdb.connect() as con:
            return con.read_parquet(str(path)).to_arrow_table()
    except duckdb.Error as cause:
        raise CrosswalkImport(f"{path} cannot be read as Parquet", hint="give a Parquet file, or an Arrow table") from cause


def _with_defaults(table: pa.Table, entity: str, space: str) -> pa.Table:
    """The rows with all columns: key as k0, id360 as BIGINT or VARCHAR, entity and space."""
    table = table.rename_columns(["k0" if name == "key" else name for name in table.column_names])
    if missing := [name for name in ("source", "table", "k0", "id360") if name not in table.column_names]:
        raise CrosswalkImport(
            f"the crosswalk to import lacks the column(s) {', '.join(missing)}",
            hint="its columns are source, table, key (or k0, k1, …), id360",
        )
    table = table.set_column(table.column_names.index("id360"), "id360", _ids(table["id360"]))
    for name, value in (("entity", entity), ("space", space)):
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), len(table)))
    return table


def _ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Foreign ids as text, or as whole numbers from 0 to 2^63 - 1. Raises: CrosswalkImport."""
    if pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type) or pa.types.is_string_view(ids.type):
        return ids.cast(pa.string())
    try:
        whole = ids.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as cause:
        raise CrosswalkImport("an id360 to import is no whole number that fits a BIGINT", hint="import such ids as text") from cause
    if (compute.min(whole).as_py() or 0) < 0:
        raise CrosswalkImport("an id360 to import is negative", hint="import such ids as text")
    return whole


def _record_sets(table: pa.Table, keys: Mapping[tuple[str, str], tuple[KeyColumn, ...]]) -> list[RecordSet]:
    """One record set per (entity, space, source, table) among the rows."""
    columns = sorted((name for name in table.column_names if re.fullmatch(r"k\d+", name)), key=lambda name: int(name[1:]))
    place = ["entity", "space", "source", "table"]
    if any(table[name].null_count for name in place):
        raise CrosswalkImport("a row to import does not say of which source and table it is", hint="fill in source and table")
    found = []
    for at in table.group_by(place).aggregate([]).to_pylist():
        here = [compute.equal(table[name], at[name]) for name in place]
        rows = table.filter(functools.reduce(compute.and_, here))
        own = keys.get((at["source"], at["table"])) or _key_columns(rows, columns)
        wanted = rows.select([f"k{i}" for i in range(len(own))] + ["id360"])
        found.append(RecordSet(at["entity"], at["space"], at["source"], at["table"], own, ("id360",), wanted.to_reader))
    return found


def _key_columns(rows: pa.Table, columns: Sequence[str]) -> tuple[KeyColumn, ...]:
    """The key columns that a table uses, of the types they have; tables in one file may have fewer than others."""
    used = [name for name in columns if rows[name].null_count < len(rows) or name == "k0"]
    with duckdb.connect() as con:
        types = con.from_arrow(rows.select(used)).types
    return tuple(KeyColumn(name, str(kind)) for name, kind in zip(used, types, strict=True))
