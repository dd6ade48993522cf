"""What is read and written again means what was written: every expression beside DuckDB's own reading of the text."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

from federation import gateway
from federation.answers import table
from federation.errors import QueryError
from views.duckdb_sql import lost_in_writing, read

ROWS = """(VALUES (1, 'x', 2.50, DATE '2023-12-31', TIMESTAMPTZ '2023-12-31 23:30:00-05', true, '{"a.b": 1, "a": {"b": 2}, "k:v": 3}',
    'day', 'i'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'i'),
    (-7, 'ÄB cb', -10.05, DATE '1969-02-28', TIMESTAMPTZ '2024-10-27 00:30:00+00', false, '[1]', 'month', 'i'))
    AS a(i, t, m, da, tz, b, j, u, f)"""
EXPRESSIONS = """
    a.j ->> 'a.b'
    a.j -> 'k:v'
    a.j ->> '*'
    a.j ->> ''
    a.j ->> '$.a.b'
    a.j ->> 'a[0]'
    a.j -> 0
    (a.j ->> 'a.b') = '1'
    json_extract(a.j, '$..b')
    json_extract(a.j, ['$.a', 'a.b'])
    json_extract_string(a.j, '/a/b')
    jaro_winkler_similarity(a.t, 'X')
    jaro_winkler_similarity(a.t, 'X', 0.5)
    date_add(a.da, a.i)
    date_add(a.da, INTERVAL 1 MONTH)
    date_diff(a.u, a.da, DATE '2024-05-06')
    datediff(u, da, DATE '2024-05-06')
    date_trunc(u, a.tz::TIMESTAMP)
    "date_trunc"('Month', a.da)
    datetrunc(lower('YEAR'), a.da)
    decode('\\xAA'::BLOB, 'replace')
    regexp_replace(a.t, 'B', '-', lower('GI'))
    regexp_extract(a.t, '(B)', 1, a.f)
    regexp_extract_all(a.t, 'b', 0, f)
    regexp_replace(a.t, 'b', '-', 'nonsense')
    approx_top_k(a.t, 2)
    list_sort([3, NULL, 1], 'DESC', 'NULLS LAST')
    list_sort([3, NULL, 1], upper('desc'))
    (SELECT decode.b FROM (VALUES (1)) AS decode(b))
    time_bucket(INTERVAL 1 DAY, a.tz)
    time_bucket(INTERVAL 1 DAY, a.tz, 'Europe/Berlin')
    time_bucket(INTERVAL 1 WEEK, a.da, DATE '2000-01-01')
    bool_and(DISTINCT a.b)
    bool_or(a.b ORDER BY a.i)
    bool_or(a.b) FILTER (WHERE a.i > 0)
    a.t COLLATE NOCASE.NOACCENT = 'ab C'
    a.t COLLATE NOCASE = 'X'
    sum(a.i) OVER (ORDER BY a.i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW)
    -2 ** 2
    NOT a.b IS NULL
    (a.i < 3) = a.b
    10 - (3 - 1)
    'abcdef'[2:4]
    [3, 1, 2][-1]
    [x + 1 FOR x IN [1, 2, 3] IF x > 1]
    a.da - DATE '2020-01-01'
    a.tz - INTERVAL '1 day' + '2 hours'::INTERVAL
    a.da - INTERVAL 1 MONTH + '2 hours'::INTERVAL
    INTERVAL 1 MONTH + '2024-01-01'::DATE
    INTERVAL 1 DAY + 3 * INTERVAL 1 HOUR + a.da
    a.da + INTERVAL 1 DAY + INTERVAL 2 HOUR
    a.t || ' INTERVAL ''1 day'' + 3'
    a.tz AT TIME ZONE 'America/New_York'
    a.m::DECIMAL(10, 1)::TEXT
    -(a.i::TEXT::INT)
    quantile_cont(a.i, [0.25, 0.75])
    max(a.t, 2)
    list(DISTINCT a.t ORDER BY a.t)
"""


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 1}) as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[str]]:
    try:
        found = table(con.execute(sql))
    except duckdb.Error as error:
        return [type(error).__name__], []
    return [str(t) for t in found.schema.types], sorted(map(repr, found.column(0).to_pylist()))


@pytest.mark.parametrize("text", [line.strip() for line in EXPRESSIONS.strip().splitlines()])
def test_what_is_written_again_means_the_same(con: duckdb.DuckDBPyConnection, text: str) -> None:
    sql = f"SELECT {text} AS c FROM {ROWS}"
    (tree,) = read(sql)
    assert tree is not None
    assert answer(con, tree.sql("duckdb")) == answer(con, sql)


@pytest.mark.parametrize(
    "text",
    [
        "time_bucket(INTERVAL 1 DAY, a.da, \"x y\")",
        "last_day(a.da, '1) AS x, (SELECT list(table_name) FROM information_schema.tables) + (1')",
        "date_add(a.i, a.i, 'DAY, 1')",
        "a.t COLLATE 'nocase, (SELECT list(sql) FROM duckdb_views)'",
        "a.t COLLATE \"nocase; drop\"",
        "extract(\"year FROM a.da), (1\" FROM a.da)",
    ],
)  # fmt: skip
def test_a_text_in_the_place_of_a_keyword_is_refused(text: str) -> None:
    """Unless it is written again as a text. sqlglot writes units and collations without quotes."""
    try:
        (tree,) = read(f"SELECT {text} FROM a")
    except ParseError:
        return
    assert tree is not None
    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    words = [t.text.lower() for t in Tokenizer(dialect="duckdb").tokenize(tree.sql("duckdb")) if t.token_type not in quoted]
    assert not {"x y", "information_schema", "duckdb_views", "drop"} & set(words)


def test_no_function_turns_a_text_into_sql() -> None:
    """A marked text at each place of each permitted function stays within quotes, or the query is refused."""
    tokenizer, tried = Tokenizer(dialect="duckdb"), 0
    for name in sorted(gateway.ALLOWED):
        for count in range(1, 5):
            for place in range(count):
                arguments = ", ".join("'zm''arker x'" if i == place else "a.i" for i in range(count))
                try:
                    checked = gateway.check(f"SELECT {name}({arguments}) AS c FROM (SELECT 1 AS i) AS a", lambda _: None, lambda: ())
                except QueryError:
                    continue
                tried += 1
                for token in tokenizer.tokenize(checked.query.sql("duckdb")):
                    assert "arker" not in token.text.lower() or token.token_type is TokenType.STRING, f"{name}({arguments})"
    assert tried > 2000


def test_what_sqlglot_cannot_write_is_told() -> None:
    """Left to itself, it leaves that out, and warns."""
    (tree,), (whole,) = read("SELECT a.t FROM a FOR UPDATE"), read("SELECT a.t FROM a")
    assert tree is not None and whole is not None
    assert "FOR UPDATE" in lost_in_writing(tree) and not lost_in_writing(whole)


def test_errors_point_at_the_text_as_it_was_written() -> None:
    with pytest.raises(ParseError) as caught:
        read("SELECT decode(a.t, 'x'")
    assert "ƒ" not in str(caught.value)
