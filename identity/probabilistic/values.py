"""What the values of a table's columns tell of their kinds, where headers leave it open: for tables that nobody has described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from identity.probabilistic.dates import eight_digits
from identity.probabilistic.kinds import Kind, recognise
from identity.probabilistic.name_parts import words
from identity.probabilistic.nicknames import NAMES, create_nicknames
from identity.scratch import identifier

MOSTLY = 0.8
"""Of a column's values so many must look alike for it to be of a kind."""
_GIVEN_NAMES = 0.2
"""Of second words so many are known given names, and twice as often as first words: then family names come first. Most lists of
names in Western order have one in two among the first words."""
_REPEATED = 0.5
"""Of the values of a column so many must be the name of the record's person for it to be a name of theirs."""
_GROWN = 15
"""Birth dates are spread over more years than dates of what happened to customers; between the fifth and the last fifth in a hundred."""

_WORD = r"[\p{Latin}''’.-]+"
_EMAIL = r"\s*[^@\s]+@[^@\s]+\.[A-Za-z]{2,}\s*"
_NUMBER = r"\s*\+?[\d ()./-]{9,22}\s*"
_PHONE = r"\s*(\+|\(0?\d{2,3}\)|(1-)?\d{3,5}[ ./-]\d{3}).*"
_WRITTEN_OUT = 0.3
"""Of telephone numbers so many are written as such, and not as any number."""


def kinds_by_values(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> dict[str, Kind]:
    """The kinds of those columns (texts) that are something else than their names alone tell."""
    named = {field.attribute: field.kind for field in recognise(columns)}
    found = _halves_of_names(con, table, named)
    whole = [name for name, kind in named.items() if kind is Kind.FULL and name not in found]
    if len(whole) == 1 and {Kind.GIVEN, Kind.FAMILY}.isdisjoint({*named.values(), *found.values()}) and _one_word(con, table, whole):
        found |= dict.fromkeys(whole, Kind.GIVEN)
    found |= {name: Kind.FAMILY_FIRST for name in whole if name not in found and _family_first(con, table, name)}
    kinds = named | found
    spoken = _name(kinds)
    texts = [name for name in columns if kinds.get(name) is Kind.TEXT]
    found |= {name: Kind.FULL for name in texts if spoken and _repeats(con, table, name, spoken)}
    return found | {name: kind for name in texts if name not in found and (kind := _looks(con, table, name, kinds.values()))}


def _name(kinds: Mapping[str, Kind]) -> str:
    """The expression of a person's whole name, of a table with columns of `kinds`; "" if there is none."""
    parts = [next((name for name, kind in kinds.items() if kind is part), "") for part in (Kind.FULL, Kind.GIVEN, Kind.FAMILY)]
    if parts[0]:
        return identifier(parts[0])
    return f"{identifier(parts[1])} || ' ' || {identifier(parts[2])}" if parts[1] and parts[2] else ""


def _repeats(con: duckdb.DuckDBPyConnection, table: str, column: str, spoken: str) -> bool:
    """Whether a column mostly says the name once more, where both are there: who is on a card is who pays with it."""
    known = f"trim({identifier(column)}) <> '' AND trim({spoken}) <> ''"
    same = f"lower(trim({identifier(column)})) = lower(trim({spoken}))"
    ((share,),) = con.execute(f"SELECT avg(({same})::INT) FROM {table} WHERE {known}").fetchall()
    return share is not None and share > _REPEATED


def _halves_of_names(con: duckdb.DuckDBPyConnection, table: str, named: Mapping[str, Kind]) -> dict[str, Kind]:
    """Two columns under one header ("name" and, as DuckDB calls the second, "name_1") of which each has one word: given and family name."""
    names = {name.lower(): name for name, kind in named.items() if kind is Kind.FULL}
    twice = [(name, names[f"{called}_1"]) for called, name in names.items() if f"{called}_1" in names]
    found = dict[str, Kind]()
    for both in twice:
        if _one_word(con, table, both):
            found |= zip(both, (Kind.GIVEN, Kind.FAMILY), strict=True)
    return found


def _one_word(con: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]) -> bool:
    """Whether each column is of names of a single word (王伟 may be a whole name)."""
    return all(_share(con, table, name, f"REGEXP_FULL_MATCH(trim({identifier(name)}), '{_WORD}')") > MOSTLY for name in columns)


def _family_first(con: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether most whole names have the family name first (SMITH JOHN), by given names that are known."""
    create_nicknames(con)
    known = ", ".join(f"avg((w[{nth}] IN (SELECT name FROM {NAMES}))::INT)" for nth in (1, 2))
    rows = f"SELECT {words(identifier(column))} AS w FROM {table} WHERE NOT contains({identifier(column)}, ',')"  # a comma tells by itself
    ((first, second),) = con.execute(f"SELECT {known} FROM ({rows}) WHERE len(w) > 1").fetchall()
    return second is not None and second > _GIVEN_NAMES and second > 2 * first


def _looks(con: duckdb.DuckDBPyConnection, table: str, column: str, there: Iterable[Kind]) -> Kind | None:
    """What a column of unknown kind is, by how its values look: contacts, or birth dates where there are none."""
    value = identifier(column)
    if _share(con, table, column, f"REGEXP_FULL_MATCH({value}, '{_EMAIL}')") > MOSTLY:
        return Kind.EMAIL
    number = f"REGEXP_FULL_MATCH({value}, '{_NUMBER}') AND {eight_digits(value, ())} IS NULL"
    if _share(con, table, column, number) > MOSTLY and _share(con, table, column, f"REGEXP_FULL_MATCH({value}, '{_PHONE}')") > _WRITTEN_OUT:
        return Kind.PHONE
    if {Kind.BIRTH_DATE, Kind.BIRTH_YEAR, Kind.AGE}.isdisjoint(there):
        day = f"CASE WHEN REGEXP_FULL_MATCH(trim({value}), '\\d{{1,4}}[./-]\\d{{1,2}}[./-]\\d{{1,4}}') THEN {eight_digits(value, ())} END"
        year = f"TRY_CAST(left({day}, 4) AS INT)"
        if _share(con, table, column, f"{year} BETWEEN 1900 AND year(today())") > MOSTLY:
            ((years,),) = con.execute(f"SELECT quantile_cont({year}, 0.95) - quantile_cont({year}, 0.05) FROM {table}").fetchall()
            return Kind.BIRTH_DATE if years > _GROWN else None
    return None


def _share(con: duckdb.DuckDBPyConnection, table: str, column: str, condition: str) -> float:
    """Of the values that there are, the share that meets a condition."""
    value = identifier(column)
    ((share,),) = con.execute(f"SELECT avg(coalesce({condition}, false)::INT) FROM {table} WHERE trim({value}) <> ''").fetchall()
    return float(share or 0.0)
