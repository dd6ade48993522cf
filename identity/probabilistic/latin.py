"""Names in other scripts, written in Latin letters: once per distinct name, by the `anyascii` package."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import duckdb
import pyarrow as pa
from anyascii import anyascii

from identity.scratch import registered

TABLE = "latin"
_UNSPACED = re.compile("[\u3400-\u9fff\uac00-\ud7af]{2,4}")
_EAST_ASIAN = re.compile("[\u3040-\u30fa\u30fc-\u30ff\u3400-\u9fff\uac00-\ud7af\\s]+")
_SPACES = re.compile("[\\s\u00b7\u30fb\u2022]+")
_OTHER_SCRIPT = r"[^\x00-\x{024F}\x{1E00}-\x{1EFF}\x{2000}-\x{206F}]"


def in_latin(con: duckdb.DuckDBPyConnection, record: str, columns: Sequence[str], whole: Collection[str] = ()) -> str:
    """A FROM clause with `record`, its `columns` of names in Latin letters; those in `whole` are whole names: family name last.

    >>> con = duckdb.connect()
    >>> _ = con.execute("CREATE TABLE r AS SELECT n, n AS w, rec FROM (VALUES (0, 'ada'), (1, '王伟'), (2, 'борис')) AS t(rec, n)")
    >>> con.execute(f"SELECT n, w FROM {in_latin(con, 'r', ['n', 'w'], ['w'])} ORDER BY rec").fetchall()
    [('ada', 'ada'), ('wang wei', 'wei wang'), ('boris', 'boris')]
    """
    # a value of ASCII alone has as many bytes as letters, which is quickly seen
    found = " UNION ".join(
        f"SELECT DISTINCT {column} AS value FROM {record} "
        f"WHERE strlen({column}) > length({column}) AND REGEXP_MATCHES({column}, '{_OTHER_SCRIPT}')"
        for column in columns
    )
    values = [value for (value,) in con.execute(found).fetchall()] if columns else []
    if not values:
        return record
    written = {"value": values, "latin": [_written(value) for value in values], "whole": [_family_last(value) for value in values]}
    with registered(con, "values_in_latin", pa.table(written)):
        con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS SELECT * FROM values_in_latin")
    forms = {column: "whole" if column in whole else "latin" for column in columns}
    replaced = ", ".join(f"COALESCE({TABLE}_{column}.{form}, r.{column}) AS {column}" for column, form in forms.items())
    joins = " ".join(f"LEFT JOIN {TABLE} AS {TABLE}_{column} ON {TABLE}_{column}.value = r.{column}" for column in columns)
    return f"(SELECT r.* REPLACE ({replaced}) FROM {record} AS r {joins})"


def _family_last(value: str) -> str:
    """A whole name: Chinese, Korean and Japanese have the family name first, but where a dot parts names from elsewhere.

    >>> [_family_last(name) for name in ("王伟", "山田 太郎", "山田太郎", "ジョン・スミス", "Иван Петров")]
    ['wei wang', 'tailang shantian', 'tailang shantian', 'jiyon sumisu', 'ivan petrov']
    """
    parts = value.split() if _EAST_ASIAN.fullmatch(value) else []
    if len(parts) == 1 and _UNSPACED.fullmatch(value):
        first = 2 if len(value) == 4 else 1
        parts = [value[:first], value[first:]]
    return f"{anyascii(parts[1])} {anyascii(parts[0])}".lower() if len(parts) == 2 else _written(value)


def _written(value: str) -> str:
    """Latin letters in lower case; where a name has no spaces (王伟), a capital begins a word, else (山田 太郎) a space does.

    Of a name of a few Chinese or Korean characters the first is a name, mostly the family's, and the others are one: xi jinping.
    """
    if _UNSPACED.fullmatch(value):
        return f"{anyascii(value[0])} {anyascii(value[1:])}".lower()
    parts = _SPACES.split(value.strip())
    if len(parts) > 1:
        return " ".join(map(anyascii, parts)).lower()
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", anyascii(value)).lower()
