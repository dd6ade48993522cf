"""The records as they are compared: prepared columns, nicknames, and how common each value is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.probabilistic.nicknames import TABLE as NICKNAMES
from identity.probabilistic.nicknames import create_nicknames
from identity.probabilistic.prepare import TABLE

SHARES = {"given": "gp", "family": "fp", "postcode": "pp", "city": "cp", "org": "op"}
"""Columns whose values are weighed by how common they are, and the column that says it: log10 of the share of records."""


@dataclass(frozen=True, slots=True)
class Persons:
    """All records, in Arrow, row i being record i: columns as prepared, with `nick` and the shares of SHARES."""

    table: pa.Table

    @property
    def count(self) -> int:
        return int(self.table.num_rows)

    def pairs(self, left: Ints, right: Ints) -> tuple[pa.Table, pa.Table]:
        """The two sides of some pairs."""
        return self.table.take(pa.array(left)), self.table.take(pa.array(right))


def persons(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> Persons:
    """Read the prepared table whole, with frequencies."""
    picked, joins = [], []
    for column in columns:
        picked.append(f"p.{column}")
        share = SHARES.get(column) or (f"{column}p" if column.startswith("text_") else None)
        if share:
            joins.append(
                f"LEFT JOIN (SELECT {column}, log10(count(*) / sum(count(*)) OVER ())::FLOAT AS {share} FROM {TABLE} "
                f"WHERE {column} IS NOT NULL GROUP BY {column}) AS {share}_ ON {share}_.{column} = p.{column}"
            )
            picked.append(f"{share}_.{share}")
    if "given" in columns:
        create_nicknames(con)
        picked.append("nickname.nick")
        joins.append(f"LEFT JOIN {NICKNAMES} AS nickname ON nickname.name = p.given1")
    table = con.sql(f"SELECT p.source, {', '.join(picked)} FROM {TABLE} AS p {' '.join(joins)} ORDER BY p.rec").to_arrow_table()
    return Persons(table.combine_chunks())


def random_pairs(count: int, wanted: int, seed: int = 360) -> tuple[Ints, Ints]:
    """Pairs of different records, drawn evenly: all of them where there are no more than `wanted`; always the same ones."""
    if count * (count - 1) // 2 <= wanted:
        first, second = np.triu_indices(count, 1)
        return first.astype(np.int64), second.astype(np.int64)
    draw = np.random.Generator(np.random.PCG64(seed))
    left = draw.integers(0, count, wanted)
    right = (left + 1 + draw.integers(0, count - 1, wanted)) % count
    return left, right


def namesakes(con: duckdb.DuckDBPyConnection, wanted: int, seed: int = 361) -> tuple[Ints, Ints, float]:
    """Pairs of records of one given and family name, drawn evenly, with how many there are in all; always the same ones."""
    found = con.execute(f"SELECT rec, hash(given, family) AS h FROM {TABLE} WHERE given IS NOT NULL AND family IS NOT NULL").fetchnumpy()
    recs, keys = np.asarray(found["rec"], np.int64), np.asarray(found["h"], np.uint64)
    recs = recs[np.lexsort((recs, keys))]
    _, starts, sizes = np.unique(keys, return_index=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    pairs = np.cumsum(sizes * (sizes - 1) // 2)
    if not len(pairs) or not pairs[-1]:
        return np.empty(0, np.int64), np.empty(0, np.int64), 0.0
    draw = np.random.Generator(np.random.PCG64(seed))
    block = np.searchsorted(pairs, draw.integers(0, pairs[-1], wanted), side="right")
    first = draw.integers(0, sizes[block])
    second = (first + 1 + draw.integers(0, sizes[block] - 1)) % sizes[block]
    return recs[starts[block] + first], recs[starts[block] + second], float(pairs[-1])
