"""The crosswalk's links by id360, in memory: a person's keys in microseconds.

An index look-up through DuckDB takes a quarter of a millisecond a table, a list of fifty ids a scan of it; a window asks several
tables. What is held here is the crosswalk (keys and ids), never a row of a source, and only what has been asked of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

MOST_LINKS = 5_000_000
"""A larger link table is not held (some 100 MB); it is read through DuckDB."""


@dataclass(frozen=True, slots=True)
class SortedLinks:
    """One link table in the order of id360; `ids` is that column."""

    links: pa.Table
    ids: npt.NDArray[np.int64]

    def of(self, ids: Sequence[int]) -> pa.Table:
        """The links of these ids."""
        if len(ids) == 1:
            start, end = int(np.searchsorted(self.ids, ids[0], "left")), int(np.searchsorted(self.ids, ids[0], "right"))
            return self.links.slice(start, end - start)
        wanted = np.array(sorted(set(ids)), dtype=np.int64)  # np.unique takes a millisecond for one
        first = np.searchsorted(self.ids, wanted, side="left")
        counts = np.searchsorted(self.ids, wanted, side="right") - first
        starts = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) if len(wanted) else first
        return self.links.take(pa.array(starts + np.arange(counts.sum()), pa.int64()))


class LinkCache:
    """Link tables of the newest crosswalk that was asked for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, tuple[str, ...]], SortedLinks | None] = {}
        self._source = ""

    def forget(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            self._held, self._source = {}, ""

    def table(self, cursor: duckdb.DuckDBPyConnection, source: str, name: str, columns: tuple[str, ...]) -> SortedLinks | None:
        """Some columns of link table `name` of the attached crosswalk `source`; None if it is too large. Raises duckdb.Error."""
        with self._lock:
            if source != self._source:
                self._held, self._source = {}, source
            place = (name, columns)
            if place not in self._held:
                self._held[place] = _read(cursor, f"{source}.{name}", columns)
            return self._held[place]


def _read(cursor: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...]) -> SortedLinks | None:
    from federation.answers import table as whole

    if cursor.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] > MOST_LINKS:
        return None
    links = whole(cursor.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id360")).combine_chunks()
    return SortedLinks(links, links.column("id360").to_numpy())
