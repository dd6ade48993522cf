"""USING as DuckDB means it. Planned and unplanned queries share the gateway that resolves it, so here the judge is DuckDB itself."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.world import World

SIDES = ("", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI")
PARTS = (
    "(SELECT id360, city FROM individual WHERE city = 'Kiel') AS a",
    "(SELECT id360, status FROM sales_order) AS b",
    "(SELECT id360, priority FROM support_case WHERE id360 IS NOT NULL) AS c",
)


@pytest.fixture(scope="module")
def copies(world: World) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for view in ("individual", "sales_order", "support_case"):
        con.register("rows", world.project.session("root").sql(f"SELECT * FROM {view}").arrow())
        con.execute(f"CREATE TABLE {view} AS SELECT * FROM rows")
    return con


@pytest.mark.parametrize("first", SIDES)
@pytest.mark.parametrize("second", SIDES)
def test_two_joins(world: World, copies: duckdb.DuckDBPyConnection, first: str, second: str) -> None:
    joined = f"FROM {PARTS[0]} {first} JOIN {PARTS[1]} USING (id360) {second} JOIN {PARTS[2]} USING (id360)"
    person = world.ids()[3]
    for asked in (f"SELECT * {joined}", f"SELECT id360, count(*) {joined} GROUP BY id360", f"SELECT id360 {joined} WHERE id360 = {person}"):
        got = world.project.session("root").sql(asked).fetchall()
        assert sorted(map(repr, got)) == sorted(map(repr, copies.execute(asked).fetchall())), asked
