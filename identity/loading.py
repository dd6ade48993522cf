"""Reading one mapped source table into the scratch DuckDB: keys natively typed, attributes in the normal forms that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf

import duckdb
import pyarrow as pa
from sqlglot import exp

from connectors.spi.errors import C360Error, InternalError, SourceBroken
from identity.errors import DuplicateKeys, KeyType
from identity.model import MatchKey, RecordSet
from identity.normalise import normalised
from identity.personal import kind_of_keys
from identity.scratch import each_beside, key_type, registered, suit

Progress = Callable[[str, int], None]
RECORD = "record"
"""The view over all records of the (entity, space) that is being resolved."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A record set as `table` of the scratch DuckDB: rec (first … first + count - 1, in key order), k0 … kn, normal forms.

    `values`: of each attribute, how many records have a value as it stands in the source; empty where that was not counted.
    """

    records: RecordSet
    table: str
    first: int
    count: int
    null_keys: int
    personal: str
    values: Mapping[str, int] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the key columns: k0 … kn."""
        return tuple(f"k{i}" for i in range(len(self.records.key)))

    @property
    def key_types(self) -> tuple[str, ...]:
        """The DuckDB types of the key columns."""
        return tuple(key_type(column.type) for column in self.records.key)


def load_all(
    con: duckdb.DuckDBPyConnection, group: Sequence[RecordSet], columns: Mapping[MatchKey, str], progress: Progress
) -> list[Loaded]:
    """Read the record sets of one (entity, space) side by side, and CREATE VIEW record over all of them.

    Raises: DuplicateKeys; KeyType; what a source raises (a failure without a code becomes SourceBroken).
    """
    suit(con, inf)  # there may be any number
    tables = [f"records_{i}" for i in range(len(group))]
    values = read_all(con, group, tables, columns, progress)
    loaded: list[Loaded] = []
    for records, table, counted in zip(group, tables, values, strict=True):
        first = loaded[-1].first + loaded[-1].count if loaded else 0
        loaded.append(replace(number(con, records, table, first), values=counted))
    suit(con, loaded[-1].first + loaded[-1].count)
    _view(con, loaded, columns.values())
    return loaded


def keep_only(
    con: duckdb.DuckDBPyConnection, loaded: Sequence[Loaded], columns: Mapping[MatchKey, str], wanted: Iterable[MatchKey]
) -> None:
    """Drop the normal forms in `columns`, but for those of some keys: they are most of what a resolve holds."""
    kept = {columns[key] for key in wanted}
    for one in loaded:
        for column in sorted(set(columns.values()) - kept):
            con.execute(f"ALTER TABLE {one.table} DROP COLUMN {column}")
    _view(con, loaded, sorted(kept))


def _view(con: duckdb.DuckDBPyConnection, loaded: Sequence[Loaded], columns: Iterable[str]) -> None:
    everything = " UNION ALL ".join(f"SELECT {', '.join(['rec', *columns])} FROM {one.table}" for one in loaded)
    con.execute(f"CREATE OR REPLACE TEMP VIEW {RECORD} AS {everything}")


def read_all(
    con: duckdb.DuckDBPyConnection, group: Sequence[RecordSet], tables: Sequence[str], columns: Mapping[MatchKey, str], progress: Progress
) -> list[dict[str, int]]:
    """CREATE TABLE <table>_unsorted for each record set, as many at a time as there are threads; a failure ends the others too.

    Returns, per record set, how many of its rows that have a key have a value, by attribute.
    """
    found = each_beside(con, range(len(group)), lambda own, i: read(own, group[i], tables[i], columns, progress))
    pa.default_memory_pool().release_unused()  # what the streams came in
    return list(found.values())


def drop_all(con: duckdb.DuckDBPyConnection, loaded: Sequence[Loaded]) -> None:
    """Drop what `load_all` made."""
    con.execute(f"DROP VIEW {RECORD}")
    for one in loaded:
        con.execute(f"DROP TABLE {one.table}")


def number(con: duckdb.DuckDBPyConnection, records: RecordSet, table: str, first: int) -> Loaded:
    """Put what was read in the order of its keys, each record with its number. Rows with a NULL in the key are left out and counted."""
    keys = ", ".join(f"k{i}" for i in range(len(records.key)))
    null_key = " OR ".join(f"k{i} IS NULL" for i in range(len(records.key)))
    null_keys = _count(con, f"SELECT count(*) FROM {table}_unsorted WHERE {null_key}")
    in_order = not null_keys and _in_order(con, f"{table}_unsorted", keys)
    grouped = f"SELECT {keys} FROM {table}_unsorted WHERE NOT ({null_key}) GROUP BY ALL HAVING count(*) > 1"
    if not in_order and (duplicates := _count(con, f"SELECT count(*) FROM ({grouped})")):
        raise DuplicateKeys(records.label, duplicates)
    con.execute(
        f"CREATE TABLE {table} AS SELECT row_number() OVER ({'' if in_order else f'ORDER BY {keys}'}) - 1 + {first:d} AS rec, * "
        f"FROM {table}_unsorted WHERE NOT ({null_key})"
    )
    con.execute(f"DROP TABLE {table}_unsorted")
    return Loaded(records, table, first, _count(con, f"SELECT count(*) FROM {table}"), null_keys, kind_of_keys(con, table, records))


def read(
    con: duckdb.DuckDBPyConnection, records: RecordSet, table: str, columns: Mapping[MatchKey, str], progress: Progress
) -> dict[str, int]:
    """CREATE TABLE <table>_unsorted (k0 …, normal forms), straight from the stream; returns the rows with a value, by attribute."""
    with streaming(con, records, progress) as watched:
        con.execute(f"CREATE TABLE {table}_unsorted AS {incoming(records, columns)}")
    return watched.values


def incoming(records: RecordSet, columns: Mapping[MatchKey, str]) -> str:
    """SQL: what is `streaming`, keys in their declared types (k0 …) and normal forms."""
    keys = [f"CAST(k{i} AS {key_type(column.type)}) AS k{i}" for i, column in enumerate(records.key)]
    return f"SELECT {', '.join([*keys, *(f'{form(records, key)} AS {column}' for key, column in columns.items())])} FROM incoming"


@contextmanager
def streaming(con: duckdb.DuckDBPyConnection, records: RecordSet, progress: Progress) -> Iterator[_Watched]:
    """The stream of a record set as relation `incoming`, to be scanned once. Raises: KeyType; what the source raises."""
    with records.read() as stream:
        if missing := {f"k{i}" for i in range(len(records.key))} - set(stream.schema.names):
            raise InternalError(f"the stream of {records.label} lacks its key columns {', '.join(sorted(missing))}")
        watched = _Watched(stream, records, progress)
        try:
            with registered(con, "incoming", pa.RecordBatchReader.from_batches(stream.schema, watched.batches())):
                yield watched
        except duckdb.ConversionException as cause:
            if watched.failure is None:
                types = ", ".join(f"{column.name} {column.type}" for column in records.key)
                raise KeyType(
                    f"a key of {records.label} does not fit its declared type ({types})", hint="map the key with the type that it has"
                ) from cause
            raise watched.failure from cause
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as cause:
            raise watched.failure or cause from cause


def form(records: RecordSet, key: MatchKey) -> str:
    """SQL: an attribute of what `records` reads, in its normal form."""
    return _form(key) if key.attribute in records.attributes else "NULL::VARCHAR"


@cache
def _form(key: MatchKey) -> str:
    return normalised(key.normal, exp.column(key.attribute, quoted=True)).sql("duckdb")


class _Watched:
    """Counts the rows and values of a stream, and keeps the exception that ended it: DuckDB would pass on only a text."""

    def __init__(self, stream: pa.RecordBatchReader, records: RecordSet, progress: Progress) -> None:
        self._stream, self._records, self._progress = stream, records, progress
        self.failure: C360Error | None = None
        self.values = {name: 0 for name in records.attributes if name in stream.schema.names}

    def batches(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        try:
            for batch in self._stream:
                rows += batch.num_rows
                self._progress(self._records.label, rows)
                self._count(batch)
                yield batch
        except C360Error as failure:
            self.failure = failure
            raise
        except Exception as cause:
            self.failure = SourceBroken(
                self._records.source,
                f"reading {self._records.label} broke off after {rows} rows; nothing was published",
                hint=f"check the source with `c360 debug {self._records.source}`, then resolve again",
            )
            self.failure.__cause__ = cause
            raise

    def _count(self, batch: pa.RecordBatch) -> None:
        """Arrow knows how many NULLs a column has; only where a key is NULL is anything looked at."""
        for i in range(len(self._records.key)):
            if batch.column(f"k{i}").null_count:
                batch = batch.filter(batch.column(f"k{i}").is_valid())
        for name in self.values:
            self.values[name] += batch.num_rows - batch.column(name).null_count


def _in_order(con: duckdb.DuckDBPyConnection, table: str, keys: str) -> bool:
    """Whether the rows came in strictly rising order of their keys, as a source often gives them: then none comes twice either."""
    later = f"SELECT row({keys}) > lag(row({keys})) OVER () AS later FROM {table}"
    ((rising,),) = con.execute(f"SELECT coalesce(bool_and(later), true) FROM ({later})").fetchall()
    return bool(rising)


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    ((count,),) = con.execute(sql).fetchall()
    return int(count)
