"""The links of a version that is asked often, in memory: a look-up takes microseconds, where a statement of DuckDB's takes a tenth of a
millisecond, and an id has to be asked of every table. What is held is the crosswalk (keys and ids), never a row of a source."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[Any, ...]
PLAIN: dict[str, type] = {
    "TINYINT": int, "SMALLINT": int, "INTEGER": int, "BIGINT": int, "UTINYINT": int, "USMALLINT": int, "UINTEGER": int, "UBIGINT": int,
    "VARCHAR": str, "DATE": dt.date,
}  # fmt: skip
"""Types of key columns that Python orders as Arrow does. A table with another is asked through DuckDB."""


def holdable(key_types: Sequence[str]) -> bool:
    """Whether links with such keys can be held."""
    return all(type_ in PLAIN for type_ in key_types)


class HeldLinks:
    """One link table, in the order of its ids and their `ord`; `by_key` are the rows in the order of their keys."""

    def __init__(self, con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], key_types: Sequence[str]) -> None:
        """Read `table` of `con`, unsorted: so it takes no memory of DuckDB's. Raises duckdb.Error."""
        links = con.sql(f"SELECT {', '.join(columns)}, id360, ord FROM {table}").to_arrow_table().combine_chunks()
        ids = links.column("id360").to_numpy()
        order = np.lexsort((links.column("ord").to_numpy(), ids))
        self.ids: npt.NDArray[np.int64] = ids[order]
        self.keys = [_whole(links.column(c)).take(pa.array(order)) for c in columns]
        self.types = [PLAIN[type_] for type_ in key_types]
        sorted_ = pc.sort_indices(pa.table(self.keys, list(columns)), sort_keys=[(c, "ascending") for c in columns])
        self.by_key = sorted_.to_numpy().astype(np.uint32)

    def fits(self, key: Key) -> bool:
        """Whether the key's parts are of the columns' own types: DuckDB would cast others."""
        return len(key) == len(self.types) and all(type(part) is type_ for part, type_ in zip(key, self.types, strict=True))

    def keys_of(self, id360: int) -> list[Key]:
        """The keys of an id, in their table's order."""
        start, end = (int(self.ids.searchsorted(id360, side)) for side in ("left", "right"))
        return [self._key(row) for row in range(start, end)]

    def id_of(self, key: Key) -> int | None:
        """The id of a key that `fits`; None if it has none."""
        place = bisect_left(self.by_key, key, key=self._key)
        if place == len(self.by_key) or self._key(self.by_key[place]) != key:
            return None
        return int(self.ids[self.by_key[place]])

    def _key(self, row: int) -> Key:
        return tuple(column[int(row)].as_py() for column in self.keys)


class HeldRedirects:
    """Which id stands for one that was merged."""

    def __init__(self, con: duckdb.DuckDBPyConnection, table: str) -> None:
        """Raises duckdb.Error."""
        found = con.execute(f"SELECT old_id, new_id FROM {table}").fetchnumpy()
        order = np.argsort(found["old_id"], kind="stable")
        self.old, self.new = np.asarray(found["old_id"], np.int64)[order], np.asarray(found["new_id"], np.int64)[order]

    def canonical(self, id360: int) -> int:
        """The id that stands for it now, which may be itself."""
        place = int(self.old.searchsorted(id360))
        return int(self.new[place]) if place < len(self.old) and self.old[place] == id360 else id360


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
