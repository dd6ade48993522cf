"""The records as they are compared: prepared columns, nicknames, and how common each value is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, runs
from identity.keyed import keyed
from identity.probabilistic.known import Known, Shares, count_shares, recall_shares
from identity.probabilistic.nicknames import NAMES, create_nicknames
from identity.probabilistic.prepare import TABLE
from identity.probabilistic.several import each_value, first_of


@dataclass(frozen=True, slots=True)
class Persons:
    """All records, in Arrow, row i being record i: columns as prepared, and for some the share of records with their value;
    `nick`, the number of a given name that is in the table of nicknames; `born`, the birth date as a number."""

    table: pa.Table

    @property
    def count(self) -> int:
        return int(self.table.num_rows)

    def filled(self, column: str) -> npt.NDArray[np.bool_]:
        """Which records have a value there."""
        return np.asarray(self.table[column].is_valid())

    def pairs(self, left: Ints, right: Ints, columns: Sequence[str]) -> tuple[pa.Table, pa.Table]:
        """The two sides of some pairs."""
        some = self.table.select(columns)
        return some.take(pa.array(left)), some.take(pa.array(right))


def share_of(column: str) -> str | None:
    """The column that says how common a value of `column` is (log10 of its share of records), if that is weighed."""
    known = {"given": "gp", "family": "fp", "postcode": "pp", "city": "cp", "domain": "ep", "org": "op"}
    first = first_of(column)
    if first != column:  # the second e-mail's domain: as common as it is among all of them
        return known[first] + column.removeprefix(first) if first in known else None
    return known.get(column) or (f"{column}p" if column.startswith("text_") else None)


def shares(con: duckdb.DuckDBPyConnection, columns: Sequence[str], secret: bytes, known: Known | None = None) -> dict[str, Shares]:
    """CREATE TABLE share_<column> (value, share) for each prepared column whose values are weighed by how common they are.

    As is `known`, or else by counting (with `records`, those of each value): then returns what was counted, under keyed hashes.
    """
    weighed = {column: share for column in columns if first_of(column) == column and (share := share_of(column))}
    tables = {column: each_value(TABLE, columns, (column,)) for column in weighed}
    if known is None:
        return {column: count_shares(con, tables[column], column, share, secret) for column, share in weighed.items()}
    for column, share in weighed.items():
        recall_shares(con, tables[column], column, share, secret, known.shares[column])
    return {}


def persons(con: duckdb.DuckDBPyConnection, columns: Sequence[str], *, drop: bool = False) -> Persons:
    """Read the prepared table whole, after `shares`. With `drop`, columns go as they are read, so that each is in memory once."""
    found = {}
    for column in columns:
        if share := share_of(column):
            first = first_of(column)
            found[share] = _column(con, f"SELECT {share_of(first)} FROM {TABLE} LEFT JOIN share_{first} ON value = {column} ORDER BY rec")
    if "given1" in columns:
        create_nicknames(con)
        found["nick"] = _column(con, f"SELECT nick FROM {TABLE} LEFT JOIN {NAMES} ON name = given1 ORDER BY rec")
    recs = _column(con, f"SELECT rec FROM {TABLE}").to_numpy()
    order = pa.array(np.argsort(recs)) if len(recs) and (np.diff(recs) < 0).any() else None

    def read(column: str) -> pa.Array:
        values = _column(con, f"SELECT {column} FROM {TABLE}")
        return values if order is None else values.take(order)

    if "dob" in columns:
        found["born"] = read("dob::INTEGER")
    for column in ("source", *columns):
        found[column] = read(column)
        if drop:
            con.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column}")
    if drop:
        con.execute(f"DROP TABLE {TABLE}")
    return Persons(pa.table(found))


def recalled(con: duckdb.DuckDBPyConnection, columns: Sequence[str], secret: bytes, known: Known) -> Persons:
    """The prepared table whole, its values as common as is `known` of them: the same as `persons` after `shares`, in one statement.

    For few records, where the number of statements counts and not how often a value is looked up.
    """
    weighed = {column: share for column in columns if (share := share_of(column))}
    read = ["source", *columns, *(f"hash({column}) AS hash_{column}" for column in weighed)]
    read += ["dob::INTEGER AS born"] if "dob" in columns else []
    rows = TABLE
    if "given1" in columns:
        create_nicknames(con)
        read, rows = [*read, "nick"], f"{TABLE} LEFT JOIN {NAMES} ON name = given1"
    found = con.sql(f"SELECT {', '.join(read)} FROM {rows} ORDER BY rec").to_arrow_table().combine_chunks()
    for column, share in weighed.items():
        hashes = keyed(found.column(f"hash_{column}").to_numpy(), secret, first_of(column))
        absent = np.asarray(found.column(column).is_null())
        found = found.append_column(share, pa.array(known.shares[first_of(column)].of(hashes), mask=absent))
    return Persons(found.drop_columns([f"hash_{column}" for column in weighed]))


def _column(con: duckdb.DuckDBPyConnection, query: str) -> pa.Array:
    return con.sql(query).to_arrow_table().column(0).combine_chunks()


def random_pairs(count: int, wanted: int, seed: int = 360) -> tuple[Ints, Ints]:
    """Pairs of different records, drawn evenly: all of them where there are no more than `wanted`; always the same ones."""
    if count * (count - 1) // 2 <= wanted:
        first, second = np.triu_indices(count, 1)
        return first.astype(np.int64), second.astype(np.int64)
    draw = np.random.Generator(np.random.PCG64(seed))
    left = draw.integers(0, count, wanted)
    right = (left + 1 + draw.integers(0, count - 1, wanted)) % count
    return left, right


def agreeing_pairs(con: duckdb.DuckDBPyConnection, columns: Sequence[str], wanted: int, seed: int = 361) -> tuple[Ints, Ints, float]:
    """Pairs of records that agree on some columns, drawn evenly, with how many there are in all; always the same ones."""
    known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    found = con.execute(f"SELECT rec, hash({', '.join(columns)}) AS h FROM {TABLE} WHERE {known}").fetchnumpy()
    recs, keys = np.asarray(found["rec"], np.int64), np.asarray(found["h"], np.uint64)
    bits = np.uint64(max(int(recs.max(initial=0)).bit_length(), 1))
    # a number of both sorts in a tenth of the time; what of the hash falls off tells no pairs apart that are drawn
    packed = np.sort((keys >> bits << bits) | recs.astype(np.uint64))
    recs = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    keys = packed >> bits
    starts, sizes = runs(keys)
    pairs = np.cumsum(sizes * (sizes - 1) // 2)
    if not len(pairs) or not pairs[-1]:
        return np.empty(0, np.int64), np.empty(0, np.int64), 0.0
    draw = np.random.Generator(np.random.PCG64(seed))
    block = np.searchsorted(pairs, draw.integers(0, pairs[-1], wanted), side="right")
    first = draw.integers(0, sizes[block])
    second = (first + 1 + draw.integers(0, sizes[block] - 1)) % sizes[block]
    return recs[starts[block] + first], recs[starts[block] + second], float(pairs[-1])
