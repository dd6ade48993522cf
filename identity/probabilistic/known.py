"""What a model knows of single values, so that a pair's score depends on its two records and the model alone.

How common a name is, which birth date is a placeholder, whether a source writes the month first: all of that is counted in training
and then stays, under keyed hashes. A value that is not among the common ones is as rare as any other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.keyed import UInts, keyed
from identity.scratch import registered

COMMON = -4.5
"""Values with at least this share of records (log10) are told apart; all rarer ones count as RAREST, or as standing on two records: no
pair agrees on a value that stands on one."""
RAREST = -5.0
UNSEEN = 1000.0
"""As many records more, none with a value of these, are counted in: what is on two of six records is not on a third of all in the world."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """How common the common values of a column are: `share[i]` (log10) is that of the value with keyed hash `values[i]`, in order of
    hashes. Any other value counts as `rare`."""

    values: UInts
    share: npt.NDArray[np.float32]
    rare: float

    def of(self, hashes: UInts) -> npt.NDArray[np.float32]:
        """The share of each value, by its keyed hash."""
        if not len(self.values):
            return np.full(len(hashes), self.rare, np.float32)
        at = np.minimum(np.searchsorted(self.values, hashes), len(self.values) - 1)
        return np.where(self.values[at] == hashes, self.share[at], np.float32(self.rare)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """`shares` and `generic` (keyed hashes of values that are nobody's) by column; the sources that write dates month first.
    `probe` says by which hash() the hashes were made (identity.keyed)."""

    shares: Mapping[str, Shares] = field(default_factory=dict)
    generic: Mapping[str, UInts] = field(default_factory=dict)
    month_first: tuple[str, ...] = ()
    probe: int = 0


def count_shares(con: duckdb.DuckDBPyConnection, table: str, column: str, share: str, secret: bytes) -> Shares:
    """CREATE TABLE share_<column> (value, records, share) by counting `table`."""
    clipped = f"(CASE WHEN p < {COMMON} THEN greatest({RAREST}, log10(2 / (total + {UNSEEN}))) ELSE p END)::FLOAT"
    counted = f"SELECT {column} AS value, count(*) AS n, sum(n) OVER () AS total FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE share_{column} AS SELECT value, n AS records, {clipped} AS {share} "
        f"FROM (SELECT *, log10(n / (total + {UNSEEN})) AS p FROM ({counted}))"
    )
    ((total,),) = con.execute(f"SELECT coalesce(sum(records), 0) FROM share_{column}").fetchall()
    common = con.execute(f"SELECT hash(value) AS h, {share} AS p FROM share_{column} WHERE {share} >= {COMMON}").fetchnumpy()
    hashes = keyed(np.asarray(common["h"], np.uint64), secret, column)
    order = np.argsort(hashes)
    rare = max(RAREST, float(np.log10(2 / (float(total) + UNSEEN))))
    return Shares(hashes[order], np.asarray(common["p"], np.float32)[order], rare)


def recall_shares(con: duckdb.DuckDBPyConnection, table: str, column: str, share: str, secret: bytes, known: Shares) -> None:
    """CREATE TABLE share_<column> (value, share) for the values of `table`, by what is known of them."""
    values = con.sql(
        f"SELECT {column} AS value, hash({column}) AS h FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}"
    ).to_arrow_table()
    found = known.of(keyed(values.column("h").to_numpy(), secret, column))
    with registered(con, "recalled", pa.table({"value": values.column("value"), share: found})):
        con.execute(f"CREATE OR REPLACE TEMP TABLE share_{column} AS FROM recalled")


def as_document(known: Known) -> dict[str, Any]:
    """For a model file: numbers as base64 of little-endian bytes."""
    return {
        "shares": {
            column: {"values": _packed(s.values, "<u8"), "log10": _packed(s.share, "<f4"), "rare": s.rare}
            for column, s in known.shares.items()
        },
        "generic": {column: _packed(values, "<u8") for column, values in known.generic.items()},
        "month_first": list(known.month_first),
        "probe": known.probe,
    }


def from_document(document: Mapping[str, Any]) -> Known:
    """What `as_document` wrote. Raises: KeyError, TypeError, ValueError."""
    return Known(
        {
            column: Shares(_unpacked(s["values"], "<u8"), _unpacked(s["log10"], "<f4"), float(s["rare"]))
            for column, s in document["shares"].items()
        },
        {column: _unpacked(values, "<u8") for column, values in document["generic"].items()},
        tuple(map(str, document["month_first"])),
        int(document["probe"]),
    )


def _packed(values: npt.NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _unpacked(text: str, kind: str) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), kind).astype(kind[1:])
