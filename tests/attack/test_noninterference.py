"""Two worlds that agree on all that ana may see: whatever she asks, by whatever error, she cannot tell them apart.

Compared byte for byte: the rows, the code and text of the error, and what `explain` says of the query. Not compared, because they do
differ: the meters of a report (rows, bytes, requests, milliseconds per source, and `crossed_rows`), how long an answer takes, and when
the crosswalk was resolved.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Mapping

import pytest

from connectors.spi.errors import C360Error, InternalError
from federation.project import Project
from federation.session import Session
from tests.attack.company import PEOPLE, mail, strange

Twins = tuple[Project, Project]
GENERATED = 5000 if os.environ.get("C360_ATTACK_LONG") else 120

CORPUS = """
SELECT * FROM individual ORDER BY id360
SELECT * FROM sales_order ORDER BY order_number
SELECT * FROM engagement_email ORDER BY ALL
SELECT * FROM timeline ORDER BY ALL
SELECT *, _key, _object FROM timeline ORDER BY ALL
SELECT *, _key, _source, _table FROM sales_order ORDER BY order_number
SELECT email__source, email__key, email__as_of, phone__source, phone__as_of, birth_date__as_of FROM individual ORDER BY id360
SELECT first_name__key, city__source, city__key, city__as_of, points__key, individual_id, individual_id__key FROM individual ORDER BY id360
SELECT records, last_updated_at FROM individual ORDER BY id360
SELECT count(*), count(email), count(DISTINCT email), min(email), max(phone), min(birth_date) FROM individual
SELECT email, count(*) FROM individual GROUP BY email HAVING count(*) > 1 ORDER BY email
SELECT email FROM individual ORDER BY email LIMIT 3
SELECT city FROM individual ORDER BY email, phone, birth_date, id360 LIMIT 5
SELECT id360, row_number() OVER (ORDER BY email, id360) FROM individual ORDER BY id360
SELECT sum(total_amount), max(coupon), count(coupon), count(*) FROM sales_order
SELECT order_number FROM sales_order ORDER BY total_amount DESC NULLS LAST, order_number LIMIT 7
SELECT order_number FROM sales_order ORDER BY ordered_at DESC, order_number LIMIT 5
SELECT order_number FROM sales_order ORDER BY ordered_at LIMIT 5 OFFSET 3
SELECT count(*) FROM sales_order WHERE status = 'secret'
SELECT count(*) FROM sales_order WHERE status IS NULL
SELECT count(*) FROM sales_order WHERE items > 2
SELECT count(*) FROM sales_order WHERE coupon LIKE 'hush%'
SELECT count(*) FROM individual WHERE email LIKE 'hush%'
SELECT count(*) FROM individual WHERE country <> 'DE' OR country IS NULL
SELECT count(*) FROM individual WHERE first_name = 'hushed'
SELECT count(*) FROM individual WHERE city = 'hush'
SELECT count(*) FROM individual WHERE lower(city) LIKE 'hush%'
SELECT cast(first_name AS INT) FROM individual
SELECT cast(status AS INT) FROM individual ORDER BY id360
SELECT count(*) FROM individual WHERE cast(status AS INT) = 17
SELECT count(*) FROM individual WHERE cast(first_name AS INT) = 17
SELECT count(*) FROM individual WHERE cast(first_name AS DATE) > DATE '2000-01-01'
SELECT count(*) FROM individual WHERE cast(email AS INT) = 7
SELECT count(*) FROM individual WHERE strptime(first_name, '%Y-%m-%d') > TIMESTAMP '2000-01-01'
SELECT count(*) FROM individual WHERE score * 1e308 > 1 AND cast(score * 1e30 AS BIGINT) > 1
SELECT count(*) FROM individual WHERE cast(points AS TINYINT) > 1
SELECT sum(cast(points AS SMALLINT)) FROM individual
SELECT count(*) FROM sales_order WHERE cast(order_number AS INT) = 12
SELECT count(*) FROM sales_order WHERE cast(order_number AS DATE) > DATE '2000-01-01'
SELECT count(*) FROM sales_order WHERE cast(items AS TINYINT) > 0
SELECT sum(items * 9000000000000000000) FROM sales_order
SELECT count(*) FROM sales_order WHERE cast(total_amount AS TINYINT) > 0
SELECT count(*) FROM sales_order WHERE total_amount::VARCHAR::DATE > DATE '2000-01-01'
SELECT count(*) FROM individual WHERE points // (points - points) = 1 OR cast('x' || first_name AS INT) = 1
SELECT count(*) FROM individual WHERE regexp_matches(first_name, '(' || first_name)
SELECT count(*) FROM individual WHERE json_extract(first_name, '$.a') IS NOT NULL
SELECT count(*) FROM individual WHERE (SELECT 1 FROM sales_order o WHERE o.status = 'secret' LIMIT 1) = 1
SELECT (SELECT city FROM individual j WHERE j.city = i.city) FROM individual i
SELECT (SELECT first_name FROM individual WHERE city = 'hush') AS one
SELECT count(*) FROM individual i JOIN sales_order o USING (id360)
SELECT count(*) FROM individual i FULL JOIN sales_order o USING (id360) WHERE i.id360 IS NULL
SELECT count(*) FROM sales_order o ANTI JOIN individual i USING (id360)
SELECT count(*) FROM individual i LEFT JOIN sales_order o ON o.id360 = i.id360 AND cast(o.order_number AS INT) = 12
SELECT count(*) FROM individual a JOIN individual b ON a.email = b.email AND a.id360 < b.id360
SELECT count(*) FROM individual a JOIN individual b ON a.phone = b.phone AND cast(b.first_name AS INT) = 17
SELECT count(*) FROM timeline WHERE kind = 'case'
SELECT count(*) FROM timeline WHERE summary LIKE '%hush%' OR details LIKE '%hush%' OR details LIKE '%secret%'
SELECT count(*) FROM timeline WHERE cast(details AS INT) = 5
SELECT max(at), min(at) FROM timeline
SELECT kind, count(*) FROM timeline GROUP BY kind ORDER BY kind
SELECT count(*) FROM engagement_email WHERE type = 'hushed'
SELECT max(occurred_at) FROM engagement_email
SELECT count(*) FROM engagement_email WHERE cast(campaign AS INT) = 1
SELECT count(*) FROM crosswalk
SELECT count(*) FROM individual_record WHERE city = 'hush'
SELECT count(*) FROM raw.crm.contact
SELECT count(*) FROM raw.crm.nothing
SELECT count(*) FROM "case"
SELECT count(*) FROM case WHERE subject LIKE 'hush%'
SELECT nothing FROM individual
SELECT * FROM nothing
SELECT approx_count_distinct(city), approx_quantile(points, 0.5), histogram(country) FROM individual
SELECT DISTINCT country, city FROM individual ORDER BY ALL
SELECT unnest(list(city ORDER BY id360)) FROM individual
SELECT arg_max(city, points), arg_min(first_name, score), max_by(email, points) FROM individual
SELECT sum(points) OVER (PARTITION BY phone) FROM individual ORDER BY id360
SELECT count(*) FROM individual WHERE last_updated_at > TIMESTAMP '2026-06-01'
SELECT count(*) FROM individual WHERE records > 3
""".strip().splitlines()


def outcome(ask: Callable[[], object], folder: str) -> str:
    """The answer or the error, as text."""
    try:
        return repr(ask())
    except C360Error as error:
        assert not isinstance(error, InternalError), error
        return f"{type(error).__name__} {error.code} {error}".replace(folder, "")


def same(twins: Twins, ask: Callable[[Session], object]) -> str:
    one, other = (outcome(lambda p=p: ask(p.session("ana")), str(p.model.root)) for p in twins)
    assert one == other
    return one


def explained(session: Session, sql: str) -> str:
    plan = session.explain(sql)
    return re.sub(r"planned in [\d.]+ ms|resolved \d+ \w+ ago", "", plan.text(verbose=True)) + plan.state_sql + repr(plan.plan.as_dict())


def test_the_worlds_differ_where_ana_may_not_look(twins: Twins) -> None:
    seen = [p.session("root").sql("SELECT count(*), min(email), max(city) FROM individual").fetchall() for p in twins]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("sql", CORPUS)
def test_corpus(twins: Twins, sql: str) -> None:
    said = same(twins, lambda s: s.sql(sql).fetchall())
    assert "hush" not in said
    same(twins, lambda s: explained(s, sql))


def test_corpus_with_every_pass_off(twins: Twins) -> None:
    from federation.passes import NAMES

    for sql in CORPUS[::6]:
        same(twins, lambda s, sql=sql: s.sql(sql, passes_off=NAMES).fetchall())


ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "individual": ("email", "phone", "first_name", "city", "country", "birth_date", "score", "points", "status", "language", "full_name"),
    "sales_order": ("order_number", "status", "total_amount", "coupon", "items", "ordered_at"),
    "timeline": ("at", "kind", "summary", "details", "source"),
    "engagement_email": ("type", "campaign", "occurred_at"),
}
VALUES = (
    "'DE'",
    "'CH'",
    "'City1'",
    "'hush'",
    "'hushed'",
    "'secret'",
    "'17'",
    "'First3'",
    "''",
    "NULL",
    "17",
    "1e308",
    "DATE '2020-01-01'",
    "'***'",
)
THROWING = (
    "cast({a} AS INT) > 0", "cast({a} AS DATE) > DATE '2000-01-01'", "cast(cast({a} AS VARCHAR) AS TINYINT) = 1", "cast({a} AS BOOLEAN)",
    "strptime(cast({a} AS VARCHAR), '%Y') IS NOT NULL", "cast(length(cast({a} AS VARCHAR)) AS TINYINT) > 0",
    "9223372036854775807 + length(cast({a} AS VARCHAR)) > 0", "chr(-length(cast({a} AS VARCHAR))) = 'a'",
    "ln(-length(cast({a} AS VARCHAR))) > 0", "regexp_matches('x', cast({a} AS VARCHAR) || '(')", "1 // length({a}) > 0",
    "factorial(length(cast({a} AS VARCHAR)) * 40) > 0", "cast({a} AS UUID) IS NULL", "json(cast({a} AS VARCHAR)) IS NULL",
)  # fmt: skip
PLAIN = (
    "{a} = {v}", "{a} <> {v}", "{a} < {v}", "{a} IN ({v}, {w})", "{a} IS NULL", "{a} IS DISTINCT FROM {v}", "lower({a}) = lower({v})",
    "{a} LIKE 'hu%'", "{a} LIKE '%s_'", "NOT ({a} = {v} OR {a} = {w})", "{a} BETWEEN {v} AND {w}", "coalesce({a} = {v}, true)",
)  # fmt: skip
SHAPES = (
    "SELECT count(*) FROM {t} WHERE {p}", "SELECT count(*) FROM {t} WHERE {p} AND {q}", "SELECT count(*) FROM {t} WHERE {q} OR {p}",
    "SELECT {a} FROM {t} WHERE {p} ORDER BY ALL LIMIT 3", "SELECT {a}, count(*) FROM {t} GROUP BY {a} HAVING min({a}) IS NOT NULL ORDER BY ALL",  # noqa: E501
    "SELECT count(*) FROM {t} x LEFT JOIN {t} y ON x.{a} = y.{a} AND ({p2})", "SELECT count(*) FROM (SELECT DISTINCT {a} FROM {t}) AS {t} WHERE {p}",  # noqa: E501
    "WITH c AS MATERIALIZED (SELECT * FROM {t} WHERE {p}) SELECT count(*) FROM c AS {t} WHERE {q}",
    "SELECT CASE WHEN {q} THEN 1 ELSE 0 END, count(*) FROM {t} WHERE {p} GROUP BY 1 ORDER BY ALL",
    "SELECT max(CASE WHEN {p} THEN 1 ELSE 0 END) FROM {t}", "SELECT count(*) FROM {t} WHERE EXISTS (SELECT 1 FROM {t} z WHERE z.{a} = {t}.{a}) AND {p}",  # noqa: E501
    "SELECT rank() OVER (ORDER BY {a}) FROM {t} WHERE {p} ORDER BY ALL LIMIT 9", "SELECT min({a}) FILTER (WHERE {p}) FROM {t} WHERE {q}",
)  # fmt: skip


def generated(seed: int) -> str:
    """A query made of a shape, a predicate that may throw, and one that may be pushed."""
    rng = random.Random(seed)
    table = rng.choice(list(ATTRIBUTES))
    attribute = rng.choice(ATTRIBUTES[table])

    def predicate(of: str, forms: tuple[str, ...]) -> str:
        return rng.choice(forms).format(a=of, v=rng.choice(VALUES), w=rng.choice(VALUES), s="%")

    p, q = predicate(attribute, THROWING if rng.random() < 0.6 else PLAIN), predicate(attribute, PLAIN)
    if rng.random() < 0.5:
        q = predicate(rng.choice(ATTRIBUTES[table]), PLAIN) if "DISTINCT" not in q else q
    p2 = predicate(f"y.{attribute}", THROWING)
    return rng.choice(SHAPES).format(t=table, a=attribute, p=p, q=q, p2=p2)


@pytest.mark.parametrize("block", range(10))
def test_generated(twins: Twins, block: int) -> None:
    for seed in range(block * GENERATED // 10, (block + 1) * GENERATED // 10):
        sql = generated(seed)
        same(twins, lambda s, sql=sql: s.sql(sql).fetchall())


def test_profiles(twins: Twins) -> None:
    """By id, identifier and source key: of people she may see, of hidden ones, of nobody."""
    ids = [{r[0] for r in p.session("root").sql("SELECT id360 FROM individual").fetchall()} for p in twins]
    seen = {r[0] for r in twins[0].session("ana").sql("SELECT id360 FROM individual").fetchall()}
    hidden = sorted(ids[0] ^ ids[1])
    assert hidden
    nobody = 100_000_000_000_001
    for who in (*sorted(seen)[:8], *hidden[:8]):
        said = same(twins, lambda s, who=who: s.profile(who, window=None, provenance=True).as_dict())
        assert "hush" not in said
    for who in hidden[:8]:
        hers = outcome(lambda who=who: twins[0].session("ana").profile(who), "")
        assert hers.replace(str(who), "") == outcome(lambda: twins[0].session("ana").profile(nobody), "").replace(str(nobody), "")
    keys = [{"email": mail(p, h)} for p in range(3) for h in (0, 1)] + [{"city": "hush"}, {"first_name": "hushed"}, {"phone": "hush-1"}]
    keys += [("crm", "contact", strange(0)[0]), ("crm", "contact", strange(1)[-1]), ("crm", "contact", 0), ("crm", "contact", 10**9)]
    keys += [("shop", "customer", mail(0, 0)), {"country": "CH"}, {"nothing": 1}, {"first_name": "First1"}, {"city": "City1"}]
    for key in keys:
        for new in (None, True):
            same(twins, lambda s, key=key, new=new: s.profile(key, window=None, provenance=True, provisional=new).as_dict())


def _lost(twins: Twins) -> list[str]:
    """Predicates that only a value satisfies that lost to a later record."""
    old = twins[0].session("root").sql("SELECT city FROM individual_record WHERE key = '500'").fetchone()
    assert old is not None
    forms = ("city = '{0}'", "lower(city) = '{0}'", "city LIKE '{0}'", "city IN ('{0}', 'x')", "city BETWEEN '{0}' AND '{0}'")
    return [form.format(old[0]) for form in forms]


def test_a_record_that_lost_is_no_oracle(twins: Twins) -> None:
    """A candidate search finds a person by a value that lost; whether it did must not show by an error."""
    for found in _lost(twins):
        for throw in THROWING:
            sql = f"SELECT count(*) FROM individual WHERE {throw.format(a='first_name')} AND {found}"
            same(twins, lambda s, sql=sql: s.sql(sql).fetchall())


def test_who_crosses_does_not_hang_on_a_value_that_lost(twins: Twins) -> None:
    """Only DuckDB's order of filters would hide it otherwise: what crosses may depend on nothing that she may not see."""
    for found in _lost(twins):
        answers = [p.session("ana").sql(f"SELECT first_name FROM individual WHERE {found}") for p in twins]
        assert [a.fetchall() for a in answers] == [[], []]
        assert answers[0].report.crossed_rows == answers[1].report.crossed_rows


def test_everybody_who_may_see_more_does(twins: Twins) -> None:
    root = twins[0].session("root")
    assert root.sql("SELECT count(*) FROM individual").fetchone() > (PEOPLE,)  # type: ignore[operator]
    assert root.sql("SELECT count(*) FROM sales_order WHERE status = 'secret'").fetchone() > (0,)  # type: ignore[operator]
