"""Values that are nobody's: a birth date typed to get past a form, a switchboard, info@. Found in the data, not in a list.

Such a value is set to NULL before anything is blocked or compared, and reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import among
from identity.keyed import UInts, keyed
from identity.probabilistic.prepare import TABLE
from identity.probabilistic.several import MADE_OF, NTH, each_value, values_of
from identity.scratch import registered

_ROLES = (
    "info|office|sales|contact|admin|support|hello|mail|noreply|no-reply|service|billing|team|reception|enquiries|kontakt|post|webmaster"
)

MANY_FAMILIES = 4
"""An e-mail address, phone or number is no person's if the names on it begin with this many different letters."""


@dataclass(frozen=True, slots=True)
class GenericValue:
    """A value on many records that says nothing about who they are. `value` is for the eyes of whoever resolves; it is not stored."""

    column: str
    value: str
    records: int


def remove_generic(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> list[GenericValue]:
    """Set generic values of the prepared table to NULL. Returns them, most frequent first."""
    found = find_generic(con, columns)
    for column in {generic.column: None for generic in found}:
        _remove(con, columns, column, pa.array([g.value for g in found if g.column == column], pa.string()))
    return found


def find_generic(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> list[GenericValue]:
    """The generic values of the prepared table, most frequent first."""
    found: list[GenericValue] = []
    names = "family" if "family" in columns else "given" if "given" in columns else None
    for column in columns:
        if column == "dob":
            query = _too_frequent(column)
        elif names and (column in ("email", "phone") or column.startswith("id_")):
            query = _many_people(column, names, each_value(TABLE, columns, (column,)))
        else:
            continue
        found += [GenericValue(column, str(value), int(n)) for value, n in con.execute(query).fetchall()]
    return sorted(found, key=lambda g: (-g.records, g.column, g.value))


def remove_known(con: duckdb.DuckDBPyConnection, columns: Sequence[str], secret: bytes, known: Mapping[str, UInts]) -> list[GenericValue]:
    """The same for values that were found before, and are known by keyed hash."""
    if not known:
        return []
    found: list[GenericValue] = []
    hashed = ", ".join(f"hash({value}) AS {value}" for column in known for value in values_of(column, columns))
    every = con.execute(f"SELECT {hashed} FROM {TABLE}").fetchnumpy()
    for column, hashes in known.items():
        values = np.concatenate([np.asarray(every[value], np.uint64) for value in values_of(column, columns)])
        if (here := among(keyed(values, secret, column), np.sort(hashes))).any():
            found += _named(con, each_value(TABLE, columns, (column,)), column, np.unique(values[here]))
            _remove(con, columns, column, pa.array([generic.value for generic in found if generic.column == column], pa.string()))
    return sorted(found, key=lambda g: (-g.records, g.column, g.value))


def _named(con: duckdb.DuckDBPyConnection, rows: str, column: str, hashes: UInts) -> list[GenericValue]:
    """The values with some hashes."""
    with registered(con, "generic", pa.table({"h": hashes})):
        counted = f"SELECT {column}, count(*) FROM {rows} WHERE {column} IS NOT NULL AND hash({column}) IN (FROM generic) GROUP BY ALL"
        return [GenericValue(column, str(value), int(n)) for value, n in con.execute(counted).fetchall()]


def known_by_hash(con: duckdb.DuckDBPyConnection, secret: bytes, found: Sequence[GenericValue]) -> dict[str, UInts]:
    """What a model keeps of generic values."""
    kept: dict[str, UInts] = {}
    for column in {generic.column: None for generic in found}:
        with registered(con, "generic", pa.table({"value": pa.array([g.value for g in found if g.column == column], pa.string())})):
            hashes = con.execute("SELECT hash(value) AS h FROM generic").fetchnumpy()["h"]
        kept[column] = np.sort(keyed(np.asarray(hashes, np.uint64), secret, column))
    return kept


def _remove(con: duckdb.DuckDBPyConnection, columns: Sequence[str], column: str, values: pa.Array) -> None:
    parts = MADE_OF.get(column, (column,))
    with registered(con, "generic", pa.table({"value": values})):
        for nth in NTH[: len(values_of(column, columns))]:
            nothing = ", ".join(f"{part}{nth} = NULL" for part in parts)
            con.execute(f"UPDATE {TABLE} SET {nothing} WHERE {column}{nth} IN (SELECT value FROM generic)")
    for further in values_of(column, columns)[1:]:  # who has a further value has a first
        nth = further.removeprefix(column)
        moved = ", ".join(f"{part} = {part}{nth}, {part}{nth} = NULL" for part in parts)
        con.execute(f"UPDATE {TABLE} SET {moved} WHERE {column} IS NULL AND {further} IS NOT NULL")


def _too_frequent(column: str) -> str:
    """Birth dates far above what an even spread over the dates that occur would give (and a person's several records on top)."""
    return (
        f"WITH counted AS (SELECT {column} AS value, count(*) AS n FROM {TABLE} WHERE {column} IS NOT NULL GROUP BY ALL), "
        f"spread AS (SELECT quantile_cont(n, 0.99) AS high FROM counted) "
        f"SELECT value, n FROM counted, spread WHERE n > 10 + 4 * high"
    )


def _many_people(column: str, names: str, table: str) -> str:
    # initials as bits of one number: letters a to z have one each, and DuckDB need not keep a set for every value
    shared = f"bit_count(bit_or(1::UBIGINT << (unicode({names}) % 64)))"
    role = f"REGEXP_MATCHES({column}, '^({_ROLES})@') AND {shared} > 1" if column == "email" else "false"
    return (
        f"SELECT {column} AS value, count(*) AS n FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL "
        f"HAVING count(*) > 1 AND ({shared} >= {MANY_FAMILIES} OR {role})"
    )
