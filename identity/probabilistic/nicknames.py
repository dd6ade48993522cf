"""Which given names are one name: the table of the `nicknames` package."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import duckdb
import pyarrow as pa

from identity.scratch import registered

NAMES = "nickname"
PAIRS = "nickname_pair"
WIDTH = 1 << 13
"""More than there are names: a pair of names is the number first × WIDTH + second."""


@cache
def _tables() -> tuple[pa.Table, pa.Table]:
    """(name, nick): every name of the table and its number. (pair): numbers of names that may stand for one another."""
    text = files("nicknames").joinpath("names.csv").read_text()
    canonical: dict[str, set[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        canonical.setdefault(row["name1"], {row["name1"]}).add(row["name2"])
    numbers = {name: i for i, name in enumerate(sorted(set().union(*canonical.values())))}
    pairs = {numbers[a] * WIDTH + numbers[b] for group in canonical.values() for a in group for b in group if a != b}
    names = pa.table({"name": list(numbers), "nick": pa.array(numbers.values(), pa.int32())})
    return names, pa.table({"pair": pa.array(sorted(pairs), pa.int32())})


def create_nicknames(con: duckdb.DuckDBPyConnection) -> None:
    """CREATE TABLE nickname (name, nick) and nickname_pair (pair). Not TEMP: cursors of the connection read them too."""
    for name, table in zip((NAMES, PAIRS), _tables(), strict=True):
        with registered(con, "rows_of_names", table):
            con.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM rows_of_names")
