"""The records as they are compared: prepared columns, nicknames, and how common each value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from identity.clustering import Ints, among, runs
from identity.keyed import keyed
from identity.probabilistic.known import Known, Shares, count_shares, recall_shares
from identity.probabilistic.nicknames import NAMES, create_nicknames
from identity.probabilistic.prepare import TABLE
from identity.probabilistic.several import MADE_OF, each_value, first_of, values_of


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


def recalled(con: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], secret: bytes, known: Known) -> Persons:
    """What a query gives as prepared, without values that are known to be nobody's, the others as common as is `known`: the same as
    `persons` after `remove_known` and `shares`, in one statement.

    For few records, where the number of statements counts and not how often a value is looked up. Needs the tables of
    `create_nicknames`.
    """
    weighed = {column: share for column in columns if (share := share_of(column))}
    doubtful = [value for column in known.generic for value in values_of(column, columns)]
    read = ["rec", "source", *columns, *(f"hash({column}) AS hash_{column}" for column in dict.fromkeys([*weighed, *doubtful]))]
    read += ["dob::INTEGER AS born"] if "dob" in columns else []
    if "given1" in columns:
        read, rows = [*read, "nick"], f"({rows}) LEFT JOIN {NAMES} ON name = given1"
    else:
        rows = f"({rows})"
    found = con.sql(f"SELECT {', '.join(read)} FROM {rows}").to_arrow_table().combine_chunks()
    found = found.take(pa.array(np.argsort(found.column("rec").to_numpy())))
    hashes = {column: found.column(f"hash_{column}").to_numpy() for column in dict.fromkeys([*weighed, *doubtful])}
    table = found.select([name for name in found.column_names if name != "rec" and not name.startswith("hash_")])
    for column, share in weighed.items():
        common = known.shares[first_of(column)].of(keyed(hashes[column], secret, first_of(column)))
        table = table.append_column(share, pa.array(common, mask=np.asarray(table.column(column).is_null())))
    for column, nobodys in known.generic.items():
        ordered = np.sort(nobodys)
        table = _without(table, column, {v: among(keyed(hashes[v], secret, column), ordered) for v in values_of(column, columns)})
    return Persons(table)


def _without(table: pa.Table, column: str, generic: Mapping[str, npt.NDArray[np.bool_]]) -> pa.Table:
    """`table` without the values of `column` that are nobody's, and what is made of them; then the first of several is again one that
    there is (see `hygiene`)."""
    if not any(rows.any() for rows in generic.values()):
        return table

    def made_of(nth: str) -> list[str]:
        parts = [f"{part}{nth}" for part in MADE_OF.get(column, (column,))]
        shares_of = [share for part in parts if (share := share_of(part))]
        return [name for name in (*parts, *shares_of, *(["born"] if column == "dob" else [])) if name in table.column_names]

    def put(name: str, rows: npt.NDArray[np.bool_], values: pa.ChunkedArray | pa.Scalar) -> None:
        nonlocal table
        at = table.column_names.index(name)
        table = table.set_column(at, name, pc.if_else(pa.array(rows), values, table.column(at)))

    def empty(name: str, rows: npt.NDArray[np.bool_]) -> None:
        put(name, rows, pa.scalar(None, table.column(name).type))

    for value, rows in generic.items():
        for name in made_of(value.removeprefix(column)):
            empty(name, rows)
    for further in list(generic)[1:]:  # who has a further value has a first
        moving = np.asarray(table.column(column).is_null()) & np.asarray(table.column(further).is_valid())
        for name, source in zip(made_of(""), made_of(further.removeprefix(column)), strict=True):
            put(name, moving, table.column(source))
            empty(source, moving)
    return table


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
