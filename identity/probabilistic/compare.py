"""Pairs to patterns: for each pair the level of every factor, as one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints
from identity.probabilistic.factors import Factor
from identity.probabilistic.persons import Persons
from identity.scratch import worker_pool

Levels = npt.NDArray[np.uint8]
CHUNK = 1 << 18


def levels(con: duckdb.DuckDBPyConnection, persons: Persons, factors: Sequence[Factor], left: Ints, right: Ints) -> Levels:
    """The level of each factor (columns) for each pair (rows).

    Chunks and factors side by side: DuckDB scans an Arrow table with one thread. Only pairs with something to compare are looked at.
    """
    found = np.zeros((len(left), len(factors)), np.uint8)
    filled = {key: persons.filled(key) for factor in factors for key in factor.keys if key in persons.table.column_names}

    def compare(task: tuple[int, int]) -> None:
        start, nth = task
        factor = factors[nth]
        one, other = left[start : start + CHUNK], right[start : start + CHUNK]
        both = [filled[key][one] & filled[key][other] for key in factor.keys if key in filled]
        at = np.flatnonzero(np.logical_or.reduce(both))
        if not len(at):
            return
        first, second = persons.pairs(one[at], other[at], factor.columns)
        with con.cursor() as own:
            own.register("l", first)
            own.register("r", second)
            found[start + at, nth] = own.execute(f"SELECT ({factor.sql})::UTINYINT AS level FROM l POSITIONAL JOIN r").fetchnumpy()["level"]

    tasks = list(product(range(0, len(left), CHUNK), range(len(factors))))
    with worker_pool(con, len(tasks)) as pool:
        list(pool.map(compare, tasks))
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
