"""Values that are nobody's: a birth date typed to get past a form, a switchboard, info@. Found in the data, not in a list.

Such a value is set to NULL before anything is blocked or compared, and reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from identity.probabilistic.prepare import TABLE

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
    found: list[GenericValue] = []
    names = "family" if "family" in columns else "given" if "given" in columns else None
    for column in columns:
        if column == "dob":
            query = _too_frequent(column)
        elif names and (column in ("email", "phone") or column.startswith("id_")):
            query = _many_people(column, names)
        else:
            continue
        con.execute(f"CREATE OR REPLACE TEMP TABLE generic AS {query}")
        values = con.execute("SELECT value, n FROM generic ORDER BY n DESC, value").fetchall()
        if not values:
            continue
        found += [GenericValue(column, str(value), int(n)) for value, n in values]
        parts = [column, "local", "domain", "residue"] if column == "email" else [column]
        con.execute(f"UPDATE {TABLE} SET {', '.join(f'{part} = NULL' for part in parts)} WHERE {column} IN (SELECT value FROM generic)")
    con.execute("DROP TABLE IF EXISTS generic")
    return sorted(found, key=lambda g: (-g.records, g.column, g.value))


def _too_frequent(column: str) -> str:
    """Birth dates far above what an even spread over the dates that occur would give (and a person's several records on top)."""
    return (
        f"WITH counted AS (SELECT {column} AS value, count(*) AS n FROM {TABLE} WHERE {column} IS NOT NULL GROUP BY ALL), "
        f"spread AS (SELECT quantile_cont(n, 0.99) AS high FROM counted) "
        f"SELECT value, n FROM counted, spread WHERE n > 10 + 4 * high"
    )


def _many_people(column: str, names: str) -> str:
    shared = f"count(DISTINCT left({names}, 1))"
    role = f"REGEXP_MATCHES({column}, '^({_ROLES})@') AND {shared} > 1" if column == "email" else "false"
    return (
        f"SELECT {column} AS value, count(*) AS n FROM {TABLE} WHERE {column} IS NOT NULL GROUP BY ALL "
        f"HAVING count(*) > 1 AND ({shared} >= {MANY_FAMILIES} OR {role})"
    )
