"""Which given names are one name: the table of the `nicknames` package, as ids of the names that they may stand for."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import duckdb
import pyarrow as pa

TABLE = "nickname"


@cache
def _table() -> pa.Table:
    """(name, nick): a row per name and canonical name it may stand for, itself included where it is one."""
    text = files("nicknames").joinpath("names.csv").read_text()
    pairs: set[tuple[str, str]] = set()
    for row in csv.DictReader(text.splitlines()):
        pairs.add((row["name1"], row["name1"]))
        pairs.add((row["name2"], row["name1"]))
    numbers = {name: i for i, name in enumerate(sorted({canonical for _, canonical in pairs}))}
    names: dict[str, list[int]] = {}
    for name, canonical in sorted(pairs):
        names.setdefault(name, []).append(numbers[canonical])
    return pa.table({"name": list(names), "nick": pa.array(list(names.values()), pa.list_(pa.int32()))})


def create_nicknames(con: duckdb.DuckDBPyConnection) -> None:
    """CREATE TABLE nickname (name, nick INTEGER[])."""
    con.register("nickname_rows", _table())
    con.execute(f"CREATE OR REPLACE TEMP TABLE {TABLE} AS SELECT * FROM nickname_rows")
    con.unregister("nickname_rows")
