"""Pairs to patterns: for each pair the level of every factor, as one number."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints
from identity.probabilistic.factors import Factor
from identity.probabilistic.persons import Persons

Levels = npt.NDArray[np.uint8]
CHUNK = 1 << 16


def levels(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor], left: Ints, right: Ints) -> Levels:
    """The level of each factor (columns) for each pair (rows). Chunks side by side: DuckDB scans an Arrow table with one thread."""
    found = np.empty((len(left), len(factors)), np.uint8)
    picked = ", ".join(f"({factor.sql})::UTINYINT AS f{i}" for i, factor in enumerate(factors))

    def compare(start: int) -> None:
        some = slice(start, start + CHUNK)
        first, second = persons.pairs(left[some], right[some])
        with con.cursor() as own:
            own.register("l", first)
            own.register("r", second)
            columns = own.execute(f"SELECT {picked} FROM l POSITIONAL JOIN r").fetchnumpy()
        for i in range(len(factors)):
            found[some, i] = columns[f"f{i}"]

    ((threads,),) = con.execute("SELECT current_setting('threads')").fetchall()
    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(compare, range(0, len(left), CHUNK)))
    pa.default_memory_pool().release_unused()
    return found


@dataclass(frozen=True, slots=True)
class Histogram:
    """Pairs by pattern: `patterns[k]` (a level per factor) occurred `counts[k]` times; `of[i]` is the k of pair i."""

    patterns: Levels
    counts: Ints
    of: Ints


def histogram(found: Levels, factors: Sequence[Factor]) -> Histogram:
    """Group pairs by pattern. Patterns are in the order of their numbers, whatever the order of pairs."""
    code = np.zeros(len(found), np.uint64)
    for i, factor in enumerate(factors):
        code = code * np.uint64(len(factor.levels)) + found[:, i]
    _, first, of, counts = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    return Histogram(found[first], counts.astype(np.int64), of.astype(np.int64))
