"""What is particular to PostgreSQL: what reaches the server, what ends a connection, which types are refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.postgres import PostgresConnector, connect
from connectors.spi import Deadline, Fragment, KeyFilter, OrderBy, Param, Session
from connectors.spi.errors import (
    C360Error,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceConfig,
    SourceLogin,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)
from connectors.testing.contract import PROMPT
from connectors.testing.predicates import fetch
from tests.support.faults import FaultProxy
from tests.support.postgres import TestPostgres, server

TABLES = (
    "CREATE TABLE contact (id bigint PRIMARY KEY, name text, amount numeric(12, 2), seen timestamp, note varchar)",
    "INSERT INTO contact SELECT i, 'n' || i, i / 100.0, timestamp '2024-01-01' + i * interval '1 hour', 'x'"
    " FROM generate_series(1, 20000) AS i",
    "UPDATE contact SET seen = NULL WHERE id <= 3",
    "CREATE INDEX contact_seen ON contact (seen)",
    "CREATE TABLE pair (a int, b text, v text, PRIMARY KEY (a, b))",
    "INSERT INTO pair SELECT i, 'k' || i % 7, 'v' || i FROM generate_series(1, 20000) AS i",
    "CREATE TABLE code (c char(6) PRIMARY KEY, u uuid UNIQUE)",
    "INSERT INTO code SELECT 'c' || i, gen_random_uuid() FROM generate_series(1, 5000) AS i",
    "ANALYZE",
)


@pytest.fixture(scope="module")
def postgres() -> TestPostgres:
    return server()


@pytest.fixture(scope="module")
def database(postgres: TestPostgres) -> str:
    return postgres.database(*TABLES)


@pytest.fixture
def crm(postgres: TestPostgres, database: str) -> Iterator[PostgresConnector]:
    connector = connect("crm", {"uri": postgres.uri(database)})
    yield connector
    connector.close()


def by_key(*ids: int) -> dict[str, object]:
    return {"k": (pa.array(ids, pa.int64()),)}


ONE = Fragment("crm", "contact", ("id", "name", "amount"), keys=KeyFilter(("id",), "k"))


def judged(crm: PostgresConnector, table: str, predicate: exp.Expr, **types: pa.DataType) -> Fragment:
    described = crm.table(table)
    judgement = crm.capabilities.judge(predicate, {c.name: c for c in described.columns}, types)
    assert judgement.emitted is not None
    return Fragment("crm", table, described.columns[0].name.split(), (judgement.emitted,), tuple(Param(n, t) for n, t in types.items()))  # type: ignore[arg-type]


# -- what reaches the server


def test_a_point_lookup_is_one_statement(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    fetch(crm, ONE, by_key(5))
    with postgres.statements(database) as seen:
        assert fetch(crm, ONE, by_key(7)).to_pylist()[0]["name"] == "n7"
    assert len(seen) == 1, seen
    assert "ANY($1::int8[])" in seen[0]


def test_a_snapshot_holds(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    session = crm.session(Deadline.after(10), snapshot=True)
    first = pa.Table.from_batches(list(session.run(ONE, by_key(4))))
    postgres.psql(database, "UPDATE contact SET name = 'changed' WHERE id = 4")
    assert pa.Table.from_batches(list(session.run(ONE, by_key(4)))) == first
    session.close()
    assert fetch(crm, ONE, by_key(4))["name"].to_pylist() == ["changed"]


def test_keys_use_the_index(postgres: TestPostgres, database: str, crm: PostgresConnector) -> None:
    """The statements as sent, with their placeholders filled in, are explained by the server itself."""
    cases: list[tuple[Fragment, dict[str, object], str]] = [
        (ONE, by_key(1, 2), "contact_pkey"),
        (
            Fragment("crm", "pair", ("v",), keys=KeyFilter(("a", "b"), "k")),
            {"k": (pa.array([1, 2], pa.int32()), pa.array(["k1", "k2"]))},
            "pair_pkey",
        ),
        (Fragment("crm", "code", ("c",), keys=KeyFilter(("c",), "k")), {"k": (pa.array(["c1"]),)}, "code_pkey"),
        (
            Fragment("crm", "code", ("c",), keys=KeyFilter(("u",), "k")),
            {"k": (pa.array(["123e4567-e89b-12d3-a456-426614174000"]),)},
            "code_u_key",
        ),
    ]
    for fragment, values, index in cases:
        assert index in _explain(postgres, database, crm, fragment, values), fragment
    equal = judged(crm, "contact", exp.column("id").eq(exp.Placeholder(this="p")), p=pa.int64())
    assert "contact_pkey" in _explain(postgres, database, crm, equal, {"p": 5})
    char = judged(crm, "code", exp.column("c").eq(exp.Placeholder(this="p")), p=pa.string())
    assert "code_pkey" in _explain(postgres, database, crm, char, {"p": "c77"})
    uuid = judged(crm, "code", exp.column("u").eq(exp.Placeholder(this="p")), p=pa.string())
    assert "code_u_key" in _explain(postgres, database, crm, uuid, {"p": "123e4567-e89b-12d3-a456-426614174000"})
    since = judged(crm, "contact", exp.GTE(this=exp.column("seen"), expression=exp.Placeholder(this="p")), p=pa.timestamp("us"))
    assert "contact_seen" in _explain(postgres, database, crm, since, {"p": "2026-04-13 06:00:00"}, copied=True)
    newest = Fragment("crm", "contact", ("id", "seen"), order=(OrderBy("seen", True), OrderBy("id")), limit=5)
    assert "Index Scan Backward using contact_seen" in _explain(postgres, database, crm, newest, {})


def _explain(
    postgres: TestPostgres, database: str, crm: PostgresConnector, fragment: Fragment, values: dict[str, object], *, copied: bool = False
) -> str:
    plan = crm._prepare(fragment)
    if copied:
        settings = "; ".join(f"SELECT set_config('c360.v{i}', '{v}', true)" for i, v in enumerate(values.values()))
        return postgres.psql(database, f"BEGIN; {settings}; EXPLAIN {plan.copy_sql}; COMMIT")
    sql = plan.sql
    row = plan.row(values)
    for i in range(row.num_columns if row else 0):
        value = row.column(i)[0].as_py()  # type: ignore[union-attr]
        text = "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)
        sql = sql.replace(f"${i + 1}", f"'{text}'")
    return postgres.psql(database, f"EXPLAIN {sql}")


def test_top_n_with_nulls_anywhere(crm: PostgresConnector) -> None:
    for descending, nulls_first, expected in ((True, False, [20000, 19999]), (False, True, [1, 2]), (False, False, [4, 5])):
        order = (OrderBy("seen", descending, nulls_first), OrderBy("id"))
        assert fetch(crm, Fragment("crm", "contact", ("id",), order=order, limit=2))["id"].to_pylist() == expected
    last = (OrderBy("seen", True, False), OrderBy("id", True))
    assert fetch(crm, Fragment("crm", "contact", ("id",), order=last, limit=20000))["id"].to_pylist()[-4:] == [4, 3, 2, 1]


def test_values_are_never_text_of_the_statement(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    hostile = '\'; DROP TABLE contact; --\\ $1 {"a",NULL} é'
    fragment = judged(crm, "contact", exp.column("name").eq(exp.Placeholder(this="p")), p=pa.string())
    with postgres.statements(database) as seen:
        assert fetch(crm, fragment, {"p": hostile}).num_rows == 0
    assert not any("DROP" in s for s in seen)
    assert fetch(crm, ONE, by_key(1)).num_rows == 1


def test_a_large_answer_comes_by_copy_with_bound_values(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    since = exp.GTE(this=exp.column("seen"), expression=exp.Placeholder(this="p"))
    fragment = judged(crm, "contact", since, p=pa.timestamp("us"))
    with postgres.statements(database) as seen:
        assert fetch(crm, fragment, {"p": pa.scalar("2024-01-01 00:00:00").cast(pa.timestamp("us")).as_py()}).num_rows == 19997
    assert any(s.startswith("COPY") and "CURRENT_SETTING('c360.v0')" in s for s in seen), seen
    assert fetch(crm, fragment, {"p": None}).num_rows == 0


def test_the_session_is_pinned_and_cannot_write(crm: PostgresConnector) -> None:
    session = crm.session(Deadline.after(5), snapshot=False)
    names = ("TimeZone", "DateStyle", "standard_conforming_strings", "default_transaction_read_only", "search_path", "application_name")
    shown = {n: session.catalog(f"SHOW {n}", None)[0] for n in names}
    assert [next(iter(v.values())) for v in shown.values()] == ["UTC", "ISO, MDY", "on", "on", "pg_catalog", "c360"]
    assert session.catalog("SHOW client_connection_check_interval", None)[0] == {"client_connection_check_interval": "500ms"}
    with pytest.raises(SourceBroken, match="25006"):
        session.catalog("CREATE TABLE public.x (a int)", None)
    session.close()


# -- types


def test_types_that_do_not_map_are_read_as_text(postgres: TestPostgres) -> None:
    columns = "n numeric, m money, t time, i interval, a int[], p inet, d numeric(30, 4), s smallint, z positive, c name, v vague"
    database = postgres.database(
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
        "CREATE TYPE vague AS (x int)",
        f"CREATE TABLE odd ({columns})",
        "INSERT INTO odd VALUES (1.10, '1.5', '24:00', '1 mon', '{1,2}', '10.0.0.1', 12345678901234567890.1234, 7, 3, 'nm', '(4)')",
    )
    crm = connect("crm", {"uri": postgres.uri(database)})
    table = crm.table("odd")
    assert {c.name: c.kind for c in table.columns if c.kind != "opaque"} == {"d": "decimal", "s": "int", "z": "int", "c": "text"}
    row = fetch(crm, Fragment("crm", "odd", tuple(c.name for c in table.columns))).to_pylist()[0]
    assert row["n"] == "1.10"
    assert row["t"] == "24:00:00"
    assert str(row["d"]) == "12345678901234567890.1234"
    assert (row["s"], row["z"], row["c"], row["v"]) == (7, 3, "nm", "(4)")
    crm.close()


@pytest.mark.parametrize(
    ("type_", "value"),
    [("numeric(10, 2)", "NaN"), ("date", "infinity"), ("timestamp", "-infinity"), ("timestamptz", "infinity"), ("date", "0044-03-15 BC")],
)
def test_what_does_not_fit_is_an_error_that_names_the_column(postgres: TestPostgres, type_: str, value: str) -> None:
    database = postgres.database(f"CREATE TABLE odd (id int, strange {type_})", f"INSERT INTO odd VALUES (1, '{value}')")
    crm = connect("crm", {"uri": postgres.uri(database)})
    with pytest.raises(UnmappedType, match="strange") as raised:
        fetch(crm, Fragment("crm", "odd", ("id", "strange")))
    assert value not in str(raised.value).replace("(NaN, infinity, or", "")
    crm.close()


def test_discovery_sees_what_the_role_may_read(postgres: TestPostgres) -> None:
    database = postgres.database(
        "CREATE SCHEMA sales",
        'CREATE TABLE sales."Order" (id int PRIMARY KEY, "Total" numeric(8, 2), secret text)',
        'COMMENT ON COLUMN sales."Order"."Total" IS \'in euro\'',
        'CREATE VIEW recent AS SELECT id FROM sales."Order"',
        "CREATE TABLE log (id int, at date) PARTITION BY RANGE (at)",
        "CREATE TABLE log_2024 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "CREATE TABLE hidden (id int)",
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN",
        "GRANT USAGE ON SCHEMA sales TO reader",
        'GRANT SELECT (id, "Total") ON sales."Order" TO reader',
        "GRANT SELECT ON recent, log TO reader",
    )
    crm = connect("crm", {"uri": postgres.uri(database, user="reader", tcp=True), "tables": {"sales.Order": {"required": ["id"]}}})
    assert crm.tables() == ("log", "recent", "sales.Order")
    order = crm.table("sales.Order")
    assert [(c.name, c.comment) for c in order.columns] == [("id", ""), ("Total", "in euro")]
    assert (order.key, order.required) == (("id",), ("id",))
    assert crm.table("public.recent").name == "recent"
    assert fetch(crm, Fragment("crm", "public.recent", ("id",))).num_rows == 0
    crm.close()
    postgres.psql(database, 'REVOKE SELECT ON sales."Order" FROM reader', "DROP OWNED BY reader")
    with pytest.raises(SourceLogin):
        fetch(crm, Fragment("crm", "sales.Order", ("id",)))
    crm.close()


def test_a_changed_type_is_drift(postgres: TestPostgres) -> None:
    database = postgres.database("CREATE TABLE t (id int, v int)", "INSERT INTO t VALUES (1, 2)")
    crm = connect("crm", {"uri": postgres.uri(database)})
    fragment = Fragment("crm", "t", ("id", "v"))
    assert fetch(crm, fragment).num_rows == 1
    postgres.psql(database, "ALTER TABLE t ALTER v TYPE text")
    with pytest.raises(SchemaDrift, match="`v`"):
        fetch(crm, fragment)
    postgres.psql(database, "ALTER TABLE t DROP v")
    with pytest.raises(SchemaDrift, match="`v`"):
        fetch(crm, fragment)
    crm.close()


# -- faults


def test_a_connection_that_died_in_the_pool_is_replaced(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    for snapshot in (False, True):
        fetch(crm, ONE, by_key(1))
        postgres.psql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        time.sleep(0.1)
        session = crm.session(Deadline.after(5), snapshot=snapshot)
        assert sum(b.num_rows for b in session.run(ONE, by_key(1, 2))) == 2
        session.close()


def test_a_server_that_went_away_for_good(postgres: TestPostgres, database: str) -> None:
    proxy = FaultProxy(postgres.port)
    crm = connect("crm", {"uri": postgres.uri(database, port=proxy.port), "connections": 1})
    fetch(crm, ONE, by_key(1))
    proxy.close()
    for _ in range(3):  # the slot comes back each time
        with pytest.raises(SourceUnreachable):
            fetch(crm, ONE, by_key(1))
    crm.close()


def test_a_full_pool_is_busy(postgres: TestPostgres, database: str) -> None:
    crm = connect("crm", {"uri": postgres.uri(database), "connections": 1})
    held = crm.session(Deadline.after(10), snapshot=False)
    with pytest.raises(SourceBusy):
        crm.session(Deadline.after(0.2), snapshot=False)
    crm.forget()
    assert sum(b.num_rows for b in held.run(ONE, by_key(1))) == 1  # looking at the catalog does not wait for the session itself
    held.close()
    crm.session(Deadline.after(5), snapshot=False).close()
    crm.close()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("count", [1, 300, 40_000])
def test_a_cut_stream_is_an_error_never_a_short_answer(postgres: TestPostgres, database: str, count: int, reset: bool) -> None:
    with FaultProxy(postgres.port) as proxy:
        crm = connect("crm", {"uri": postgres.uri(database, port=proxy.port)})
        whole = Fragment("crm", "contact", ("id", "name", "seen"))
        assert fetch(crm, whole).num_rows == 20000
        session = crm.session(Deadline.after(5), snapshot=False)
        proxy.cut_after(count, reset=reset)
        with pytest.raises((SourceBroken, SourceUnreachable)):
            list(session.run(whole, {}))
        session.close()
        proxy.heal()
        assert fetch(crm, whole).num_rows == 20000
        crm.close()


def test_a_server_that_never_answers(postgres: TestPostgres, database: str) -> None:
    with FaultProxy(postgres.port) as proxy:
        proxy.black_hole()
        crm = connect("crm", {"uri": postgres.uri(database, port=proxy.port), "connect_timeout": 30})
        started = time.monotonic()
        with pytest.raises(SourceTimeout):
            crm.session(Deadline.after(0.5), snapshot=False)
        assert time.monotonic() - started < PROMPT
        crm.close()


def test_a_slow_statement_is_ended_at_the_server_too(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    postgres.psql(database, "CREATE OR REPLACE VIEW slow AS SELECT 1 AS id, pg_sleep(20)::text AS v")
    started = time.monotonic()
    with pytest.raises(SourceTimeout):
        fetch(crm, Fragment("crm", "slow", ("id", "v")), seconds=0.5)
    assert time.monotonic() - started < PROMPT
    time.sleep(1.2)
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%slow%' AND pid <> pg_backend_pid()"
    assert postgres.psql(database, query).strip() == "0"


def test_cancel_from_another_thread_leaves_others_alone(crm: PostgresConnector, postgres: TestPostgres, database: str) -> None:
    postgres.psql(database, "CREATE OR REPLACE VIEW slow AS SELECT 1 AS id, pg_sleep(20)::text AS v")
    doomed, other = crm.session(Deadline.after(30), snapshot=False), crm.session(Deadline.after(30), snapshot=False)
    seen: list[C360Error] = []

    def wait() -> None:
        try:
            list(doomed.run(Fragment("crm", "slow", ("id", "v")), {}))
        except C360Error as error:
            seen.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    doomed.cancel()
    thread.join(1)
    assert not thread.is_alive()
    assert [e.code for e in seen] == ["C360_CANCELLED"]
    assert sum(b.num_rows for b in other.run(ONE, by_key(1))) == 1
    doomed.close()
    other.close()


def test_two_streams_of_one_session_may_interleave(crm: PostgresConnector) -> None:
    session: Session = crm.session(Deadline.after(10), snapshot=True)
    first = session.run(Fragment("crm", "contact", ("id",)), {})
    reader = iter(first)
    rows = next(reader).num_rows
    assert sum(b.num_rows for b in session.run(ONE, by_key(1))) == 1
    assert rows + sum(b.num_rows for b in reader) == 20000
    session.close()


# -- options


BAD: list[tuple[dict[str, object], str]] = [
    ({}, "uri"),
    ({"uri": "x=1", "pool": 3}, "pool"),
    ({"uri": "tiger-7"}, "connection string"),
    ({"uri": "x=1", "connections": "4"}, "connections"),
]


@pytest.mark.parametrize(("options", "word"), BAD)
def test_bad_options_are_named(options: dict[str, object], word: str) -> None:
    with pytest.raises(SourceConfig, match=word) as raised:
        connect("crm", options)
    assert "tiger-7" not in str(raised.value)


def test_connecting_contacts_nobody_and_prints_no_secret(postgres: TestPostgres) -> None:
    crm = connect("crm", {"uri": "postgresql://joe:tiger-7@203.0.113.1/x"})
    assert "tiger" not in repr(crm) + repr(vars(crm)) + repr(vars(vars(crm)["_pool"]))


@pytest.mark.parametrize(
    "form", ["host={host} port={port} dbname={db} user=postgres", "postgresql://postgres@/{db}?host={host}&port={port}"]
)
def test_both_forms_of_a_connection_string(postgres: TestPostgres, database: str, form: str) -> None:
    uri = form.format(host=postgres.server.socket_folder, port=postgres.port, db=database)
    crm = connect("crm", {"uri": uri})
    assert crm.ping(Deadline.after(5)).startswith("PostgreSQL 1")
    crm.close()
