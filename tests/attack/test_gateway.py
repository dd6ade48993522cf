"""What the gateway must refuse, as data; and what it lets through, run, to see that it reads permitted relations only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.spi.errors import C360Error, InternalError
from federation.session import Session

python_variable = "a replacement scan would find this"


def statements() -> list[tuple[str, str]]:
    """(statement, code) of refused.sql."""
    text = Path(__file__).with_name("refused.sql").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^-- expect: ", text, flags=re.M)[1:]:
        code, _, body = part.partition("\n")
        found += [(sql.strip("\n"), code.strip()) for sql in re.split(r"^----$", body, flags=re.M)]
    return found


@pytest.mark.parametrize(("sql", "code"), statements())
def test_refused(ana: Session, sql: str, code: str) -> None:
    with pytest.raises(C360Error) as caught:
        ana.sql(sql).fetchall()
    assert caught.value.code == code, str(caught.value)


DEEP = {
    "parentheses": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "sum": "SELECT " + "+".join(["1"] * 5000),
    "or": "SELECT 1 FROM individual WHERE " + " OR ".join(f"points = {i}" for i in range(5000)),
    "not": "SELECT " + "NOT " * 5000 + "true",
    "minus": "SELECT " + "- " * 5000 + "1",
    "calls": "SELECT " + "lower(" * 2000 + "'x'" + ")" * 2000,
    "case": "SELECT " + "CASE WHEN true THEN " * 1000 + "1" + " END" * 1000,
    "lists": "SELECT " + "[" * 400 + "1" + "]" * 400,
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 200 + "individual" + ")" * 200,
    "exists": "SELECT " + "EXISTS(SELECT " * 300 + "1" + ")" * 300,
    "casts": "SELECT 1" + "::int" * 2000,
    "dots": "SELECT a" + ".b" * 3000 + " FROM individual",
    "arrows": "SELECT '{}'" + "->'a'" * 60,
    "lambdas": "SELECT " + "list_transform([1], x -> " * 40 + "1" + ")" * 40,
    "between": "SELECT " + "1 BETWEEN 0 AND " * 2000 + "1",
    "nul": "SELECT 'a\0b'",
    "surrogate": "SELECT '\ud800'",
}


@pytest.mark.parametrize("form", DEEP)
def test_deep_or_unreadable_is_refused_with_a_code(ana: Session, form: str) -> None:
    with pytest.raises(C360Error) as caught:
        ana.sql(DEEP[form], timeout=20).fetchall()
    assert not isinstance(caught.value, InternalError)
    assert caught.value.code in {"C360_NOT_SUPPORTED", "C360_QUERY_SYNTAX", "C360_QUERY_FAILED"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM individual",
        'SELECT * FROM "INDIVIDUAL"',
        "FROM individual SELECT *",
        "FROM individual",
        "TABLE individual",
        "WITH individual AS (SELECT * FROM individual) SELECT * FROM individual",
        "WITH individual AS MATERIALIZED (SELECT * FROM individual) SELECT * FROM individual",
        "WITH sales_order AS (SELECT * FROM individual) SELECT * FROM sales_order",
        "SELECT i.* FROM individual i JOIN sales_order o USING (id360)",
        "SELECT * EXCLUDE (phone) FROM individual",
        "SELECT * REPLACE (upper(email) AS email) FROM individual",
        "SELECT * FROM individual ORDER BY ALL",
        "SELECT city, email, count(*) FROM individual GROUP BY ALL",
        "SELECT email FROM individual GROUP BY email ORDER BY 1",
        "SELECT max(email), min(email), string_agg(email, ','), first(email), list(email), histogram(email), mode(email) FROM individual",
        "SELECT {'e': email, 'p': phone}, [email], to_json({'x': email}) FROM individual",
        "SELECT arg_max(email, points), max(email || phone) FROM individual",
        "SELECT email || phone, lag(email) OVER (ORDER BY birth_date) FROM individual",
        "SELECT (SELECT max(email) FROM individual), email__source, email__key, first_name__key FROM individual",
        "SELECT * FROM individual UNION ALL SELECT * FROM individual",
        "SELECT * FROM individual i, LATERAL (SELECT j.email AS e FROM individual j WHERE j.id360 = i.id360)",
        "SELECT * FROM individual TABLESAMPLE 100%",
        "SELECT * FROM individual SEMI JOIN sales_order USING (id360)",
        "SELECT unnest([email, phone]) FROM individual",
        "SELECT [x || 'q' FOR x IN [email, phone]] FROM individual",
        "SELECT * FROM (VALUES (1)) AS v(a), individual",
        "SELECT * FROM unnest(['a']) AS u(a), individual",
        "SELECT *, _key, _source, _table FROM sales_order",
        "SELECT *, _key, _object FROM timeline",
        "SELECT *, _key FROM engagement_email",
        "SELECT o.* FROM sales_order AS o ORDER BY coupon, total_amount LIMIT 1000",
        "SELECT 0x10, email FROM individual",
        "SELECT email /* DROP */ -- comment\n FROM individual /*! UNION SELECT 1 */",
        "SELECT coupon, total_amount FROM sales_order WHERE total_amount > 0 OR coupon IS NULL",
        "SELECT * FROM individual FULL JOIN sales_order ON individual.id360 = sales_order.id360",
        "SELECT * FROM individual POSITIONAL JOIN (SELECT 1 AS one)",
    ],
)
def test_what_is_let_through_sees_only_what_is_permitted(ana: Session, sql: str) -> None:
    try:
        rows = ana.sql(sql).fetchall()
    except C360Error as error:
        assert error.code in {"C360_NOT_SUPPORTED", "C360_QUERY_SYNTAX", "C360_NOT_ONE_SELECT"}  # refusing is fine too
        return
    assert rows
    assert "hush" not in repr(rows)
    assert "secret" not in repr(rows)


def test_a_kelvin_sign_is_no_k(ana: Session) -> None:
    """Python's lower() makes one of it, DuckDB's does not: a CTE of that name must not vouch for a table of ours or of DuckDB's."""
    with pytest.raises(C360Error):
        ana.sql('WITH "duckdb_\u212aeywords" AS (SELECT 1 AS a) SELECT * FROM duckdb_keywords').fetchall()


@pytest.mark.parametrize("name", ["v0", "v1", "now", "id", "i1", "c", "1", "p1"])
def test_a_parameter_is_nobody_elses(root: Session, name: str) -> None:
    rows = root.sql("SELECT country, city FROM individual").fetchall()
    right = sum(1 for country, city in rows if country == "DE" and city is not None and city != "City1")
    mark, params = ("?", ["City1"]) if name == "1" else (f"${name}", {name: "City1"})
    assert root.sql(f"SELECT count(*) FROM individual WHERE country = 'DE' AND city <> {mark}", params).fetchone() == (right,)
    assert 0 < right < len(rows)


def test_names_of_parameters_in_text_are_text(root: Session) -> None:
    rows = root.sql("SELECT '$v0', '?', '$1', '$c360_now', '$c360_p1', count(*) FROM individual WHERE country = 'DE'")
    assert rows.fetchall()[0][:4] == ("$v0", "?", "$1", "$c360_now") if rows is not None else False
