"""Birth dates of any spelling as eight digits, year first. SQL per row; what cannot be read is NULL."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

_PARTS = r"REGEXP_EXTRACT({0}, '^\s*(\d{{1,2}})\D(\d{{1,2}})\D(\d{{4}}|\d{{2}})\b', ['a', 'b', 'y'])"
# two digits first: %Y would read 91 as the year 91
_NAMED_MONTHS = "['%d-%b-%y', '%d %b %y', '%d-%b-%Y', '%d %b %Y', '%b %d %Y', '%b %d, %Y', '%d %B %Y', '%B %d %Y', '%B %d, %Y']"
_SERIAL = r"^\s*([1-4]\d{4})\s*$"
_SERIAL_END = 47_500
"""Dates as spreadsheets keep them, in days since 1899: from 1927 to 2030."""
_TURN = 30
"""A year of two digits above this is of the 1900s."""


def sources_month_first(con: duckdb.DuckDBPyConnection, record: str, value: str) -> tuple[int, ...]:
    """The sources whose own dates tell that they write the month first (a 13 is no month)."""
    dates = f"SELECT source, {_PARTS.format(value)} AS d FROM {record} WHERE {value} IS NOT NULL"
    counted = con.execute(
        f"SELECT source, count(*) FILTER (TRY_CAST(d.a AS INT) > 12), count(*) FILTER (TRY_CAST(d.b AS INT) > 12) "
        f"FROM ({dates}) WHERE d.y <> '' GROUP BY source"
    ).fetchall()
    return tuple(sorted(source for source, first, second in counted if second > first))


def eight_digits(value: str, month_first: Sequence[int]) -> str:
    """The expression: ISO, yyyymmdd, dd/mm/yyyy or mm/dd/yyyy (by `month_first`), 1-Mar-70, March 1 1970, a year alone, or a
    spreadsheet's number."""
    swap = f"source IN ({', '.join(str(int(s)) for s in month_first)})" if month_first else "false"
    iso = rf"REGEXP_EXTRACT({value}, '^\s*(\d{{4}})\D?(\d{{1,2}})\D?(\d{{1,2}})', ['y', 'a', 'b'])"
    pad = "LPAD({0}, 2, '0')".format
    first, second = pad("__d.a"), pad("__d.b")
    ordered = f"CASE WHEN {swap} THEN {first} || {second} ELSE {second} || {first} END"
    century = f"CASE WHEN LENGTH(__d.y) = 4 THEN '' WHEN TRY_CAST(__d.y AS INT) > {_TURN} THEN '19' ELSE '20' END"
    local = _once(_PARTS.format(value), f"CASE WHEN __d.y <> '' THEN {century} || __d.y || {ordered} END")
    named = f"CASE WHEN REGEXP_MATCHES({value}, '[A-Za-z]') THEN strftime(TRY_STRPTIME(TRIM({value}), {_NAMED_MONTHS}), '%Y%m%d') END"
    year = rf"RPAD(NULLIF(REGEXP_EXTRACT({value}, '^\s*(1[89]\d\d|20\d\d)\s*$', 1), ''), 8, '0')"
    days = f"TRY_CAST(REGEXP_EXTRACT({value}, '{_SERIAL}', 1) AS INT)"
    serial = f"CASE WHEN {days} < {_SERIAL_END} THEN strftime(DATE '1899-12-30' + {days}, '%Y%m%d') END"
    year_first = _once(iso, f"CASE WHEN __d.y <> '' THEN __d.y || {first} || {second} END")
    spelled = f"COALESCE({year_first}, {local}, {year}, {named}, {serial})"
    return rf"CASE WHEN REGEXP_FULL_MATCH({value}, '\d{{4}}-\d\d-\d\d') THEN REPLACE({value}, '-', '') ELSE {spelled} END"


def _once(found: str, made: str) -> str:
    """What is `made` of `__d`, which is `found` once: a pattern is compiled wherever it stands, and CASE reads it anew in each branch."""
    return f"list_transform([{found}], lambda __d: {made})[1]"
