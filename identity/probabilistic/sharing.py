"""How many pairs of records share one of several values of a kind, counted in the prepared table: too rare among pairs drawn at random."""

from __future__ import annotations

from itertools import combinations

from identity.probabilistic.prepare import TABLE
from identity.probabilistic.several import NTH, STEMS, named


def pairs_counted(table: str, column: str, count: int, level: str, weight: float = 1.0) -> str:
    """Query: how many pairs of records share a value, times `weight` (rows of level, pairs; several of one level).

    Pairs that share two of three values are counted by either and taken off once, and so on: no pair counts twice. `level` is that of
    a record by one value, whose columns have `{0}` behind their names.
    """
    parts = []
    for size in range(1, count + 1):
        for chosen in combinations(NTH[:count], size):
            values = [f"{column}{nth}" for nth in chosen]
            apart = [f"{one} <> {other}" for one, other in combinations(values, 2)] or [f"{values[0]} IS NOT NULL"]
            levels = [level.format(nth) for nth in chosen]  # the greatest of those taken off: what is left of a pair is its least
            parts.append(
                f"SELECT rec, {size} AS size, greatest({', '.join(levels)}) AS level, hash(list_sort([{', '.join(values)}])) AS key "
                f"FROM {table} WHERE {' AND '.join(apart)}"
            )
    sized = (
        f"SELECT level, size, count(*)::DOUBLE AS n FROM (SELECT DISTINCT * FROM ({' UNION ALL '.join(parts)})) GROUP BY level, size, key"
    )
    return f"SELECT level, {weight} * CASE size WHEN 2 THEN -1 ELSE 1 END * n * (n - 1) / 2 AS pairs FROM ({sized} HAVING n > 1)"


def counted_apart(column: str, count: int, level: str, levels: int, less: str = "") -> str:
    """Query: pairs that share a value of `column` and (`less`) none of another, by level; `levels` are added where one has several."""
    stem = STEMS[column]
    one_each = f"(FROM {TABLE} WHERE {' AND '.join(f'{other} IS NULL' for other in named(stem, count)[1:])})"
    found = []
    for shared, sign in ((column, 1), (less, -1)):
        if shared:
            every = pairs_counted(TABLE, shared, count, level, sign)
            single = pairs_counted(one_each, shared, 1, level, sign)
            beyond = f"SELECT level + {levels} AS level, pairs FROM ({every} UNION ALL SELECT level, -pairs FROM ({single}))"
            found += [single, beyond]
    return f"SELECT level, greatest(sum(pairs), 0) FROM ({' UNION ALL '.join(found)}) GROUP BY level"
