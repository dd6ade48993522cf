"""What DuckDB hands to an Arrow scan must come out as if the rows lay in a table of its own."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from federation.answers import place
from federation.virtual_table import VirtualTable

ROWS = pa.table(
    {
        "i": [1, 2, 3, 4, 5],
        "x": [1.0, float("nan"), None, 7.0, float("inf")],
        "d": pa.array([Decimal(1), Decimal(2), Decimal(3), None, Decimal(5)], pa.decimal128(10, 2)),
        "s": ["a", "b", None, "", "é"],
    }
)
CONDITIONS = (
    "x > 5", "x >= 5", "x < 5", "NOT (x > 5)", "x = 'NaN'", "x <= 'NaN'", "x <> 'NaN'", "x IN (7.0, 'NaN')", "x BETWEEN 1 AND 'inf'",
    "x IS DISTINCT FROM 7.0", "x > 5 AND d > 1", "d > 1.5", "d IS DISTINCT FROM 2", "d IS NOT DISTINCT FROM NULL", "s > 'b'", "s <> 'a'",
    "s NOT IN ('a')", "s IS DISTINCT FROM 'a'", "i <> 2 OR x IS NULL", "i IN (SELECT i FROM r WHERE x > 5)",
)  # fmt: skip


@pytest.fixture
def room() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    virtual = VirtualTable(ROWS.schema)
    virtual.rows = ROWS
    place(con, "r", virtual, "")
    con.register("copied", ROWS)
    con.execute("CREATE TABLE own AS SELECT * FROM copied")
    return con


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_filter_means_what_it_means_to_duckdb(room: duckdb.DuckDBPyConnection, condition: str) -> None:
    got = room.execute(f"SELECT i FROM r WHERE {condition} ORDER BY i").fetchall()
    own = condition.replace("FROM r", "FROM own")
    assert got == room.execute(f"SELECT i FROM own WHERE {own} ORDER BY i").fetchall()


JOINS = (
    "SELECT count(*) FROM {many} JOIN {few} USING (k)", "SELECT count(*) FROM {many} SEMI JOIN {few} USING (k)",
    "SELECT count(*) FROM {many} WHERE k IN (SELECT k FROM {few})", "SELECT count(*) FROM {many} JOIN (FROM {few} LIMIT 3) USING (k)",
)  # fmt: skip
KEYS = {
    "a number from 2^63 on": "18446744073709551615::UBIGINT - i::UBIGINT",
    "before Christ": "DATE '0001-01-01' - i::INTEGER * 100",
    "infinity": "if(i % 2 = 0, DATE 'infinity', DATE '2020-01-01' + i::INTEGER)",
    "far moments": "TIMESTAMP '12001-01-01' + INTERVAL (i) DAY",
    "far moments of a zone": "(TIMESTAMP '12001-01-01' + INTERVAL (i) DAY)::TIMESTAMPTZ",
    "NaN": "if(i % 1000 = 0, 'nan'::DOUBLE, i)",
}


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("key", KEYS)
def test_a_join_finds_what_it_finds_in_tables_of_its_own(key: str, join: str) -> None:
    con = duckdb.connect()
    for name, rows in (("many", "range(3000)"), ("few", "range(0, 3000, 500)")):
        con.execute(f"CREATE TABLE own_{name} AS SELECT {KEYS[key]} AS k, i FROM {rows} t(i)")
        held = con.sql(f"FROM own_{name}").to_arrow_table()
        virtual = VirtualTable(held.schema)
        virtual.rows = held
        place(con, name, virtual, join)
    (expected,) = con.execute(join.format(many="own_many", few="own_few")).fetchall()
    assert con.execute(join.format(many="many", few="few")).fetchall() == [expected] and expected[0]


def test_a_correlated_subquery_over_decimals(room: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT i, (SELECT max(d) FROM r AS o WHERE o.d <= r.d) FROM r ORDER BY i"
    assert room.execute(sql).fetchall() == room.execute(sql.replace("FROM r", "FROM own").replace("r.d", "own.d")).fetchall()


def test_what_it_holds_is_read_anew_by_a_prepared_statement() -> None:
    con = duckdb.connect()
    virtual = VirtualTable(pa.schema([("i", pa.int64())]))
    place(con, "r", virtual, "")
    con.execute("PREPARE q AS SELECT sum(i) FROM r")
    assert con.execute("EXECUTE q").fetchall() == [(None,)]
    virtual.rows = pa.table({"i": [1, 2]})
    assert con.execute("EXECUTE q").fetchall() == [(3,)]
